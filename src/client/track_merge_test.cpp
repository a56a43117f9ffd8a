#include "client/track_merge.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

struct bench {
  track_merge merge;
  base::instant now{};

  // "V40": a picture of 40 ms; A: sound, D: data.
  void push(const std::string& what) {
    media::frame f;
    f.kind = what[0] == 'V' ? media::frame_kind::video : what[0] == 'A' ? media::frame_kind::audio : media::frame_kind::data;
    f.dts_ms = std::stoll(what.substr(1));
    merge.push(now, std::move(f));
  }
  std::string take() {
    std::string out;
    while (const auto f = merge.poll(now)) {
      out += f->kind == media::frame_kind::video ? 'V' : f->kind == media::frame_kind::audio ? 'A' : 'D';
      out += std::to_string(f->dts_ms) + ' ';
    }
    return out;
  }
};

TEST(TrackMerge, SoundThatIsAheadWaitsForItsPictures) {
  bench b;
  for (const char* one : {"A0", "A20", "A40", "D0", "V0"}) b.push(one);
  EXPECT_EQ(b.take(), "D0 V0 ");
  b.push("V33");
  EXPECT_EQ(b.take(), "A0 A20 V33 ");
  b.push("V66");
  EXPECT_EQ(b.take(), "A40 ");
  b.push("A60");
  b.push("A80");
  EXPECT_EQ(b.take(), "A60 V66 ");
}

TEST(TrackMerge, NothingWaitsLonger) {
  bench b;
  b.push("A0");
  b.push("V0");
  EXPECT_EQ(b.take(), "V0 ");
  EXPECT_EQ(b.merge.poll_timeout(), b.now + 200ms);
  b.now += 199ms;
  EXPECT_EQ(b.take(), "");
  b.now += 1ms;
  EXPECT_EQ(b.take(), "A0 ");
  EXPECT_EQ(b.merge.poll_timeout(), std::nullopt);
  b.push("V5");  // late: at once would be wrong too, its sound may be under way
  b.push("A10");
  EXPECT_EQ(b.take(), "V5 ");
}

TEST(TrackMerge, OneTrackAloneDoesNotWaitForAnother) {
  bench b;
  b.push("A0");
  EXPECT_EQ(b.take(), "");
  b.now += 200ms;
  EXPECT_EQ(b.take(), "A0 ");
  b.push("A20");
  EXPECT_EQ(b.take(), "A20 ");
}

TEST(TrackMerge, ATrackThatFallsSilentIsGivenUp) {
  bench b;
  b.push("A0");
  b.push("V0");
  EXPECT_EQ(b.take(), "V0 ");
  b.now += 1s;
  b.push("A1000");
  EXPECT_EQ(b.take(), "A0 A1000 ");
}

TEST(TrackMerge, TheEndReleasesWhatIsLeftInOrder) {
  bench b;
  for (const char* one : {"A0", "A20", "V0", "V40"}) b.push(one);
  EXPECT_EQ(b.take(), "V0 A0 A20 ");
  b.push("V33");
  b.merge.release();
  EXPECT_EQ(b.take(), "V40 V33 ");
}

}  // namespace
}  // namespace millrace::client
