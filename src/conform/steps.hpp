// Steps that scripts of several sections share: a publisher and a viewer with a server between them, and what comes out of it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "conform/script.hpp"

namespace millrace::conform {

struct relay {
  on_stream from;  // publishes
  on_stream to;    // plays the same name
};
// Publishes audio and video configuration and a key frame at `start_ms`, then plays it. Returns
// when the player was told that it plays.
boost::asio::awaitable<relay> relayed(context& c, std::uint32_t start_ms = 0);
// The same three frames on a publication that is there.
void send_beginning(const on_stream& from, std::uint32_t start_ms);

rtmp::message message_of(rtmp::message_type type, std::uint32_t msid, std::uint32_t csid, std::uint32_t time, base::bytes_view payload);
// A message that is one chunk, to be bent by the script.
chunk whole_chunk(const rtmp::message& m, unsigned format = 0);
// The same as encode_as, but chunk by chunk, for interleaving.
std::vector<bytes> split_chunks(const rtmp::message& m, unsigned format, std::uint32_t time, std::uint32_t chunk_size);

struct arrived {
  rtmp::message message;
  std::size_t place = 0;  // 0 came first
};
// Waits until media messages with exactly these payloads came, in whatever order; the answer is in the order asked. Others are passed over.
boost::asio::awaitable<std::vector<arrived>> arrivals(peer_ptr at, std::vector<bytes> payloads);
// The distances of `got` from its first one are those of `sent`, modulo 2^32.
void check_distances(const std::vector<arrived>& got, const std::vector<std::uint32_t>& sent);

// The message read as that, or nothing where it is no such message.
std::optional<rtmp::command> command_in(const rtmp::message& m);
std::optional<rtmp::user_control> event_in(const rtmp::message& m);
std::optional<std::uint32_t> control_in(const rtmp::message& m, rtmp::message_type type);
std::optional<std::vector<rtmp::amf0::value>> data_in(const rtmp::message& m);

// PingRequest and its answer: the peer has read everything that was sent before, also amid a message.
boost::asio::awaitable<void> ping(peer_ptr at, std::uint32_t value);
// True: a ping was answered. False: the connection ended instead.
boost::asio::awaitable<bool> lives(peer_ptr at);

}  // namespace millrace::conform
