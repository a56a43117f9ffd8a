#include "conform/script.hpp"

#include <algorithm>
#include <array>

namespace millrace::conform {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;

std::string context::name(std::string_view suffix) const { return "millrace-" + where_.run + "-" + id_ + "-" + std::string(suffix); }

std::string context::publish_name(const std::string& name) const {
  return where_.publish_query.empty() ? name : name + "?" + where_.publish_query;
}

amf0::value context::connect_object(std::vector<amf0::member> extra) const {
  amf0::object o{{{"app", where_.app}, {"tcUrl", where_.tc_url}, {"flashVer", "FMLE/3.0 (compatible; millrace conform)"}}};
  for (auto& one : extra) {
    const auto same = std::find_if(o.members.begin(), o.members.end(), [&one](const amf0::member& m) { return m.name == one.name; });
    if (same != o.members.end()) {
      *same = std::move(one);
    } else {
      o.members.push_back(std::move(one));
    }
  }
  return o;
}

asio::awaitable<peer_ptr> context::open() {
  net::dial_options how;
  how.whole_dial = where_.patience;
  how.quic.alpn = where_.alpn;
  auto outcome = co_await net::dial(where_.dial, how);
  if (auto* failed = std::get_if<net::dial_failure>(&outcome)) throw failure{"no connection: " + failed->reason.text};
  co_return peer::start(io_, std::move(std::get<net::dialed>(outcome).transport), where_.patience);
}

asio::awaitable<peer_ptr> context::handshaken() {
  auto made = co_await open();
  co_await made->shake_hands_as_client();
  co_return made;
}

asio::awaitable<peer_ptr> context::connected() {
  std::vector<amf0::member> nothing;
  co_return co_await connected_with(std::move(nothing));
}

asio::awaitable<peer_ptr> context::connected_with(std::vector<amf0::member> extra) {
  auto made = co_await handshaken();
  made->set_chunk_size(4096);
  made->call("connect", 1, {}, 0, connect_object(std::move(extra)));
  const auto answer = co_await made->wait_command("_result", 1);
  const auto info = rtmp::read_status(answer.arg(0));
  check(info.code == "NetConnection.Connect.Success", "connect was answered with code '" + info.code + "'");
  co_return made;
}

asio::awaitable<on_stream> context::publish_on(peer_ptr at, std::string name) {
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {publish_name(name), "live"}, msid);
  co_await at->wait_status("NetStream.Publish.Start");
  co_return on_stream{at, msid, name};
}

asio::awaitable<on_stream> context::play_on(peer_ptr at, std::string name) {
  const auto msid = co_await at->barrier();
  at->call("play", at->next_transaction(), {name}, msid);
  co_await at->wait_status("NetStream.Play.Start");
  co_return on_stream{at, msid, name};
}

asio::awaitable<on_stream> context::publishing(std::string name) {
  auto at = co_await connected();
  co_return co_await publish_on(std::move(at), std::move(name));
}

asio::awaitable<on_stream> context::playing(std::string name) {
  auto at = co_await connected();
  co_return co_await play_on(std::move(at), std::move(name));
}

void context::note(std::string text) {
  if (!notes_.empty()) notes_ += "; ";
  notes_ += text;
}

const std::vector<test_case>& catalogue() {
  static const std::vector<test_case> all = [] {
    std::vector<test_case> out;
    for (const auto section : {handshake_cases, chunk_cases, chunk_limit_cases, time_cases, acknowledgement_cases, user_control_cases, amf_cases,
                               connect_cases, publish_cases, data_cases, play_cases, play_control_cases, status_cases, media_cases,
                               ertmp_connect_cases, ex_video_cases, ex_audio_cases, multitrack_cases, mod_ex_cases, reconnect_cases,
                               transport_cases}) {
      auto some = section();
      out.insert(out.end(), some.begin(), some.end());
    }
    // A section may fill several files.
    std::vector<std::string> sections;
    const auto place = [&sections](const test_case& one) {
      const std::string id = one.id;
      const auto digits = id.find_first_of("0123456789");
      auto at = std::find(sections.begin(), sections.end(), id.substr(0, digits));
      if (at == sections.end()) at = sections.insert(at, id.substr(0, digits));
      return std::pair(at - sections.begin(), std::stoi(id.substr(digits)));
    };
    for (const auto& one : out) place(one);
    std::stable_sort(out.begin(), out.end(), [&place](const test_case& a, const test_case& b) { return place(a) < place(b); });
    return out;
  }();
  return all;
}

// ---- media ------------------------------------------------------------------------------------------------------

bytes avc_config() {
  // AVCDecoderConfigurationRecord (ISO/IEC 14496-15): baseline, level 1.3, one SPS, one PPS.
  return {0x17, 0, 0, 0, 0, 1, 0x42, 0xC0, 0x0D, 0xFF, 0xE1, 0, 10, 0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8, 0x40, 0x00, 1, 0, 4, 0x68, 0xCE, 0x3C, 0x80};
}

bytes avc_frame(bool key, std::size_t size, std::uint8_t filler) {
  const std::array<std::uint8_t, 5> head{static_cast<std::uint8_t>(key ? 0x17 : 0x27), 1, 0, 0, 0};
  bytes out(std::max(size, head.size() + 5), filler);
  std::copy(head.begin(), head.end(), out.begin());
  const auto nal = static_cast<std::uint32_t>(out.size() - head.size() - 4);
  for (std::size_t i = 0; i < 4; ++i) out[head.size() + i] = static_cast<std::uint8_t>(nal >> (8 * (3 - i)));
  out[head.size() + 4] = key ? 0x65 : 0x41;
  return out;
}

bytes aac_config() { return {0xAF, 0, 0x12, 0x10}; }

bytes aac_frame(std::size_t size, std::uint8_t filler) {
  bytes out(std::max<std::size_t>(size, 3), filler);
  out[0] = 0xAF;
  out[1] = 1;
  return out;
}

// ---- checks -----------------------------------------------------------------------------------------------------

std::string hex(base::bytes_view some, std::size_t most) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < std::min(most, some.size()); ++i) {
    if (i > 0) out += ' ';
    out += digits[some[i] >> 4];
    out += digits[some[i] & 15];
  }
  return some.size() > most ? out + " …" : out;
}

void check_equal(base::bytes_view expected, base::bytes_view got, const std::string& what) {
  const auto [in_expected, in_got] = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end());
  if (in_expected == expected.end() && in_got == got.end()) return;
  const auto at = static_cast<std::size_t>(in_expected - expected.begin());
  throw failure{what + " differs at byte " + std::to_string(at) + ": expected " + std::to_string(expected.size()) + " bytes (" +
                hex(expected.subspan(at), 8) + "), got " + std::to_string(got.size()) + " (" + hex(got.subspan(at), 8) + ")"};
}

}  // namespace millrace::conform
