#include "server/codec_gate.hpp"

#include <gmock/gmock.h>

#include "media/tag_header.hpp"

namespace millrace::server {
namespace {

using media::frame_kind;
using ::testing::HasSubstr;

media::frame frame_of(frame_kind kind, std::vector<std::uint8_t> payload) {
  media::frame f;
  f.kind = kind;
  f.payload = base::slice(std::move(payload));
  media::classify(f);
  return f;
}
media::frame hevc(std::uint8_t first = 0x91) { return frame_of(frame_kind::video, {first, 'h', 'v', 'c', '1', 0, 0, 0, 9}); }
media::frame opus() { return frame_of(frame_kind::audio, {0x91, 'O', 'p', 'u', 's', 1}); }
media::frame avc() { return frame_of(frame_kind::video, {0x17, 1, 0, 0, 0, 9}); }

rtmp::peer_capabilities listing(const std::vector<std::string>& names) {
  rtmp::peer_capabilities peer;
  for (const auto& name : names) peer.list.add(name, rtmp::can_decode_flag);
  return peer;
}

TEST(codec_gate, E5_who_announced_nothing_gets_everything) {
  codec_gate gate;
  for (const auto& f : {hevc(), opus(), avc()}) EXPECT_FALSE(gate.refuses({}, f));
}

TEST(codec_gate, E5_names_the_codec_that_was_not_announced) {
  codec_gate gate;
  const auto peer = listing({"av01"});
  EXPECT_THAT(gate.refuses(peer, hevc()).value(), HasSubstr("hvc1"));
  EXPECT_THAT(gate.refuses(peer, hevc(0x90)).value(), HasSubstr("HEVC")) << "the configuration as well";
  EXPECT_THAT(gate.refuses(peer, opus()).value(), HasSubstr("Opus"));
  EXPECT_FALSE(gate.refuses(peer, avc())) << "codecs of RTMP 1.0 are not announced";
}

TEST(codec_gate, E5_a_change_of_codec_is_seen) {
  codec_gate gate;
  const auto peer = listing({"hvc1"});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(gate.refuses(peer, hevc()));
  EXPECT_TRUE(gate.refuses(peer, frame_of(frame_kind::video, {0x91, 'a', 'v', '0', '1', 9})));
  EXPECT_FALSE(gate.refuses(listing({"*"}), frame_of(frame_kind::video, {0x91, 'a', 'v', '0', '1', 9})));
}

TEST(codec_gate, what_cannot_be_read_is_not_judged) {
  codec_gate gate;
  for (const auto& payload : {std::vector<std::uint8_t>{}, {0x91}, {0x91, 'h', 'v'}}) {
    EXPECT_FALSE(gate.refuses(listing({"av01"}), frame_of(frame_kind::video, payload)));
    EXPECT_FALSE(gate.refuses(listing({"av01"}), frame_of(frame_kind::audio, payload)));
  }
}

}  // namespace
}  // namespace millrace::server
