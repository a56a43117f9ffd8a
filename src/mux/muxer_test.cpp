#include "mux/muxer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "media/ex_header.hpp"
#include "mux/mux_fixture.hpp"

namespace millrace::mux {
namespace {

using namespace testing;

std::vector<piece> drain(muxer& m) {
  std::vector<piece> out;
  while (auto p = m.poll_piece()) out.push_back(std::move(*p));
  return out;
}
std::vector<std::string> errors(muxer& m) {
  std::vector<std::string> out;
  while (auto e = m.poll_error()) out.push_back(e->text);
  return out;
}
bool is_init(const piece& p) { return p.is == piece::type::init; }

// 40 ms pictures with a key frame each second and sound of 48 kHz, from `from_ms` on, in the order of time.
std::vector<media::frame> seconds(std::int64_t from_ms, int count) {
  std::vector<media::frame> out;
  std::int64_t sound = 0;
  for (std::int64_t v = 0; v < count * 1000; v += 40) {
    out.push_back(v % 1000 == 0 ? key(from_ms + v) : inter(from_ms + v));
    for (; sound * 1024 / 48 < (v + 40); ++sound) out.push_back(audio(from_ms + sound * 1024 / 48));
  }
  return out;
}

TEST(muxer, gives_an_init_and_a_fragment_at_the_first_cut) {
  muxer m;
  m.push(video_config(0));
  m.push(audio_config(0));
  for (const auto& f : seconds(0, 1)) m.push(f);
  EXPECT_TRUE(drain(m).empty()) << "before a cut nothing is written";
  EXPECT_GT(m.queued_bytes(), 0u);
  m.cut(1000);
  EXPECT_EQ(m.queued_bytes(), 0u);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  ASSERT_TRUE(is_init(out[0]));
  EXPECT_EQ(find(out[0].bytes, "moov/trak").size(), 2u);
  EXPECT_TRUE(find(out[0].bytes, "moov/trak/edts").empty()) << "an edit list would move sound against the picture";
  EXPECT_EQ(find(out[0].bytes, "moov/mvex").size(), 1u);
  ASSERT_EQ(out[0].tracks.size(), 2u);
  EXPECT_EQ(out[0].tracks[0].codecs, "avc1.42c00a");
  EXPECT_EQ(out[0].tracks[0].width, 32);
  EXPECT_EQ(out[0].tracks[0].height, 32);
  EXPECT_EQ(out[0].tracks[0].frame_rate, 25);
  EXPECT_EQ(out[0].tracks[1].codecs, "mp4a.40.2");
  EXPECT_EQ(out[0].tracks[1].sample_rate, 48'000u);
  EXPECT_EQ(out[0].tracks[1].channels, 2u);
  const auto in = boxes(out[1].bytes);
  ASSERT_EQ(in.size(), 2u);
  EXPECT_EQ(in[0].type, "moof");
  EXPECT_EQ(in[1].type, "mdat");
  EXPECT_TRUE(out[1].independent);
  EXPECT_EQ(out[1].begin_ms, 0);
  EXPECT_EQ(out[1].end_ms, 1000);
  const auto found = runs(out[1].bytes);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].durations, std::vector<std::uint32_t>(25, 3600));
  EXPECT_EQ(found[1].durations, std::vector<std::uint32_t>(47, 1024));
}

TEST(muxer, times_are_the_streams_own_and_each_fragment_begins_where_the_one_before_ended) {
  muxer m;
  m.push(video_config(0));
  m.push(audio_config(0));
  std::uint64_t video = 100'000'000ull * 90, sound = 100'000'000ull * 48;
  std::int64_t next = 100'000'200;
  for (const auto& f : seconds(100'000'000, 3)) {
    if (f.kind == media::frame_kind::video && f.dts_ms >= next) {
      m.cut(f.dts_ms);
      next += 200;
    }
    m.push(f);
    for (const auto& p : drain(m)) {
      if (is_init(p)) continue;
      for (const auto& r : runs(p.bytes)) {
        EXPECT_EQ(r.begin, r.track == 1 ? video : sound);
        (r.track == 1 ? video : sound) = r.end();
      }
    }
  }
  EXPECT_EQ(video, 100'002'800ull * 90);
}

TEST(muxer, from_zero_moves_all_tracks_alike) {
  muxer m({.to = container::fmp4, .from_zero = true});
  m.push(video_config(0));
  m.push(audio_config(0));
  m.push(key(5000));
  m.push(audio(5013));
  m.push(inter(5040));
  m.cut(5080);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  const auto found = runs(out[1].bytes);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].begin, 0u);
  EXPECT_EQ(found[1].begin, 13u * 48);
  EXPECT_EQ(out[1].begin_ms, 5000) << "what a piece says is in the stream's time";
}

