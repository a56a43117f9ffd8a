#include "media/flv.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "base/bytes.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::media::flv {
namespace {

using bytes = std::vector<std::uint8_t>;
using namespace std::chrono_literals;

frame make(frame_kind kind, std::int64_t dts_ms, bytes payload) {
  frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  return f;
}

bytes file_of(const std::vector<frame>& frames) {
  const auto header = encode_header(true, true);
  bytes out(header.view().begin(), header.view().end());
  for (const auto& f : frames) {
    const auto tag = encode_tag(f).flatten();
    out.insert(out.end(), tag.begin(), tag.end());
  }
  return out;
}

std::vector<frame> drain(reader& in) {
  std::vector<frame> out;
  while (auto f = in.poll_frame()) out.push_back(std::move(*f));
  return out;
}

std::vector<frame> sample() {
  return {make(frame_kind::data, 0, {2, 0, 1, 'x'}),        make(frame_kind::video, 0, {0x17, 0, 0, 0, 0, 1}),
          make(frame_kind::audio, 0, {0xaf, 0, 0x12, 0x10}), make(frame_kind::video, 40, {0x17, 1, 0, 0, 0, 5, 6}),
          make(frame_kind::audio, 45, {}),                   make(frame_kind::video, 0x1234567, bytes(3000, 0x27))};
}

void expect_sample(const std::vector<frame>& got) {
  const auto want = sample();
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].kind, want[i].kind) << i;
    EXPECT_EQ(got[i].dts_ms, want[i].dts_ms) << i;
    EXPECT_TRUE(std::equal(got[i].payload.view().begin(), got[i].payload.view().end(), want[i].payload.view().begin(),
                           want[i].payload.view().end())) << i;
  }
  EXPECT_TRUE(got[1].config && got[2].config && got[3].key);
  EXPECT_FALSE(got[0].config || got[4].config || got[5].key);
}

TEST(flv, header_bytes) {
  const auto header = encode_header(true, false);
  EXPECT_EQ(bytes(header.view().begin(), header.view().end()), (bytes{'F', 'L', 'V', 1, 4, 0, 0, 0, 9, 0, 0, 0, 0}));
}

TEST(flv, tag_bytes_and_shared_payload) {
  const auto f = make(frame_kind::video, 0x1'89ABCDEF, {7, 8});
  const auto tag = encode_tag(f);
  EXPECT_EQ(tag.flatten(), (bytes{9, 0, 0, 2, 0xAB, 0xCD, 0xEF, 0x89, 0, 0, 0, 7, 8, 0, 0, 0, 13}));
  EXPECT_EQ(tag.parts().at(1).data(), f.payload.data());
}

// As a catch-up makes it: other composition times in front of the same payload.
TEST(flv, a_head_stands_in_the_place_of_the_first_bytes) {
  auto f = make(frame_kind::video, 1, {0x27, 1, 0, 0, 80, 7, 8});
  f.head = base::slice(bytes{0x27, 1, 0, 0, 9});
  const auto tag = encode_tag(f);
  EXPECT_EQ(tag.flatten(), (bytes{9, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0x27, 1, 0, 0, 9, 7, 8, 0, 0, 0, 18}));
  EXPECT_EQ(tag.parts().at(2).data(), f.payload.data() + 5);
}

TEST(flv, round_trip_at_every_split) {
  const auto file = file_of(sample());
  for (std::size_t split = 0; split <= file.size(); ++split) {
    reader in;
    const base::bytes_view whole(file);
    ASSERT_TRUE(in.receive({}, whole.first(split)));
    ASSERT_TRUE(in.receive({}, whole.subspan(split)));
    expect_sample(drain(in));
  }
}

TEST(flv, round_trip_byte_by_byte_and_a_frame_comes_with_its_last_byte) {
  const auto file = file_of(sample());
  reader in;
  std::vector<frame> got;
  std::size_t position = 0;
  for (const auto& byte : file) {
    ASSERT_TRUE(in.receive(base::instant(std::chrono::milliseconds(position)), {&byte, 1}));
    ++position;
    EXPECT_EQ(in.header_seen(), position >= 9);
    for (auto& f : drain(in)) got.push_back(std::move(f));
  }
  expect_sample(got);
  // The last tag's body ends four bytes before the file does.
  EXPECT_EQ(got.back().arrival, base::instant(std::chrono::milliseconds(file.size() - 5)));
}

// The file carries what the wire carries: ModEx, multitrack and metadata come back to the byte, good or bad.
TEST(flv, R8_enhanced_messages_survive_a_file) {
  std::vector<frame> sent;
  for (const auto& c : ex_cases::all_good()) sent.push_back(make(c.meaning.kind, 40, c.bytes));
  for (const auto& c : ex_cases::all_bad()) sent.push_back(make(c.kind, 80, c.bytes));
  reader in;
  ASSERT_TRUE(in.receive({}, file_of(sent)));
  const auto got = drain(in);
  ASSERT_EQ(got.size(), sent.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].kind, sent[i].kind);
    EXPECT_EQ(got[i].dts_ms, sent[i].dts_ms);
    EXPECT_TRUE(std::equal(got[i].payload.view().begin(), got[i].payload.view().end(), sent[i].payload.view().begin(),
                           sent[i].payload.view().end())) << i;
  }
}

TEST(flv, truncated_anywhere_gives_the_whole_frames_only) {
  const auto file = file_of(sample());
  std::size_t last = 0;
  for (std::size_t size = 0; size <= file.size(); ++size) {
    const bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    reader in;
    ASSERT_TRUE(in.receive({}, cut));
    const auto count = drain(in).size();
    EXPECT_GE(count, last);
    EXPECT_LE(count, last + 1);
    last = count;
  }
  EXPECT_EQ(last, sample().size());
}

