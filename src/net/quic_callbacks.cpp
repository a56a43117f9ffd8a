// The C functions that ngtcp2 calls. All run inside read_pkt, write or handle_expiry, so they take notes and nothing else:
// calling back into those functions, or deleting the connection, is forbidden here.
#include <algorithm>
#include <utility>

#include "net/quic_connection.hpp"

namespace millrace::net {

struct quic_callbacks {
  static quic_connection& self(void* user) { return *static_cast<quic_connection*>(user); }
  static quic_application* app(void* user) { return self(user).application_.get(); }

  static void rand(std::uint8_t* into, std::size_t size, const ngtcp2_rand_ctx* context) {
    auto& connection = self(context->native_handle);
    if (connection.host_ != nullptr) return connection.host_->random({into, size});
    quic_random({into, size});
  }

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* id, ngtcp2_stateless_reset_token* token, std::size_t size, void* user) {
    auto& connection = self(user);
    if (connection.host_ == nullptr || size > sizeof id->data) return NGTCP2_ERR_CALLBACK_FAILURE;
    connection.host_->choose_id({id->data, size});
    id->datalen = size;
    connection.host_->make_reset_token(*id, *token);
    connection.host_->add_id(*id, connection);
    connection.ids_.push_back(*id);
    return 0;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    auto& connection = self(user);
    if (connection.host_ != nullptr) connection.host_->remove_id(*id);
    std::erase_if(connection.ids_, [&](const ngtcp2_cid& known) { return ngtcp2_cid_eq(&known, id) != 0; });
    return 0;
  }

  // A client has nothing to say in TLS once its handshake is over: key updates are QUIC's (RFC 9001 section 6), and nobody asked it for a certificate.
  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, std::uint64_t offset, const std::uint8_t* bytes, std::size_t size,
                              void* user) {
    if (self(user).tls_) return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, bytes, size, user);
    ngtcp2_conn_set_tls_alert(conn, tls_alert_unexpected_message);
    return NGTCP2_ERR_CRYPTO;
  }

  static int handshake_completed(ngtcp2_conn* conn, void* user) {
    auto& connection = self(user);
    auto terms = connection.tls_->agreed();
    if (!terms) {  // GnuTLS refuses a wrong ALPN, but not the absence of one
      connection.no_alpn_ = true;
      return 0;
    }
    connection.terms_ = *std::move(terms);
    connection.handshake_completed_ = true;
    if (connection.server_) submit_token(conn, connection, connection.remote_);
    return 0;
  }

  static void submit_token(ngtcp2_conn* conn, quic_connection& connection, const udp_address& remote) {
    if (connection.host_ == nullptr) return;
    const auto token = connection.host_->make_address_token(remote);
    if (!token.empty()) ngtcp2_conn_submit_new_token(conn, token.data(), token.size());
  }

  // Without a path to fall back to it is the old one that is looked at once more, for whoever may have been pushed off it: nothing depends on that.
  static int begin_path_validation(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path* fallback, void* user) {
    auto& connection = self(user);
    if (fallback == nullptr) return 0;
    connection.validating_ = udp_address(path->remote.addr, path->remote.addrlen);
    ++connection.validations_begun_;
    return 0;
  }

  static int path_validation(ngtcp2_conn* conn, std::uint32_t flags, const ngtcp2_path* path, const ngtcp2_path*,
                             ngtcp2_path_validation_result result, void* user) {
    auto& connection = self(user);
    // Nothing else proves an address. Behind a failure, or a move elsewhere, the peer is not there any more; given up for want of connection ids, it is,
    // and nobody looks at it again.
    if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) connection.validating_.reset();
    if (result == NGTCP2_PATH_VALIDATION_RESULT_ABORTED && ngtcp2_path_eq(path, ngtcp2_conn_get_path2(conn)) != 0) connection.unprovable_ = true;
    if (connection.server_ && result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS && (flags & NGTCP2_PATH_VALIDATION_FLAG_NEW_TOKEN) != 0) {
      submit_token(conn, connection, udp_address(path->remote.addr, path->remote.addrlen));
    }
    return 0;
  }

  static int recv_new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) {
    auto& connection = self(user);
    if (connection.host_ != nullptr) connection.host_->keep_address_token({token, size});
    return 0;
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset2*, void* user) {
    self(user).stateless_reset_ = true;
    return 0;
  }

  static int stream_open(ngtcp2_conn*, std::int64_t stream, void* user) {
    auto* const application = app(user);
    if (application == nullptr || !application->on_stream_open(stream)) self(user).foreign_stream_ = true;
    return 0;
  }

  static int recv_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream, std::uint64_t, const std::uint8_t* bytes,
                              std::size_t size, void* user, void*) {
    self(user).progressed_ = true;
    self(user).handed_on_ += size;
    if (auto* const application = app(user)) {
      application->on_stream_bytes(stream, {bytes, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    }
    return 0;
  }

  static int acked_stream_data(ngtcp2_conn*, std::int64_t stream, std::uint64_t offset, std::uint64_t size, void* user, void*) {
    self(user).progressed_ = true;
    if (auto* const application = app(user)) application->on_stream_acknowledged(stream, offset + size);
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, std::int64_t stream, std::uint64_t, std::uint64_t code, void* user, void*) {
    if (auto* const application = app(user)) application->on_stream_reset(stream, code);
    return 0;
  }

  static int recv_stop_sending(ngtcp2_conn*, std::int64_t stream, std::uint64_t code, void* user, void*) {
    if (auto* const application = app(user)) application->on_stop_sending(stream, code);
    return 0;
  }

  static int stream_close(ngtcp2_conn*, std::uint32_t, std::int64_t stream, std::uint64_t, void* user, void*) {
    if (auto* const application = app(user)) application->on_stream_close(stream);
    return 0;
  }
};

ngtcp2_callbacks quic_callback_table(bool server) {
  ngtcp2_callbacks table{};  // a missing mandatory one is an assertion in ngtcp2, so both roles set all that they must
  if (server) {
    table.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  } else {
    table.client_initial = ngtcp2_crypto_client_initial_cb;
    table.recv_retry = ngtcp2_crypto_recv_retry_cb;
    table.recv_new_token = quic_callbacks::recv_new_token;
  }
  table.recv_crypto_data = quic_callbacks::recv_crypto_data;
  table.encrypt = ngtcp2_crypto_encrypt_cb;
  table.decrypt = ngtcp2_crypto_decrypt_cb;
  table.hp_mask = ngtcp2_crypto_hp_mask_cb;
  table.update_key = ngtcp2_crypto_update_key_cb;
  table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  table.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
  table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  table.rand = quic_callbacks::rand;
  table.get_new_connection_id2 = quic_callbacks::get_new_connection_id;
  table.remove_connection_id = quic_callbacks::remove_connection_id;
  table.handshake_completed = quic_callbacks::handshake_completed;
  table.begin_path_validation = quic_callbacks::begin_path_validation;
  table.path_validation = quic_callbacks::path_validation;
  table.recv_stateless_reset2 = quic_callbacks::recv_stateless_reset;
  table.stream_open = quic_callbacks::stream_open;
  table.recv_stream_data = quic_callbacks::recv_stream_data;
  table.acked_stream_data_offset = quic_callbacks::acked_stream_data;
  table.stream_reset = quic_callbacks::stream_reset;
  table.recv_stop_sending = quic_callbacks::recv_stop_sending;
  table.stream_close = quic_callbacks::stream_close;
  return table;
}

}  // namespace millrace::net