// 44.1 kHz is the hard one: 1024 samples are no whole number of milliseconds.
TEST(muxer, eight_hours_keep_sound_and_picture_in_step) {
  muxer m;
  m.push(video_config(0));
  m.push(audio_config(0, 44'100));
  constexpr std::int64_t end_ms = 8 * 3'600'000;
  std::int64_t sound = 0, next = 2000;
  double worst_ms = 0;
  for (std::int64_t v = 0; v < end_ms; v += 100) {
    if (v >= next) {
      m.cut(v);
      next = v + 2000;
    }
    m.push(v % 2000 == 0 ? key(v) : inter(v));
    for (; sound * 10'240 / 441 < v + 100; ++sound) {
      const auto at = sound * 10'240 / 441;
      m.push(audio(at));
    }
    while (const auto p = m.poll_piece()) {
      if (is_init(*p)) continue;
      for (const auto& r : runs(p->bytes)) {
        if (r.track == 1) {
          ASSERT_EQ(r.begin, static_cast<std::uint64_t>(p->begin_ms) * 90);
          continue;
        }
        // The frame that is first in this fragment began at a whole multiple of 1024 samples.
        const auto off = std::fmod(static_cast<double>(r.begin), 1024.0);
        worst_ms = std::max(worst_ms, std::min(off, 1024 - off) / 44.1);
        ASSERT_LT(std::abs(static_cast<double>(r.begin) / 44.1 - static_cast<double>(p->begin_ms)), 26) << p->begin_ms;
      }
    }
  }
  EXPECT_LT(worst_ms, 1.5);
}

TEST(muxer, the_clock_of_a_sender_that_runs_off_is_followed) {
  muxer m;
  m.push(audio_config(0));
  double at = 0;  // a sound card that is 500 ppm slow: a minute is 30 ms longer
  for (int i = 0; i < 47 * 600; ++i) {
    if (i % 47 == 0) m.cut(static_cast<std::int64_t>(at));
    m.push(audio(static_cast<std::int64_t>(at)));
    at += 1024 / 48.0 * 1.0005;
  }
  m.finish();
  std::vector<std::uint32_t> durations;
  std::uint64_t end = 0;
  for (const auto& p : drain(m)) {
    if (is_init(p)) continue;
    const auto r = runs(p.bytes).at(0);
    durations.insert(durations.end(), r.durations.begin(), r.durations.end());
    end = r.end();
  }
  EXPECT_EQ(durations.size(), 47u * 600);
  EXPECT_NEAR(static_cast<double>(end) / 48, at, 4);
  const auto [least, most] = std::minmax_element(durations.begin(), durations.end());
  EXPECT_GE(*least, 1020u);
  EXPECT_LE(*most, 1030u);
}

TEST(muxer, a_hole_in_the_sound_stays_a_hole) {
  muxer m;
  m.push(audio_config(0));
  m.push(audio(0));
  m.push(audio(21));
  m.cut(100);
  m.push(audio(900));
  m.cut(1000);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(runs(out[1].bytes).at(0).end(), 2048u);
  EXPECT_EQ(runs(out[2].bytes).at(0).begin, 900u * 48);
}

TEST(muxer, presentation_times_come_from_composition_times) {
  muxer m;
  m.push(video_config(0));
  m.push(key(0, "000050"));
  m.push(inter(40, "0000a0"));
  m.push(inter(80, "000000"));
  m.cut(120);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(runs(out[1].bytes).at(0).compositions, (std::vector<std::int32_t>{80 * 90, 160 * 90, 0}));
}

TEST(muxer, a_picture_shown_before_it_is_decoded_is_decoded_earlier) {
  muxer m;
  m.push(video_config(0));
  m.push(key(1000));
  m.push(inter(1040, "ffffd8"));  // -40 ms
  m.push(inter(1080));
  m.cut(1120);
  EXPECT_TRUE(errors(m).empty());
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  const auto r = runs(out[1].bytes).at(0);
  std::vector<std::int64_t> shown;
  auto at = static_cast<std::int64_t>(r.begin);
  for (std::size_t i = 0; i < r.durations.size(); ++i) {
    shown.push_back(at + r.compositions[i]);
    at += r.durations[i];
  }
  EXPECT_EQ(shown, (std::vector<std::int64_t>{90'000, 90'001, 97'200})) << "the order stays, and what follows is where it belongs";
}

TEST(muxer, times_that_do_not_rise_are_taken) {
  muxer m;
  m.push(video_config(0));
  m.push(key(100));
  m.push(inter(100));
  m.push(inter(90));
  m.push(inter(140));
  m.cut(180);
  m.push(key(180));
  m.cut(220);
  EXPECT_TRUE(errors(m).empty());
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(runs(out[1].bytes).at(0).end(), 180u * 90);
}

TEST(muxer, another_configuration_ends_what_was_and_begins_anew_at_its_key_frame) {
  muxer m;
  m.push(video_config(0));
  m.push(audio_config(0));
  m.push(key(0));
  m.push(audio(10));
  m.cut(40);
  EXPECT_EQ(drain(m).size(), 2u);
  m.push(inter(40));
  m.push(video_config(80));  // the same
  EXPECT_FALSE(m.starts_anew(key(80)));
  m.push(video_config(80, true));
  m.push(audio(60));
  EXPECT_TRUE(m.starts_anew(key(80)));
  EXPECT_FALSE(m.starts_anew(audio(80)));
  m.push(key(80));
  m.push(audio(90));
  const auto ended = drain(m);
  ASSERT_EQ(ended.size(), 1u) << "what was pushed before";
  EXPECT_EQ(runs(ended[0].bytes).size(), 2u);
  m.cut(120);
  const auto begun = drain(m);
  ASSERT_EQ(begun.size(), 2u);
  ASSERT_TRUE(is_init(begun[0]));
  EXPECT_EQ(begun[0].tracks[0].width, 64);
  EXPECT_EQ(runs(begun[1].bytes).at(0).begin, 80u * 90);
}

// Whoever cuts at places of its own would get what goes out at the change as if it were of the time behind it.
TEST(muxer, mp3_behind_another_sound_begins_anew_and_says_so_before) {
  muxer m;
  m.push(audio_config(0));
  m.push(audio(0));
  const auto mp3 = make(media::frame_kind::audio, 21, "2f fffb9064");
  EXPECT_TRUE(m.starts_anew(mp3));
  m.push(mp3);
  EXPECT_EQ(drain(m).size(), 2u) << "what was pushed before";
  EXPECT_FALSE(m.starts_anew(mp3));
  EXPECT_EQ(m.queued_frames(), 1u);
}

TEST(muxer, sound_that_comes_later_joins_at_a_key_frame) {
  muxer m;
  m.push(video_config(0));
  m.push(key(0));
  m.push(inter(40));
  m.cut(80);
  EXPECT_EQ(drain(m).size(), 2u);
  m.push(audio_config(80));
  m.push(audio(85));
  m.push(inter(80));
  EXPECT_TRUE(m.starts_anew(key(120)));
  m.push(key(120));
  m.push(audio(125));
  m.cut(160);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_FALSE(is_init(out[0]));
  EXPECT_EQ(runs(out[0].bytes).size(), 1u);
  ASSERT_TRUE(is_init(out[1]));
  EXPECT_EQ(out[1].tracks.size(), 2u);
  EXPECT_EQ(runs(out[2].bytes).size(), 2u);
}

TEST(muxer, video_that_comes_later_begins_at_once_with_its_key_frame) {
  muxer m;
  m.push(audio_config(0));
  m.push(audio(0));
  m.cut(20);
  EXPECT_EQ(drain(m).size(), 2u);
  m.push(audio(21));
  m.push(video_config(30));
  m.push(inter(30));
  m.push(key(70));
  m.cut(110);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_TRUE(is_init(out[1]));
  EXPECT_TRUE(out[2].independent);
}

TEST(muxer, video_begins_at_a_key_frame) {
  muxer m;
  m.push(video_config(0));
  m.push(inter(0));
  m.push(key(40));
  m.cut(80);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(runs(out[1].bytes).at(0).durations.size(), 1u);
}

TEST(muxer, a_codec_that_the_container_cannot_carry_is_named_once_and_the_other_track_goes_on) {
  muxer m({.to = container::mpegts});
  media::ex_message av1;
  av1.packet = media::ex_packet::sequence_start;
  av1.tracks.push_back({0, media::codecs::av1, base::bytes_of("81000c00"), 0});
  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = media::encode(av1);
  m.push(f);
  m.push(f);
  EXPECT_EQ(errors(m), std::vector<std::string>{"MPEG-TS cannot carry AV1"});
  m.push(audio_config(0));
  m.push(audio(0));
  m.cut(100);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].tracks.size(), 1u);
  m.push(make(media::frame_kind::audio, 100, "5f 01 02"));
  EXPECT_EQ(errors(m), std::vector<std::string>{"MPEG-TS cannot carry Nellymoser"});
}

TEST(muxer, a_key_frame_that_does_not_say_its_size_stops_the_picture_only) {
  muxer m;
  m.push(make(media::frame_kind::video, 0, "17 00 000000 0142c00affe1000467ffffff01000168"));
  m.push(audio_config(0));
  m.push(key(0));
  m.push(audio(0));
  m.cut(100);
  EXPECT_EQ(errors(m), std::vector<std::string>{"the picture size of H.264 cannot be read"});
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].tracks.size(), 1u);
  EXPECT_EQ(m.queued_bytes(), 0u);
}

// AAC of one byte, as MPEG-TS refuses it.
TEST(muxer, a_frame_that_the_library_refuses_costs_itself_alone) {
  muxer m({.to = container::mpegts});
  m.push(video_config(0));
  m.push(audio_config(0));
  for (const auto& f : seconds(0, 3)) {
    if (f.key) m.cut(f.dts_ms);
    m.push(f);
    if (f.dts_ms == 1200) m.push(make(media::frame_kind::audio, 1201, "af 01 21"));
  }
  m.finish();
  EXPECT_EQ(errors(m), std::vector<std::string>{"MPEG-TS does not take a frame: Invalid data found when processing input"});
  EXPECT_EQ(m.refused_frames(), 1u);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 4u) << "an init and a fragment each second";
  for (std::size_t i = 1; i < out.size(); ++i) {
    EXPECT_TRUE(out[i].independent && out[i].has_video);
    EXPECT_NEAR(static_cast<double>(out[i].bytes.size()), static_cast<double>(out[1].bytes.size()), 400) << i;
  }
}

