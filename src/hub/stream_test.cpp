// What a stream keeps and how it treats publishers. Joining and dropping: cursor_test.cpp.
#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::frame_kind;

std::shared_ptr<stream> make_stream(base::hub_limits limits = {}) { return std::make_shared<stream>("live/a", limits); }

TEST(stream, second_publisher_is_refused_and_the_name_is_free_at_once) {
  auto s = make_stream();
  auto first = s->publish();
  ASSERT_TRUE(first);
  auto second = s->publish();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, base::error_kind::busy);
  first->reset();
  EXPECT_FALSE(s->published());
  EXPECT_TRUE(s->publish());
}

TEST(stream, D1_metadata_is_given_to_a_later_viewer_with_the_time_of_its_first_frame) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {data(0, "onMetaData"), video_config(0), key(1000), inter(1040)});
  watcher w(s);
  EXPECT_EQ(w.read(1040), "*onMetaData@1000 *V1@1000 K@1000 v@1040");
}

TEST(stream, D2_names_are_kept_apart_latest_value_each_and_can_be_cleared) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {data(0, "onMetaData", 1), data(0, "extra", 1), data(1, "onMetaData", 2), video_config(2), key(3)});
  {
    watcher w(s);
    const auto first = w.place.next(at_ms(3));
    EXPECT_EQ(first->item->frame()->payload.view().back(), 2);
    EXPECT_EQ(w.read(3), "*extra@3 *V1@3 K@3");
  }
  base::byte_writer clear;
  clear.u8(2).u16(15).text("@clearDataFrame").u8(2).u16(10).text("onMetaData");
  watcher staying(s);
  EXPECT_EQ(staying.read(3), "*onMetaData@3 *extra@3 *V1@3 K@3");
  append(*p, {make(frame_kind::data, 4, 4, std::move(clear).take()), key(5)});
  EXPECT_EQ(staying.read(5), "K@5") << "the command is for the hub only";
  watcher late(s);
  EXPECT_EQ(late.read(5), "*extra@5 *V1@5 K@5");
}

TEST(stream, D3_events_pass_in_order_but_are_not_kept) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {video_config(0), key(1), data(2, "onCuePoint"), data(2, "|RtmpSampleAccess"), inter(3), key(4)});
  EXPECT_EQ(w.read(4, 1), "*V1@4");
  watcher late(s);
  EXPECT_EQ(late.read(4), "*V1@4 K@4");
  append(*p, {inter(5), data(6, "onCuePoint"), inter(7)});
  EXPECT_EQ(late.read(7), "v@5 onCuePoint@6 v@7");
}

TEST(stream, D6_no_metadata_at_all) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {video_config(0), audio_config(0), key(1), audio(2)});
  watcher w(s);
  EXPECT_EQ(w.read(2), "*V1@1 *A1@1 K@1 a@2");
}

TEST(stream, data_without_a_name_passes_and_too_many_names_are_not_kept) {
  base::hub_limits limits;
  limits.kept_data_names = 2;
  auto s = make_stream(limits);
  auto p = std::move(*s->publish());
  append(*p, {make(frame_kind::data, 0, 0, {0, 1}), make(frame_kind::data, 0, 0, {2, 0xff, 0xff, 'x'}), make(frame_kind::data, 0, 0, {}),
              data(0, "a"), data(0, "b"), data(0, "c"), key(1)});
  watcher w(s);
  EXPECT_EQ(w.read(1), "*a@1 *b@1 K@1");
}

TEST(stream, M1_an_oversized_record_passes_but_is_not_kept_nor_is_the_one_it_replaced) {
  base::hub_limits limits;
  limits.kept_record_bytes = 10;
  auto s = make_stream(limits);
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {video_config(0), make(frame_kind::video, 1, 1, {0x17, 0, 0, 0, 0, 1, 2, 3, 4, 5, 9})});
  EXPECT_EQ(w.read(1), "V1@0 V9@1");
  append(*p, {key(2)});
  watcher late(s);
  EXPECT_EQ(late.read(2), "K@2");
}

TEST(stream, M1_broken_config_is_not_kept) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {make(frame_kind::video, 0, 0, {0x17, 0, 0, 0, 0}), key(1)});
  watcher w(s);
  EXPECT_EQ(w.read(1), "K@1");
}

