#include "conform/scene.hpp"

#include <algorithm>

#include "base/escape.hpp"

namespace millrace::conform {

namespace asio = boost::asio;
using rtmp::message;
using rtmp::message_type;

void send_video(const on_stream& to, std::uint32_t time, base::bytes_view payload) {
  to.at->send_media(message_type::video, to.msid, time, payload);
}
void send_audio(const on_stream& to, std::uint32_t time, base::bytes_view payload) {
  to.at->send_media(message_type::audio, to.msid, time, payload);
}

void send_data(const on_stream& to, std::uint32_t time, const std::vector<rtmp::amf0::value>& values) {
  auto m = rtmp::make_data(to.msid, values);
  m.timestamp = time;
  to.at->send(m);
}

void begin_media(const on_stream& to, std::uint32_t time, std::uint8_t filler) {
  send_video(to, time, avc_config());
  send_audio(to, time, aac_config());
  send_video(to, time, avc_frame(true, 100, filler));
}

asio::awaitable<message> wait_av(peer_ptr at) {
  peer::wanted is = [](const message& m) { return m.type == message_type::audio || m.type == message_type::video; };
  co_return co_await at->wait(std::move(is), "an audio or video message");
}

asio::awaitable<message> wait_video(peer_ptr at) { co_return co_await at->wait_type(message_type::video); }

asio::awaitable<message> wait_payload(peer_ptr at, bytes payload, std::string what) {
  peer::wanted is = [&payload](const message& m) {
    const bool av = m.type == message_type::audio || m.type == message_type::video;
    return av && std::equal(payload.begin(), payload.end(), m.payload.view().begin(), m.payload.view().end());
  };
  co_return co_await at->wait(std::move(is), std::move(what));
}

std::string data_name(const message& m) {
  const auto body = rtmp::amf0_body(m);
  if (!body) return {};
  base::byte_reader from(*body);
  std::size_t elements = 1;
  const auto first = rtmp::amf0::decode(from, {}, elements);
  return first && first->text() ? *first->text() : std::string();
}

asio::awaitable<message> wait_data(peer_ptr at, std::string name) {
  peer::wanted is = [&name](const message& m) { return m.type == message_type::data_amf0 && data_name(m) == name; };
  co_return co_await at->wait(std::move(is), "the data message " + name);
}

std::size_t count_passed(const peer& at, base::bytes_view payload) {
  return static_cast<std::size_t>(std::count_if(at.passed.begin(), at.passed.end(), [payload](const message& m) {
    return std::equal(payload.begin(), payload.end(), m.payload.view().begin(), m.payload.view().end());
  }));
}

bool event_passed(const peer& at, rtmp::user_event event, std::uint32_t msid) {
  return std::any_of(at.passed.begin(), at.passed.end(), [event, msid](const message& m) {
    if (m.type != message_type::user_control) return false;
    const auto c = rtmp::parse_user_control(m);
    return c && c->event == event && c->value == msid;
  });
}

asio::awaitable<void> settle(on_stream out, on_stream in) {
  co_await out.at->barrier();
  co_await in.at->barrier();
}

std::optional<rtmp::command> command_of(const message& m) {
  if (m.type != message_type::command_amf0) return std::nullopt;
  auto c = rtmp::parse_command(m, {});
  return c ? std::optional(std::move(*c)) : std::nullopt;
}

asio::awaitable<rtmp::command> wait_code(peer_ptr at, std::string code) {
  rtmp::command found;
  peer::wanted is = [&](const message& m) {
    auto c = command_of(m);
    if (!c || (c->name != "onStatus" && c->name != "_error")) return false;
    const auto info = rtmp::read_status(c->arg(0));
    if (info.code != code && (info.level == "error" || c->name == "_error")) {
      throw failure{"expected " + code + ", got the error " + base::escaped(info.code + ": " + info.description)};
    }
    found = std::move(*c);
    return info.code == code;
  };
  co_await at->wait(std::move(is), code);
  co_return found;
}

asio::awaitable<rtmp::status> wait_answer(peer_ptr at, std::string good) {
  rtmp::status found;
  peer::wanted is = [&](const message& m) {
    const auto c = command_of(m);
    if (!c || (c->name != "onStatus" && c->name != "_error")) return false;
    found = rtmp::read_status(c->arg(0));
    return found.code == good || found.level == "error" || c->name == "_error";
  };
  try {
    co_await at->wait(std::move(is), good + " or an error");
  } catch (const failure&) {
    if (!at->closed()) throw;
    found = {"error", "", at->how_closed()->reason.text};
  }
  co_return found;
}

std::size_t count_code(const peer& at, std::string_view code) {
  const auto all = at.codes();
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), code));
}

}  // namespace millrace::conform
