#include "hls/playlist.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "media/codec.hpp"

namespace millrace::hls {
namespace {

constexpr std::int64_t noon_ms = 1'767'268'800'000;  // 2026-01-01T12:00:00Z

// Complete segments of 2 s from `first` on, of parts of 500 ms, and one that is open with `open_parts`.
struct example {
  std::deque<segment_entry> segments;
  media_playlist list;

  example(std::uint64_t first, std::size_t count, std::size_t open_parts) {
    for (std::size_t i = 0; i < count + (open_parts > 0 ? 1 : 0); ++i) {
      segment_entry s;
      s.msn = first + i;
      s.init = 1;
      s.complete = i < count;
      s.wall_ms = noon_ms + static_cast<std::int64_t>(i) * 2000;
      for (std::size_t p = 0; p < (s.complete ? 4 : open_parts); ++p) s.parts.push_back({500, p == 0});
      s.duration_ms = static_cast<std::int64_t>(s.parts.size()) * 500;
      segments.push_back(s);
    }
    for (const auto& s : segments) list.segments.push_back(&s);
    list.part_target_ms = 500;
  }
};

TEST(playlist, low_latency_as_the_draft_writes_it) {
  example e(7, 4, 2);
  e.segments[0].parts.resize(1);  // not listed: too old
  EXPECT_EQ(text_of(e.list),
            "#EXTM3U\n"
            "#EXT-X-VERSION:9\n"
            "#EXT-X-TARGETDURATION:2\n"
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,CAN-SKIP-UNTIL=12.000\n"
            "#EXT-X-PART-INF:PART-TARGET=0.500\n"
            "#EXT-X-MEDIA-SEQUENCE:7\n"
            "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n"
            "#EXT-X-MAP:URI=\"init-1.mp4\"\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:00.000Z\n"
            "#EXTINF:2.000,\n"
            "seg-7.m4s\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:02.000Z\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-8-0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-8-1.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-8-2.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-8-3.m4s\"\n"
            "#EXTINF:2.000,\n"
            "seg-8.m4s\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:04.000Z\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-9-0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-9-1.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-9-2.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-9-3.m4s\"\n"
            "#EXTINF:2.000,\n"
            "seg-9.m4s\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:06.000Z\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-10-0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-10-1.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-10-2.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-10-3.m4s\"\n"
            "#EXTINF:2.000,\n"
            "seg-10.m4s\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:08.000Z\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-11-0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PART:DURATION=0.500,URI=\"part-11-1.m4s\"\n"
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-11-2.m4s\"\n");
}

TEST(playlist, a_discontinuity_and_its_initialization_section_go_ahead_of_the_segment) {
  example e(7, 2, 0);
  e.segments[1].discontinuity = true;
  e.segments[1].init = 8;
  e.segments[1].parts[0].independent = false;
  e.list.discontinuity_sequence = 3;
  const auto text = text_of(e.list);
  EXPECT_NE(text.find("#EXT-X-DISCONTINUITY-SEQUENCE:3\n"), std::string::npos);
  EXPECT_NE(text.find("seg-7.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-8.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:02.000Z\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("INDEPENDENT-SEGMENTS"), std::string::npos) << "it would be a lie";
  EXPECT_NE(text.find("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-9-0.m4s\"\n"), std::string::npos);
}

TEST(playlist, an_end_hints_at_nothing) {
  example e(7, 2, 0);
  e.list.ended = true;
  const auto text = text_of(e.list);
  EXPECT_TRUE(text.ends_with("seg-8.m4s\n#EXT-X-ENDLIST\n")) << text;
  EXPECT_EQ(text.find("PRELOAD"), std::string::npos);
}

TEST(playlist, a_delta_update_leaves_out_what_is_behind_the_skip_boundary) {
  example e(100, 10, 2);  // 21 s, of which the last 12 stay
  e.segments[1].init = 1;
  EXPECT_EQ(e.list.skippable(), 4u);
  const auto text = text_of(e.list, true);
  EXPECT_NE(text.find("#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXT-"
                      "X-PROGRAM-DATE-TIME"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("seg-103.m4s"), std::string::npos);
  EXPECT_NE(text.find("seg-104.m4s"), std::string::npos);
  EXPECT_EQ(text.find("EXT-X-MAP"), std::string::npos) << "the client has it from the segments that are skipped";
  EXPECT_EQ(text_of(e.list).find("EXT-X-SKIP"), std::string::npos);
  e.list.ended = true;
  EXPECT_EQ(e.list.skippable(), 0u);
  example small(100, 6, 2);
  EXPECT_EQ(text_of(small.list, true), text_of(small.list)) << "nothing is old enough";
}

TEST(playlist, mpegts_is_plain_hls) {
  example e(7, 2, 0);
  e.list.container = mux::container::mpegts;
  EXPECT_EQ(text_of(e.list),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-"
            "DISCONTINUITY-SEQUENCE:0\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:00.000Z\n#EXTINF:2.000,\nseg-7.ts\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T12:00:02.000Z\n#EXTINF:"
            "2.000,\nseg-8.ts\n");
}

TEST(playlist, the_multivariant_one_names_what_it_takes) {
  variant v;
  v.uri = "a/index.m3u8";
  v.bandwidth = 1'200'000;
  v.average_bandwidth = 1'000'000;
  v.tracks.push_back({media::frame_kind::video, media::codecs::avc, "avc1.64001f", 1280, 720, 29.97, 0, 0});
  v.tracks.push_back({media::frame_kind::audio, media::codecs::aac, "mp4a.40.2", 0, 0, 0, 48'000, 2});
  EXPECT_EQ(text_of(v),
            "#EXTM3U\n#EXT-X-VERSION:6\n"
            "#EXT-X-STREAM-INF:BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970\na/"
            "index.m3u8\n");
  v.tracks.erase(v.tracks.begin());
  EXPECT_EQ(text_of(v),
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000,CODECS=\"mp4a.40.2\"\na/index.m3u8\n");
}

TEST(playlist, names_are_encoded) {
  EXPECT_EQ(uri_segment("caf\xc3\xa9 \"1\"?#/%"), "caf%C3%A9%20%221%22%3F%23%2F%25");
  EXPECT_EQ(uri_segment("a-b_c.d~9"), "a-b_c.d~9");
}

}  // namespace
}  // namespace millrace::hls
