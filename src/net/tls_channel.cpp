#include "net/tls_channel.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "net/certificate.hpp"
#include "net/openssl_ptr.hpp"
#include "net/tls_verify.hpp"

namespace millrace::net {
namespace {

using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>>;

constexpr std::size_t record_size = 16'384;  // RFC 8446 section 5.1

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE; this one does not. The socket number is the BIO's data.
int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t sent = 0;
  do {
    sent = ::send(socket_of(bio), data, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t got = 0;
  do {
    got = ::recv(socket_of(bio), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

ssl_ptr make_ssl(SSL_CTX* context, int socket) {
  ssl_ptr ssl(SSL_new(context));
  if (!ssl) return ssl;
  BIO* bio = BIO_new(socket_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);  // takes it over
  return ssl;
}

// What both roles want of OpenSSL.
void set_common(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Partial writes and moving buffers: the queue above hands over whatever is at its front, wherever that lies by then.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

std::string cipher_text(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) return "?";
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm: return "AES-128-GCM";
    case NID_aes_256_gcm: return "AES-256-GCM";
    case NID_chacha20_poly1305: return "CHACHA20-POLY1305";
    default: return SSL_CIPHER_get_name(cipher);
  }
}

class tls_channel final : public channel {
 public:
  // `context` and `verifier` are the client's own; a server's context lives in the reference that SSL_new took.
  tls_channel(ssl_ptr ssl, std::unique_ptr<tls_verifier> verifier) : verifier_(std::move(verifier)), ssl_(std::move(ssl)) {}

  [[nodiscard]] transport_kind kind() const override { return transport_kind::tls; }
  [[nodiscard]] bool pending() const override { return outcome_.has_value() || SSL_has_pending(ssl_.get()) == 1; }

  void describe(transport_facts& facts) const override {
    // OpenSSL writes "TLSv1.3".
    std::string version = SSL_get_version(ssl_.get());
    if (const auto at = version.find('v'); at != std::string::npos) version.erase(at, 1);
    facts.tls = version + " " + cipher_text(ssl_.get());
    if (!verifier_) return;
    facts.peer_certificate_pin = verifier_->peer_pin();
    facts.peer_certificate = verifier_->peer_certificate();
  }

  channel_result handshake() override {
    ERR_clear_error();
    errno = 0;
    const int answer = SSL_do_handshake(ssl_.get());
    if (answer == 1) return {};
    return outcome_of(answer, true);
  }

  // Record after record until the buffer is full or the socket is drained.
  channel_result read(std::span<std::uint8_t> into) override {
    if (outcome_) return *outcome_;
    std::size_t filled = 0;
    while (filled < into.size()) {
      ERR_clear_error();
      errno = 0;
      std::size_t got = 0;
      const int answer = SSL_read_ex(ssl_.get(), into.data() + filled, into.size() - filled, &got);
      if (answer == 1) {
        filled += got;
        continue;
      }
      auto outcome = outcome_of(answer, false);
      if (outcome.status == channel_status::end || outcome.status == channel_status::failed) outcome_ = outcome;
      if (filled == 0) return outcome;
      break;
    }
    return {channel_status::done, filled, {}};
  }

  channel_result write(std::span<const iovec> parts) override {
    if (parts.empty()) return {};
    // Small slices share a record; a large one is written from where it lies. The choice depends on the front only, so that a retry
    // after want_write makes the same one (OpenSSL wants the same bytes again).
    const std::uint8_t* data = static_cast<const std::uint8_t*>(parts[0].iov_base);
    std::size_t size = parts[0].iov_len;
    if (size < record_size && parts.size() > 1) {
      thread_local std::array<std::uint8_t, record_size> scratch;
      size = 0;
      for (const auto& part : parts) {
        const std::size_t count = std::min(part.iov_len, record_size - size);
        std::memcpy(scratch.data() + size, part.iov_base, count);
        size += count;
        if (size == record_size) break;
      }
      data = scratch.data();
    }
    ERR_clear_error();
    errno = 0;
    std::size_t sent = 0;
    const int answer = SSL_write_ex(ssl_.get(), data, size, &sent);
    if (answer == 1) return {channel_status::done, sent, {}};
    return outcome_of(answer, false);
  }

  void end() override {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) == 1 && !outcome_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

 private:
  channel_result outcome_of(int answer, bool in_handshake) {
    const int number = errno;
    switch (SSL_get_error(ssl_.get(), answer)) {
      case SSL_ERROR_WANT_READ: return {channel_status::want_read, 0, {}};
      case SSL_ERROR_WANT_WRITE: return {channel_status::want_write, 0, {}};
      case SSL_ERROR_ZERO_RETURN: return {channel_status::end, 0, {}};
      case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        if (number != 0) return {channel_status::failed, 0, socket_error(number)};
        return ended_early(in_handshake);
      default: break;
    }
    const auto code = ERR_peek_last_error();
    const int reason = ERR_GET_REASON(code);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      ERR_clear_error();
      return ended_early(in_handshake);
    }
    if (verifier_ && !verifier_->refusal().empty()) {
      ERR_clear_error();
      return {channel_status::failed, 0, {base::error_kind::certificate, verifier_->refusal()}};
    }
    const bool no_tls = reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG;
    if (in_handshake && no_tls) {
      ERR_clear_error();
      return {
          channel_status::failed,
          0,
          {base::error_kind::unsupported,
           verifier_ ? "the server does not speak TLS on this port: use rtmp://, or the server's TLS port" : "this is no TLS handshake"}};
    }
    return {channel_status::failed,
            0,
            {base::error_kind::protocol, std::string(in_handshake ? "TLS handshake: " : "TLS: ") + take_openssl_error()}};
  }

  // The socket ended without a close_notify: usual among RTMP peers, and RTMP does not take the end for a message.
  static channel_result ended_early(bool in_handshake) {
    if (!in_handshake) return {channel_status::end, 0, {}};
    return {channel_status::failed, 0, {base::error_kind::unreachable, "the peer closed the connection during the TLS handshake"}};
  }

  std::unique_ptr<tls_verifier> verifier_;  // outlives ssl_
  ssl_ptr ssl_;
  std::optional<channel_result> outcome_;  // the end that read() met behind bytes it still had to deliver
};

class server_context final : public tls_server_context {
 public:
  explicit server_context(ssl_ctx_ptr context) : context_(std::move(context)) {}
  [[nodiscard]] std::unique_ptr<channel> accept(int socket) const override {
    auto ssl = make_ssl(context_.get(), socket);
    if (!ssl) return nullptr;
    SSL_set_accept_state(ssl.get());
    return std::make_unique<tls_channel>(std::move(ssl), nullptr);
  }

 private:
  ssl_ctx_ptr context_;
};

base::error context_failed(const char* step) {
  return {base::error_kind::local, std::string("TLS: ") + step + ": " + take_openssl_error()};
}

bool use_chain(SSL_CTX* context, const std::string& pem) {
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const x509_ptr leaf(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  for (;;) {
    x509_ptr issuer(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!issuer) break;
    if (SSL_CTX_add0_chain_cert(context, issuer.get()) != 1) return false;
    (void)issuer.release();  // the context owns it now
  }
  ERR_clear_error();
  return true;
}

}  // namespace

base::result<std::shared_ptr<const tls_server_context>> make_tls_server_context(const identity& own) {
  ssl_ctx_ptr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return context_failed("context");
  set_common(context.get());
  // Tickets save a round trip at most once per player and would tie a listener's shards to one key.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(context.get(), 0);
  if (!use_chain(context.get(), own.certificate_pem)) return context_failed("certificate");
  const bio_ptr key_in(BIO_new_mem_buf(own.key_pem.data(), static_cast<int>(own.key_pem.size())));
  const evp_pkey_ptr key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) return context_failed("private key");
  return std::shared_ptr<const tls_server_context>(std::make_shared<server_context>(std::move(context)));
}

base::result<std::unique_ptr<channel>> make_tls_client_channel(int socket, const std::string& server_name, bool server_name_is_ip,
                                                               const verify_options& verify) {
  const ssl_ctx_ptr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return context_failed("context");
  set_common(context.get());
  auto verifier = std::make_unique<tls_verifier>(server_name, server_name_is_ip, verify);
  if (auto installed = verifier->install(context.get()); !installed) return std::move(installed).error();
  auto ssl = make_ssl(context.get(), socket);
  if (!ssl || !verifier->install(ssl.get())) return context_failed("connection");
  SSL_set_connect_state(ssl.get());
  return std::unique_ptr<channel>(std::make_unique<tls_channel>(std::move(ssl), std::move(verifier)));
}

}  // namespace millrace::net
