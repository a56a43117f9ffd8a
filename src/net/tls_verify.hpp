// How a client decides whether to trust a server's certificate (protocol.md 1). Used by tls_channel only.
#pragma once
#include <openssl/types.h>

#include <string>

#include "base/result.hpp"
#include "net/identity.hpp"

namespace millrace::net {

// One per connection attempt; must outlive the SSL object it is installed on.
class tls_verifier {
 public:
  tls_verifier(std::string server_name, bool server_name_is_ip, verify_options options);

  // Loads the trusted certificates into the context and installs the check. Errors (kind local) name the file.
  base::result<void> install(SSL_CTX* context);
  // SNI and the name to check.
  bool install(SSL* connection);

  [[nodiscard]] const std::string& peer_pin() const { return peer_pin_; }
  [[nodiscard]] const std::string& peer_certificate() const { return peer_certificate_; }
  // Why the certificate was refused; empty as long as it was not.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  static int check(X509_STORE_CTX* store, void* self);
  bool accept(X509_STORE_CTX* store);
  [[nodiscard]] std::string explain(const X509* leaf, int reason, const X509* at) const;

  std::string server_name_;
  bool server_name_is_ip_;
  verify_options options_;
  std::string peer_pin_, peer_certificate_, refusal_;
};

}  // namespace millrace::net
