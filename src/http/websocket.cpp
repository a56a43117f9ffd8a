#include "http/websocket.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace millrace::http {
namespace {

constexpr std::string_view magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // section 1.3
constexpr std::size_t control_bytes_max = 125;                              // section 5.5
constexpr std::uint8_t fin = 0x80, reserved = 0x70, masked = 0x80;

base::send_chain control_frame(websocket_opcode opcode, std::string_view payload) {
  base::send_chain out(websocket_header(opcode, payload.size()));
  out.push_back(base::slice::copy_of(base::as_bytes(payload)));
  return out;
}

}  // namespace

bool asks_for_websocket(const request& r) { return r.has_token("upgrade", "websocket"); }

std::optional<std::string> websocket_fault(const request& r) {
  if (r.method != "GET") return "a WebSocket is opened with GET";
  if (!r.has_token("connection", "upgrade")) return "a WebSocket needs the header Connection: Upgrade";
  if (r.header("sec-websocket-version") != "13") return "only version 13 of WebSocket is spoken here";
  const auto key = r.header("sec-websocket-key");
  if (!key || key->size() != 24 || !key->ends_with("==")) return "Sec-WebSocket-Key is not the base64 of 16 bytes";
  return std::nullopt;
}

std::string websocket_accept(std::string_view key) {
  const auto text = std::string(key) + std::string(magic);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
  const int written = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(written)};
}

base::slice websocket_header(websocket_opcode opcode, std::uint64_t payload_bytes) {
  std::vector<std::uint8_t> out{static_cast<std::uint8_t>(fin | static_cast<std::uint8_t>(opcode))};
  const auto big_endian = [&](int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(payload_bytes >> (8 * i)));
  };
  if (payload_bytes < 126) {
    out.push_back(static_cast<std::uint8_t>(payload_bytes));
  } else if (payload_bytes < 65'536) {
    out.push_back(126);
    big_endian(2);
  } else {
    out.push_back(127);
    big_endian(8);
  }
  return base::slice(std::move(out));
}

void websocket_receiver::take_answers(base::send_chain& out) {
  out.append(std::move(pong_));
  out.append(std::move(close_));
}

bool websocket_receiver::fail(std::uint16_t status, std::string why) {
  ended_ = true;
  why_ = std::move(why);
  const std::string code{static_cast<char>(status >> 8), static_cast<char>(status & 255)};
  close_ = control_frame(websocket_opcode::close, code);
  return false;
}

// A control frame is whole, and unmasked.
bool websocket_receiver::control() {
  switch (static_cast<websocket_opcode>(opcode_)) {
    case websocket_opcode::close:
      ended_ = true;
      close_ = control_frame(websocket_opcode::close, std::string_view(payload_).substr(0, 2));  // section 5.5.1: the status is echoed
      return false;
    case websocket_opcode::ping: pong_ = control_frame(websocket_opcode::pong, payload_); return true;
    default: return true;
  }
}

bool websocket_receiver::receive(base::bytes_view bytes) {
  if (ended_) return false;
  while (!bytes.empty() || (in_payload_ && left_ == 0)) {
    if (in_payload_) {
      const auto part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
      if (opcode_ >= 8) {  // data is read over, so its mask does not matter
        for (const auto byte : part) payload_ += static_cast<char>(byte ^ static_cast<std::uint8_t>(header_[header_.size() - 4 + payload_.size() % 4]));
      }
      bytes = bytes.subspan(part.size());
      left_ -= part.size();
      if (left_ > 0) return true;
      in_payload_ = false;
      header_.clear();
      if (opcode_ >= 8 && !control()) return false;
      continue;
    }
    header_ += static_cast<char>(bytes.front());
    bytes = bytes.subspan(1);
    if (header_.size() < 2) continue;
    const auto first = static_cast<std::uint8_t>(header_[0]), second = static_cast<std::uint8_t>(header_[1]);
    const std::size_t length_bytes = (second & 127) == 127 ? 8 : (second & 127) == 126 ? 2 : 0;
    if ((second & masked) == 0) return fail(1002, "a client's frames have to be masked");
    if (header_.size() < 2 + length_bytes + 4) continue;
    if ((first & reserved) != 0) return fail(1002, "a reserved bit is set");
    left_ = second & 127;
    if (length_bytes > 0) {
      left_ = 0;
      for (std::size_t i = 0; i < length_bytes; ++i) left_ = left_ << 8 | static_cast<std::uint8_t>(header_[2 + i]);
    }
    opcode_ = first & 15;
    const bool final = (first & fin) != 0;
    if (opcode_ >= 8) {
      if (opcode_ > 10 || !final || left_ > control_bytes_max) return fail(1002, "a control frame is unknown, in parts or too long");
      payload_.clear();
    } else {
      if (opcode_ > 2 || (opcode_ == 0) != fragmented_) return fail(1002, "a data frame is unknown or out of order");
      if (opcode_ != 0) message_ = 0;
      if (left_ > message_bytes_max || (message_ += left_) > message_bytes_max) return fail(1009, "a message is longer than anything that is expected here");
      fragmented_ = !final;
    }
    in_payload_ = true;
  }
  return true;
}

}  // namespace millrace::http