TEST(flv, T8_time_goes_on_across_32_bits) {
  const std::int64_t wrap = std::int64_t{1} << 32;
  std::vector<frame> frames;
  for (std::int64_t dts = wrap - 15'000; dts < wrap + 15'000; dts += 40) {
    frames.push_back(make(frame_kind::video, dts, {0x27, 1, 0, 0, 0, 1}));
  }
  frames.push_back(make(frame_kind::audio, wrap + 14'950, {0xaf, 1, 1}));
  reader in;
  ASSERT_TRUE(in.receive({}, file_of(frames)));
  const auto got = drain(in);
  ASSERT_EQ(got.size(), frames.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].dts_ms, frames[i].dts_ms);
}

TEST(flv, junk_is_an_error_and_final) {
  reader in;
  const bytes junk = {'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P'};
  auto got = in.receive({}, junk);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, base::error_kind::input);
  EXPECT_FALSE(in.receive({}, file_of(sample())));
  EXPECT_FALSE(in.poll_frame());
}

TEST(flv, junk_after_a_tag_is_found_but_the_tag_is_kept) {
  auto file = file_of({make(frame_kind::audio, 1, {0xaf, 1, 2})});
  file[file.size() - 1] ^= 0x55;
  reader in;
  EXPECT_FALSE(in.receive({}, file));
  EXPECT_EQ(drain(in).size(), 1u);
}

TEST(flv, known_sloppy_previous_tag_sizes_are_accepted) {
  for (const std::uint8_t size : bytes{0, 3, 14}) {
    auto file = file_of({make(frame_kind::audio, 1, {0xaf, 1, 2})});
    file.back() = size;
    reader in;
    EXPECT_TRUE(in.receive({}, file)) << int{size};
  }
}

TEST(flv, encrypted_tag_and_reserved_bits_are_errors) {
  for (const std::uint8_t bit : bytes{0x20, 0x40, 0x80}) {
    auto file = file_of({make(frame_kind::audio, 1, {0xaf, 1, 2})});
    file[13] |= bit;
    reader in;
    EXPECT_FALSE(in.receive({}, file)) << int{bit};
  }
}

TEST(flv, unknown_tag_is_skipped_and_a_longer_header_too) {
  auto odd = make(frame_kind::audio, 1, {1, 2, 3});
  odd.kind = static_cast<frame_kind>(15);
  auto file = file_of({odd, make(frame_kind::audio, 2, {0xaf, 1, 2})});
  file[8] = 12;
  file.insert(file.begin() + 9, {1, 2, 3});
  reader in;
  ASSERT_TRUE(in.receive({}, file));
  const auto got = drain(in);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].dts_ms, 2);
}

TEST(flv, bad_header_fields_are_errors) {
  auto version = file_of({});
  version[3] = 2;
  auto offset = file_of({});
  offset[8] = 8;
  auto huge = file_of({});
  huge[5] = 0x7f;
  for (const auto& file : {version, offset, huge}) {
    reader in;
    EXPECT_FALSE(in.receive({}, file));
  }
}

// 8 MiB in pieces of 7 bytes: a reader that moved or searched its buffer for every piece would need hours.
TEST(flv, small_pieces_of_a_large_tag_are_linear) {
  const auto file = file_of({make(frame_kind::video, 0, bytes(8u << 20, 0x27))});
  reader in;
  base::bytes_view rest(file);
  while (!rest.empty()) {
    const auto part = rest.first(std::min<std::size_t>(7, rest.size()));
    ASSERT_TRUE(in.receive({}, part));
    rest = rest.subspan(part.size());
  }
  EXPECT_EQ(drain(in).size(), 1u);
}

TEST(flv, random_bytes_after_a_header_never_break_it) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    auto file = file_of(sample());
    file.resize(400);
    for (int flips = 0; flips < 4; ++flips) file[random() % file.size()] = static_cast<std::uint8_t>(random());
    reader in;
    base::bytes_view rest(file);
    bool alive = true;
    while (!rest.empty() && alive) {
      const auto part = rest.first(std::min<std::size_t>(1 + random() % 60, rest.size()));
      alive = in.receive({}, part).has_value();
      rest = rest.subspan(part.size());
    }
    std::size_t total = 0;
    for (const auto& f : drain(in)) total += f.payload.size();
    EXPECT_LE(total, file.size());
  }
}

TEST(flv, oversized_payload_makes_no_tag) {
  EXPECT_TRUE(encode_tag(make(frame_kind::video, 0, bytes(0x1000000, 0))).empty());
}

TEST(flv_reader, keeps_no_more_of_a_body_than_it_was_told_to) {
  const auto file = file_of(sample());
  for (const std::size_t step : {1u, 7u, 4000u}) {
    reader in(4);
    std::vector<frame> got;
    for (std::size_t at = 0; at < file.size(); at += step) {
      ASSERT_TRUE(in.receive({}, base::bytes_view(file).subspan(at, std::min(step, file.size() - at))));
      for (auto& f : drain(in)) got.push_back(std::move(f));
    }
    const auto want = sample();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].dts_ms, want[i].dts_ms);
      const auto kept = want[i].payload.sub(0, 4);
      EXPECT_EQ(bytes(got[i].payload.view().begin(), got[i].payload.view().end()), bytes(kept.view().begin(), kept.view().end()));
    }
  }
}

}  // namespace
}  // namespace millrace::media::flv