// A length of a NAL unit that goes past the end of the picture.
TEST(muxer, decoding_cannot_start_with_a_key_frame_that_was_refused) {
  muxer m({.to = container::mpegts});
  const auto broken = [](std::int64_t ms) { return make(media::frame_kind::video, ms, "17 01 000000 0000ffff6588"); };
  m.push(video_config(0));
  m.push(key(0));
  m.cut(40);
  m.push(broken(40));
  m.cut(80);
  m.push(broken(80));
  m.push(inter(120));
  m.cut(160);
  m.push(key(160));
  m.finish();
  EXPECT_EQ(m.refused_frames(), 2u);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 4u) << "nothing was taken of the second one";
  EXPECT_TRUE(is_init(out[0]));
  EXPECT_TRUE(out[1].independent);
  EXPECT_FALSE(out[2].independent);
  EXPECT_TRUE(out[2].has_video);
  EXPECT_TRUE(out[3].independent);
}

// AAC with frames of 960 samples, which ADTS has no room to say; the MP3 of 8 kHz that Flash knew, which is none for MP4.
TEST(muxer, a_configuration_that_the_container_does_not_take_costs_its_own_track_alone) {
  for (const auto& [to, config, frame] : {std::tuple{container::mpegts, "af 00 1194", "af 01 211004600000"}, {container::fmp4, "ef ffe31864", "ef ffe31864"}}) {
    SCOPED_TRACE(name(to));
    muxer m({.to = to});
    m.push(video_config(0));
    m.push(make(media::frame_kind::audio, 0, config));
    std::vector<piece> out;
    for (const auto& f : seconds(0, 3)) {
      if (f.kind == media::frame_kind::video) {
        EXPECT_FALSE(m.starts_anew(f) && f.dts_ms > 0) << f.dts_ms;
        if (f.key) m.cut(f.dts_ms);
        m.push(f);
      } else {
        m.push(make(media::frame_kind::audio, f.dts_ms, frame));
      }
      if (f.dts_ms == 1600) m.push(make(media::frame_kind::audio, 1600, config));  // the same again changes nothing
    }
    m.finish();
    const auto said = errors(m);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("cannot carry this configuration"), std::string::npos) << said[0];
    out = drain(m);
    ASSERT_EQ(out.size(), 4u);
    EXPECT_EQ(out[0].tracks.size(), 1u);
    m.push(audio_config(3000));
    m.push(audio(3000));
    EXPECT_TRUE(m.starts_anew(key(3000))) << "another one is";
  }
}

