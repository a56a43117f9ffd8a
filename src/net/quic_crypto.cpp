#include "net/quic_crypto.hpp"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <array>

namespace millrace::net {
namespace {

// AES first: GnuTLS' ChaCha20 is several times slower here. TLS 1.3 only (RFC 9001 section 4.2). No CCM.
constexpr const char* priority_text =
    "%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1";

// Parsed once for the process: it costs more than the rest of making a session.
gnutls_priority_t priorities() {
  static const gnutls_priority_t parsed = [] {
    gnutls_priority_t made = nullptr;
    return gnutls_priority_init(&made, priority_text, nullptr) == 0 ? made : nullptr;
  }();
  return parsed;
}

base::error tls_error(base::error_kind kind, std::string_view what, int code) {
  return {kind, std::string(what) + ": " + gnutls_strerror(code)};
}

gnutls_datum_t datum_of(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

}  // namespace

void quic_random(std::span<std::uint8_t> into) {
  // Fails only when the kernel's generator does; predictable connection ids and reset tokens would be worse than ending.
  if (gnutls_rnd(GNUTLS_RND_RANDOM, into.data(), into.size()) != 0) std::abort();
}

base::result<std::shared_ptr<const quic_credentials>> quic_credentials::for_server(const identity& own) {
  std::shared_ptr<quic_credentials> made(new quic_credentials);
  if (const int rv = gnutls_certificate_allocate_credentials(&made->credentials_); rv != 0) {
    return tls_error(base::error_kind::local, "TLS credentials", rv);
  }
  const auto certificate = datum_of(own.certificate_pem), key = datum_of(own.key_pem);
  if (const int rv = gnutls_certificate_set_x509_key_mem2(made->credentials_, &certificate, &key, GNUTLS_X509_FMT_PEM, nullptr, 0);
      rv < 0) {
    return tls_error(base::error_kind::local, "certificate and key", rv);
  }
  return std::shared_ptr<const quic_credentials>(std::move(made));
}

base::result<std::shared_ptr<const quic_credentials>> quic_credentials::for_client(const verify_options& verify) {
  std::shared_ptr<quic_credentials> made(new quic_credentials);
  if (const int rv = gnutls_certificate_allocate_credentials(&made->credentials_); rv != 0) {
    return tls_error(base::error_kind::local, "TLS credentials", rv);
  }
  if (verify.insecure || !verify.pin.empty()) return std::shared_ptr<const quic_credentials>(std::move(made));  // no store needed
  if (verify.ca_file.empty()) {
    // No store at all is no error here: the certificate will then fail to verify, with a text that says what to do.
    gnutls_certificate_set_x509_system_trust(made->credentials_);
  } else if (const int rv = gnutls_certificate_set_x509_trust_file(made->credentials_, verify.ca_file.c_str(), GNUTLS_X509_FMT_PEM);
             rv <= 0) {
    if (rv < 0) return tls_error(base::error_kind::local, "CA file " + verify.ca_file, rv);
    return base::error{base::error_kind::local, "CA file " + verify.ca_file + " has no certificate in it"};
  }
  return std::shared_ptr<const quic_credentials>(std::move(made));
}

quic_credentials::~quic_credentials() {
  if (credentials_ != nullptr) gnutls_certificate_free_credentials(credentials_);
}

base::result<void> quic_tls::prepare(unsigned flags) {
  const auto failed = [](std::string_view what, int rv) { return tls_error(base::error_kind::internal, what, rv); };
  if (const int rv = gnutls_init(&session_, flags); rv != 0) return failed("gnutls_init", rv);
  if (priorities() == nullptr) return base::error{base::error_kind::internal, "TLS priorities are not understood by this GnuTLS"};
  if (const int rv = gnutls_priority_set(session_, priorities()); rv != 0) return failed("gnutls_priority_set", rv);
  if (const int rv = gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_->get()); rv != 0) {
    return failed("gnutls_credentials_set", rv);
  }
  std::vector<gnutls_datum_t> protocols;
  for (const auto& each : offered_alpn_) protocols.push_back(datum_of(each));
  const unsigned rules = GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE;
  if (const int rv = gnutls_alpn_set_protocols(session_, protocols.data(), static_cast<unsigned>(protocols.size()), rules); rv != 0) {
    return failed("gnutls_alpn_set_protocols", rv);
  }
  reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) { return static_cast<quic_tls*>(reference->user_data)->connection_; };
  reference_.user_data = this;
  gnutls_session_set_ptr(session_, &reference_);
  return {};
}

base::result<std::unique_ptr<quic_tls>> quic_tls::make_server(std::shared_ptr<const quic_credentials> credentials, std::vector<std::string> alpn) {
  std::unique_ptr<quic_tls> made(new quic_tls);
  made->credentials_ = std::move(credentials);
  made->offered_alpn_ = std::move(alpn);
  // No tickets and no early data: 0-RTT needs a real replay table (protocol.md 8).
  if (auto done = made->prepare(GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_END_OF_EARLY_DATA); !done) return done.error();
  if (ngtcp2_crypto_gnutls_configure_server_session(made->session_) != 0) {
    return base::error{base::error_kind::internal, "GnuTLS does not take QUIC server hooks"};
  }
  return made;
}

base::result<std::unique_ptr<quic_tls>> quic_tls::make_client(std::shared_ptr<const quic_credentials> credentials, std::string server_name,
                                                              bool server_name_is_ip, verify_options verify, std::vector<std::string> alpn) {
  std::unique_ptr<quic_tls> made(new quic_tls);
  made->credentials_ = std::move(credentials);
  made->offered_alpn_ = std::move(alpn);
  made->server_name_ = std::move(server_name);
  made->server_name_is_ip_ = server_name_is_ip;
  made->verify_ = std::move(verify);
  if (auto done = made->prepare(GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA); !done) return done.error();
  if (ngtcp2_crypto_gnutls_configure_client_session(made->session_) != 0) {
    return base::error{base::error_kind::internal, "GnuTLS does not take QUIC client hooks"};
  }
  gnutls_session_set_verify_function(made->session_, &verify_callback);
  if (!made->server_name_is_ip_ && !made->server_name_.empty()) {  // RFC 6066 section 3: no literals in SNI
    const int rv = gnutls_server_name_set(made->session_, GNUTLS_NAME_DNS, made->server_name_.data(), made->server_name_.size());
    if (rv != 0) return tls_error(base::error_kind::usage, "server name " + made->server_name_, rv);
  }
  return made;
}

quic_tls::~quic_tls() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

void quic_tls::attach(ngtcp2_conn* connection) {
  connection_ = connection;
  ngtcp2_conn_set_tls_native_handle(connection, session_);
}

void quic_tls::detach() {
  ngtcp2_conn_set_tls_native_handle(connection_, nullptr);
  connection_ = nullptr;
}

std::optional<quic_terms> quic_tls::agreed() const {
  gnutls_datum_t chosen{};
  if (gnutls_alpn_get_selected_protocol(session_, &chosen) != 0) return std::nullopt;
  quic_terms out;
  out.alpn.assign(reinterpret_cast<const char*>(chosen.data), chosen.size);
  if (std::find(offered_alpn_.begin(), offered_alpn_.end(), out.alpn) == offered_alpn_.end()) return std::nullopt;
  out.version = gnutls_protocol_get_name(gnutls_protocol_get_version(session_));
  out.cipher = gnutls_cipher_get_name(gnutls_cipher_get(session_));
  return out;
}

std::string quic_terms::description() const {
  return std::string(version == nullptr ? "TLS" : version) + " " + (cipher == nullptr ? "?" : cipher);
}

}  // namespace millrace::net
