// The RTMP byte stream under a session: handshake, chunks, acknowledgements, pings.
#pragma once
#include <cstdint>
#include <optional>
#include <variant>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/handshake.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

// What a session knows of its framing is here: messages out of bytes, messages into a chain, and liveness. A framing without
// chunks (whole messages in QUIC frames) offers the same methods and leaves the meaning of types 1, 2, 3, 5, 6 out.
class chunk_framing {
 public:
  struct server_role {};
  struct client_role {
    bool digest = false;
  };
  chunk_framing(server_role, const base::rtmp_limits& limits, base::instant now, std::uint64_t seed);
  chunk_framing(client_role role, const base::rtmp_limits& limits, base::instant now, std::uint64_t seed);

  [[nodiscard]] bool ready() const;  // messages may be written
  [[nodiscard]] bool digest_handshake() const;
  [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_acknowledged() const noexcept { return bytes_acknowledged_; }
  // Bytes written as replies since the last poll_output.
  [[nodiscard]] std::size_t reply_bytes() const noexcept { return reply_bytes_; }
  [[nodiscard]] const chunk_reader& reader() const noexcept { return reader_; }

  void set_partial_limit(std::size_t bytes) { reader_.set_partial_limit(bytes); }

  // New bytes are there: counts them. Then call next() until it yields nothing, then acknowledge().
  void begin_receive(base::instant now, std::size_t count);
  // The next whole message. Acknowledgement, Window Acknowledgement Size and Set Peer Bandwidth are dealt with and not passed on; user
  // control is passed on, pings already answered.
  base::result<std::optional<message>> next(base::instant now, base::bytes_view& bytes);
  void acknowledge();

  // Pings after that much silence, and calls the peer dead after three times as much.
  void enable_pings(base::instant now, std::chrono::milliseconds after);
  // False: the peer is dead.
  bool on_timer(base::instant now);
  [[nodiscard]] std::optional<base::instant> poll_timeout() const;

  void write(const message& m);                    // a reply or command
  void write_media(const base::send_chain& wire);  // an encoded frame, encoded for wire_chunk_size
  void set_window(std::uint32_t bytes);            // tells the peer our Window Acknowledgement Size
  void announce_chunk_size(std::uint32_t size);

  base::send_chain poll_output();

 private:
  base::result<void> on_control(const message& m);

  std::variant<server_handshake, client_handshake> handshake_;
  chunk_reader reader_;
  chunk_writer writer_;
  base::send_chain out_;
  std::size_t reply_bytes_ = 0;

  std::uint64_t bytes_received_ = 0;
  std::uint64_t acknowledged_to_peer_ = 0;  // bytes_received_ when the last Acknowledgement went out
  std::uint64_t bytes_acknowledged_ = 0;
  // Peers that never say a window still want to hear from us now and then; some encoders stall without.
  std::uint32_t peer_window_ = 1'000'000;
  std::uint32_t our_window_ = 0;  // the last one that we told
  std::optional<std::uint32_t> peer_hard_limit_;

  base::instant started_;
  std::optional<std::chrono::milliseconds> ping_after_;
  base::instant last_received_;
  base::instant next_ping_;
};

}  // namespace millrace::rtmp
