// The server's certificate and key, from files or self-signed on first start.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace millrace::net {

// Loaded once, shared by the TLS and the QUIC side. Immutable; reloading makes a new one.
struct identity {
  std::string certificate_pem;    // chain, leaf first
  std::string key_pem;            // secret: never logged, file mode 0600
  std::string pin;                // lower-case hex SHA-256 of the leaf's SubjectPublicKeyInfo
  bool self_signed_here = false;  // made by us
  std::string not_after;          // "2027-11-24"
  std::vector<std::string> names;
};

// Errors (kind local) name the file and say what is wrong: missing, unreadable, not PEM, key does not belong to certificate, expired.
base::result<std::shared_ptr<const identity>> load_identity(const std::filesystem::path& certificate, const std::filesystem::path& key);
// Reads DIR/self-signed.{crt,key}, or makes them (ECDSA P-256, 10 years, names: localhost and the host name). Creates DIR with mode 0700.
base::result<std::shared_ptr<const identity>> self_signed_identity(const std::filesystem::path& state_directory);

// Secrets that must survive a restart: stateless reset and address validation token keys (RFC 9000 sections 10.3, 8.1).
struct quic_secrets {
  std::vector<std::uint8_t> stateless_reset;  // 32 bytes
  std::vector<std::uint8_t> token;            // 32 bytes
};
// Reads or makes DIR/quic.secrets (mode 0600).
base::result<quic_secrets> load_quic_secrets(const std::filesystem::path& state_directory);

// How a client checks the server (protocol.md 1). A pin replaces the chain and name check; `insecure` replaces everything.
struct verify_options {
  std::string ca_file;  // empty: the system's store
  std::string pin;      // empty: none
  bool insecure = false;
};

}  // namespace millrace::net
