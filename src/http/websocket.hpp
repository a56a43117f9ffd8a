// The server's side of RFC 6455, as much as a one-way stream needs: binary messages out, control frames in.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "http/request.hpp"

namespace millrace::http {

// Section 4.2.1. `why` says what is wrong with a request that asks for a WebSocket and does not do it right.
bool asks_for_websocket(const request& r);
std::optional<std::string> websocket_fault(const request& r);
// Section 4.2.2, item 5.4.
std::string websocket_accept(std::string_view key);

enum class websocket_opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
// Header of an unmasked frame with FIN, section 5.2.
base::slice websocket_header(websocket_opcode opcode, std::uint64_t payload_bytes);

// What comes from the client: its data is read over, control frames are answered. An error is a breach of the protocol, and final; the text
// is for the log, `close_status` what the client is told (section 7.4.1).
class websocket_receiver {
 public:
  // False: the client has closed, or broke the protocol; the answer is what it is told last.
  bool receive(base::bytes_view bytes);
  // Moves to the end of `out` what the client is to be told: a pong to its newest ping, which is enough (section 5.5.3) and keeps this small
  // however many come, then a close if there is one.
  void take_answers(base::send_chain& out);
  [[nodiscard]] bool has_answers() const noexcept { return !pong_.empty() || !close_.empty(); }
  [[nodiscard]] const std::string& why() const noexcept { return why_; }

 private:
  static constexpr std::uint64_t message_bytes_max = 64u << 10;
  bool control();
  bool fail(std::uint16_t status, std::string why);

  base::send_chain pong_, close_;  // not taken yet
  std::string header_, payload_;  // payload of control frames only
  std::uint64_t left_ = 0;        // of the payload of the present frame
  std::uint64_t message_ = 0;     // bytes of the present message
  std::uint8_t opcode_ = 0;
  bool in_payload_ = false, ended_ = false, fragmented_ = false;
  std::string why_ = "closed by the peer";
};

}  // namespace millrace::http
