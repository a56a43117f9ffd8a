// Frames that no client sends (RFC 9000 section 19), in packets that are valid in every other respect.
#include "base/bytes.hpp"
#include "hostile/attack.hpp"
#include "hostile/quic_liar.hpp"

namespace millrace::hostile {
namespace {

enum frame_type : std::uint64_t {
  ping = 0x01, ack = 0x02, ack_ecn = 0x03, reset_stream = 0x04, stop_sending = 0x05, crypto = 0x06, new_token = 0x07, stream = 0x0A, stream_fin = 0x0B,
  stream_at = 0x0E, max_data = 0x10, max_stream_data = 0x11, max_streams = 0x12, max_streams_uni = 0x13, data_blocked = 0x14, stream_data_blocked = 0x15,
  streams_blocked = 0x16, new_connection_id = 0x18, retire_connection_id = 0x19, path_challenge = 0x1A, path_response = 0x1B, connection_close = 0x1C,
  application_close = 0x1D, handshake_done = 0x1E, datagram = 0x31,
};
constexpr std::uint64_t huge = (std::uint64_t{1} << 62) - 1;

// RFC 9000 section 20.1. What a line names is what the server has to close with; `any` leaves it that.
enum code : std::uint64_t { flow_control = 3, stream_limit = 4, stream_state = 5, final_size = 6, frame_encoding = 7, too_many_ids = 9, violation = 0xA, any = ~0ull };

enum class fate : unsigned char { closed, taken, either };

struct line {
  const char* name;
  fate expected;
  std::uint64_t code;  // of a close; any where it does not matter
  std::size_t times;
  std::function<bytes(std::uint64_t)> say;  // the frames of the n-th packet
};

bytes number8(std::uint64_t value) { return std::move(base::byte_writer().u64(value)).take(); }
bytes one_byte(std::uint64_t id, std::uint64_t at) { return frame(stream_at, id, at, 1) + bytes{3}; }
bytes text(std::uint64_t id, std::size_t size) { return frame(stream, id, size) + bytes(size, 3); }
bytes id_frame(std::uint64_t sequence, std::uint64_t retire, std::size_t size = 8) {
  auto id = repeated(number8(sequence * 0x9E3779B97F4A7C15u), 3);
  id.resize(size);
  return frame(new_connection_id, sequence, retire) + bytes{static_cast<std::uint8_t>(size)} + id + bytes(16, 1);
}

const std::vector<line>& lines() {
  using enum fate;
  static const std::vector<line> all{
      // --- acknowledgements (section 13.1: of what was never sent is a violation, if it is noticed)
      {"ACK of packets that were never sent", closed, violation, 1, [](auto) { return frame(ack, 100'000, 0, 0, 10); }},
      {"ACK of packet 2^62-1", closed, violation, 1, [](auto) { return frame(ack, huge, 0, 0, 0); }},
      {"ACK whose range begins below 0", closed, frame_encoding, 1, [](auto) { return frame(ack, 3, 0, 0, 10); }},
      {"ACK with ranges below 0", closed, frame_encoding, 1, [](auto) { return frame(ack, 5, 0, 2, 0, 4, 4, 4, 4); }},
      {"ACK of 2^62-1 ranges that are not there", closed, frame_encoding, 1, [](auto) { return frame(ack, 5, 0, huge, 0); }},
      {"ACK with a delay of 2^62-1", either, any, 20, [](auto) { return frame(ack, 0, huge, 0, 0); }},
      {"ACK of 300 ranges", either, any, 50, [](auto) { return frame(ack, 2000, 0, 300, 0) + repeated(frame(0, 0), 300); }},
      {"ACK with ECN counts of 2^62-1", either, any, 10, [](auto) { return frame(ack_ecn, 0, 0, 0, 0, huge, huge, huge); }},
      {"ACK of the first packet 3000 times", either, any, 3000, [](auto) { return frame(ack, 0, 0, 0, 0) + frame(ping); }},
      // --- streams (sections 4 and 19.8)
      {"STREAM beyond the stream's limit", closed, flow_control, 1, [](auto) { return frame(stream_at, 0, 0xFFFFFFF, 1) + bytes{1}; }},
      {"STREAM beyond offset 2^62-1", closed, any, 1, [](auto) { return frame(stream_at, 0, huge, 2) + bytes(2, 1); }},
      {"STREAM longer than its packet", closed, frame_encoding, 1, [](auto) { return frame(stream, 0, 5000) + bytes(10, 1); }},
      {"STREAM of a stream that only the server opens", closed, stream_state, 1, [](auto) { return text(1, 4); }},
      {"STREAM of a one-way stream of the server", closed, stream_state, 1, [](auto) { return text(3, 4); }},
      {"STREAM of stream 2^60", closed, stream_limit, 1, [](auto) { return text(std::uint64_t{1} << 60, 4); }},
      {"STREAM of the 17th stream", closed, any, 1, [](auto) { return text(4 * 17, 4); }},
      {"STREAM of a second stream, where one carries RTMP", closed, any, 1, [](auto) { return text(4, 4); }},
      {"STREAM of a one-way stream, where one carries RTMP", either, any, 1, [](auto) { return text(2, 4); }},
      {"STREAM of 100 one-way streams with a byte each", either, any, 100, [](auto i) { return text(2 + 4 * i, 1); }},
      {"STREAM with its end at two places", closed, final_size, 2, [](auto i) { return i == 0 ? frame(stream_fin, 0, 4) + bytes(4, 3) : frame(stream_fin, 0, 2) + bytes(2, 3); }},
      {"STREAM behind its end", closed, final_size, 2, [](auto i) { return i == 0 ? frame(stream_fin, 0, 4) + bytes(4, 3) : frame(stream_at, 0, 100, 1) + bytes{1}; }},
      {"STREAM of one byte, 1500 times", either, any, 1500, [](auto i) { return one_byte(0, i); }},
      {"STREAM of one byte, backwards from 1500", either, any, 1500, [](auto i) { return one_byte(0, 1500 - i); }},
      {"STREAM of one byte at every other place, 3000 times", either, any, 3000, [](auto i) { return one_byte(0, 2 * i + 1); }},
      {"STREAM of one byte at places a kilobyte apart", either, any, 1000, [](auto i) { return one_byte(0, 1024 * i + 7); }},
      {"STREAM with the same byte 3000 times", either, any, 3000, [](auto) { return one_byte(0, 0); }},
      {"STREAM with another byte in the same place", either, any, 100, [](auto i) { return frame(stream_at, 0, 0, 1) + bytes{static_cast<std::uint8_t>(i)}; }},
      {"STREAM of no bytes 3000 times", either, any, 3000, [](auto) { return frame(stream_at, 0, 0, 0); }},
      {"RESET_STREAM of stream 0 first", either, any, 1, [](auto) { return frame(reset_stream, 0, 7, 0); }},
      {"RESET_STREAM with a size of 2^62-1", closed, flow_control, 1, [](auto) { return frame(reset_stream, 0, 7, huge); }},
      {"RESET_STREAM below what came", closed, final_size, 2, [](auto i) { return i == 0 ? text(0, 8) : frame(reset_stream, 0, 7, 2); }},
      {"RESET_STREAM of a stream of the server", closed, stream_state, 1, [](auto) { return frame(reset_stream, 3, 7, 0); }},
      {"RESET_STREAM of 2000 streams", either, any, 2000, [](auto i) { return frame(reset_stream, 2 + 4 * i, 7, 0); }},
      {"RESET_STREAM of one stream 2000 times", either, any, 2000, [](auto) { return frame(reset_stream, 2, 7, 0); }},
      {"STOP_SENDING of stream 0 2000 times", either, any, 2000, [](auto i) { return i == 0 ? text(0, 4) : frame(stop_sending, 0, 7); }},
      {"STOP_SENDING of a stream that does not receive", closed, stream_state, 1, [](auto) { return frame(stop_sending, 2, 7); }},
      {"STOP_SENDING of a stream that the server never opened", closed, stream_state, 1, [](auto) { return frame(stop_sending, 1, 7); }},
      // --- limits (section 19.9 and on: what is less than before is ignored)
      {"MAX_DATA that goes back", taken, any, 100, [](auto i) { return frame(max_data, 100 - i); }},
      {"MAX_DATA 0", taken, any, 1, [](auto) { return frame(max_data, 0); }},
      {"MAX_DATA 2^62-1 3000 times", either, any, 3000, [](auto) { return frame(max_data, huge); }},
      {"MAX_STREAM_DATA of a stream that does not receive", closed, stream_state, 1, [](auto) { return frame(max_stream_data, 2, 1000); }},
      {"MAX_STREAM_DATA of a stream that the server never opened", closed, stream_state, 1, [](auto) { return frame(max_stream_data, 1, 1000); }},
      {"MAX_STREAMS above 2^60", closed, frame_encoding, 1, [](auto) { return frame(max_streams, huge); }},
      {"MAX_STREAMS that goes back", taken, any, 100, [](auto i) { return frame(max_streams_uni, 100 - i); }},
      {"DATA_BLOCKED and its kin 2000 times", either, any, 2000, [](auto i) { return frame(data_blocked, i) + frame(streams_blocked, i); }},
      {"STREAM_DATA_BLOCKED of stream 2^60", closed, any, 1, [](auto) { return frame(stream_data_blocked, std::uint64_t{1} << 60, 1); }},
      {"STREAMS_BLOCKED above 2^60", closed, frame_encoding, 1, [](auto) { return frame(streams_blocked, huge); }},
      // --- handshake data (section 7.5: behind the handshake it may be discarded or ends the connection)
      {"CRYPTO behind the handshake", closed, any, 1, [](auto) { return frame(crypto, 0, 4) + written("18000001"); }},
      {"CRYPTO with a gap of 60,000", either, any, 1, [](auto) { return frame(crypto, 60'000, 4) + written("18000001"); }},
      {"CRYPTO beyond any buffer", closed, any, 1, [](auto) { return frame(crypto, 10'000'000, 4) + written("18000001"); }},
      {"CRYPTO at 2000 places", closed, any, 2000, [](auto i) { return frame(crypto, 1 + 100 * i, 1) + bytes{1}; }},
      {"CRYPTO beyond offset 2^62-1", closed, any, 1, [](auto) { return frame(crypto, huge, 4) + written("18000001"); }},
      {"CRYPTO longer than its packet", closed, frame_encoding, 1, [](auto) { return frame(crypto, 0, 4000) + bytes(4, 1); }},
      // --- what only a server sends
      {"HANDSHAKE_DONE from a client", closed, violation, 1, [](auto) { return frame(handshake_done); }},
      {"NEW_TOKEN from a client", closed, violation, 1, [](auto) { return frame(new_token, 4) + bytes(4, 1); }},
      {"NEW_TOKEN without a token", closed, any, 1, [](auto) { return frame(new_token, 0); }},
      // --- connection ids (section 19.15 and on)
      {"NEW_CONNECTION_ID 100 times", closed, too_many_ids, 100, [](auto i) { return id_frame(1 + i, 0); }},
      {"NEW_CONNECTION_ID 2000 times, each retires the ones before", either, any, 2000, [](auto i) { return id_frame(1 + i, 1 + i); }},
      {"NEW_CONNECTION_ID that retires more than there are", closed, frame_encoding, 1, [](auto) { return id_frame(1, 5); }},
      {"NEW_CONNECTION_ID of no bytes", closed, frame_encoding, 1, [](auto) { return frame(new_connection_id, 1, 0) + bytes{0} + bytes(16, 1); }},
      {"NEW_CONNECTION_ID of 21 bytes", closed, frame_encoding, 1, [](auto) { return frame(new_connection_id, 1, 0) + bytes{21} + bytes(37, 1); }},
      {"NEW_CONNECTION_ID of one number with two ids", closed, violation, 2, [](auto i) { return frame(new_connection_id, 1, 0) + bytes{8} + bytes(8, static_cast<std::uint8_t>(i)) + bytes(16, 1); }},
      {"NEW_CONNECTION_ID with number 2^62-1", either, any, 1, [](auto) { return id_frame(huge, 0); }},
      {"NEW_CONNECTION_ID with number 2^62-1 that retires all", either, any, 1, [](auto) { return id_frame(huge, huge); }},
      {"RETIRE_CONNECTION_ID of one that was never given", closed, violation, 1, [](auto) { return frame(retire_connection_id, 1'000); }},
      {"RETIRE_CONNECTION_ID of the one in use", closed, violation, 1, [](auto) { return frame(retire_connection_id, 0); }},
      {"RETIRE_CONNECTION_ID of one 2000 times", either, any, 2000, [](auto) { return frame(retire_connection_id, 1); }},
      {"RETIRE_CONNECTION_ID of each as it comes", either, any, 300, [](auto i) { return frame(retire_connection_id, 1 + i); }},
      // --- paths (section 8.2)
      {"PATH_CHALLENGE 1000 times", either, any, 1000, [](auto i) { return frame(path_challenge) + number8(i); }},
      {"PATH_CHALLENGE 100 times in each of 20 packets", either, any, 20, [](auto i) { return repeated(frame(path_challenge) + number8(i), 100); }},
      {"PATH_CHALLENGE that is cut", closed, frame_encoding, 1, [](auto) { return repeated(frame(ping), 1150) + frame(path_challenge); }},
      {"PATH_RESPONSE that nobody asked for, 1000 times", either, any, 1000, [](auto i) { return frame(path_response) + number8(i); }},
      // --- anything
      {"PING 5000 times", either, any, 5000, [](auto) { return frame(ping); }},
      {"PING 1100 times in each of 500 packets", either, any, 500, [](auto) { return repeated(frame(ping), 1100); }},
      {"nothing but PADDING, 2000 times", either, any, 2000, [](auto) { return bytes(4, 0); }},
      {"a frame that nobody knows", closed, frame_encoding, 1, [](auto) { return frame(0x21) + bytes(20, 1); }},
      {"a frame of type 2^62-1", closed, frame_encoding, 1, [](auto) { return frame(huge); }},
      {"a frame type that is longer than it has to be", closed, any, 1, [](auto) { return written("4001"); }},
      {"DATAGRAM, which was not agreed on", closed, any, 1, [](auto) { return frame(datagram, 4) + bytes(4, 1); }},
      {"DATAGRAM of no bytes", closed, any, 1, [](auto) { return frame(datagram, 0); }},
      {"a close whose reason is longer than its packet", closed, any, 1, [](auto) { return frame(connection_close, 1, 0, 60'000) + bytes(10, 'x'); }},
      {"a close of terminal sequences", closed, any, 1, [](auto) { const auto reason = written("1b '[2J' 0d0a 'level=error forged'"); return frame(application_close, 1, reason.size()) + reason; }},
      {"a close of another layer with code 2^62-1", closed, any, 1, [](auto) { return frame(connection_close, huge, huge, 0); }},
  };
  return all;
}

asio::awaitable<void> tell(arena& in, const line& what, std::string alpn) {
  liar_options options;
  options.alpn = {std::move(alpn)};
  liar at(in, std::move(options));
  const bool ready = co_await at.shake_hands();
  check(ready, "no handshake: " + (at.ended() ? at.ended()->text : "no answer"));
  bool open = true;
  for (std::uint64_t i = 0; open && i < what.times; ++i) {
    auto frames = what.say(i);
    open = co_await at.say(std::move(frames));
  }
  if (open) open = co_await at.taken();
  if (what.expected == fate::either) co_return;
  if (what.expected == fate::taken) {
    check(open, "closed: " + (at.ended() ? at.ended()->text : ""));
    co_return;
  }
  // The client closed by itself, and the server then drains: there is nothing more to be heard of it.
  check(!open, "acknowledged, and nothing followed from it");
  const auto& how = *at.ended();
  // RFC 9000 section 11: the generic code may always stand for a specific one.
  check(what.code == any || how.code == what.code || how.code == violation, "closed with code " + (how.code ? std::to_string(*how.code) : "none") + " (" + how.text + "), expected " + std::to_string(what.code));
}

std::string in_words(const line& what) {
  if (what.expected == fate::taken) return "taken or ignored, acknowledged within 8 s";
  const std::string closed = "closed within 8 s" + (what.code == any ? std::string() : " with code " + std::to_string(what.code));
  return what.expected == fate::closed ? closed : "acknowledged or " + closed;
}

}  // namespace

void add_quic_frames(cases& to) {
  for (const std::string alpn : {net::byte_stream_alpn, net::roqr_alpn}) {
    for (const auto& what : lines()) {
      // One stream is a rule of the byte stream only.
      if (alpn == net::roqr_alpn && std::string_view(what.name).find("where one carries RTMP") != std::string_view::npos) continue;
      to.push_back({"QUIC frames, " + alpn, what.name, in_words(what), [&what, alpn](arena& in) { return tell(in, what, alpn); }});
    }
  }
}

}  // namespace millrace::hostile