TEST(stream, R6_a_side_track_keeps_its_own_config_and_does_not_start_a_gop) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  const auto side = [](std::uint8_t packet, std::uint8_t mark, std::int64_t ms) {
    base::byte_writer out;
    out.u8(0x96).u8(packet).text("av01").u8(1).u8(mark);
    return make(frame_kind::video, ms, ms, std::move(out).take());
  };
  append(*p, {video_config(0), side(0, 7, 0), key(1), side(3, 0, 2), inter(3)});
  watcher w(s);
  EXPECT_EQ(w.read(3), "*V1@1 *V7@1 K@1 K@2 v@3");
  EXPECT_EQ(s->facts().gop_count, 1u);
  EXPECT_EQ(s->facts().video_codec, "H.264");
}

TEST(stream, limits_by_age_and_count_stop_before_the_newest_gop) {
  base::hub_limits limits;
  limits.ring_age = std::chrono::milliseconds(1000);
  limits.ring_frames = 10;
  auto s = make_stream(limits);
  auto p = std::move(*s->publish());
  const watcher patient(s, std::chrono::milliseconds(60'000));  // wants all that there is
  append(*p, {key(0)});
  for (int ms = 40; ms < 2000; ms += 40) append(*p, {inter(ms)});
  EXPECT_EQ(s->facts().ring_frames, 50u);
  append(*p, {key(2000)});
  EXPECT_EQ(s->facts().gop_count, 1u) << "the old GOP lost its head, so it is none any more";
  EXPECT_EQ(s->facts().ring_frames, 10u);
  for (int ms = 2040; ms < 2400; ms += 40) append(*p, {inter(ms)});
  EXPECT_EQ(s->facts().ring_frames, 10u);
  append(*p, {key(4000)});
  EXPECT_EQ(s->facts().ring_frames, 1u) << "by age";
}

TEST(stream, limit_by_bytes_holds_against_the_newest_gop_and_empty_frames_are_charged) {
  base::hub_limits limits;
  limits.ring_bytes = 100'000;
  auto s = make_stream(limits);
  auto p = std::move(*s->publish());
  append(*p, {key(0)});
  for (int i = 1; i < 100; ++i) append(*p, {make(frame_kind::video, i, i, std::vector<std::uint8_t>(5000, 0x27))});
  EXPECT_LE(s->facts().ring_bytes, limits.ring_bytes);
  EXPECT_EQ(s->facts().gop_count, 0u);
  watcher late(s);
  EXPECT_EQ(late.read(100), "") << "without its head the GOP is of no use";
  for (int i = 0; i < 10'000; ++i) append(*p, {make(frame_kind::audio, 100, 100, {})});
  EXPECT_LE(s->facts().ring_frames, 1000u);
  append(*p, {key(200)});
  EXPECT_EQ(late.read(200), "K@200");
}

TEST(stream, M3_info_frame_passes_and_is_no_media_to_start_at) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  const auto info = [](std::int64_t ms) { return make(frame_kind::video, ms, ms, {0x57, 0}); };
  append(*p, {video_config(0), info(1)});
  EXPECT_EQ(s->facts().gop_count, 0u);
  watcher w(s);
  EXPECT_EQ(w.read(1), "");
  append(*p, {info(2), key(3), info(4)});
  EXPECT_EQ(w.read(4), "*V1@3 K@3 v@4");
}

TEST(stream, T10_the_time_goes_on_with_the_next_publisher) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {video_config(5000), key(5000), audio(5020)});
  EXPECT_EQ(w.read(5020), "*V1@5000 K@5000 a@5020");
  p.reset();
  EXPECT_EQ(w.gone, 1);
  p = std::move(*s->publish());
  EXPECT_EQ(w.back, 1);
  const auto later = [](media::frame f, std::int64_t arrival) {
    f.arrival = at_ms(arrival);
    return f;
  };
  // The newcomer counts from 90000; its metadata says 0, as metadata does; its audio starts 10 ms before its video.
  append(*p, {later(data(0, "onMetaData"), 5520), later(video_config(90'000), 5520), later(key(90'000), 5521), later(audio(89'990), 5521),
              later(inter(90'040), 5561)});
  EXPECT_EQ(w.read(5561), "onMetaData@5520 V1@5520 K@5520 a@5520 v@5560");
}

TEST(stream, T10_an_immediate_successor_follows_after_one_frame) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {key(1000)});
  EXPECT_EQ(w.read(1000), "K@1000");
  p.reset();
  p = std::move(*s->publish());
  auto f = key(0);
  f.arrival = at_ms(1001);
  append(*p, {std::move(f)});
  EXPECT_EQ(w.read(1001), "K@1033");
}

TEST(stream, T10_with_no_viewer_left_the_times_are_raw_and_the_old_ring_is_gone) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {key(1000), inter(1040)});
  p.reset();
  p = std::move(*s->publish());
  EXPECT_EQ(s->facts().ring_frames, 0u);
  EXPECT_EQ(s->facts().ring_bytes, 0u);
  append(*p, {key(7)});
  watcher w(s);
  EXPECT_EQ(w.read(7), "K@7");
}

TEST(stream, L9_viewers_stay_and_old_configuration_is_dropped) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0), inter(40)});
  EXPECT_EQ(w.read(40, 4), "*onMetaData@0 *V1@0 *A1@0 K@0");
  p.reset();
  EXPECT_EQ(w.read(40), "v@40") << "what was there when the publisher left is still read";
  watcher between(s);
  EXPECT_EQ(between.read(40), "") << "who comes in between waits for a publisher, not for the past";
  p = std::move(*s->publish());
  EXPECT_EQ(w.back + between.back, 2);
  append(*p, {video_config(80, 2), inter(80), audio(80)});
  EXPECT_EQ(w.frames, 2);
  EXPECT_EQ(w.read(80), "V2@80 a@80") << "video of the new publisher waits for its key frame";
  append(*p, {key(120), inter(160)});
  EXPECT_EQ(w.read(160), "K@120 v@160");
  EXPECT_EQ(between.read(160), "*V2@120 K@120 v@160") << "no metadata and audio configuration of the old publisher";
}

