// Section 10, what a viewer may do while it plays: pause, seek, tracks; and what happens when it is slow.
#include <algorithm>

#include "base/escape.hpp"
#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::message;
using rtmp::message_type;

std::uint8_t low(std::uint32_t value) { return static_cast<std::uint8_t>(value); }

// A publisher and its viewer, which has the key frame with the filler 1 behind it.
struct pair {
  on_stream out, in;
};
asio::awaitable<pair> running(context& c) {
  const auto name = c.name();
  pair p;
  p.out = co_await c.publishing(name);
  begin_media(p.out);
  p.in = co_await c.playing(name);
  co_await wait_payload(p.in.at, avc_frame(true, 100, 1), "the key frame");
  co_return p;
}

std::size_t count_type(const peer& at, message_type type) {
  return static_cast<std::size_t>(std::count_if(at.passed.begin(), at.passed.end(), [type](const message& m) { return m.type == type; }));
}

asio::awaitable<void> pause_and_resume(context& c) {
  const auto p = co_await running(c);
  p.in.at->call("pause", p.in.at->next_transaction(), {true, 0.0}, p.in.msid);
  co_await p.in.at->wait_status("NetStream.Pause.Notify");
  p.in.at->passed.clear();
  for (std::uint32_t i = 1; i <= 10; ++i) send_video(p.out, 40 * i, avc_frame(i % 5 == 0, 100, low(0x10 + i)));
  co_await settle(p.out, p.in);
  check(count_type(*p.in.at, message_type::video) == 0, "video came while the viewer had paused");
  p.in.at->call("pause", p.in.at->next_transaction(), {false, 400.0}, p.in.msid);
  co_await p.in.at->wait_status("NetStream.Unpause.Notify");
  const auto after = avc_frame(false, 100, 0x30);
  send_video(p.out, 440, after);
  co_await wait_payload(p.in.at, after, "a frame from after the pause");
  // It goes on at the newest key frame, not with what was missed before it.
  for (std::uint32_t i = 1; i < 10; ++i) {
    check(count_passed(*p.in.at, avc_frame(i % 5 == 0, 100, low(0x10 + i))) == 0,
          "after the pause came frame " + std::to_string(i) + " of 10 that were missed; 10 was a key frame");
  }
}

asio::awaitable<void> seek_on_live(context& c) {
  const auto p = co_await running(c);
  p.in.at->call("seek", p.in.at->next_transaction(), {1000.0}, p.in.msid);
  peer::wanted is = [](const message& m) {
    const auto got = m.type == message_type::command_amf0 ? rtmp::parse_command(m, {}) : base::result<rtmp::command>(base::error{});
    return got && rtmp::read_status(got->arg(0)).code.rfind("NetStream.Seek.", 0) == 0;
  };
  const auto answer = co_await p.in.at->wait(std::move(is), "NetStream.Seek.Failed or NetStream.Seek.Notify");
  if (rtmp::read_status(rtmp::parse_command(answer, {})->arg(0)).code != "NetStream.Seek.Failed") c.note("the live stream can be sought");
  const auto frame = avc_frame(true, 100, 2);
  send_video(p.out, 40, frame);
  co_await wait_payload(p.in.at, frame, "the stream, after a seek");
}

asio::awaitable<void> tracks_off_and_on(context& c) {
  const auto p = co_await running(c);
  const auto& viewer = p.in.at;
  viewer->call("receiveVideo", 0, {false}, p.in.msid);
  co_await viewer->barrier();
  viewer->passed.clear();
  send_video(p.out, 40, avc_frame(false, 100, 0x11));
  send_audio(p.out, 40, aac_frame(30, 0x11));
  send_video(p.out, 80, avc_frame(true, 100, 0x12));
  co_await wait_payload(viewer, aac_frame(30, 0x11), "audio while video is switched off");
  co_await settle(p.out, p.in);
  check(count_type(*viewer, message_type::video) == 0, "video came although the viewer had switched it off");

  viewer->call("receiveVideo", 0, {true}, p.in.msid);
  co_await viewer->barrier();
  send_video(p.out, 120, avc_frame(false, 100, 0x13));
  send_video(p.out, 160, avc_frame(true, 100, 0x14));
  co_await wait_payload(viewer, avc_frame(true, 100, 0x14), "the next key frame after video was switched on");
  const auto first = std::find_if(viewer->passed.begin(), viewer->passed.end(), [](const message& m) { return m.type == message_type::video; });
  if (first != viewer->passed.end()) check_equal(avc_config(), first->payload, "the first video message after video was switched on");
  if (first == viewer->passed.end()) c.note("the configuration is not repeated when video is switched on");
  bool key_seen = false;
  for (const auto& m : viewer->passed) {
    if (m.type != message_type::video || m.payload.size() < 2 || m.payload.view()[1] != 1) continue;
    key_seen = key_seen || m.payload.view()[0] == 0x17;
    check(key_seen, "video was switched on and came without a key frame");
  }

  viewer->call("receiveAudio", 0, {false}, p.in.msid);
  co_await viewer->barrier();
  viewer->passed.clear();
  send_audio(p.out, 200, aac_frame(30, 0x15));
  send_video(p.out, 200, avc_frame(false, 100, 0x15));
  co_await wait_payload(viewer, avc_frame(false, 100, 0x15), "video, undisturbed, while audio is switched off");
  co_await settle(p.out, p.in);
  check(count_type(*viewer, message_type::audio) == 0, "audio came although the viewer had switched it off");
  viewer->call("receiveAudio", 0, {true}, p.in.msid);
  co_await viewer->barrier();
  send_audio(p.out, 240, aac_frame(30, 0x16));
  co_await wait_payload(viewer, aac_frame(30, 0x16), "audio after it was switched on");
}

}  // namespace

std::vector<test_case> play_control_cases() {
  return {
      {"L4", "pause: notices, nothing meanwhile, and on from the newest key frame", pause_and_resume},
      {"L5", "a live stream that is sought says NetStream.Seek.Failed and goes on", seek_on_live},
      {"L6", "receiveVideo and receiveAudio switch at once, video returns at a key frame", tracks_off_and_on},
  };
}

}  // namespace millrace::conform
