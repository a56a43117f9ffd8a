// Section 10, play (RTMP 1.0 section 7.2.2.1 and what players send beside it): start, waiting, ending, small calls.
// Pause, seek, tracks and slow viewers: cases_play_control.cpp.
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

const char play_start[] = "NetStream.Play.Start";

std::string shown(const rtmp::status& s) { return "'" + base::escaped(s.code + ": " + s.description) + "'"; }

// A short name for what L1 puts in order; empty for anything else.
std::string kind_of(const message& m, std::uint32_t msid) {
  if (m.type == message_type::user_control) {
    const auto u = rtmp::parse_user_control(m);
    return u && u->event == rtmp::user_event::stream_begin && u->value == msid ? "StreamBegin" : "";
  }
  if (const auto c = command_of(m)) return c->name == "onStatus" ? rtmp::read_status(c->arg(0)).code : std::string();
  if (m.type == message_type::data_amf0) {
    const auto name = data_name(m);
    return name == "onStatus" ? "NetStream.Data.Start" : name;
  }
  if (m.type == message_type::audio) return m.payload.size() > 1 && m.payload.view()[1] == 0 ? "audio config" : "audio";
  if (m.type == message_type::video) return m.payload.size() > 1 && m.payload.view()[1] == 0 ? "video config" : "video";
  return {};
}

asio::awaitable<void> order_of_start(context& c, std::string name, std::vector<amf0::value> extra, bool reset) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->passed.clear();
  std::vector<amf0::value> args{name};
  args.insert(args.end(), extra.begin(), extra.end());
  at->call("play", at->next_transaction(), args, msid);
  const auto key = co_await wait_payload(at, avc_frame(true, 100, 1), "the key frame");
  at->passed.push_back(key);
  std::vector<std::string> came;
  for (const auto& m : at->passed) {
    if (auto kind = kind_of(m, msid); !kind.empty()) came.push_back(std::move(kind));
  }
  std::string all;
  for (const auto& one : came) all += (all.empty() ? "" : ", ") + one;
  const auto place = [&came](std::string_view what) { return std::find(came.begin(), came.end(), what) - came.begin(); };
  const auto before = [&](std::string_view first, std::string_view second) {
    check(place(first) < place(second) && place(second) < static_cast<std::ptrdiff_t>(came.size()),
          base::escaped(std::string(first)) + " has to come before " + std::string(second) + "; came: " + base::escaped(all, 1024));
  };
  before("StreamBegin", play_start);
  if (reset) before("NetStream.Play.Reset", play_start);
  check(reset || place("NetStream.Play.Reset") == static_cast<std::ptrdiff_t>(came.size()), "Play.Reset although reset was false");
  before(play_start, "onMetaData");
  before("onMetaData", "video");
  before("video config", "video");
  before("audio config", "video");
  if (place("|RtmpSampleAccess") > place("video config")) c.note("no |RtmpSampleAccess ahead of the media");
  if (place("NetStream.Data.Start") > place("video config")) c.note("no NetStream.Data.Start ahead of the media");
}

