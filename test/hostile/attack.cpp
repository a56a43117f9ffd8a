#include "hostile/attack.hpp"

#include "base/bytes.hpp"
#include "client/link.hpp"
#include "rtmp/uri.hpp"

namespace millrace::hostile {

std::string_view name(way via) {
  switch (via) {
    case way::rtmp: return "rtmp";
    case way::rtmps: return "rtmps";
    case way::rtmpq: return "rtmpq";
    case way::roqr: return "roqr";
  }
  return "";
}

conform::target arena::target(way via) const {
  conform::target where;
  where.dial.host = host;
  where.dial.host_is_ip = true;
  where.dial.port = port;
  where.dial.quic = via == way::rtmpq || via == way::roqr;
  using side = net::dial_target::tcp_side;
  where.dial.tcp = where.dial.quic ? side::none : via == way::rtmps ? side::tls : side::plain;
  where.dial.verify.insecure = true;
  where.alpn = {via == way::roqr ? net::roqr_alpn : net::byte_stream_alpn};
  where.tc_url = "rtmp://" + host + ":" + std::to_string(port) + "/live";
  where.patience = soon;
  return where;
}

std::string arena::fresh_name() {
  static std::uint64_t last = 0;  // one thread attacks
  return "hostile-" + std::to_string(pid) + "-" + std::to_string(++last);
}

void striker::message(message_type type, base::bytes_view payload, std::uint32_t of_stream) const {
  at->send(conform::message_of(type, of_stream, 3, 0, payload));
}

void striker::call(std::string_view command, const std::vector<amf0::value>& args, std::uint32_t of_stream) const {
  at->call(command, at->next_transaction(), args, of_stream);
}

void striker::announce(message_type type, std::uint32_t csid, std::uint32_t length, std::size_t payload, unsigned format) const {
  auto one = conform::whole_chunk(conform::message_of(type, msid, csid, 0, bytes(payload, 0)), format);
  one.length = length;
  at->send_chunk(one);
}

bytes repeated(base::bytes_view what, std::size_t times) {
  bytes out;
  out.reserve(what.size() * times);
  for (std::size_t i = 0; i < times; ++i) conform::append(out, what);
  return out;
}

bytes command_head(std::string_view name, double transaction) {
  base::byte_writer to;
  amf0::encode(to, std::string(name));
  amf0::encode(to, transaction);
  return std::move(to).take();
}

namespace {

std::string in_words(expect outcome) {
  const auto limit = " within " + std::to_string(soon.count() / 1000) + " s";
  switch (outcome) {
    case expect::closed: return "closed" + limit;
    case expect::lives: return "taken or ignored, a ping behind it is answered" + limit;
    case expect::refused: return "refused with an error status or closed" + limit;
    case expect::either: return "closed, or a ping behind it is answered," + limit;
  }
  return "";
}

asio::awaitable<striker> reach(arena& in, conform::context& c, from begin) {
  striker out{in, nullptr, 0, c.where().run};
  switch (begin) {
    case from::opened: out.at = co_await c.open(); break;
    case from::handshaken: out.at = co_await c.handshaken(); break;
    case from::connected: out.at = co_await c.connected(); break;
    case from::stream:
      out.at = co_await c.connected();
      out.msid = co_await out.at->barrier();
      break;
    case from::publishing:
    case from::playing: {
      // Not in one expression: g++ 12 ends the life of what such a one co_awaits twice.
      conform::on_stream there;
      if (begin == from::publishing) {
        there = co_await c.publishing(out.name);
      } else {
        there = co_await c.playing(out.name);
      }
      out.at = there.at;
      out.msid = there.msid;
      break;
    }
  }
  co_return out;
}

asio::awaitable<void> carry_out(arena& in, way via, const attack& what) {
  auto where = in.target(via);
  where.run = in.fresh_name();
  conform::context c(in.io, where, "");
  const auto hand = co_await reach(in, c, what.begin);
  what.strike(hand);
  switch (what.outcome) {
    case expect::closed: co_await hand.at->wait_closed(soon); break;
    case expect::lives: {
      const bool alive = co_await conform::lives(hand.at);
      check(alive, "the connection ended" + (hand.at->how_closed() ? ": " + hand.at->how_closed()->reason.text : ""));
      break;
    }
    case expect::refused: co_await hand.at->wait_refusal(); break;
    case expect::either: co_await conform::lives(hand.at); break;
  }
}

}  // namespace

void add_attacks(cases& to, std::string_view family, const std::vector<way>& ways, const std::vector<attack>& table) {
  for (const auto via : ways) {
    for (const auto& what : table) {
      hostile_case one;
      one.family = std::string(family) + " over " + std::string(name(via));
      one.name = what.name;
      one.expected = in_words(what.outcome);
      one.run = [via, what](arena& in) { return carry_out(in, via, what); };
      to.push_back(std::move(one));
    }
  }
}

}  // namespace millrace::hostile
