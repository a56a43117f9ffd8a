#include "hls/packager.hpp"

#include <gtest/gtest.h>

#include "hls/hls_fixture.hpp"

namespace millrace::hls {
namespace {

using namespace testing;

// Every playlist that there is on the way, held to the rules.
struct watched : stage {
  explicit watched(settings how = {}, mux::container container = mux::container::fmp4, bool begin_at_once = true) : stage(how, container) {
    watch = [this] { look(); };
    if (!begin_at_once) return;
    publish();
    package();
  }
  void look() {
    const auto text = this->text();
    if (text.empty() || text == last) return;
    last = text;
    client.read_next(text);
  }
  std::string text() {
    const auto a = get(to->container() == mux::container::fmp4 ? "/index.m3u8" : "/ts.m3u8");
    return a && a->status == 200 ? text_of(*a) : std::string();
  }
  strict_client client;
  std::string last;
};

void with_configs(stage& s, bool video = true, bool sound = true) {
  if (video) s.push(video_config(std::llround(s.begin_ms)));
  if (sound) s.push(audio_config(std::llround(s.begin_ms)));
}

TEST(packager, cuts_segments_at_key_frames_and_parts_at_frames) {
  watched s;
  with_configs(s);
  s.play(25 * 30, 40, 50);
  const auto& p = s.client.newest();
  EXPECT_EQ(p.target_s, 2);
  EXPECT_EQ(p.part_target_ms, 242) << "six pictures, and room for roundings";
  EXPECT_TRUE(p.independent_segments);
  ASSERT_GE(s.client.seen.size(), 14u);
  for (const auto& [msn, seg] : s.client.seen) {
    if (seg.ms == 0) continue;
    EXPECT_EQ(seg.ms, 2000);
    ASSERT_EQ(seg.parts.size(), 9u);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(seg.parts[i].ms, 240);
    EXPECT_EQ(seg.parts[8].ms, 80);
    EXPECT_TRUE(seg.parts[0].independent);
    EXPECT_FALSE(seg.parts[1].independent);
  }
  EXPECT_GT(s.client.playlists, 100) << "one for each part";
  EXPECT_EQ(p.segments.front().msn, p.first_msn);
  EXPECT_GE(p.first_msn, 1000u) << "numbers begin with the time of day in seconds";
}

TEST(packager, segments_hold_their_parts_and_everything_can_be_fetched) {
  watched s;
  with_configs(s);
  s.play(25 * 9, 40, 50);
  const auto& p = s.client.newest();
  const auto init = s.get("/" + p.segments.front().map);
  ASSERT_TRUE(init);
  EXPECT_EQ(init->status, 200u);
  EXPECT_EQ(init->content_type, "video/mp4");
  EXPECT_EQ(boxes(init->body.flatten()).at(0).type, "ftyp");
  std::uint64_t video = 0;
  for (const auto& [msn, seg] : s.client.seen) {
    std::vector<std::uint8_t> joined;
    for (const auto& part : seg.parts) {
      const auto a = s.get("/" + part.uri);
      ASSERT_TRUE(a && a->status == 200) << part.uri;
      const auto bytes = a->body.flatten();
      joined.insert(joined.end(), bytes.begin(), bytes.end());
      for (const auto& r : runs(bytes)) {
        if (r.track != 1) continue;
        if (video != 0) {
          EXPECT_EQ(r.begin, video) << part.uri;
        }
        video = r.end();
        EXPECT_EQ((r.end() - r.begin) / 90, static_cast<std::uint64_t>(part.ms));
      }
    }
    if (seg.ms == 0) continue;
    const auto whole = s.get("/" + seg.uri);
    ASSERT_TRUE(whole && whole->status == 200);
    EXPECT_EQ(whole->body.flatten(), joined);
  }
}

// What publishers do to time: rates that are no whole milliseconds, few pictures a second, jitter.
TEST(packager, parts_keep_the_rules_whatever_the_rate) {
  for (const double interval :
       {1000 / 60.0, 1000 / 59.94, 1000 / 50.0, 1001 / 30.0, 1000 / 30.0, 1001 / 24.0, 1000 / 15.0, 100.0, 200.0, 333.3, 500.0, 1000.0}) {
    for (const bool sound : {true, false}) {
      SCOPED_TRACE(interval);
      watched s;
      with_configs(s, true, sound);
      s.play(static_cast<int>(20'000 / interval), interval, std::max(1, static_cast<int>(2000 / interval)), sound);
      ASSERT_GT(s.client.playlists, 5);
      EXPECT_EQ(s.client.newest().discontinuity_sequence, 0u);
      for (const auto& [msn, seg] : s.client.seen) EXPECT_EQ(seg.discontinuity, 0u) << msn;
      EXPECT_TRUE(s.client.newest().independent_segments);
    }
  }
}

TEST(packager, parts_keep_the_rules_under_jitter) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    watched s;
    with_configs(s);
    auto random = seed * 2654435761u;
    for (int i = 0; i < 30 * 30; ++i) {
      random = random * 1664525u + 1013904223u;
      const auto v = std::llround(i * 1000 / 30.0) + (random >> 24) % 31;  // up to 30 ms late
      s.push(i % 60 == 0 ? key(v) : inter(v));
      while (s.sounds * 1024 / 48 < v) s.push(audio(std::llround(s.sounds++ * 1024 / 48.0)));
    }
    ASSERT_GT(s.client.playlists, 50);
    EXPECT_EQ(s.client.seen.rbegin()->second.discontinuity, 0u);
  }
}

TEST(packager, a_rate_that_changes_keeps_the_rules) {
  watched s;
  with_configs(s);
  s.play(30 * 6, 1000 / 30.0, 60);
  std::int64_t at = 6000;
  for (int i = 0; i < 30; ++i, at += 200) {  // five pictures a second now
    s.push(i % 10 == 0 ? key(at) : inter(at));
    while (s.sounds * 1024 / 48.0 < static_cast<double>(at)) s.push(audio(std::llround(s.sounds++ * 1024 / 48.0)));
  }
  EXPECT_EQ(s.client.seen.rbegin()->second.discontinuity, 0u);
}

TEST(packager, sound_alone_is_cut_by_time) {
  watched s;
  with_configs(s, false);
  s.play(25 * 20, 40, 50, true, false);
  const auto& p = s.client.newest();
  EXPECT_EQ(p.target_s, 2) << "two seconds and the rest of a frame";
  EXPECT_TRUE(p.independent_segments);
  for (const auto& part : p.segments.back().parts) EXPECT_TRUE(part.independent);
  const auto v = s.get(".m3u8");
  ASSERT_TRUE(v);
  EXPECT_NE(text_of(*v).find("CODECS=\"mp4a.40.2\"\n"), std::string::npos) << text_of(*v);
}

TEST(packager, pictures_that_stop_while_sound_goes_on_do_not_stop_the_stream) {
  watched s;
  with_configs(s);
  s.play(25 * 6, 40, 50);
  const auto before = s.client.seen.size();
  s.play(25 * 10, 40, 50, true, false);
  EXPECT_GE(s.client.seen.size(), before + 3);
  s.play(25 * 6, 40, 50);
  EXPECT_EQ(s.client.seen.rbegin()->second.discontinuity, 0u) << "sound had no hole";
}

TEST(packager, without_key_frames_a_segment_ends_where_the_target_duration_makes_it) {
  watched s;
  with_configs(s);
  s.play(25 * 4, 40, 50);
  s.play(25 * 20, 40, 10'000'000);
  EXPECT_GE(s.client.seen.size(), 9u);
  EXPECT_FALSE(s.client.newest().independent_segments);
}

// A segment had room for one more picture at the usual distance; the next one is late.
TEST(packager, a_picture_that_is_late_does_not_make_a_segment_too_long) {
  for (const std::int64_t late : {4640, 4700, 5300}) {  // in the same part, past its end, and past that of the next
    SCOPED_TRACE(late);
    watched s;
    with_configs(s, true, false);
    for (std::int64_t t = 0; t <= 4440; t += 40) s.push(t == 0 || t == 2000 ? key(t) : inter(t));
    for (auto t = late; t < 8000; t += 40) s.push(t - late == 1000 ? key(t) : inter(t));
    const auto& p = s.client.newest();
    EXPECT_EQ(p.target_s, 2);
    EXPECT_EQ(p.discontinuity_sequence, 0u);
    ASSERT_GE(s.client.seen.size(), 4u);
    EXPECT_EQ(std::next(s.client.seen.begin())->second.ms, 2499);
  }
}

TEST(packager, the_first_segment_decides_the_target_duration) {
  for (const auto& [gop, target] : {std::pair{50, 2}, {59, 2}, {61, 3}, {74, 3}, {90, 4}, {100, 4}}) {
    watched s;
    with_configs(s);
    s.play(25 * 15, 40, gop);
    EXPECT_EQ(s.client.newest().target_s, target) << gop;
    EXPECT_TRUE(s.client.newest().independent_segments) << gop;
  }
}

TEST(packager, a_stream_whose_key_frames_are_far_apart_gets_a_longer_target_duration) {
  watched s;
  with_configs(s);
  s.play(25 * 25, 40, 125);
  EXPECT_EQ(s.client.newest().target_s, 5);
  EXPECT_TRUE(s.client.newest().independent_segments);
  watched far;
  with_configs(far);
  far.play(25 * 25, 40, 10'000);
  EXPECT_EQ(far.client.newest().target_s, 8);
}

// An encoder that puts key frames where the scene changes: the segment ends earlier rather than without one.
TEST(packager, a_key_frame_that_comes_early_ends_a_segment_if_the_next_would_come_too_late) {
  watched s;
  with_configs(s);
  s.play(50 * 3, 40, 50);  // two seconds each
  std::int64_t at = 6000;
  const auto gop = [&](int pictures) {
    for (int i = 0; i < pictures; ++i, at += 40) s.push(i == 0 ? key(at) : inter(at));
  };
  for (int i = 0; i < 10; ++i) {
    gop(35);  // 1.4 s
    gop(50);
  }
  EXPECT_TRUE(s.client.newest().independent_segments);
  EXPECT_EQ(s.client.newest().target_s, 2);
}

TEST(packager, a_viewer_that_starts_late_has_a_segment_at_once) {
  watched s({}, mux::container::fmp4, false);
  s.publish();
  with_configs(s);
  s.play(25 * 4 - 1, 40, 50);
  s.package();
  s.play(2, 40, 50);
  EXPECT_FALSE(s.last.empty()) << "the newest group of pictures was in the ring";
}

TEST(packager, a_hole_in_the_times_is_a_discontinuity) {
  watched s;
  with_configs(s);
  s.play(25 * 6, 40, 50);
  s.begin_ms += 30'000;
  s.sounds = 0;
  s.begin_ms += s.played * 40;
  s.played = 0;
  s.play(25 * 6, 40, 50);
  EXPECT_EQ(s.client.seen.rbegin()->second.discontinuity, 1u);
  const auto& segments = s.client.newest().segments;
  EXPECT_EQ(segments.front().map, segments.back().map) << "the configuration is the same";
  for (const auto& seg : segments) EXPECT_FALSE(seg.ms > 2500);
}

TEST(packager, another_configuration_is_a_discontinuity_with_an_init_of_its_own) {
  watched s;
  with_configs(s);
  s.play(25 * 6, 40, 50);
  s.push(video_config(6000, true));
  s.play(25 * 6, 40, 50);
  const auto& last = s.client.seen.rbegin()->second;
  EXPECT_EQ(last.discontinuity, 1u);
  EXPECT_NE(last.map, s.client.seen.begin()->second.map);
  const auto init = s.get("/" + last.map);
  ASSERT_TRUE(init && init->status == 200);
  const auto v = text_of(*s.get(".m3u8"));
  EXPECT_NE(v.find("RESOLUTION=64x32"), std::string::npos) << v;
}

TEST(packager, a_publisher_that_returns_goes_on_with_a_discontinuity) {
  watched s;
  with_configs(s);
  s.play(25 * 7, 40, 50);
  s.publisher.reset();
  const auto gone = read(s.text());
  EXPECT_FALSE(gone.ended);
  EXPECT_EQ(gone.segments.back().ms, 1000) << "what was there is shown to its end";
  s.now_ms += 20'000;
  s.packing->on_timer(at_ms(s.now_ms));
  EXPECT_FALSE(s.packing->over());
  s.publish();
  s.lead_ms = s.now_ms - 7000;
  with_configs(s);
  s.play(25 * 6, 40, 50);
  const auto& last = s.client.seen.rbegin()->second;
  EXPECT_EQ(last.discontinuity, 1u);
  EXPECT_EQ(s.client.seen.size(), s.client.seen.rbegin()->first - s.client.seen.begin()->first + 1) << "no number is left out";
  EXPECT_GE(last.date, std::string("1970-01-01T00:17:08")) << "the time of day went on";
}

TEST(packager, discontinuities_that_leave_the_window_are_counted) {
  settings how;
  how.window = 4;
  watched s(how);
  with_configs(s);
  for (int i = 0; i < 8; ++i) {
    s.play(25 * 6, 40, 50);
    s.push(video_config(s.played * 40, i % 2 == 0));
  }
  s.play(25 * 20, 40, 50);
  EXPECT_EQ(s.client.newest().discontinuity_sequence, 8u);
  EXPECT_LE(s.client.newest().segments.size(), 5u);
}

TEST(packager, a_publisher_that_stays_away_ends_the_list_and_one_that_comes_then_begins_anew) {
  watched s;
  with_configs(s);
  s.play(25 * 5, 40, 50);
  s.publisher.reset();
  s.now_ms += 59'000;
  s.get("/index.m3u8");
  s.packing->on_timer(at_ms(s.now_ms));
  EXPECT_FALSE(read(s.text()).ended);
  s.now_ms += 1'500;
  s.packing->on_timer(at_ms(s.now_ms));
  EXPECT_TRUE(read(s.text()).ended);
  EXPECT_FALSE(s.packing->over());
  EXPECT_EQ(s.get("/index.m3u8", "_HLS_msn=99999")->status, 200u) << "directives mean nothing behind the end (draft 6.2.5.2)";
  s.publish();
  EXPECT_TRUE(s.packing->over());
}

TEST(packager, ends_when_nobody_asks_any_more) {
  watched s;
  with_configs(s);
  s.play(25 * 5, 40, 50);
  s.watch = nullptr;
  s.packing->on_timer(at_ms(s.now_ms + 29'000));
  EXPECT_FALSE(s.packing->over());
  s.packing->on_timer(at_ms(s.now_ms + 30'000));
  EXPECT_TRUE(s.packing->over());
  s.play(25, 40, 50);  // and takes nothing any more
  EXPECT_EQ(s.get("/index.m3u8")->status, 404u);
}

TEST(packager, a_stream_that_nobody_publishes_is_refused_soon) {
  watched s({}, mux::container::fmp4, false);
  s.package();
  std::optional<answer> got;
  s.to->get(parse_request("/index.m3u8", "").value(), at_ms(0), [&](answer a) { got = std::move(a); });
  s.packing->on_timer(at_ms(1'900));
  EXPECT_FALSE(got);
  s.packing->on_timer(at_ms(2'000));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 404u);
  EXPECT_TRUE(s.packing->over());
}

TEST(packager, codecs_that_the_container_cannot_carry_are_said_to_who_waits) {
  watched s;
  s.push(make(media::frame_kind::video, 0, "90 'vp09' 01000000000a0808080808080000"));
  std::optional<answer> got;
  s.to->get(parse_request("/index.m3u8", "").value(), at_ms(0), [&](answer a) { got = std::move(a); });
  for (int i = 0; i < 100; ++i) s.push(make(media::frame_kind::video, i * 40, "91 'vp09' 00"));
  s.packing->on_timer(at_ms(15'000));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 503u);
  EXPECT_EQ(got->why, "MP4 cannot carry VP9");
}

TEST(packager, memory_is_bounded) {
  settings how;
  how.limits.presentation_bytes = 40'000;
  watched s(how);
  s.client.may_be_short = true;
  with_configs(s);
  s.play(25 * 60, 40, 50);
  std::size_t sum = 0;
  for (const auto& seg : s.client.newest().segments) {
    if (seg.ms > 0) sum += s.get("/" + seg.uri)->body.size();
  }
  EXPECT_LE(sum, 40'000u);
  EXPECT_GT(sum, 10'000u);
}

TEST(packager, configurations_that_change_with_each_key_frame_make_no_endless_list) {
  stage s;
  s.publish();
  s.package();
  for (std::int64_t t = 0; t < 2'000; ++t) {
    s.push(video_config(t, t % 2 == 1));
    s.push(key(t));
  }
  const auto p = read(s.playlist());
  EXPECT_GT(p.segments.size(), 50U);
  EXPECT_LE(p.segments.size(), 124U);
  EXPECT_EQ(s.get("/" + p.segments.front().map)->status, 200U);
  EXPECT_EQ(s.get("/" + p.segments.back().map)->status, 200U);
}

TEST(packager, times_that_stand_still_fill_no_memory) {
  settings how;
  how.limits.open_part_bytes = 100'000;
  stage s(how);
  s.publish();
  s.package();
  with_configs(s);
  s.play(25 * 5, 40, 50);
  const std::string body(10'000, 'a');
  for (int i = 0; i < 200; ++i) s.push(make(media::frame_kind::audio, 5000, "af 01 '" + body + "'"));
  const auto p = read(s.playlist());
  EXPECT_GT(p.segments.back().discontinuity, 1u);
}

// Said to be ADTS, and too short for it: the library refuses it, and with it all that there is of its configuration.
TEST(packager, an_init_that_got_no_segment_has_given_its_name_away) {
  stage s;
  s.publish();
  s.package();
  s.push(audio_config(0));
  for (std::int64_t t = 0; t < 600; t += 20) s.push(make(media::frame_kind::audio, t, "af 01 fff100"));
  s.push(audio_config(600, 44'100));
  for (std::int64_t t = 600; t < 20'000; t += 20) s.push(audio(t));
  const auto p = read(s.playlist());
  ASSERT_FALSE(p.segments.empty());
  const auto init = s.get("/" + p.segments.front().map);
  ASSERT_TRUE(init && init->status == 200);
  // The sampling rate in the sample entry (ISO/IEC 14496-12, 12.2.3).
  const auto bytes = init->body.flatten();
  const auto entry = find(bytes, "moov/trak/mdia/minf/stbl/stsd").at(0);
  EXPECT_EQ(entry[8 + 8 + 24] << 8 | entry[8 + 8 + 25], 44'100);
}

TEST(packager, old_segments_stay_for_a_while_after_they_left_the_list) {
  watched s;
  with_configs(s);
  s.play(25 * 60, 40, 50);
  const auto first = s.client.newest().first_msn;
  const auto status = [&](std::uint64_t msn) { return s.get("/" + segment_name(mux::container::fmp4, msn))->status; };
  EXPECT_EQ(status(first - 1), 200u);
  EXPECT_EQ(status(first - 6), 200u) << "the list is as long";
  EXPECT_EQ(status(first - 9), 404u);
  EXPECT_EQ(s.get("/" + part_name(first - 1, 0))->status, 200u);
}

TEST(packager, a_list_is_never_shorter_than_three_target_durations) {
  settings how;
  how.window = 2;
  watched s(how);
  with_configs(s);
  s.play(25 * 20, 40, 50);
  EXPECT_GT(s.client.newest().first_msn, 1000u);
}

TEST(packager, mpegts_is_plain_hls_of_the_same_stream) {
  watched s({}, mux::container::mpegts);
  with_configs(s);
  s.play(25 * 30, 40, 50);
  const auto& p = s.client.newest();
  EXPECT_EQ(p.target_s, 2);
  EXPECT_EQ(p.part_target_ms, 0);
  EXPECT_EQ(p.segments.size(), 6u);
  for (const auto& seg : p.segments) {
    EXPECT_EQ(seg.ms, 2000);
    EXPECT_TRUE(seg.map.empty());
    const auto a = s.get("/" + seg.uri);
    ASSERT_TRUE(a && a->status == 200);
    EXPECT_EQ(a->content_type, "video/mp2t");
    EXPECT_EQ(a->body.flatten().at(0), 0x47);
  }
}

TEST(packager, the_multivariant_list_says_what_was_measured) {
  watched s;
  with_configs(s);
  s.play(25 * 10, 40, 50);
  const auto a = s.get(".m3u8");
  ASSERT_TRUE(a && a->status == 200);
  const auto text = text_of(*a);
  EXPECT_NE(text.find("CODECS=\"avc1.42c00a,mp4a.40.2\",RESOLUTION=32x32,FRAME-RATE=25.000\na%20b/index.m3u8\n"), std::string::npos) << text;
  const auto bits = s.get("/" + s.client.newest().segments.front().uri)->body.size() * 8 / 2;
  const auto said = std::stod(attribute(text.substr(text.find("#EXT-X-STREAM-INF")), "BANDWIDTH"));
  EXPECT_NEAR(said, static_cast<double>(bits), static_cast<double>(bits) / 10);
}

}  // namespace
}  // namespace millrace::hls
