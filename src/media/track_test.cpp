#include "media/track.hpp"

#include <gtest/gtest.h>

#include "media/ex_header.hpp"
#include "media/ex_header_cases.hpp"
#include "media/tag_header.hpp"

namespace millrace::media {
namespace {

using base::bytes_of;
using bytes = std::vector<std::uint8_t>;

std::string ids(frame_kind kind, const char* written) {
  std::string out;
  const auto all = tracks_of(kind, bytes_of(written));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i]) out += (out.empty() ? "" : " ") + std::to_string(i);
  }
  return out;
}

// What is left of a message for one track; "-" for nothing.
bytes single(frame_kind kind, const char* written, std::uint8_t id) {
  const auto alone = single_track(kind, base::slice(bytes_of(written)), id);
  return alone ? bytes(alone->view().begin(), alone->view().end()) : bytes_of("'-'");
}

TEST(track, R2_R4_which_tracks_a_message_has) {
  EXPECT_EQ(ids(frame_kind::video, "17 01 000000 09"), "0");
  EXPECT_EQ(ids(frame_kind::audio, "af 01 09"), "0");
  EXPECT_EQ(ids(frame_kind::data, "96 01 'avc1' 07 00000009"), "0");
  EXPECT_EQ(ids(frame_kind::video, ""), "0");
  EXPECT_EQ(ids(frame_kind::video, "93 'av01' 09"), "0");
  EXPECT_EQ(ids(frame_kind::video, "a6 01 'avc1' ff 000028 09"), "255");
  EXPECT_EQ(ids(frame_kind::audio, "95 11 'Opus' 03 000001 09 00 000000"), "0 3");
  EXPECT_EQ(ids(frame_kind::video, "a6 21 'av01' 01 000001 09 'vp09' 02 000001 09"), "1 2");
  EXPECT_EQ(ids(frame_kind::video, "a6 11 'av01' 01 000001 09 02 000009 09"), "0") << "unreadable";
  EXPECT_EQ(ids(frame_kind::video, "d1 00"), "0") << "a command";
}

TEST(track, R5_one_track_of_many_without_the_wrapper) {
  constexpr auto video = frame_kind::video, audio = frame_kind::audio;
  const char* many = "a6 11 'hvc1' 00 000004 000005 09 01 000005 fffffb 0908";
  EXPECT_EQ(single(video, many, 0), bytes_of("a1 'hvc1' 000005 09"));
  EXPECT_EQ(single(video, many, 1), bytes_of("a1 'hvc1' fffffb 0908"));
  EXPECT_EQ(single(video, many, 2), bytes_of("'-'"));
  const char* codecs = "96 20 'vp09' 04 000001 01 'av01' 05 000002 0102";
  EXPECT_EQ(single(video, codecs, 4), bytes_of("90 'vp09' 01"));
  EXPECT_EQ(single(video, codecs, 5), bytes_of("90 'av01' 0102"));
  EXPECT_EQ(single(video, "96 05 'av01' 03 8004", 3), bytes_of("95 'av01' 8004")) << "OneTrack";
  EXPECT_EQ(single(audio, "95 14 'Opus' 00 000002 0002 01 000006 01060000003f", 1), bytes_of("94 'Opus' 01060000003f"));
  EXPECT_EQ(single(audio, "95 11 'Opus' 00 000000 01 000001 09", 0), bytes_of("91 'Opus'")) << "silence is something";
  EXPECT_EQ(single(video, "96 13 'av01' 00 000000 01 000001 09", 0), bytes_of("'-'")) << "an empty picture is nothing";
  EXPECT_EQ(single(video, "96 13 'av01' 01 000001 09 01 000001 08", 1), bytes_of("93 'av01' 09")) << "the first of two";
}

TEST(track, R7_R8_the_mod_ex_chain_stays) {
  EXPECT_EQ(single(frame_kind::audio, "97 02 000064 05 01 'mp4a' 02 09", 2), bytes_of("97 02 000064 01 'mp4a' 09"));
  EXPECT_EQ(single(frame_kind::video, "a7 02 0f423f 07 00 07 e6 13 'av01' 00 000001 09 01 000001 08", 1),
            bytes_of("a7 02 0f423f 07 00 07 e3 'av01' 08"));
}

