#include "client/publish_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace millrace::client {
namespace {
using media::frame;
using media::frame_kind;
using std::chrono::milliseconds;
const base::instant t0 = base::instant{} + std::chrono::hours(1);

frame make(frame_kind kind, std::int64_t dts, std::vector<std::uint8_t> head, std::size_t size = 100) {
  frame f;
  f.kind = kind;
  f.dts_ms = dts;
  if (head.size() < size) head.resize(size);
  f.payload = base::slice(std::move(head));
  return f;
}
frame key(std::int64_t dts, std::size_t size = 100) {
  auto f = make(frame_kind::video, dts, {0x17, 1, 0, 0, 0}, size);
  f.key = true;
  return f;
}
frame delta(std::int64_t dts, std::size_t size = 100) { return make(frame_kind::video, dts, {0x27, 1, 0, 0, 0}, size); }
frame audio(std::int64_t dts) { return make(frame_kind::audio, dts, {0xaf, 1}); }
frame video_config(std::uint8_t profile) {
  auto f = make(frame_kind::video, 0, {0x17, 0, 0, 0, 0, 1, profile}, 20);
  f.config = true;
  return f;
}
frame audio_config() {
  auto f = make(frame_kind::audio, 0, {0xaf, 0, 0x12, 0x10}, 4);
  f.config = true;
  return f;
}
frame metadata(char mark) {
  const std::string text = std::string("\x02\x00\x0aonMetaData", 13) + mark;
  return make(frame_kind::data, 0, {text.begin(), text.end()}, text.size());
}

// One letter per frame, and its time: "m" metadata, "C"/"c" video/audio configuration, "K" key, "p" other video, "a" audio.
std::string drain(publish_queue& q) {
  std::string out;
  while (auto f = q.pop()) {
    const char letter = f->kind == frame_kind::data  ? 'm'
                        : f->config                  ? (f->kind == frame_kind::video ? 'C' : 'c')
                        : f->key                     ? 'K'
                        : f->kind == frame_kind::video ? 'p'
                                                     : 'a';
    out += letter;
    if (!f->config && f->kind != frame_kind::data) out += std::to_string(f->dts_ms);
    out += ' ';
  }
  return out;
}

TEST(publish_queue, passes_everything_in_order_when_fresh) {
  publish_queue q({});
  q.push(metadata('1'), t0);
  q.push(video_config(77), t0);
  q.push(key(0), t0);
  q.push(audio(10), t0);
  q.push(delta(40), t0);
  EXPECT_EQ(q.bytes(), 14U + 20U + 300U);
  EXPECT_EQ(q.age(t0 + milliseconds(70)), milliseconds(70));
  EXPECT_EQ(drain(q), "m C K0 a10 p40 ");
  EXPECT_EQ(q.bytes(), 0U);
  EXPECT_EQ(q.frames_dropped(), 0U);
}

TEST(publish_queue, too_old_jumps_to_the_newest_key_frame) {
  publish_queue q({.age_max = milliseconds(1000)});
  q.push(video_config(77), t0);
  q.push(key(0), t0);
  q.push(delta(40), t0 + milliseconds(40));
  q.push(audio(50), t0 + milliseconds(50));
  q.push(key(900), t0 + milliseconds(900));
  q.push(delta(940), t0 + milliseconds(940));
  q.push(audio(1010), t0 + milliseconds(1010));
  EXPECT_EQ(drain(q), "C K900 p940 a1010 ") << "configuration survives, media before the key frame does not";
  EXPECT_EQ(q.frames_dropped(), 3U);
  EXPECT_EQ(q.cuts(), 1U);
  EXPECT_FALSE(q.waiting_for_key());
}

TEST(publish_queue, too_old_without_a_fresh_key_frame_waits_for_one) {
  publish_queue q({.age_max = milliseconds(1000)});
  q.push(key(0), t0);
  for (int i = 1; i <= 26; ++i) q.push(delta(i * 40), t0 + milliseconds(i * 40));
  EXPECT_TRUE(q.waiting_for_key());
  q.push(audio(1050), t0 + milliseconds(1050));
  q.push(delta(1080), t0 + milliseconds(1080));
  q.push(key(1120), t0 + milliseconds(1120));
  q.push(delta(1160), t0 + milliseconds(1160));
  EXPECT_EQ(drain(q), "a1050 K1120 p1160 ");
  EXPECT_EQ(q.frames_dropped(), 28U);
}

TEST(publish_queue, audio_alone_never_waits_for_a_key_frame) {
  publish_queue q({.age_max = milliseconds(100)});
  q.push(audio_config(), t0);
  for (int i = 0; i < 20; ++i) q.push(audio(i * 20), t0 + milliseconds(i * 20));
  EXPECT_FALSE(q.waiting_for_key());
  EXPECT_GT(q.cuts(), 0U);
  EXPECT_LE(q.age(t0 + milliseconds(380)), milliseconds(100));
  EXPECT_THAT(drain(q), testing::StartsWith("c a"));
}

TEST(publish_queue, memory_is_bounded_whatever_comes) {
  publish_queue q({.age_max = std::chrono::hours(1), .bytes_max = 10'000});
  q.push(video_config(77), t0);
  for (int i = 0; i < 200; ++i) {
    q.push(i % 50 == 0 ? key(i, 3000) : delta(i, 1000), t0 + milliseconds(i));
    EXPECT_LE(q.bytes(), 10'000U);
  }
}

TEST(publish_queue, one_frame_over_the_byte_limit_is_dropped_alone) {
  publish_queue q({.bytes_max = 1000});
  q.push(video_config(77), t0);
  q.push(key(0, 5000), t0);
  EXPECT_EQ(drain(q), "C ");
  EXPECT_TRUE(q.waiting_for_key());
}

TEST(publish_queue, a_new_session_begins_with_the_newest_heads_and_a_key_frame) {
  publish_queue q({});
  q.push(video_config(66), t0);
  q.push(metadata('1'), t0);
  q.push(audio_config(), t0);
  q.push(key(0), t0);
  EXPECT_EQ(drain(q), "C m c K0 ");
  q.suspend();
  q.push(delta(40), t0);
  q.push(video_config(77), t0);
  q.push(key(80), t0);
  EXPECT_TRUE(q.empty());
  q.resume(t0 + milliseconds(500));
  EXPECT_EQ(q.age(t0 + milliseconds(600)), milliseconds(100)) << "their age counts from the new session";
  q.push(audio(120), t0 + milliseconds(510));
  q.push(delta(120), t0 + milliseconds(510));
  q.push(key(160), t0 + milliseconds(520));
  q.push(delta(200), t0 + milliseconds(520));
  std::uint8_t profile = 0;
  std::string order;
  while (auto f = q.pop()) {
    if (f->kind == frame_kind::video && f->config) profile = f->payload.view()[6];
    order += f->kind == frame_kind::data ? 'm' : f->config ? 'c' : f->key ? 'K' : f->kind == frame_kind::audio ? 'a' : 'p';
  }
  EXPECT_EQ(order, "mccaKp");
  EXPECT_EQ(profile, 77);
}

TEST(publish_queue, what_waits_when_a_new_session_begins_is_dropped) {
  publish_queue q({});
  q.push(video_config(66), t0);
  q.push(key(0), t0);
  q.push(delta(40), t0);
  q.resume(t0);
  q.push(delta(80), t0);
  q.push(key(120), t0);
  EXPECT_EQ(drain(q), "C K120 ");
  EXPECT_EQ(q.frames_dropped(), 3U);
}

TEST(publish_queue, tracks_of_one_codec_keep_their_own_configuration) {
  publish_queue q({});
  for (std::uint8_t track = 0; track < 3; ++track) {
    auto f = make(frame_kind::video, 0, {0x96, 0x00, 'h', 'v', 'c', '1', track, 1}, 12);
    f.config = true;
    q.push(f, t0);
  }
  drain(q);
  q.suspend();
  q.resume(t0);
  EXPECT_EQ(drain(q), "C C C ");
}

TEST(publish_queue, remembers_a_bounded_number_of_heads) {
  publish_queue q({});
  for (int i = 0; i < 255; ++i) {
    auto f = make(frame_kind::video, 0, {0x96, 0x00, 'h', 'v', 'c', '1', static_cast<std::uint8_t>(i), 1}, 12);
    f.config = true;
    q.push(f, t0);
  }
  q.suspend();
  q.resume(t0);
  EXPECT_LE(q.bytes(), 32U * 12U);
}

}  // namespace
}  // namespace millrace::client
