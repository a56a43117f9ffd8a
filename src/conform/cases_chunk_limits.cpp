// Section 2, the chunk layer: chunk sizes, and what bounds a peer (RTMP 1.0 section 5.4.1).
#include <algorithm>

#include "conform/steps.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::message_type;

asio::awaitable<void> set_chunk_size(context& c) {
  const auto r = co_await relayed(c, 1000);
  check(r.from.at->chunks().fault().empty(), r.from.at->chunks().fault());  // 128 until the server said otherwise
  // From the next chunk on, also amid a message.
  r.from.at->set_chunk_size(128);
  std::vector<bytes> frames{avc_frame(true, 600, 1)};
  auto one = whole_chunk(message_of(message_type::video, r.from.msid, 6, 1040, frames[0]));
  const auto part = [&](std::size_t from, std::size_t to) {
    one.payload.assign(frames[0].begin() + static_cast<std::ptrdiff_t>(from), frames[0].begin() + static_cast<std::ptrdiff_t>(to));
    r.from.at->send_chunk(one);
    one.format = 3;
  };
  part(0, 128);
  r.from.at->set_chunk_size(256);
  part(128, 384);
  r.from.at->set_chunk_size(0x7FFFFFFF);  // the largest that may be said acts as the longest message
  part(384, 600);
  frames.push_back(avc_frame(true, 100'000, 2));
  r.from.at->send_media(message_type::video, r.from.msid, 1080, frames[1]);
  co_await arrivals(r.to.at, frames);
  for (const std::uint32_t bad : {0u, 0x80000000u, 0xFFFFFFFFu}) {
    const auto at = co_await c.connected();
    at->send(rtmp::make_control(message_type::set_chunk_size, bad));
    co_await at->wait_closed();
  }
}

asio::awaitable<void> any_chunk_size(context& c) {
  const auto r = co_await relayed(c, 1000);
  std::uint32_t time = 1040;
  for (const std::uint32_t size : {1u, 127u, 128u, 129u, 4096u, 60'000u, 65'536u, 0xFFFFFFu}) {
    r.from.at->set_chunk_size(size);
    const std::vector<bytes> frames{avc_frame(true, 70'000, static_cast<std::uint8_t>(time))};
    r.from.at->send_media(message_type::video, r.from.msid, time, frames[0]);
    time += 40;
    try {
      co_await arrivals(r.to.at, frames);
    } catch (const failure& f) {
      throw failure{"chunk size " + std::to_string(size) + ": " + f.text};
    }
  }
}

// Sends what no client needs and says in a note how far it got. A server may take it or end the connection, at its choice.
asio::awaitable<void> abuse(context& c, peer_ptr at, std::string what) {
  const bool alive = co_await lives(at);
  if (alive) c.note(what + ": not limited here");
}

asio::awaitable<void> limits(context& c) {
  {  // A command of 16 MB is announced, and a megabyte of it comes.
    const auto at = co_await c.connected();
    auto m = message_of(message_type::command_amf0, 0, 3, 0, bytes(4096, 0));
    auto one = whole_chunk(m);
    one.length = 0xFFFFFF;
    for (int i = 0; i < 256 && !at->closed(); ++i) {
      at->send_chunk(one);
      one.format = 3;
    }
    co_await abuse(c, at, "a command of 16 MB");
  }
  {  // Unfinished messages on many chunk streams.
    const auto at = co_await c.connected();
    for (std::uint32_t csid = 8; csid < 520 && !at->closed(); ++csid) {
      auto one = whole_chunk(message_of(message_type::video, 1, csid, 0, bytes(4096, 0)));
      one.length = 8192;
      at->send_chunk(one);
    }
    co_await abuse(c, at, "512 unfinished messages of 8 KB");
  }
  {  // Message streams that are never deleted.
    const auto at = co_await c.connected();
    int refused = 0, given = 0;
    for (int i = 0; i < 100 && !at->closed(); ++i) {
      const auto transaction = at->next_transaction();
      at->call("createStream", transaction);
      peer::wanted answer = [transaction](const rtmp::message& m) {
        const auto said = command_in(m);
        return said && (said->name == "_result" || said->name == "_error") && said->transaction == transaction;
      };
      try {
        const auto m = co_await at->wait(std::move(answer), "an answer to createStream");
        ++(rtmp::parse_command(m, {})->name == "_error" ? refused : given);
      } catch (const failure&) {
        if (!at->closed()) throw;
      }
    }
    if (refused == 0 && !at->closed()) c.note(std::to_string(given) + " message streams: not limited here");
  }
  // Whatever became of those, others are served.
  co_await c.publishing(c.name());
}

asio::awaitable<void> cut_anywhere(context& c) {
  // A publisher's whole session in bytes, the handshake's answers guessed.
  bytes session(1 + 2 * 1536, 0x5A);
  session[0] = 3;
  std::fill(session.begin() + 1, session.begin() + 9, std::uint8_t{0});
  append(session, encode_as(rtmp::make_command(0, "connect", 1, c.connect_object()), 0, 0));
  append(session, encode_as(rtmp::make_command(0, "createStream", 2, amf0::null{}), 0, 0));
  append(session, encode_as(rtmp::make_command(1, "publish", 3, amf0::null{}, {c.publish_name(c.name()), "live"}), 0, 0));
  append(session, encode_as(message_of(message_type::video, 1, 6, 0, avc_config()), 0, 0));
  for (std::uint32_t time = 0; time < 200; time += 40) {
    append(session, encode_as(message_of(message_type::video, 1, 6, time, avc_frame(time == 0, 300)), 0, time));
  }
  // Some telling places here; the unit tests try every byte.
  for (std::size_t cut = 1; cut < session.size(); cut += cut < 3073 ? 700 : 97) {
    const auto at = co_await c.open();
    at->send_bytes(base::bytes_view(session).first(cut));
    at->finish_sending();
  }
  co_await c.publishing(c.name("after"));
}

}  // namespace

std::vector<test_case> chunk_limit_cases() {
  return {
      {"K10", "Set Chunk Size from 1 to 0x7FFFFFFF counts from the next chunk on; 0 and the top bit are closed", set_chunk_size},
      {"K11", "every chunk size gives the same messages", any_chunk_size},
      {"K14", "a peer that asks for more than its share ends alone", limits},
      {"K15", "a session cut anywhere leaves the server whole", cut_anywhere},
  };
}

}  // namespace millrace::conform