// Each track gets a copy of it.
TEST(track, R7_R8_of_a_long_mod_ex_chain_the_nanosecond_offset_stays) {
  auto m = ex_cases::multitrack(frame_kind::video, ex_form::many_tracks, ex_packet::coded_frames_x,
                                {{0, codecs::av1, {9}}, {1, codecs::av1, {8}}});
  m.extensions.push_back({3, bytes(60'000)});
  const auto of_track_1 = [&m] { return *single_track(frame_kind::video, encode(m), 1); };
  EXPECT_EQ(base::as_text(of_track_1()), base::as_text(bytes_of("93 'av01' 08")));
  m.nano_offset = 999'999;
  EXPECT_EQ(base::as_text(of_track_1()), base::as_text(bytes_of("97 02 0f423f 03 'av01' 08")));
}

TEST(track, R5_what_is_not_multitrack_is_shared_and_is_track_0) {
  for (const char* written : {"17 01 000000 09", "a1 'hvc1' 000005 09", "d1 00", "90"}) {
    const base::slice payload(bytes_of(written));
    const auto same = single_track(frame_kind::video, payload, 0);
    ASSERT_TRUE(same) << written;
    EXPECT_EQ(same->data(), payload.data());
    EXPECT_FALSE(single_track(frame_kind::video, payload, 1)) << written;
  }
}

TEST(track, R3_an_unreadable_multitrack_message_is_for_nobody_who_wants_one_track) {
  EXPECT_EQ(single(frame_kind::video, "a6 11 'av01' 00 000001 09 01 000009 09", 0), bytes_of("'-'"));
  EXPECT_EQ(single(frame_kind::video, "96 31 'avc1' 00 00000009", 0), bytes_of("'-'"));
}

TEST(track, R5_frames_keep_their_times_and_get_flags_of_their_own) {
  frame f;
  f.kind = frame_kind::video;
  f.dts_ms = 77;
  f.arrival = base::instant(std::chrono::seconds(5));
  f.payload = base::slice(bytes_of("96 11 'hvc1' 00 000004 000005 09 01 000005 fffffb 0908"));
  classify(f);
  const auto alone = single_track(f, 1);
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->dts_ms, 77);
  EXPECT_EQ(alone->arrival, f.arrival);
  EXPECT_TRUE(alone->key);
  EXPECT_EQ(inspect_video(alone->payload).composition_ms, -5);
  EXPECT_FALSE(single_track(f, 9));
  auto plain = f;
  plain.payload = base::slice(bytes_of("17 01 000000 09"));
  EXPECT_EQ(single_track(plain, 0)->payload.data(), plain.payload.data()) << "no copy";
  frame data;
  data.payload = base::slice(bytes_of("02 0001 'x'"));
  EXPECT_EQ(single_track(data, 7)->payload.data(), data.payload.data()) << "data belongs to no track";
}

// For each track of every readable message: its own message says the same, in both forms.
TEST(track, R5_every_case_of_the_table) {
  for (const auto& c : ex_cases::all_good()) {
    SCOPED_TRACE(c.name);
    ex_walk walk(c.meaning.kind, c.bytes);
    while (const auto* track = walk.next()) {
      if (!track->usable) continue;
      for (const bool wrapped : {false, true}) {
        if (wrapped && walk.head().frame_type == frame_type_command) continue;  // see as_one_track
        const auto own = wrapped ? walk.as_one_track(*track) : walk.as_single(*track);
        ex_walk again(c.meaning.kind, own);
        const auto* got = again.next();
        ASSERT_TRUE(got);
        EXPECT_EQ(again.head().form, wrapped ? ex_form::one_track : ex_form::single);
        EXPECT_EQ(again.head().packet, walk.head().packet);
        EXPECT_EQ(again.head().frame_type, walk.head().frame_type);
        EXPECT_EQ(again.head().nano_offset, walk.head().nano_offset);
        EXPECT_EQ(got->id, wrapped ? track->id : 0);
        EXPECT_EQ(got->codec, track->codec);
        EXPECT_EQ(bytes(got->content.begin(), got->content.end()), bytes(track->content.begin(), track->content.end()));
      }
    }
  }
}

}  // namespace
}  // namespace millrace::media
