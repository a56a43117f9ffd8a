// Section 10, what a viewer may do while it plays: pause, seek, tracks; and what happens when it is slow.
#include <algorithm>
#include <optional>

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
    const auto got = command_of(m);
    return got && rtmp::read_status(got->arg(0)).code.rfind("NetStream.Seek.", 0) == 0;
  };
  const auto answer = co_await p.in.at->wait(std::move(is), "NetStream.Seek.Failed or NetStream.Seek.Notify");
  if (rtmp::read_status(command_of(answer)->arg(0)).code != "NetStream.Seek.Failed") c.note("the live stream can be sought");
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
  const auto first =
      std::find_if(viewer->passed.begin(), viewer->passed.end(), [](const message& m) { return m.type == message_type::video; });
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

// ---- a viewer that is too slow ----------------------------------------------------------------------------------

constexpr std::uint32_t gop = 10, frame_count = 300, frame_bytes = 100'000;  // 30 MB: more than sockets and windows hold
constexpr milliseconds standstill{3'000};                                    // longer than servers keep a backlog for a live viewer

bytes numbered(std::uint32_t index) {
  auto out = avc_frame(index % gop == 0, frame_bytes);
  for (std::size_t i = 0; i < 4; ++i) out[20 + i] = static_cast<std::uint8_t>(index >> (8 * i));
  return out;
}
std::uint32_t number_of(const message& m) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out |= std::uint32_t{m.payload.view()[20 + i]} << (8 * i);
  return out;
}

// A viewer stops reading while much is published, then reads on up to the last key frame. All that came is in its `passed`.
asio::awaitable<pair> stand_still(context& c) {
  const auto p = co_await running(c);
  p.out.at->set_chunk_size(65'536);
  p.in.at->passed.clear();
  p.in.at->transport()->pause_receive(true);
  auto changed = avc_config();
  changed[8] = 0x14;
  for (std::uint32_t i = 0; i < frame_count; ++i) {
    if (i == frame_count / 2) send_video(p.out, 40 * i, changed);
    send_video(p.out, 40 * i + 40, numbered(i));
    if (i % gop != gop - 1) continue;
    const auto spare = co_await p.out.at->barrier();  // the server has read it
    p.out.at->call("deleteStream", 0, {spare});
  }
  co_await p.out.at->bytes_within(standstill);  // time has to pass: a backlog is judged by its age
  send_video(p.out, 40 * frame_count + 40, numbered(frame_count));
  co_await p.out.at->barrier();
  if (!p.in.at->transport()) throw refusal{"a viewer that takes nothing for " + std::to_string(standstill.count()) + " ms is sent away"};
  p.in.at->transport()->pause_receive(false);
  peer::wanted last = [](const message& m) {
    return m.type == message_type::video && m.payload.size() == frame_bytes && number_of(m) == frame_count;
  };
  try {
    auto newest = co_await p.in.at->wait(std::move(last), "the newest key frame, after the viewer reads again");
    p.in.at->passed.push_back(std::move(newest));
  } catch (const failure&) {
    if (!p.in.at->closed()) throw;
    throw refusal{"a viewer that is too slow is sent away: " + base::escaped(p.in.at->how_closed()->reason.text)};
  }
  co_return p;
}

asio::awaitable<void> slow_viewer(context& c) {
  const auto p = co_await stand_still(c);
  std::optional<std::uint32_t> previous;
  std::uint32_t came = 0;
  bool config_seen = false;
  for (const auto& m : p.in.at->passed) {
    if (m.type != message_type::video) continue;
    if (m.payload.size() != frame_bytes) {
      config_seen = config_seen || (m.payload.size() > 8 && m.payload.view()[8] == 0x14);
      continue;
    }
    const auto index = number_of(m);
    check_equal(numbered(index), m.payload, "frame " + std::to_string(index) + " of a slow viewer");
    check(!previous || index == *previous + 1 || (index > *previous && index % gop == 0),
          "frame " + std::to_string(previous.value_or(0)) + " is followed by frame " + std::to_string(index) + ", which is no key frame");
    previous = index;
    ++came;
  }
  check(config_seen, "the configuration that changed in what was left out did not come");
  check(came <= frame_count, "nothing was left out for a viewer that stood still for " + std::to_string(standstill.count()) +
                                 " ms: all of " + std::to_string(frame_count * std::uint64_t{frame_bytes} / 1'000'000) + " MB were kept");
}

asio::awaitable<void> slow_viewer_is_told(context& c) {
  const auto p = co_await stand_still(c);
  if (count_code(*p.in.at, "NetStream.Play.InsufficientBW") == 0) {
    // It may come behind the frame that it is about.
    try {
      co_await p.in.at->wait_status("NetStream.Play.InsufficientBW");
    } catch (const failure&) {
      throw skip{"does not say NetStream.Play.InsufficientBW"};
    }
  }
}

}  // namespace

std::vector<test_case> play_control_cases() {
  return {
      {"L4", "pause: notices, nothing meanwhile, and on from the newest key frame", pause_and_resume},
      {"L5", "a live stream that is sought says NetStream.Seek.Failed and goes on", seek_on_live},
      {"L6", "receiveVideo and receiveAudio switch at once, video returns at a key frame", tracks_off_and_on},
      {"L10", "a slow viewer loses whole groups of pictures, never a configuration, and holds nobody up", slow_viewer, true},
      {"S22", "NetStream.Play.InsufficientBW", slow_viewer_is_told, true},
  };
}

}  // namespace millrace::conform
