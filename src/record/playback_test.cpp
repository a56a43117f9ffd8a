#include "record/playback.hpp"

#include <limits>
#include <random>

#include "record/record_fixture.hpp"

namespace millrace::record {
namespace {

using namespace testing;
using media::frame;
using media::frame_kind;

constexpr std::int64_t begin_ms = 7000;  // of the stream's own time

std::vector<std::uint8_t> file_of(format as, const std::vector<frame>& frames, bool ended = true) {
  const auto to = make_writer(as, {"live/a", epoch});
  for (const auto& f : frames) to->push(f);
  if (ended) to->finish({});
  auto bytes = to->take().flatten();
  std::vector<std::uint8_t> out(bytes.begin(), bytes.end());
  if (!ended) return out;
  for (const auto& p : to->patches(out.size(), to->duration_ms()))
    std::copy(p.bytes.data(), p.bytes.data() + p.bytes.size(), out.begin() + static_cast<std::ptrdiff_t>(p.at));
  return out;
}

struct stream_of {
  std::int64_t length_ms = 10'000, key_every_ms = 2'000;
  bool video = true, sound = true;
  std::size_t padding = 0;  // bytes more in each picture: files that are larger than blocks
};

frame padded(frame f, std::size_t bytes, std::int64_t number) {
  if (bytes == 0) return f;
  std::vector<std::uint8_t> payload(f.payload.data(), f.payload.data() + f.payload.size());
  // Another NAL unit, of filler data.
  const auto size = static_cast<std::uint32_t>(bytes);
  for (const int shift : {24, 16, 8, 0}) payload.push_back(static_cast<std::uint8_t>(size >> shift));
  payload.push_back(12);
  for (std::size_t i = 1; i < bytes; ++i) payload.push_back(static_cast<std::uint8_t>(static_cast<std::size_t>(number) * 31 + i * 7));
  f.payload = base::slice(std::move(payload));
  return f;
}

// In the order of time. Sound begins with the picture, each frame of it 1024 samples of 48 kHz.
std::vector<frame> frames_of(const stream_of& s) {
  std::vector<frame> out;
  if (s.video) out.push_back(video_config(begin_ms));
  if (s.sound) out.push_back(audio_config(begin_ms));
  std::int64_t sound = 0;
  for (std::int64_t ms = 0; ms < s.length_ms; ms += 40) {
    if (s.video) out.push_back(padded(ms % s.key_every_ms == 0 ? key(begin_ms + ms) : inter(begin_ms + ms), s.padding, ms / 40));
    for (; s.sound && sound * 1024 / 48 < ms + 40; ++sound) out.push_back(audio(begin_ms + sound * 1024 / 48));
  }
  return out;
}

std::unique_ptr<playback> opened(format as, const std::vector<std::uint8_t>& bytes) {
  auto made = open_playback(as, reader_of(bytes), bytes.size());
  EXPECT_TRUE(made) << made.error().text;
  return made ? std::move(*made) : nullptr;
}

std::vector<frame> rest_of(playback& p) {
  std::vector<frame> out;
  while (true) {
    auto f = p.next();
    EXPECT_TRUE(f) << f.error().text;
    if (!f || !*f) return out;
    out.push_back(std::move(**f));
  }
}

std::vector<frame> only(const std::vector<frame>& from, frame_kind kind, bool config = false) {
  std::vector<frame> out;
  std::ranges::copy_if(from, std::back_inserter(out), [=](const frame& f) { return f.kind == kind && f.config == config; });
  return out;
}

bool same(base::bytes_view a, base::bytes_view b) { return std::ranges::equal(a, b); }

// `got` is the end of `all`, of this kind, payload by payload; times of the file begin at 0.
void expect_end_of(const std::vector<frame>& all, const std::vector<frame>& got, frame_kind kind) {
  const auto a = only(all, kind), b = only(got, kind);
  ASSERT_LE(b.size(), a.size());
  ASSERT_FALSE(b.empty());
  const auto skipped = a.size() - b.size();
  for (std::size_t i = 0; i < b.size(); ++i) {
    ASSERT_TRUE(same(a[skipped + i].payload, b[i].payload)) << i;
    ASSERT_NEAR(static_cast<double>(a[skipped + i].dts_ms - begin_ms), static_cast<double>(b[i].dts_ms), 1) << i;
  }
}

struct playback_test : ::testing::TestWithParam<format> {
  static format as() { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(formats, playback_test, ::testing::Values(format::flv, format::mp4),
                         [](const auto& p) { return std::string(p.param == format::flv ? "flv" : "mp4"); });

TEST_P(playback_test, gives_what_was_recorded_with_times_from_zero) {
  for (const std::size_t padding : {std::size_t{0}, std::size_t{20'000}}) {
    const auto all = frames_of({.padding = padding});
    const auto bytes = file_of(as(), all);
    const auto p = opened(as(), bytes);
    ASSERT_TRUE(p);
    const auto got = rest_of(*p);
    EXPECT_EQ(only(got, frame_kind::video).size(), only(all, frame_kind::video).size());
    EXPECT_EQ(only(got, frame_kind::audio).size(), only(all, frame_kind::audio).size());
    expect_end_of(all, got, frame_kind::video);
    expect_end_of(all, got, frame_kind::audio);
    EXPECT_TRUE(std::ranges::is_sorted(got, {}, &frame::dts_ms));
    const auto first_media = std::ranges::find_if(got, [](const frame& f) { return f.kind != frame_kind::data && !f.config; });
    EXPECT_TRUE(first_media->key);
    EXPECT_EQ(first_media->dts_ms, 0);
    EXPECT_EQ(std::count_if(got.begin(), first_media, [](const frame& f) { return f.config; }), 2) << "configurations come first";
    EXPECT_EQ(std::ranges::count_if(got, &frame::config), 2) << "and once";
  }
}

// Before, at, between and behind key frames, forward and back, near and far.
TEST_P(playback_test, seek_goes_to_the_last_key_frame_before) {
  for (const auto& s : {stream_of{}, stream_of{.length_ms = 30'000, .padding = 20'000},
                        stream_of{.length_ms = 30'000, .key_every_ms = 10'000, .padding = 10'000}}) {
    const auto all = frames_of(s);
    const auto bytes = file_of(as(), all);
    const auto p = opened(as(), bytes);
    ASSERT_TRUE(p);
    const auto last_ms = (s.length_ms - 1) / s.key_every_ms * s.key_every_ms;
    for (const std::int64_t ms : {std::int64_t{5'000}, std::int64_t{-5}, std::int64_t{0}, std::int64_t{1},
                                  s.key_every_ms - 1, s.key_every_ms, s.key_every_ms + 1, s.length_ms - 1,
                                  s.length_ms + 1'000'000, std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min(), s.length_ms / 2, std::int64_t{3}}) {
      const auto at = p->seek(ms);
      ASSERT_TRUE(at) << at.error().text;
      const auto wanted = std::clamp<std::int64_t>(ms, 0, last_ms) / s.key_every_ms * s.key_every_ms;
      EXPECT_EQ(*at, wanted) << "for " << ms;
      const auto got = rest_of(*p);
      std::size_t heads = 0;
      while (heads < got.size() && (got[heads].config || got[heads].kind == frame_kind::data)) EXPECT_EQ(got[heads++].dts_ms, wanted);
      EXPECT_EQ(only(got, frame_kind::video, true).size(), 1U);
      EXPECT_EQ(only(got, frame_kind::audio, true).size(), 1U);
      ASSERT_LT(heads, got.size());
      EXPECT_TRUE(got[heads].key);
      EXPECT_EQ(got[heads].dts_ms, wanted);
      expect_end_of(all, got, frame_kind::video);
      expect_end_of(all, got, frame_kind::audio);
      const auto sound = only(got, frame_kind::audio);
      ASSERT_FALSE(sound.empty());
      EXPECT_NEAR(static_cast<double>(sound.front().dts_ms), static_cast<double>(wanted), 22) << "sound goes on where the picture does";
      EXPECT_TRUE(std::ranges::is_sorted(got, {}, &frame::dts_ms));
    }
  }
}

// Several key frames in one fragment, and fragments without one.
TEST_P(playback_test, seek_finds_key_frames_that_are_close) {
  const auto all = frames_of({.length_ms = 6'000, .key_every_ms = 120});
  const auto bytes = file_of(as(), all);
  const auto p = opened(as(), bytes);
  ASSERT_TRUE(p);
  for (std::int64_t ms = 5'990; ms >= 0; ms -= 70) {
    const auto at = p->seek(ms);
    ASSERT_TRUE(at) << at.error().text;
    EXPECT_EQ(*at, ms / 120 * 120);
  }
}

TEST_P(playback_test, seek_back_amid_reading) {
  const auto all = frames_of({});
  const auto bytes = file_of(as(), all);
  const auto p = opened(as(), bytes);
  ASSERT_TRUE(p);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(*p->next());
  ASSERT_EQ(*p->seek(2'500), 2'000);
  // Twice without reading, and what waited of the first is gone.
  ASSERT_EQ(*p->seek(4'500), 4'000);
  const auto got = rest_of(*p);
  expect_end_of(all, got, frame_kind::video);
  EXPECT_EQ(only(got, frame_kind::video).size(), 6'000U / 40);
  ASSERT_EQ(*p->seek(0), 0);
  EXPECT_EQ(only(rest_of(*p), frame_kind::video).size(), 250U);
}

TEST_P(playback_test, sound_alone_is_seeked_by_its_frames) {
  const auto all = frames_of({.length_ms = 20'000, .video = false});
  const auto bytes = file_of(as(), all);
  const auto p = opened(as(), bytes);
  ASSERT_TRUE(p);
  EXPECT_EQ(only(rest_of(*p), frame_kind::audio).size(), only(all, frame_kind::audio).size());
  for (const std::int64_t ms : {12'345, 0, 1, 19'999, 5'000'000, 777}) {
    const auto at = p->seek(ms);
    ASSERT_TRUE(at) << at.error().text;
    const auto last = std::min<std::int64_t>(ms, 19'990);
    EXPECT_LE(*at, last);
    EXPECT_GT(*at, last - 23);
    const auto got = rest_of(*p);
    EXPECT_TRUE(got[got[0].kind == frame_kind::data ? 1 : 0].config);
    expect_end_of(all, got, frame_kind::audio);
    EXPECT_EQ(only(got, frame_kind::audio).front().dts_ms, *at);
  }
}

TEST_P(playback_test, pictures_alone) {
  const auto all = frames_of({.sound = false});
  const auto bytes = file_of(as(), all);
  const auto p = opened(as(), bytes);
  ASSERT_TRUE(p);
  ASSERT_EQ(*p->seek(7'000), 6'000);
  const auto got = rest_of(*p);
  EXPECT_EQ(only(got, frame_kind::video).size(), 100U);
  expect_end_of(all, got, frame_kind::video);
}

// As a crash leaves it: everything that is whole plays, and seeking goes as far as it does.
TEST_P(playback_test, cut_at_any_place_it_plays_to_the_last_whole_piece) {
  const auto all = frames_of({.length_ms = 4'000, .key_every_ms = 1'000});
  const auto bytes = file_of(as(), all, false);
  std::size_t most = 0, opens = 0;
  std::vector<std::size_t> sizes{bytes.size()};
  for (std::size_t size = 0; size < bytes.size(); size += size < 2'000 ? 13 : 211) sizes.insert(std::prev(sizes.end()), size);
  for (const auto size : sizes) {
    const std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    auto p = open_playback(as(), reader_of(part), part.size());
    if (!p) {
      EXPECT_EQ(p.error().kind, base::error_kind::input);
      EXPECT_FALSE(p.error().text.empty());
      EXPECT_EQ(most, 0U) << "with less it could be opened";
      continue;
    }
    ++opens;
    const auto got = rest_of(**p);
    const auto frames = only(got, frame_kind::video).size() + only(got, frame_kind::audio).size();
    EXPECT_GE(frames, most) << "at " << size;
    most = std::max(most, frames);
    const auto at = (*p)->seek(1'000'000);
    ASSERT_TRUE(at) << at.error().text;
    const auto pictures = only(got, frame_kind::video);
    const auto last = std::find_if(pictures.rbegin(), pictures.rend(), [](const frame& f) { return f.key; });
    EXPECT_EQ(*at, last == pictures.rend() ? 0 : last->dts_ms) << "at " << size;
  }
  EXPECT_GT(opens, 3U);
  EXPECT_GT(most, 150U);
}

// A file that ends sooner than it was said to.
TEST_P(playback_test, a_file_that_became_shorter_ends) {
  const auto bytes = file_of(as(), frames_of({.padding = 2'000}));
  const std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
  auto p = open_playback(as(), reader_of(part), bytes.size());
  ASSERT_TRUE(p) << p.error().text;
  std::size_t frames = 0;
  while (true) {
    auto f = (*p)->next();
    if (!f || !*f) break;
    ASSERT_LT(++frames, 1'000U);
  }
  EXPECT_GT(frames, 50U);
}

// Bytes that are no recording, and recordings with wrong bytes in them: an end or an error, soon, and no more frames than there can be.
TEST_P(playback_test, garbage) {
  std::mt19937 random(20'260'131);
  const auto whole = file_of(as(), frames_of({.length_ms = 3'000, .key_every_ms = 1'000}));
  std::size_t opens = 0, errors = 0;
  for (int i = 0; i < 1'000; ++i) {
    std::vector<std::uint8_t> bytes;
    if (i % 4 == 0) {
      bytes.resize(random() % 5'000);
      for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
      // Every second one gets past the first look.
      const auto start = base::bytes_view(whole).first(i % 8 == 0 ? 0 : 32);
      std::copy_n(start.begin(), std::min(start.size(), bytes.size()), bytes.begin());
    } else {
      bytes = whole;
      // Ours has much room at its begin that plays no part.
      const auto first = as() == format::flv && i % 2 == 0 ? bytes.size() - std::min<std::size_t>(bytes.size(), 8'000) : 0;
      for (auto n = 1 + random() % 8; n > 0; --n) {
        const auto at = first + random() % (bytes.size() - first);
        bytes[at] = random() % 3 == 0 ? 0xFF : static_cast<std::uint8_t>(random());
      }
      if (i % 4 == 3) bytes.resize(random() % bytes.size());
    }
    auto p = open_playback(as(), reader_of(bytes), bytes.size());
    if (!p) {
      ++errors;
      EXPECT_FALSE(p.error().text.empty());
      EXPECT_TRUE(p.error().kind == base::error_kind::input || p.error().kind == base::error_kind::unsupported) << p.error().text;
      continue;
    }
    ++opens;
    for (const std::int64_t ms : {std::int64_t{-1}, static_cast<std::int64_t>(random() % 4'000), static_cast<std::int64_t>(random() % 4'000)}) {
      if (ms >= 0) (void)(*p)->seek(ms);
      std::size_t frames = 0;
      while (true) {
        auto f = (*p)->next();
        if (!f || !*f) break;
        ASSERT_GE((*f)->dts_ms, 0);
        ASSERT_LT(++frames, bytes.size());
      }
    }
  }
  EXPECT_GT(opens, 100U);
  EXPECT_GT(errors, 100U);
}

TEST_P(playback_test, a_disk_that_does_not_answer) {
  const auto bytes = file_of(as(), frames_of({.padding = 20'000}));
  const auto good = reader_of(bytes);
  std::size_t reads = 0, until = std::numeric_limits<std::size_t>::max();
  const read_at counted = [&](std::uint64_t at, std::size_t count) -> std::optional<std::vector<std::uint8_t>> {
    if (reads++ >= until) return std::nullopt;
    return good(at, count);
  };
  {
    const auto p = open_playback(as(), counted, bytes.size());
    ASSERT_TRUE(p);
    rest_of(**p);
  }
  const auto needed = reads;
  ASSERT_GT(needed, 3U);
  for (std::size_t n = 0; n < needed; ++n) {
    reads = 0;
    until = n;
    auto p = open_playback(as(), counted, bytes.size());
    std::optional<base::error> said;
    if (!p) said = p.error();
    while (p && !said) {
      auto f = (*p)->next();
      if (!f) said = f.error();
      if (f && !*f) break;
    }
    ASSERT_TRUE(said) << "an end where " << n << " of " << needed << " reads went well";
    EXPECT_EQ(said->kind, base::error_kind::input);
    EXPECT_NE(said->text.find("disk"), std::string::npos) << said->text;
  }
  until = std::numeric_limits<std::size_t>::max();
  auto p = open_playback(as(), counted, bytes.size());
  ASSERT_TRUE(p);
  until = 0;
  const auto at = (*p)->seek(9'000);
  ASSERT_FALSE(at);
  EXPECT_NE(at.error().text.find("disk"), std::string::npos);
}

TEST(playback_flv, metadata_and_enhanced_messages_pass_bit_for_bit) {
  std::vector<frame> all{metadata(begin_ms),
                         mux::testing::make(frame_kind::video, begin_ms, "90 68766331 01 0160000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00")};
  for (std::int64_t i = 0; i < 100; ++i)
    all.push_back(mux::testing::make(frame_kind::video, begin_ms + i * 40,
                                     i % 25 == 0 ? "91 68766331 000050 00000004 28010203" : "a3 68766331 00000004 02010203"));
  const auto bytes = file_of(format::flv, all);
  const auto p = opened(format::flv, bytes);
  ASSERT_TRUE(p);
  ASSERT_EQ(*p->seek(2'500), 2'000);
  const auto got = rest_of(*p);
  ASSERT_EQ(got.size(), 52U);
  EXPECT_EQ(got[0].kind, frame_kind::data);
  EXPECT_EQ(got[0].dts_ms, 2'000);
  EXPECT_NE(base::as_text(got[0].payload).find("x264"), std::string_view::npos);
  EXPECT_TRUE(got[1].config);
  EXPECT_TRUE(got[2].key);
  expect_end_of(all, got, frame_kind::video);
}

// Long enough that one demuxer follows another.
TEST(playback_mp4, goes_on_past_six_hundred_fragments) {
  const auto all = frames_of({.length_ms = 1'300'000, .key_every_ms = 1'000});
  const auto bytes = file_of(format::mp4, all);
  const auto p = opened(format::mp4, bytes);
  ASSERT_TRUE(p);
  const auto got = rest_of(*p);
  EXPECT_EQ(only(got, frame_kind::video).size(), only(all, frame_kind::video).size());
  EXPECT_EQ(only(got, frame_kind::audio).size(), only(all, frame_kind::audio).size());
  expect_end_of(all, got, frame_kind::video);
  expect_end_of(all, got, frame_kind::audio);
  EXPECT_EQ(std::ranges::count_if(got, &frame::config), 2);
  EXPECT_TRUE(std::ranges::is_sorted(got, {}, &frame::dts_ms));
  EXPECT_EQ(*p->seek(1'299'999), 1'299'000);
}

// Boxes that say more than there is cost no memory: 4 G samples of no bytes each, a size past the end, a table in the moov; tracks that
// are not those of the fragments, with which libavformat is busy for seconds.
TEST(playback_mp4, counts_and_sizes_that_cannot_be) {
  const auto whole = file_of(format::mp4, frames_of({.length_ms = 3'000, .key_every_ms = 1'000}));
  const auto at_of = [&whole](std::string_view type) { return base::as_text(whole).find(type); };
  for (const auto& [type, behind] : {std::pair<std::string_view, std::size_t>{"trun", 8}, {"stsz", 12}, {"stts", 8},
                                     {"stco", 8}, {"tkhd", 16}, {"trex", 8}, {"tfhd", 8}, {"mdat", 0},
                                     {"moof", 0}, {"moov", 0}}) {
    auto bytes = whole;
    const auto at = at_of(type);
    ASSERT_NE(at, std::string_view::npos) << type;
    const auto from = behind == 0 ? at - 4 : at + behind;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), 4, std::uint8_t{0xF0});
    const auto p = open_playback(format::mp4, reader_of(bytes), bytes.size());
    ASSERT_FALSE(p) << type;
    EXPECT_EQ(p.error().kind, base::error_kind::input);
  }
}

}  // namespace
}  // namespace millrace::record