TEST(muxer, mpegts_begins_every_fragment_with_its_tables) {
  muxer m({.to = container::mpegts});
  m.push(video_config(0));
  m.push(audio_config(0));
  for (const auto& f : seconds(0, 3)) {
    if (f.key) m.cut(f.dts_ms);
    m.push(f);
  }
  m.finish();
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 4u);
  EXPECT_TRUE(out[0].bytes.empty());
  for (std::size_t i = 1; i < out.size(); ++i) {
    const auto b = out[i].bytes.view();
    ASSERT_EQ(b.size() % 188, 0u);
    for (std::size_t at = 0; at < b.size(); at += 188) ASSERT_EQ(b[at], 0x47);
    // The service description is 0x11, the association table 0, the map 0x1000.
    std::vector<int> pids;
    for (std::size_t at = 0; at < 4 * 188; at += 188) pids.push_back((b[at + 1] & 31) << 8 | b[at + 2]);
    EXPECT_EQ(pids, (std::vector<int>{0x11, 0, 0x1000, 0x100})) << i;
  }
}

TEST(muxer, an_end_without_a_next_frame_lasts_as_long_as_the_one_before) {
  muxer m;
  m.push(video_config(0));
  m.push(key(0));
  m.push(inter(50));
  m.finish();
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].end_ms, 100);
  m.push(inter(100));
  m.finish();
  EXPECT_EQ(drain(m).size(), 1u) << "it may go on";
}

TEST(muxer, of_several_tracks_one_is_taken) {
  muxer m;
  m.push(video_config(0));
  media::ex_message both;
  both.form = media::ex_form::many_tracks;
  both.tracks.push_back({1, media::codecs::avc, base::bytes_of("0000000100"), 0});
  both.tracks.push_back({0, media::codecs::avc, base::bytes_of("0000000c6588843a2628000902c9d75e"), 20});
  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = media::encode(both);
  m.push(f);
  m.cut(40);
  const auto out = drain(m);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(runs(out[1].bytes).at(0).compositions, std::vector<std::int32_t>{20 * 90});
}

}  // namespace
}  // namespace millrace::mux
