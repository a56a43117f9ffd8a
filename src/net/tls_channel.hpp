// TLS 1.2 and 1.3 on a TCP socket, both roles, through OpenSSL directly on the socket: readiness instead of a second pair of
// buffers, so that a burst can be drained and one class above serves TCP and TLS.
#pragma once
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/channel.hpp"
#include "net/identity.hpp"

namespace millrace::net {

// Immutable, shared by every connection of a listener.
class tls_server_context {
 public:
  virtual ~tls_server_context() = default;
  [[nodiscard]] virtual std::unique_ptr<channel> accept(int socket) const = 0;
};
base::result<std::shared_ptr<const tls_server_context>> make_tls_server_context(const identity& own);

// A failed check of the server's certificate makes handshake() fail with kind certificate and a text that says what to do.
base::result<std::unique_ptr<channel>> make_tls_client_channel(int socket, const std::string& server_name, bool server_name_is_ip,
                                                               const verify_options& verify);

}  // namespace millrace::net
