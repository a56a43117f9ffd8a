// GnuTLS for QUIC: credentials, sessions, and how a client judges the server's certificate. Internal to quic_*.cpp.
#pragma once
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/identity.hpp"

namespace millrace::net {

// TLS alert numbers that mean something to us (RFC 8446 section 6); QUIC sends them as 0x100 + alert.
inline constexpr std::uint8_t tls_alert_unexpected_message = 10;
inline constexpr std::uint8_t tls_alert_handshake_failure = 40;
inline constexpr std::uint8_t tls_alert_protocol_version = 70;
inline constexpr std::uint8_t tls_alert_no_application_protocol = 120;

void quic_random(std::span<std::uint8_t> into);

// Loaded once and shared by all sessions: certificate and key of a server, or what a client trusts. Immutable.
class quic_credentials {
 public:
  static base::result<std::shared_ptr<const quic_credentials>> for_server(const identity& own);
  static base::result<std::shared_ptr<const quic_credentials>> for_client(const verify_options& verify);
  ~quic_credentials();
  quic_credentials(const quic_credentials&) = delete;
  quic_credentials& operator=(const quic_credentials&) = delete;
  [[nodiscard]] gnutls_certificate_credentials_t get() const noexcept { return credentials_; }

 private:
  quic_credentials() = default;
  gnutls_certificate_credentials_t credentials_ = nullptr;
};

// What a handshake agreed on: outlives the TLS session.
struct quic_terms {
  std::string alpn;
  const char* version = nullptr;  // GnuTLS' own names, constants of the program
  const char* cipher = nullptr;
  [[nodiscard]] std::string description() const;  // "TLS1.3 AES-128-GCM"
};

// The TLS side of one connection, for as long as there is something to say in TLS: ngtcp2 has the keys. ngtcp2_conn_del, or detach(), comes
// before its destructor. Does not move: GnuTLS keeps pointers into it.
class quic_tls {
 public:
  static base::result<std::unique_ptr<quic_tls>> make_server(std::shared_ptr<const quic_credentials> credentials, std::vector<std::string> alpn);
  static base::result<std::unique_ptr<quic_tls>> make_client(std::shared_ptr<const quic_credentials> credentials, std::string server_name,
                                                             bool server_name_is_ip, verify_options verify, std::vector<std::string> alpn);
  ~quic_tls();
  quic_tls(const quic_tls&) = delete;
  quic_tls& operator=(const quic_tls&) = delete;

  // Both sides know each other from here on; called right after ngtcp2_conn_*_new.
  void attach(ngtcp2_conn* connection);
  void detach();  // no handshake data for it any more
  [[nodiscard]] gnutls_session_t session() const noexcept { return session_; }
  // After the handshake; nothing: there is no protocol that is one of ours.
  [[nodiscard]] std::optional<quic_terms> agreed() const;
  // Clients, once the certificate arrived. The failure text is empty while nothing is wrong with it.
  [[nodiscard]] const std::string& certificate_failure() const noexcept { return certificate_failure_; }
  [[nodiscard]] const std::string& peer_pin() const noexcept { return peer_pin_; }
  [[nodiscard]] const std::string& peer_certificate() const noexcept { return peer_certificate_; }

 private:
  quic_tls() = default;
  base::result<void> prepare(unsigned flags);
  static int verify_callback(gnutls_session_t session);
  [[nodiscard]] std::string judge_certificate();

  ngtcp2_crypto_conn_ref reference_{};
  ngtcp2_conn* connection_ = nullptr;
  gnutls_session_t session_ = nullptr;
  std::shared_ptr<const quic_credentials> credentials_;
  std::vector<std::string> offered_alpn_;
  std::string server_name_;
  bool server_name_is_ip_ = false;
  verify_options verify_;
  std::string certificate_failure_, peer_pin_, peer_certificate_;
};

// A certificate in one line, and the SHA-256 of its SubjectPublicKeyInfo in lower-case hex. Empty strings for what cannot be read.
struct certificate_summary {
  std::string line, pin, names, not_after;
};
certificate_summary summarize_certificate(const gnutls_datum_t& der);

}  // namespace millrace::net
