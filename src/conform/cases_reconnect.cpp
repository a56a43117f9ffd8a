// Section 17, how a server asks its clients to come back over a new connection (E-RTMP v2 "Reconnect Request").
#include <algorithm>

#include "conform/enhanced.hpp"
#include "media/codec.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace codecs = media::codecs;
constexpr auto request_code = "NetConnection.Connect.ReconnectRequest";

// Only whoever runs the server can make it ask.
void request(context& c, const std::string& tc_url) {
  if (!c.where().request_reconnect) throw skip{"the server asks for it in its own time; nothing here can make it do so"};
  c.where().request_reconnect(tc_url);
}

// The next Reconnect Request, whole.
asio::awaitable<rtmp::command> wait_request(peer_ptr at) {
  while (true) {
    auto status = co_await at->wait_command("onStatus");
    if (rtmp::read_status(status.arg(0)).code == request_code) co_return status;
  }
}

asio::awaitable<void> asks_who_can(context& c) {
  const auto able = co_await capable(c, rtmp::caps_reconnect);
  const auto unable = co_await watch(c, c.name(), 14);
  const std::vector<std::string> targets{"", "rtmp://example.com:1936/other", "//example.com/other", "/other"};
  for (const auto& tc_url : targets) {
    request(c, tc_url);
    const auto status = co_await wait_request(able);
    check(status.transaction == 0, "the transaction of the request is " + std::to_string(status.transaction) + ", expected 0");
    check(status.msid == 0, "the request came on message stream " + std::to_string(status.msid) + ", expected 0");
    const auto info = rtmp::read_status(status.arg(0));
    check(info.level == "status", "the level of the request is '" + info.level + "'");
    const auto* where = status.arg(0)->find("tcUrl");
    const std::string said = where && where->text() ? *where->text() : "";
    check(said == tc_url, "tcUrl of the request is '" + said + "', expected '" + tc_url + "'");
    co_await able->barrier();
  }
  co_await unable.at->barrier();
  const auto codes = unable.at->codes();
  check(std::find(codes.begin(), codes.end(), request_code) == codes.end(), "a client without the Reconnect bit was asked to reconnect");
}

asio::awaitable<void> serves_on(context& c) {
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_reconnect);
  const auto viewer = co_await watch(c, from.name);
  const std::vector<av> before{start_of(codecs::av1), frame_of(codecs::av1, true, 0, 1)};
  const std::vector<av> after{frame_of(codecs::av1, false, 40, 2), frame_of(codecs::av1, true, 80, 3)};
  send(from, before);
  check_arrived(before, co_await until(viewer, before.back().payload));
  request(c, "");
  co_await wait_request(from.at);
  co_await wait_request(viewer.at);
  send(from, after);
  co_await taken(from);
  check_arrived(after, co_await until(viewer, after.back().payload));
}

asio::awaitable<void> takes_over(context& c) {
  const auto first = co_await publish_enhanced(c, c.name(), rtmp::caps_reconnect);
  const auto viewer = co_await c.playing(first.name);
  send(first, {start_of(codecs::av1), frame_of(codecs::av1, true, 0, 1), frame_of(codecs::av1, false, 40, 2)});
  co_await taken(first);
  request(c, "");
  co_await wait_request(first.at);
  // The new connection gets the name while the old one still streams, …
  const auto second = co_await publish_enhanced(c, first.name);
  send(second, start_of(codecs::av1));
  send(second, frame_of(codecs::av1, false, 80, 100));  // … but is nothing to a viewer before its first key frame.
  co_await taken(second);
  send(first, {frame_of(codecs::av1, false, 80, 3), frame_of(codecs::av1, false, 120, 4)});
  co_await taken(first);
  send(second, {frame_of(codecs::av1, true, 160, 5), frame_of(codecs::av1, false, 200, 6)});
  co_await taken(second);
  first.at->finish_sending();
  send(second, frame_of(codecs::av1, false, 240, 7));

  const auto got = co_await until(viewer, frame_of(codecs::av1, false, 240, 7).payload);
  std::uint8_t last = 0;
  std::uint32_t time = got.front().time;
  for (const auto& m : got) {
    check(m.time >= time, "the viewer's time went back from " + std::to_string(time) + " to " + std::to_string(m.time));
    time = m.time;
    if ((byte_of(m, 0) & 15) == 0) continue;  // configuration
    check(m.payload.back() == last + 1, "after picture " + std::to_string(last) + " came " + std::to_string(m.payload.back()));
    last = m.payload.back();
  }
  for (const auto& code : viewer.at->codes()) {
    check(code != "NetStream.Play.UnpublishNotify" && code != "NetStream.Play.Stop", "the viewer was told " + code);
  }
}

asio::awaitable<void> before_connect(context& c) {
  const auto at = co_await c.handshaken();
  if (at->roqr()) throw skip{"RoQR has no session before the first message"};
  request(c, "/other");
  at->call("connect", 1, {}, 0, c.connect_object(everything()));
  const auto answer = co_await at->wait_command("_result", 1);
  check(capabilities_in(answer).reconnect(), "the answer to connect does not announce Reconnect");
  co_await wait_request(at);
}

}  // namespace

std::vector<test_case> reconnect_cases() {
  return {
      {"Q1", "the request is as specified and goes to who announced Reconnect", asks_who_can},
      {"Q2", "the old connection is served on", serves_on},
      {"Q3", "the publisher's new connection takes over at its key frame, unseen by viewers", takes_over},
      {"Q6", "a request before connect goes out with its answer", before_connect},
  };
}

}  // namespace millrace::conform
