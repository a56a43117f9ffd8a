// A QUIC client that lies: ngtcp2 keeps its keys, packet numbers and acknowledgements, and what it puts into a packet is replaced by other frames
// just before it is encrypted. So every packet is valid but for what it says. (RFC 9000 section 19 for the frames.)
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hostile/hostile.hpp"
#include "net/quic_connection.hpp"

namespace millrace::hostile {

enum class level : unsigned char { initial, handshake, application };

struct liar_options {
  std::vector<std::string> alpn{net::byte_stream_alpn};
  std::function<void(ngtcp2_transport_params&)> params;
  bytes token;                   // of the first Initial
  std::uint32_t version = NGTCP2_PROTO_VER_V1;
  // In the place of what the first packet of that level says; what does not fit is cut.
  level lies_at = level::application;
  bytes first_lie;
  std::function<void(bytes&)> bend;  // each datagram, once it is whole
  std::size_t sockets = 1;           // that its datagrams leave from in turn once the handshake is over: an address that flaps
  bool deaf = false;                 // counts what comes and reads nothing of it
};

class liar {
 public:
  // How the server ended the connection.
  struct end {
    std::optional<std::uint64_t> code;  // of its CONNECTION_CLOSE; nothing: a stateless reset, or an error that this side found
    std::string text;
  };

  liar(arena& in, liar_options options);
  ~liar();
  liar(const liar&) = delete;
  liar& operator=(const liar&) = delete;

  void begin();  // the first flight
  // True once the server has confirmed the handshake; false when the connection ended instead, or the time did.
  asio::awaitable<bool> shake_hands(milliseconds limit = soon);
  // A packet of these frames. False: the connection has ended.
  asio::awaitable<bool> say(bytes frames);
  // To another address at once, under another of the server's connection ids. False: it has given none yet.
  bool move();
  // True: everything that was said is acknowledged, so it was read and taken. False: the connection ended. Throws when neither happens.
  asio::awaitable<bool> taken(milliseconds limit = soon);
  asio::awaitable<void> listen(milliseconds span);
  [[nodiscard]] bool retried() const noexcept { return retried_; }  // the server asked for proof of the address first
  [[nodiscard]] const std::optional<end>& ended() const noexcept { return ended_; }
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  [[nodiscard]] std::uint64_t received_datagrams() const noexcept { return received_datagrams_; }
  [[nodiscard]] const bytes& first_datagram() const noexcept { return first_datagram_; }  // the last of it, for repeating it
  // Of its connection ids, as in a NEW_CONNECTION_ID: length, id, reset token.
  [[nodiscard]] const std::vector<bytes>& given_ids() const noexcept { return given_ids_; }
  [[nodiscard]] const bytes& token() const noexcept { return token_; }                    // the server's NEW_TOKEN

 private:
  friend struct liar_callbacks;
  void send(base::bytes_view datagram);
  void write();
  bool write_one(base::bytes_view carrier);
  void read();
  void after(int rv);
  template <class Condition>
  asio::awaitable<bool> until(Condition reached, milliseconds limit);
  int encrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, base::bytes_view plain, base::bytes_view nonce,
              base::bytes_view header);

  arena& in_;
  liar_options options_;
  std::unique_ptr<net::quic_tls> tls_;
  ngtcp2_conn* conn_ = nullptr;
  std::vector<asio::ip::udp::socket> sockets_;
  std::size_t turn_ = 0;
  net::udp_address local_, remote_;
  std::int64_t stream_ = -1;  // that the packets pretend to be about
  std::uint64_t carried_ = 0, acknowledged_ = 0;
  std::optional<bytes> lie_;
  bool confirmed_ = false, first_lie_told_ = false, retried_ = false;
  std::optional<end> ended_;
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0, received_datagrams_ = 0;
  bytes first_datagram_, token_;
  std::vector<bytes> given_ids_;
};

// --- frames
bytes varint(std::uint64_t value);
template <class... Values>
bytes frame(std::uint64_t type, Values... values) {
  bytes out = varint(type);
  (conform::append(out, varint(static_cast<std::uint64_t>(values))), ...);
  return out;
}

}  // namespace millrace::hostile
