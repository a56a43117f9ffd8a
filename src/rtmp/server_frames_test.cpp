// Frames have a short way out of a session of their own; what comes out, and in which order, is the same on either.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace test;
using ::testing::ElementsAre;

// Publishes on message streams 1 and 2, and has just received media of both, the end of the first, and media of the second.
scripted_client with_an_end_amid_frames() {
  scripted_client c;
  c.connect();
  for (double t : {2, 3}) c.call("createStream", t);
  c.call("publish", 4, {"a"}, 1);
  c.call("publish", 5, {"b"}, 2);
  base::send_chain flight;
  const auto add = [&](const message& m) { flight.append(encode_chunks(m, 128)); };
  add(media_message(message_type::audio, 1, 10, aac_frame()));
  add(media_message(message_type::video, 2, 20, avc_key_frame()));
  add(make_command(0, "deleteStream", 0, amf0::null{}, {1.0}));
  add(media_message(message_type::video, 2, 30, avc_key_frame()));
  c.server.receive(c.now, flight.flatten());
  return c;
}

std::string text(const frame_received& f) { return std::to_string(f.msid) + "@" + std::to_string(f.frame.dts_ms); }
std::string text(const server_event& e) {
  if (const auto* f = std::get_if<frame_received>(&e)) return text(*f);
  return std::holds_alternative<publish_ended>(e) ? "end" : "?";
}

TEST(server_frames, events_have_all_of_them_in_order) {
  auto c = with_an_end_amid_frames();
  std::vector<std::string> got;
  while (const auto e = c.server.poll_event()) got.push_back(text(*e));
  EXPECT_THAT(got, ElementsAre("1@10", "2@20", "end", "2@30"));
}

TEST(server_frames, the_short_way_does_not_pass_an_event) {
  auto c = with_an_end_amid_frames();
  std::vector<std::string> got;
  while (const auto f = c.server.poll_frame()) got.push_back(text(*f));
  EXPECT_THAT(got, ElementsAre("1@10", "2@20"));
  while (const auto e = c.server.poll_event()) got.push_back(text(*e));
  EXPECT_THAT(got, ElementsAre("1@10", "2@20", "end", "2@30"));
  EXPECT_FALSE(c.server.poll_frame());
}

TEST(server_frames, an_aggregate_takes_the_short_way_too) {
  scripted_client c;
  c.connect();
  c.publish();
  bytes body;
  for (const std::uint8_t ms : bytes{0, 23}) {
    const auto frame = aac_frame();
    const auto size = static_cast<std::uint8_t>(frame.size());
    body.insert(body.end(), {8, 0, 0, size, 0, 0, ms, 0, 0, 0, 0});
    body.insert(body.end(), frame.begin(), frame.end());
    body.insert(body.end(), {0, 0, 0, static_cast<std::uint8_t>(11 + size)});
  }
  c.server.receive(c.now, encode_chunks(media_message(message_type::aggregate, 1, 100, body), 128).flatten());
  std::vector<std::string> got;
  while (const auto f = c.server.poll_frame()) got.push_back(text(*f));
  EXPECT_THAT(got, ElementsAre("1@100", "1@123"));
}

}  // namespace
}  // namespace millrace::rtmp
