#include "mux/demuxer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "media/codec.hpp"
#include "media/ex_header.hpp"
#include "mux/mux_fixture.hpp"
#include "mux/muxer.hpp"

namespace millrace::mux {
namespace {

using namespace testing;
using media::ex_packet;
using media::frame;
using media::frame_kind;

// All pieces of a file, as the muxer gives them with a cut each second.
std::vector<std::uint8_t> file_of(const std::vector<frame>& frames) {
  muxer m({.to = container::fmp4, .from_zero = true});
  std::vector<std::uint8_t> out;
  std::int64_t cut_ms = 0;
  for (const auto& f : frames) {
    if (f.key && f.dts_ms >= cut_ms + 1000) m.cut(cut_ms = f.dts_ms);
    m.push(f);
  }
  m.finish();
  while (auto p = m.poll_piece()) out.insert(out.end(), p->bytes.data(), p->bytes.data() + p->bytes.size());
  EXPECT_FALSE(m.poll_error().has_value());
  return out;
}

// Gives at most `step` bytes a call.
read_callback reader(base::bytes_view bytes, std::size_t step = 4096) {
  return [bytes, step, at = std::size_t{0}](std::span<std::uint8_t> into) mutable {
    const auto count = std::min({into.size(), step, bytes.size() - at});
    if (count > 0) std::memcpy(into.data(), bytes.data() + at, count);
    at += count;
    return count;
  };
}

std::vector<frame> all(read_callback from) {
  std::vector<frame> out;
  auto opened = demuxer::open(std::move(from));
  EXPECT_TRUE(opened) << opened.error().text;
  if (!opened) return out;
  while (true) {
    auto f = (*opened)->next();
    EXPECT_TRUE(f) << f.error().text;
    if (!f || !*f) return out;
    out.push_back(std::move(**f));
  }
}

bool same(base::bytes_view a, base::bytes_view b) { return std::ranges::equal(a, b); }

// What came of frames that were pushed: every one, with its payload, and its time within a millisecond.
void expect_kept(const std::vector<frame>& pushed, const std::vector<frame>& got) {
  for (const auto kind : {frame_kind::video, frame_kind::audio}) {
    std::vector<frame> a, b;
    std::ranges::copy_if(pushed, std::back_inserter(a), [kind](const frame& f) { return f.kind == kind; });
    std::ranges::copy_if(got, std::back_inserter(b), [kind](const frame& f) { return f.kind == kind; });
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(same(a[i].payload, b[i].payload)) << i;
      EXPECT_NEAR(static_cast<double>(a[i].dts_ms), static_cast<double>(b[i].dts_ms), 1) << i;
      EXPECT_EQ(a[i].key, b[i].key) << i;
      EXPECT_EQ(a[i].config, b[i].config) << i;
    }
  }
}

frame enhanced(frame_kind kind, std::int64_t ms, std::uint32_t codec, ex_packet packet, std::string_view body, bool is_key, std::int32_t composition = 0) {
  media::ex_message m;
  m.kind = kind;
  m.packet = packet;
  m.frame_type = is_key ? media::frame_type_key : media::frame_type_inter;
  m.tracks.push_back({0, codec, base::bytes_of(body), composition});
  frame f;
  f.kind = kind;
  f.dts_ms = ms;
  f.payload = media::encode(m);
  media::classify(f);
  return f;
}

// 64x64 black, as x265 and SVT-AV1 write it.
constexpr std::string_view hevc_record = 
    "0101600000009000000000001ef000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003001e959409a100010028420101"
    "01600000030090000003000003001ea0208105965654a4c2f0168080000003008000000c84a2000100064401c073c089";
constexpr std::string_view hevc_key = "0000000c 2801ac76071fffc4325a91c0", hevc_inter = "00000009 0201d0115620e4a098";
constexpr std::string_view av1_record = 
    "81000c000a0a00000002afff805f0008";
constexpr std::string_view av1_key = "0a0a00000002afff9f7f2008 320e1000b382000010002000 95cddb20", av1_inter = "32103002200924922318000002000000 9c50";

TEST(demuxer, h264_and_aac_come_back_as_they_were_sent) {
  std::vector<frame> pushed{video_config(0), audio_config(0)};
  std::int64_t sound = 0;
  for (std::int64_t ms = 0; ms < 4000; ms += 40) {
    // Composition times as of B-frames: 80, 160, 0, 40 ms.
    static constexpr std::array<std::string_view, 4> compositions{"000050", "0000a0", "000000", "000028"};
    pushed.push_back(ms % 1000 == 0 ? key(ms, "000050") : inter(ms, compositions[static_cast<std::size_t>(ms / 40) % 4]));
    for (; sound * 1024 / 48 < ms + 40; ++sound) pushed.push_back(audio(sound * 1024 / 48));
  }
  const auto bytes = file_of(pushed);
  const auto got = all(reader(bytes));
  expect_kept(pushed, got);
  ASSERT_GT(got.size(), 2U);
  EXPECT_TRUE(got[0].config && got[1].config);
  EXPECT_EQ(got[0].kind, frame_kind::video);
  EXPECT_TRUE(std::ranges::is_sorted(got, {}, &frame::dts_ms)) << "the tracks lie behind one another in each fragment";
}

TEST(demuxer, bytes_may_come_one_by_one) {
  std::vector<frame> pushed{video_config(0)};
  for (std::int64_t ms = 0; ms < 2000; ms += 40) pushed.push_back(ms % 1000 == 0 ? key(ms) : inter(ms));
  const auto bytes = file_of(pushed);
  expect_kept(pushed, all(reader(bytes, 1)));
}

TEST(demuxer, hevc_with_and_without_composition_times) {
  using media::codecs::hevc;
  std::vector<frame> pushed{enhanced(frame_kind::video, 0, hevc, ex_packet::sequence_start, hevc_record, true)};
  for (std::int64_t ms = 0; ms < 2000; ms += 40) {
    const bool is_key = ms % 1000 == 0;
    const bool late = ms % 80 == 0;
    const auto packet = late ? ex_packet::coded_frames : ex_packet::coded_frames_x;
    pushed.push_back(enhanced(frame_kind::video, ms, hevc, packet, is_key ? hevc_key : hevc_inter, is_key, late ? 80 : 0));
  }
  expect_kept(pushed, all(reader(file_of(pushed))));
}

TEST(demuxer, av1_and_opus) {
  using media::codecs::av1;
  using media::codecs::opus;
  std::vector<frame> pushed{enhanced(frame_kind::video, 0, av1, ex_packet::sequence_start, av1_record, true),
                            enhanced(frame_kind::audio, 0, opus, ex_packet::sequence_start, "4f70757348656164 01 02 3801 80bb0000 0000 00", false)};
  for (std::int64_t ms = 0; ms < 3000; ms += 20) {
    const bool is_key = ms % 1000 == 0;
    if (ms % 40 == 0) pushed.push_back(enhanced(frame_kind::video, ms, av1, ex_packet::coded_frames, is_key ? av1_key : av1_inter, is_key));
    pushed.push_back(enhanced(frame_kind::audio, ms, opus, ex_packet::coded_frames, "fcfffe", false));  // 20 ms
  }
  expect_kept(pushed, all(reader(file_of(pushed))));
}

TEST(demuxer, mp3_has_no_configuration) {
  std::vector<frame> pushed;
  const std::string body = "fffb9064" + std::string(400, '0');
  for (std::int64_t i = 0; i < 50; ++i) pushed.push_back(make(frame_kind::audio, i * 1152 * 1000 / 44'100, "2f " + body));
  expect_kept(pushed, all(reader(file_of(pushed))));
}

TEST(demuxer, a_track_that_ends_holds_nothing_up) {
  std::vector<frame> pushed{video_config(0), audio_config(0)};
  for (std::int64_t ms = 0; ms < 60'000; ms += 40) {
    pushed.push_back(ms % 1000 == 0 ? key(ms) : inter(ms));
    if (ms < 2000 && ms % 40 == 0) pushed.push_back(audio(ms));
  }
  const auto bytes = file_of(pushed);
  std::size_t read = 0;
  auto inner = reader(bytes);
  auto opened = demuxer::open([&](std::span<std::uint8_t> into) {
    const auto got = inner(into.first(std::min<std::size_t>(into.size(), 512)));
    read += got;
    return got;
  });
  ASSERT_TRUE(opened);
  std::int64_t at_ms = 0;
  while (at_ms < 10'000) {
    auto f = (*opened)->next();
    ASSERT_TRUE(f && *f);
    at_ms = (*f)->dts_ms;
  }
  EXPECT_LT(read, bytes.size() * 7 / 10) << "it read the whole file to find sound";
}

TEST(demuxer, what_is_no_mp4_is_said) {
  for (const auto& bytes : {std::vector<std::uint8_t>(), std::vector<std::uint8_t>(1000, 0), base::bytes_of("464c5601050000000900000000"),
                            base::bytes_of("0000001066747970 69736f6d00000200")}) {
    const auto opened = demuxer::open(reader(bytes));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, base::error_kind::input);
    EXPECT_NE(opened.error().text.find("MP4"), std::string::npos);
  }
}

TEST(demuxer, cut_anywhere_it_ends_in_order_or_says_so) {
  std::vector<frame> pushed{video_config(0), audio_config(0)};
  for (std::int64_t ms = 0; ms < 3000; ms += 40) {
    pushed.push_back(ms % 1000 == 0 ? key(ms) : inter(ms));
    pushed.push_back(audio(ms));
  }
  const auto bytes = file_of(pushed);
  std::size_t most = 0;
  for (std::size_t size = 0; size <= bytes.size(); size += 61) {
    auto opened = demuxer::open(reader(base::bytes_view(bytes).first(size)));
    if (!opened) continue;
    std::size_t frames = 0;
    while (true) {
      auto f = (*opened)->next();
      if (!f || !*f) break;
      ASSERT_LE(++frames, pushed.size());
    }
    EXPECT_GE(frames, most) << "at " << size;
    most = std::max(most, frames);
  }
  EXPECT_GT(most, pushed.size() / 2);
}

}  // namespace
}  // namespace millrace::mux