// The header asks viewers to act after returning only; a mistake must still not break the walk.
struct leaving_viewer : noting_viewer {
  std::unique_ptr<cursor> own, other;
  void on_frames() override {
    ++frames;
    own.reset();
    other.reset();
  }
};

TEST(stream, cursors_may_leave_and_come_amid_a_flush) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  leaving_viewer first;
  noting_viewer second, third;
  first.own = std::make_unique<cursor>(s, first, cursor_policy{});
  first.other = std::make_unique<cursor>(s, second, cursor_policy{});
  const cursor last(s, third, cursor_policy{});
  append(*p, {key(0)});
  EXPECT_EQ(first.frames, 1);
  EXPECT_EQ(second.frames, 0);
  EXPECT_EQ(third.frames, 1);
  EXPECT_EQ(s->facts().viewers, 1u);
}

TEST(stream, on_frames_comes_only_to_who_ran_dry) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {key(0)});
  EXPECT_EQ(w.frames, 1);
  append(*p, {inter(40)});
  EXPECT_EQ(w.frames, 1) << "told already, has not read";
  EXPECT_EQ(w.read(40, 2), "K@0 v@40");
  append(*p, {inter(80)});
  EXPECT_EQ(w.frames, 1) << "has read, but not found it empty";
  EXPECT_EQ(w.read(80), "v@80");
  p->flush();
  EXPECT_EQ(w.frames, 1) << "nothing new";
  append(*p, {inter(120)});
  EXPECT_EQ(w.frames, 2);
}

TEST(stream, the_wire_image_is_encoded_once_for_all_viewers) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  append(*p, {video_config(0), key(0)});
  int encoded = 0;
  const auto encode = [&encoded](const media::frame& f) {
    ++encoded;
    return base::send_chain(f.payload);
  };
  for (int i = 0; i < 3; ++i) {
    watcher w(s);
    while (const auto got = w.place.next(at_ms(0))) (void)got->item->image(entry::format::rtmp_chunks, encode);
  }
  EXPECT_EQ(encoded, 2) << "one for the configuration ahead, one for the key frame";
}

TEST(stream, facts_count) {
  auto s = make_stream();
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0), inter(1), key(2)});
  const auto facts = s->facts();
  EXPECT_EQ(facts.name, "live/a");
  EXPECT_TRUE(facts.published);
  EXPECT_EQ(facts.viewers, 1u);
  EXPECT_EQ(facts.frames, 5u);
  EXPECT_EQ(facts.bytes, 27u);
  EXPECT_EQ(facts.ring_bytes, 27u);
  EXPECT_EQ(facts.gop_count, 2u);
  EXPECT_EQ(facts.video_codec, "H.264");
  EXPECT_EQ(facts.audio_codec, "AAC");
}

}  // namespace
}  // namespace millrace::hub
