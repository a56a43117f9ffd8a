// What differs between TCP and TLS on TCP: how bytes get through one non-blocking socket. Everything else (queue, pause,
// close, facts) is written once in tcp_transport.
#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "net/transport.hpp"

namespace millrace::net {

enum class channel_status : unsigned char {
  done,        // `bytes` were moved, or the handshake is complete
  want_read,   // nothing happened: again when the socket is readable
  want_write,  // nothing happened: again when the socket is writable
  end,         // the peer ended the pipe in order
  failed,      // `error` says why
};

struct channel_result {
  channel_status status = channel_status::done;
  std::size_t bytes = 0;
  base::error error;
};

// Never blocks. The socket belongs to somebody else and outlives the channel.
class channel {
 public:
  virtual ~channel() = default;
  [[nodiscard]] virtual transport_kind kind() const = 0;
  // Bytes were already taken off the socket: read() again without waiting for it.
  [[nodiscard]] virtual bool pending() const = 0;
  virtual void describe(transport_facts& facts) const = 0;

  // Call until it is done or failed, before any read or write.
  virtual channel_result handshake() = 0;
  // A short read means that the socket is drained, unless pending().
  virtual channel_result read(std::span<std::uint8_t> into) = 0;
  // Like read, but what comes is thrown away where it lies. Nothing: this channel has to see its bytes.
  virtual std::optional<channel_result> skip(std::size_t /*most*/) { return std::nullopt; }
  // May take only some of it. After want_write the same bytes come again, perhaps followed by more.
  virtual channel_result write(std::span<const iovec> parts) = 0;
  // Tells the peer that nothing follows, as far as that works without waiting.
  virtual void end() = 0;
};

std::unique_ptr<channel> make_plain_channel(int socket);

// What a failed read, write or connect means. `number` is an errno value.
base::error socket_error(int number);

}  // namespace millrace::net
