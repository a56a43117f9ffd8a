// How a QUIC connection ends, whoever ends it: CONNECTION_CLOSE, the closing and draining periods (RFC 9000 section 10),
// and the words and the kind of error that the application gets.
#include <cstring>

#include "base/escape.hpp"
#include "net/quic_connection.hpp"

namespace millrace::net {
namespace {

constexpr std::uint64_t crypto_error = 0x100;  // RFC 9001 section 4.8: 0x100 + TLS alert
constexpr std::size_t reason_max = 512;
constexpr quic_time icmp_patience = 1'000'000'000;

std::string milliseconds_text(std::chrono::milliseconds value) {
  return value.count() % 1000 == 0 ? std::to_string(value.count() / 1000) + " s" : std::to_string(value.count()) + " ms";
}

std::string transport_code_name(std::uint64_t code) {
  switch (code) {
    case NGTCP2_NO_ERROR: return "NO_ERROR";
    case NGTCP2_INTERNAL_ERROR: return "INTERNAL_ERROR";
    case NGTCP2_CONNECTION_REFUSED: return "CONNECTION_REFUSED";
    case NGTCP2_FLOW_CONTROL_ERROR: return "FLOW_CONTROL_ERROR";
    case NGTCP2_STREAM_LIMIT_ERROR: return "STREAM_LIMIT_ERROR";
    case NGTCP2_STREAM_STATE_ERROR: return "STREAM_STATE_ERROR";
    case NGTCP2_FINAL_SIZE_ERROR: return "FINAL_SIZE_ERROR";
    case NGTCP2_FRAME_ENCODING_ERROR: return "FRAME_ENCODING_ERROR";
    case NGTCP2_TRANSPORT_PARAMETER_ERROR: return "TRANSPORT_PARAMETER_ERROR";
    case NGTCP2_PROTOCOL_VIOLATION: return "PROTOCOL_VIOLATION";
    case NGTCP2_INVALID_TOKEN: return "INVALID_TOKEN";
    case NGTCP2_APPLICATION_ERROR: return "APPLICATION_ERROR";
    default: break;
  }
  if (code >= crypto_error && code < crypto_error + 0x100) return "TLS alert " + std::to_string(code - crypto_error);
  return "code " + std::to_string(code);
}

}  // namespace

// The peer's CONNECTION_CLOSE or stateless reset.
close_info quic_connection::why_draining() const {
  using base::error_kind;
  if (stateless_reset_)
    return {{error_kind::unreachable, "the server restarted and no longer knows this connection (stateless reset)"}, true, std::nullopt};
  const ngtcp2_ccerr& error = *ngtcp2_conn_get_ccerr2(conn_);
  const std::string reason =
      error.reasonlen == 0 ? "" : ": " + base::escaped({reinterpret_cast<const char*>(error.reason), error.reasonlen}, reason_max);
  close_info info{{error_kind::closed, ""}, true, error.error_code};
  if (error.type == NGTCP2_CCERR_TYPE_APPLICATION) {
    info.reason.text = "the peer closed the connection" + reason;
    if (error.error_code != static_cast<std::uint64_t>(close_code::no_error)) {
      info.reason.kind = error_kind::protocol;
      info.reason.text += " (code " + std::to_string(error.error_code) + ")";
    }
    return info;
  }
  if (error.error_code == crypto_error + tls_alert_no_application_protocol) {
    info.reason = {error_kind::unsupported, "the server speaks QUIC but not RTMP over it (no common ALPN)"};
  } else if (error.error_code == crypto_error + tls_alert_handshake_failure ||
             error.error_code == crypto_error + tls_alert_protocol_version) {
    info.reason = {error_kind::unsupported, "no common TLS parameters (" + transport_code_name(error.error_code) + ")" + reason};
  } else if (!handshake_completed_) {
    info.reason = {error_kind::unreachable, "the server refused the connection: " + transport_code_name(error.error_code) + reason};
  } else if (error.error_code == NGTCP2_NO_ERROR) {
    info.reason.text = "the peer closed the connection" + reason;
  } else {
    info.reason = {error_kind::protocol, "the peer closed the connection: " + transport_code_name(error.error_code) + reason};
  }
  return info;
}

void quic_connection::fail(int rv) {
  using base::error_kind;
  if (conn_ == nullptr) return;
  const auto ends = [](error_kind kind, std::string text) { return close_info{{kind, std::move(text)}, false, std::nullopt}; };
  switch (rv) {
    case NGTCP2_ERR_DRAINING:
    case NGTCP2_ERR_CLOSING: return end(why_draining(), state::draining);
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:  // only before the server made up its mind about us; the client starts again by itself
      return end(ends(error_kind::protocol, "the first packets make no connection"), state::ended);
    case NGTCP2_ERR_IDLE_CLOSE:
      return end(ends(error_kind::timeout, "no packet from the peer for " + milliseconds_text(idle_timeout_)), state::ended);
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return end(ends(error_kind::timeout, "no answer over UDP within " + milliseconds_text(handshake_timeout_)), state::ended);
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE:
      return end(ends(error_kind::unsupported, "the server speaks no QUIC version that we know"), state::ended);
    default: break;
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_default(&error);
  close_info info;
  if (rv == NGTCP2_ERR_CRYPTO) {
    const auto alert = ngtcp2_conn_get_tls_alert2(conn_);
    ngtcp2_ccerr_set_tls_alert(&error, alert, nullptr, 0);
    if (tls_ && !tls_->certificate_failure().empty()) {
      info = ends(error_kind::certificate, tls_->certificate_failure());
    } else if (alert == tls_alert_no_application_protocol) {
      info = ends(error_kind::unsupported, "the peer does not speak RTMP over QUIC (no common ALPN)");
    } else {
      info = ends(error_kind::protocol, "TLS handshake: alert " + std::to_string(alert));
    }
  } else {
    ngtcp2_ccerr_set_liberr(&error, rv, nullptr, 0);
    info = ends(rv == NGTCP2_ERR_NOMEM || rv == NGTCP2_ERR_CALLBACK_FAILURE ? error_kind::internal : error_kind::protocol,
                std::string("QUIC: ") + ngtcp2_strerror(rv));
  }
  send_close(error);
  info.code = error.error_code;
  end(std::move(info), state::closing);
}

void quic_connection::send_close(const ngtcp2_ccerr& error) {
  if (conn_ == nullptr || host_ == nullptr) return;
  close_packet_.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const auto size =
      ngtcp2_conn_write_connection_close(conn_, &path.path, &info, close_packet_.data(), close_packet_.size(), &error, clock());
  if (size <= 0) {  // e.g. the limit of three times the bytes of an unvalidated address
    close_packet_.clear();
    return;
  }
  close_packet_.resize(static_cast<std::size_t>(size));
  host_->send({close_packet_,
               close_packet_.size(),
               {path.path.local.addr, path.path.local.addrlen},
               {path.path.remote.addr, path.path.remote.addrlen},
               0});
}

void quic_connection::close(std::uint64_t code, std::string_view reason) {
  if (conn_ == nullptr) return;
  reason = reason.substr(0, reason_max);
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_application_error(&error, code, reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size());
  send_close(error);
  const auto kind = code == static_cast<std::uint64_t>(close_code::no_error) ? base::error_kind::closed : base::error_kind::protocol;
  end({{kind, reason.empty() ? "closed" : std::string(reason)}, false, code}, state::closing);
}

void quic_connection::refuse(std::string_view reason) {
  if (conn_ == nullptr) return;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_transport_error(&error, NGTCP2_CONNECTION_REFUSED, reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size());
  send_close(error);
  end({{base::error_kind::limit, std::string(reason)}, false, NGTCP2_CONNECTION_REFUSED}, state::closing);
}

void quic_connection::close_for_good(std::uint64_t code, std::string_view reason) {
  const auto self = shared_from_this();
  close(code, reason);
  if (state_ == state::ended) return;
  state_ = state::ended;
  retime();
  drop_ids();
  if (host_ != nullptr) host_->on_ended(*this);
}

// The ngtcp2 connection and the TLS session go at once: closing and draining need only the stored packet and the ids.
void quic_connection::end(close_info info, state next) {
  const auto self = shared_from_this();
  const quic_time now = clock();
  const quic_time probe = probe_timeout();
  transport_facts facts;
  fill(facts);
  last_facts_ = std::make_unique<const transport_facts>(std::move(facts));
  if (next == state::closing && close_packet_.empty()) next = state::ended;
  if (!handshake_completed_ && !server_) next = state::ended;  // nobody to be polite to, and the program may want to end
  state_ = next;
  linger_until_ = now + 3 * probe;
  ngtcp2_conn_del(std::exchange(conn_, nullptr));
  tls_.reset();
  if (!handshake_over_told_) {
    handshake_over_told_ = true;
    if (host_ != nullptr) host_->on_handshake_over(*this);
  }
  retime();
  if (const auto application = std::exchange(application_, nullptr)) application->on_end(std::move(info));
  if (state_ == state::ended) {
    drop_ids();
    if (host_ != nullptr) host_->on_ended(*this);
  }
}

// RFC 9000 section 10.2.1: answer, but ever more rarely, or two closing ends would talk for ever.
void quic_connection::answer_in_closing() {
  ++closing_datagrams_;
  if ((closing_datagrams_ & (closing_datagrams_ - 1)) != 0 || host_ == nullptr || host_->blocked()) return;
  host_->send({close_packet_, close_packet_.size(), local_, remote_, 0});
}

void quic_connection::drop_ids() {
  if (host_ != nullptr) {
    for (const auto& id : ids_) host_->remove_id(id);
  }
  ids_.clear();
}

void quic_connection::on_socket_error(int number) {
  if (conn_ == nullptr || server_) return;
  const std::string text = std::string(std::strerror(number));
  if (!handshake_completed_) {
    return end({{base::error_kind::unreachable, number == ECONNREFUSED ? "nothing listens on this UDP port (ICMP port unreachable)" : text},
                false,
                std::nullopt},
               state::ended);
  }
  // ICMP is easily forged and a server may be restarting, so one message alone ends nothing. A second of nothing else does.
  const quic_time now = clock();
  if (refused_since_ == 0) {
    refused_since_ = now;
  } else if (now - refused_since_ >= icmp_patience) {
    end({{base::error_kind::unreachable, "the server is gone: " + text}, false, std::nullopt}, state::ended);
  }
}

}  // namespace millrace::net