asio::awaitable<void> start_of_play(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  send_data(out, 0, {"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 320.0}}}});
  begin_media(out);
  co_await out.at->barrier();
  const std::vector<std::vector<amf0::value>> forms{{}, {-2.0}, {-1.0}, {-2000.0}, {0.0}, {-2.0, -1.0}, {-2.0, -1.0, true}};
  for (const auto& extra : forms) co_await order_of_start(c, name, extra, true);
  std::vector<amf0::value> without_reset{-2.0, -1.0, false};
  co_await order_of_start(c, name, std::move(without_reset), false);
}

asio::awaitable<void> first_frames(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto early = co_await c.playing(name);
  begin_media(out);
  for (std::uint32_t i = 1; i < 4; ++i) send_video(out, 40 * i, avc_frame(false, 90, static_cast<std::uint8_t>(0x40 + i)));
  co_await out.at->barrier();
  const auto late = co_await c.playing(name);
  const auto config = co_await wait_video(late.at);
  check_equal(avc_config(), config.payload, "the first video message of a viewer that came in the middle of a group of pictures");
  const auto key = co_await wait_video(late.at);
  check(key.payload.size() > 1 && key.payload.view()[0] == 0x17 && key.payload.view()[1] == 1,
        "the configuration is followed by no key frame");

  // The same configuration once more says nothing new; another one has to come through ahead of its key frame.
  send_video(out, 160, avc_config());
  auto other = avc_config();
  other[8] = 0x14;  // level 2
  send_video(out, 160, other);
  const auto next = avc_frame(true, 100, 0x51);
  send_video(out, 160, next);
  co_await wait_payload(early.at, other, "the new configuration");
  co_await wait_payload(early.at, next, "the key frame behind the new configuration");
  if (count_passed(*early.at, avc_config()) > 1) c.note("a configuration that did not change is sent again");

  const auto only_audio = c.name("audio");
  const auto radio = co_await c.publishing(only_audio);
  send_audio(radio, 0, aac_config());
  send_audio(radio, 0, aac_frame());
  co_await radio.at->barrier();
  const auto listener = co_await c.playing(only_audio);
  const auto frame = aac_frame(40, 9);
  send_audio(radio, 23, frame);
  const auto first = co_await wait_av(listener.at);
  check_equal(aac_config(), first.payload, "the first message of a listener");
  if (rtmp::message next_audio = co_await wait_av(listener.at); next_audio.payload.size() == aac_frame().size()) {
    co_await wait_payload(listener.at, frame, "the next audio frame");
  } else {
    check_equal(frame, next_audio.payload, "the next audio frame");
  }
}

asio::awaitable<void> not_published(context& c) {
  for (const double start : {-2.0, -1.0}) {
    const auto name = c.name(start == -2 ? "any" : "live");
    const auto at = co_await c.connected();
    const auto msid = co_await at->barrier();
    at->call("play", at->next_transaction(), {name, start}, msid);
    const auto answer = co_await wait_answer(at, play_start);
    if (answer.code != play_start) {
      check(answer.code == "NetStream.Play.StreamNotFound", "play of a stream that nobody publishes: " + shown(answer));
      c.note("a stream that nobody publishes is refused");
      continue;
    }
    const auto out = co_await c.publishing(name);
    begin_media(out);
    co_await wait_payload(at, avc_frame(true, 100, 1), "the key frame of the publisher that was waited for");
  }
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("play", at->next_transaction(), {c.name("recorded"), 0.0}, msid);
  const auto answer = co_await wait_answer(at, play_start);
  check(answer.code == "NetStream.Play.StreamNotFound" || answer.code == "NetStream.Play.Failed",
        "play from the start (0) of a recording that does not exist: " + shown(answer));
}

// Whether `payload` reaches that viewer: proven by barriers on both sides, so that "it does not" is not just "not yet".
asio::awaitable<bool> reaches(on_stream out, on_stream in, std::uint32_t time, bytes payload) {
  send_video(out, time, payload);
  co_await settle(out, in);
  co_return count_passed(*in.at, payload) > 0;
}

asio::awaitable<void> ends_and_switches(context& c) {
  const auto name_a = c.name(), name_b = c.name("b");
  const auto a = co_await c.publishing(name_a);
  const auto b = co_await c.publishing(name_b);
  begin_media(a, 0, 0xA1);
  begin_media(b, 0, 0xB1);
  co_await a.at->barrier();
  co_await b.at->barrier();
  const auto viewer = co_await c.connected();
  const auto in = co_await c.play_on(viewer, name_a);
  co_await wait_payload(viewer, avc_frame(true, 100, 0xA1), "the first stream's key frame");
  // A second play on the same message stream is a switch.
  viewer->call("play", viewer->next_transaction(), {name_b}, in.msid);
  co_await wait_payload(viewer, avc_frame(true, 100, 0xB1), "the key frame of the stream that was switched to");
  bool reached = co_await reaches(a, in, 40, avc_frame(true, 100, 0xA2));
  check(!reached, "after a switch the old stream still comes");
  // play2 switches as well, or is refused in words.
  viewer->call("play2", viewer->next_transaction(),
               {amf0::object{{{"streamName", name_a}, {"oldStreamName", name_b}, {"transition", "switch"}, {"start", -2.0}}}}, in.msid);
  const auto answer = co_await wait_answer(viewer, play_start);
  if (answer.code == play_start) {
    co_await wait_payload(viewer, avc_frame(true, 100, 0xA2), "the key frame of the stream that play2 switched to");
  } else {
    check(!answer.code.empty(), "play2 ended the connection");
    c.note("play2 is refused: " + base::escaped(answer.code));
    viewer->call("play", viewer->next_transaction(), {name_a}, in.msid);
    co_await wait_payload(viewer, avc_frame(true, 100, 0xA2), "the first stream's key frame again");
  }
  viewer->call("closeStream", 0, {}, in.msid);
  co_await viewer->barrier();
  reached = co_await reaches(a, in, 80, avc_frame(true, 100, 0xA3));
  check(!reached, "after closeStream the stream still comes");
  viewer->call("play", viewer->next_transaction(), {name_a}, in.msid);
  co_await wait_payload(viewer, avc_frame(true, 100, 0xA3), "the key frame after closeStream and play");
  viewer->call("deleteStream", 0, {in.msid});
  co_await viewer->barrier();
  reached = co_await reaches(a, in, 120, avc_frame(true, 100, 0xA4));
  check(!reached, "after deleteStream the stream still comes");
}

asio::awaitable<void> small_calls(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  begin_media(out);
  const auto at = co_await c.connected();
  at->call("FCSubscribe", at->next_transaction(), {name});
  at->call("getStreamLength", at->next_transaction(), {name});
  at->call("checkBandwidth", at->next_transaction());
  at->call("_checkbw", at->next_transaction());
  at->send(rtmp::make_set_buffer_length(0, 300));
  const auto in = co_await c.play_on(at, name);
  at->send(rtmp::make_set_buffer_length(in.msid, 36'000'000));
  at->send(rtmp::make_set_buffer_length(4711, 1));
  at->call("FCUnsubscribe", at->next_transaction(), {"some other stream"});
  at->call("getStreamLength", 0, {name});
  const auto frame = avc_frame(true, 100, 5);
  co_await at->barrier();
  send_video(out, 40, frame);
  co_await wait_payload(at, frame, "the stream, after the small calls of players");
}

asio::awaitable<void> publisher_gone_and_back(context& c) {
  const auto name = c.name();
  const auto in = co_await c.playing(name);
  std::optional<std::uint32_t> last;
  for (std::uint8_t round = 1; round <= 3; ++round) {
    const auto out = co_await c.publishing(name);
    const std::uint32_t base_ms = round == 2 ? 0 : 5000;  // another encoder counts from somewhere else
    begin_media(out, base_ms, round);
    send_video(out, base_ms + 40, avc_frame(false, 80, round));
    const auto key = co_await wait_payload(in.at, avc_frame(true, 100, round), "the key frame of publisher " + std::to_string(round));
    const auto next = co_await wait_payload(in.at, avc_frame(false, 80, round), "the next frame of publisher " + std::to_string(round));
    if (last) {
      check(key.timestamp >= *last,
            "the time runs back from " + std::to_string(*last) + " to " + std::to_string(key.timestamp) + " ms when the publisher returns");
    }
    last = next.timestamp;
    out.at->call("FCUnpublish", out.at->next_transaction(), {c.publish_name(name)});
    out.at->call("deleteStream", 0, {out.msid});
    co_await in.at->wait_status("NetStream.Play.UnpublishNotify");
  }
  // For the first publisher too, if the viewer was there before it.
  const auto backs = count_code(*in.at, "NetStream.Play.PublishNotify");
  check(backs == 2 || backs == 3, "NetStream.Play.PublishNotify came " + std::to_string(backs) + " times for three publishers");
}

}  // namespace

std::vector<test_case> play_cases() {
  return {
      {"L1", "the order of a start: StreamBegin, Reset, Start, metadata, configurations, key frame", start_of_play},
      {"L2", "a viewer begins with a configuration and a key frame, a listener with audio", first_frames},
      {"L3", "a stream that nobody publishes: waited for or StreamNotFound; a recording that is not there fails", not_published},
      {"L7", "play on a used message stream, play2, closeStream and deleteStream", ends_and_switches},
      {"L8", "the small calls of players are answered or ignored", small_calls},
      {"L9", "the publisher goes and comes: UnpublishNotify, PublishNotify, viewers stay", publisher_gone_and_back},
  };
}

}  // namespace millrace::conform
