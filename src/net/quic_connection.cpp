#include "net/quic_connection.hpp"

#include <algorithm>
#include <array>

namespace millrace::net {
namespace {

constexpr std::uint64_t stream_window = 1u << 20, connection_window = 8u << 20;           // what a peer may send unread at first …
constexpr std::uint64_t stream_window_max = 6u << 20, connection_window_max = 16u << 20;  // … and what ngtcp2 may grow that to
// A group begins with a key frame: 3 MB of a 4K one pass without waiting for credit.
constexpr std::uint64_t group_window = 4u << 20;
// At once; each one that ends makes room for another. Three flows, a group each two seconds, and what is still under way of the last ones.
constexpr std::uint64_t unidirectional_streams = 128;
// RoQR peers may use several; in the byte-stream mapping any but the first closes the connection, with a reason.
constexpr std::uint64_t bidirectional_streams = 16;
// Of a server's peer before it publishes. Each stream may be sent as single bytes with gaps between them, of which ngtcp2 keeps 4000 and 90 bytes
// for each: with the numbers above, 50 MB for somebody whom nobody knows.
constexpr std::uint64_t stranger_window = 2u << 20, stranger_unidirectional = 8, stranger_bidirectional = 4;
// Acknowledgements count in order within a stream, so what stays in memory is more than a congestion window while a lost packet is repaired.
constexpr std::uint64_t unacknowledged_usual = 8u << 20, unacknowledged_windows = 4;
constexpr std::uint64_t client_ack_threshold = 10;  // a player's ACKs cost the server more CPU than they help
constexpr quic_time second = 1'000'000'000;
// In a row, without the peer being anywhere for certain; each lasts about a second. Nobody keeps the rights of an old address by not answering from the new one.
constexpr unsigned validations_max = 10;
// Before the first sample (RFC 9002 6.2.2 advises 333 ms, which makes a lost first packet cost a second): on a longer way a few packets go twice.
constexpr quic_time initial_rtt = second / 10;

quic_time nanoseconds(std::chrono::milliseconds value) {
  return static_cast<quic_time>(std::chrono::duration_cast<std::chrono::nanoseconds>(value).count());
}

ngtcp2_path path_of(udp_address& local, udp_address& remote) {
  return {{local.data(), local.size()}, {remote.data(), remote.size()}, nullptr};
}

udp_address address_of(const ngtcp2_addr& from) { return {from.addr, from.addrlen}; }

}  // namespace

quic_connection::quic_connection(quic_connection_host& host, std::unique_ptr<quic_tls> tls, bool server, const udp_address& local,
                                 const udp_address& remote)
    : host_(&host), tls_(std::move(tls)), server_(server), local_(local), remote_(remote), previous_remote_(remote), proven_remote_(remote) {}

quic_connection::~quic_connection() {
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);  // before the TLS session
}

void quic_connection::settle(const quic_common_options& options, std::chrono::milliseconds handshake_timeout, ngtcp2_settings& settings,
                             ngtcp2_transport_params& params) {
  congestion_ = options.congestion;
  if (options.redundancy == redundancy_policy::automatic) repeats_.emplace();
  handshake_timeout_ = handshake_timeout;
  idle_timeout_ = options.idle_timeout;
  ngtcp2_settings_default(&settings);  // its glitch limit (burst 10000, 330/s) stays on
  settings.cc_algo = options.congestion == congestion_control::bbr ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
  settings.initial_ts = clock();
  settings.initial_rtt = initial_rtt;
  settings.rand_ctx.native_handle = this;
  settings.handshake_timeout = nanoseconds(handshake_timeout);
  settings.max_window = connection_window_max;
  settings.max_stream_window = stream_window_max;
  last_received_ = began_ = settings.initial_ts;
  ngtcp2_transport_params_default(&params);
  params.initial_max_data = connection_window;
  params.initial_max_stream_data_bidi_local = stream_window;
  params.initial_max_stream_data_bidi_remote = stream_window;
  params.initial_max_stream_data_uni = group_window;
  params.initial_max_streams_uni = unidirectional_streams;
  params.max_idle_timeout = nanoseconds(options.idle_timeout);
  params.active_connection_id_limit = 7;  // spare ids are what migration lives on
  params.grease_quic_bit = 1;
}

base::result<void> quic_connection::adopt(int rv, ngtcp2_conn* made) {
  if (rv != 0) return base::error{base::error_kind::internal, std::string("QUIC connection: ") + ngtcp2_strerror(rv)};
  conn_ = made;
  tls_->attach(conn_);
  return {};
}

base::result<std::shared_ptr<quic_connection>> quic_connection::make_server(quic_connection_host& host, std::unique_ptr<quic_tls> tls,
                                                                            const quic_server_options& options,
                                                                            const quic_server_hello& hello, const udp_address& local,
                                                                            const udp_address& remote) {
  std::shared_ptr<quic_connection> made(new quic_connection(host, std::move(tls), true, local, remote));
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  made->settle(options, options.handshake_timeout, settings, params);
  params.initial_max_data = settings.max_window = stranger_window;
  params.initial_max_streams_uni = stranger_unidirectional;
  params.initial_max_streams_bidi = stranger_bidirectional;
  params.original_dcid = hello.original_dcid;
  params.original_dcid_present = 1;
  if (hello.token_type == NGTCP2_TOKEN_TYPE_RETRY) {
    params.retry_scid = hello.header.dcid;
    params.retry_scid_present = 1;
  }
  if (hello.token_type != NGTCP2_TOKEN_TYPE_UNKNOWN) {  // the address is validated: no limit of three times the bytes
    settings.token = hello.header.token;
    settings.tokenlen = hello.header.tokenlen;
    settings.token_type = hello.token_type;
  }
  ngtcp2_cid own{};
  own.datalen = quic_id_bytes;
  host.choose_id({own.data, quic_id_bytes});
  ngtcp2_stateless_reset_token token{};
  host.make_reset_token(own, token);
  std::copy(std::begin(token.data), std::end(token.data), params.stateless_reset_token);
  params.stateless_reset_token_present = 1;

  auto path = path_of(made->local_, made->remote_);
  const auto table = quic_callback_table(true);
  ngtcp2_conn* conn = nullptr;
  const int rv =
      ngtcp2_conn_server_new(&conn, &hello.header.scid, &own, &path, hello.header.version, &table, &settings, &params, nullptr, made.get());
  if (auto done = made->adopt(rv, conn); !done) return done.error();
  // The client uses its own choice until it has seen ours.
  for (const auto& id : {own, hello.header.dcid}) {
    host.add_id(id, *made);
    made->ids_.push_back(id);
  }
  return made;
}

base::result<std::shared_ptr<quic_connection>> quic_connection::make_client(quic_connection_host& host, std::unique_ptr<quic_tls> tls,
                                                                            const quic_client_options& options,
                                                                            base::bytes_view address_token, const udp_address& local,
                                                                            const udp_address& remote) {
  std::shared_ptr<quic_connection> made(new quic_connection(host, std::move(tls), false, local, remote));
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  made->settle(options, options.handshake_timeout, settings, params);
  settings.ack_thresh = client_ack_threshold;
  params.initial_max_streams_bidi = 0;  // a server opens none in either mapping
  if (!address_token.empty()) {
    settings.token = address_token.data();
    settings.tokenlen = address_token.size();
    settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  ngtcp2_cid destination{}, own{};
  destination.datalen = 16;
  host.random({destination.data, destination.datalen});
  own.datalen = quic_id_bytes;
  host.choose_id({own.data, own.datalen});
  auto path = path_of(made->local_, made->remote_);
  const auto table = quic_callback_table(false);
  ngtcp2_conn* conn = nullptr;
  const int rv =
      ngtcp2_conn_client_new(&conn, &destination, &own, &path, NGTCP2_PROTO_VER_V1, &table, &settings, &params, nullptr, made.get());
  if (auto done = made->adopt(rv, conn); !done) return done.error();
  if (options.keep_alive.count() > 0) ngtcp2_conn_set_keep_alive_timeout(conn, nanoseconds(options.keep_alive));
  host.add_id(own, *made);
  made->ids_.push_back(own);
  return made;
}

// ngtcp2 asserts that its time never goes back, across every call.
quic_time quic_connection::clock() { return last_ts_ = now(); }

void quic_connection::read(const udp_datagram& datagram) {
  if (state_ == state::closing) return answer_in_closing();
  if (conn_ == nullptr || datagram.bytes.empty()) return;
  const quic_time now = clock();
  // A peer moves at most once a second (each move costs a path validation); the last two addresses are always welcome.
  if (server_ && handshake_completed_ && datagram.remote != remote_ && datagram.remote != previous_remote_ && last_path_change_ != 0 &&
      now - last_path_change_ < second) {
    return;
  }
  const quic_time silent_since = std::exchange(last_received_, now);
  refused_since_ = 0;
  udp_address local = datagram.local, remote = datagram.remote;
  const auto path = path_of(local, remote);
  const ngtcp2_pkt_info info{datagram.ecn};
  const int rv = ngtcp2_conn_read_pkt(conn_, &path, &info, datagram.bytes.data(), datagram.bytes.size(), now);
  after_read(rv, datagram.bytes.size(), now, silent_since);
}

void quic_connection::after_read(int rv, std::size_t size, quic_time now, quic_time silent_since) {
  if (no_alpn_) {
    ngtcp2_ccerr error;
    ngtcp2_ccerr_set_tls_alert(&error, tls_alert_no_application_protocol, nullptr, 0);
    send_close(error);
    return end({{base::error_kind::unsupported, "the peer does not speak RTMP over QUIC (no common ALPN)"}, false, std::nullopt},
               state::closing);
  }
  if (rv != 0) return fail(rv);
  if (server_ && !within_budget(size, now)) {
    if (host_ != nullptr) host_->on_over_budget();
    return close(static_cast<std::uint64_t>(close_code::general_error), "too many datagrams that bring nothing");
  }
  if (foreign_stream_) return close(static_cast<std::uint64_t>(close_code::general_error), "only stream 0 carries RTMP in the byte-stream mapping");

  const ngtcp2_path* const path = ngtcp2_conn_get_path2(conn_);
  const udp_address local = address_of(path->local), remote = address_of(path->remote);
  if (remote != remote_ || local != local_) {
    previous_remote_ = remote_;
    remote_ = remote;
    local_ = local;
    last_path_change_ = now;
    ++path_changes_;
    if (guard_) guard_->reset();
    if (repeats_) repeats_->reset();
    if (host_ != nullptr) host_->on_path_change();
    if (server_ && !budget_.move(now)) {
      if (host_ != nullptr) host_->on_over_budget();
      return close(static_cast<std::uint64_t>(close_code::general_error), "too many changes of address");
    }
    silence_at_move_ = now - silent_since;
  }
  if (!learn_where()) return;
  if (handshake_completed_ && !handshake_announced_) {
    handshake_announced_ = true;
    handshake_over_told_ = true;
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info2(conn_, &info);
    discarded_in_handshake_ = info.pkt_discarded;
    if (server_) {
      tls_->detach();
      tls_.reset();
    }
    if (host_ != nullptr) host_->on_handshake_over(*this);
    if (application_) application_->on_handshake_completed();
  }
  wake();  // also where it only waits to write: it had its delivery before this
}

// False: the connection is closed. A client knows where its server is; only its own address changes.
bool quic_connection::learn_where() {
  if (server_ && validating_ == remote_) {
    if (validations_begun_ <= validations_max && !unprovable_) return true;
    if (host_ != nullptr) host_->on_over_budget();
    close(static_cast<std::uint64_t>(close_code::general_error), "the new address did not prove itself");
    return false;
  }
  validating_.reset();  // the peer has proved it, or has left it
  unprovable_ = false;
  validations_begun_ = 0;
  const auto silence = std::exchange(silence_at_move_, std::nullopt);
  if (!silence || (server_ && remote_ == proven_remote_)) return true;
  proven_remote_ = remote_;
  if (application_) application_->on_path_changed(remote_.text(), std::chrono::milliseconds(static_cast<std::int64_t>(*silence / 1'000'000)));
  return true;
}

// Only what was authentic counts: others on the way could otherwise cut a peer off with junk.
bool quic_connection::within_budget(std::size_t size, quic_time now) {
  const auto handed_on = std::exchange(handed_on_, 0);
  if (std::exchange(progressed_, false)) {
    if (handed_on > size) budget_.hole_closed(handed_on - size);  // the rest had come before
    received_known_ = 0;
    return true;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  const auto before = std::exchange(received_known_, info.pkt_recv);
  return before == 0 || info.pkt_recv == before || budget_.idle_datagram(now, size);
}

void quic_connection::on_timer(quic_time now) {
  if (state_ == state::ended) return;
  if (state_ != state::open) {
    if (now >= linger_until_) {
      state_ = state::ended;
      drop_ids();
      if (host_ != nullptr) host_->on_ended(*this);
    } else {
      retime();
    }
    return;
  }
  if (conn_ == nullptr) return;
  now = std::max(now, clock());
  if (repeats_) send_repeats(now);
  const quic_time expiry = ngtcp2_conn_get_expiry2(conn_);
  if (expiry > now && application_deadline_ > now) return retime();
  if (expiry <= now) {
    if (const int rv = ngtcp2_conn_handle_expiry(conn_, now); rv != 0) return fail(rv);
  }
  if (application_deadline_ <= now) {
    application_deadline_ = quic_never;
    if (application_) application_->on_deadline(now);
  }
  touch();  // loss probes, delayed ACKs and MTU probes go out even without application data
}

void quic_connection::deliver() {
  if (const auto application = application_) application->deliver();
}

base::result<void> quic_connection::migrate(const udp_address& local, migration how) {
  if (conn_ == nullptr) return base::error{base::error_kind::closed, "the connection has ended"};
  udp_address from = local, to = remote_;
  const auto path = path_of(from, to);
  const int rv = how == migration::immediate ? ngtcp2_conn_initiate_immediate_migration(conn_, &path, clock())
                                             : ngtcp2_conn_initiate_migration(conn_, &path, clock());
  if (rv == NGTCP2_ERR_INVALID_STATE) return base::error{base::error_kind::busy, "the handshake is not confirmed yet: try again later"};
  if (rv == NGTCP2_ERR_CONN_ID_BLOCKED)
    return base::error{base::error_kind::busy, "the server has given no spare connection id yet: try again later"};
  if (rv != 0) return base::error{base::error_kind::internal, std::string("migration: ") + ngtcp2_strerror(rv)};
  touch();
  if (how == migration::validated) return {};  // after_read() sees when it has happened
  local_ = local;
  last_path_change_ = last_ts_;
  ++path_changes_;
  if (guard_) guard_->reset();
  if (repeats_) repeats_->reset();
  if (host_ != nullptr) host_->on_path_change();
  return {};
}

base::result<void> quic_connection::move_to_fresh_socket() {
  if (conn_ == nullptr || host_ == nullptr) return base::error{base::error_kind::closed, "the connection has ended"};
  return host_->move_to_fresh_socket(*this);
}

void quic_connection::touch() {
  if (host_ != nullptr) host_->touch(*this);
}

void quic_connection::wake() {
  touched_again = true;
  touch();
}

std::int64_t quic_connection::open_stream() {
  std::int64_t stream = -1;
  if (conn_ == nullptr || ngtcp2_conn_open_bidi_stream(conn_, &stream, nullptr) != 0) return -1;
  return stream;
}

std::int64_t quic_connection::open_unidirectional_stream() {
  std::int64_t stream = -1;
  if (conn_ == nullptr || ngtcp2_conn_open_uni_stream(conn_, &stream, nullptr) != 0) return -1;
  return stream;
}

// Both fail for want of memory only, and then the connection does soon.
void quic_connection::reset_stream(std::int64_t stream, std::uint64_t code) {
  if (conn_ != nullptr) static_cast<void>(ngtcp2_conn_shutdown_stream_write(conn_, 0, stream, code));
}

void quic_connection::stop_reading(std::int64_t stream, std::uint64_t code) {
  if (conn_ == nullptr) return;
  static_cast<void>(ngtcp2_conn_shutdown_stream_read(conn_, 0, stream, code));
  touch();
}

void quic_connection::credit(std::int64_t stream, std::uint64_t bytes) {
  if (conn_ == nullptr || bytes == 0) return;
  // Out of memory is the only failure left here; the connection-level credit below is still right then.
  [[maybe_unused]] const int rv = ngtcp2_conn_extend_max_stream_offset(conn_, stream, bytes);
  ngtcp2_conn_extend_max_offset(conn_, bytes);
}

void quic_connection::allow_another(std::int64_t stream) {
  if (conn_ == nullptr) return;
  if ((stream & 2) != 0) {
    ngtcp2_conn_extend_max_streams_uni(conn_, 1);
  } else {
    ngtcp2_conn_extend_max_streams_bidi(conn_, 1);
  }
}

void quic_connection::allow_media() {
  if (conn_ == nullptr || !server_ || std::exchange(media_allowed_, true)) return;
  ngtcp2_conn_extend_max_streams_uni(conn_, unidirectional_streams - stranger_unidirectional);
  ngtcp2_conn_extend_max_streams_bidi(conn_, bidirectional_streams - stranger_bidirectional);
  // For ngtcp2 the window stays the stranger's: it neither grows by itself, past what is meant, nor waits for a quarter of the large one to tell of more.
  ngtcp2_conn_extend_max_offset(conn_, connection_window_max - stranger_window);
  budget_.expect_stream(connection_window_max);
  touch();
}

void quic_connection::set_deadline(quic_time when) {
  application_deadline_ = when;
  retime();
}

void quic_connection::guard_queue() {
  if (!guard_) guard_ = std::make_unique<queue_guard>();
}

void quic_connection::retime() {
  if (host_ == nullptr) return;
  if (state_ != state::open) return host_->retime(*this, state_ == state::ended ? quic_never : linger_until_);
  if (conn_ == nullptr) return;
  const quic_time due = std::min(ngtcp2_conn_get_expiry2(conn_), application_deadline_);
  host_->retime(*this, repeats_ ? std::min(due, repeats_->due()) : due);
}

std::uint64_t quic_connection::congestion_window() const {
  if (conn_ == nullptr) return 0;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  return info.cwnd;
}

bool quic_connection::is_too_much(std::uint64_t unacknowledged) const {
  return unacknowledged > unacknowledged_usual && unacknowledged > unacknowledged_windows * congestion_window();
}

quic_time quic_connection::probe_timeout() const { return conn_ == nullptr ? second : ngtcp2_conn_get_pto2(conn_); }

std::optional<std::chrono::microseconds> quic_connection::round_trip() const {
  if (conn_ == nullptr) return last_facts_ ? last_facts_->rtt : std::nullopt;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  if (info.min_rtt == UINT64_MAX) return std::nullopt;  // no sample yet
  return microseconds_of(info.smoothed_rtt);
}

void quic_connection::fill(transport_facts& facts) const {
  if (conn_ == nullptr) {
    if (last_facts_) facts = *last_facts_;
    return;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  facts.kind = transport_kind::quic;
  facts.local = local_.text();
  facts.remote = (server_ ? proven_remote_ : remote_).text();
  facts.alpn = terms_.alpn;
  facts.tls = handshake_completed_ ? terms_.description() : "";
  facts.quic_version = ngtcp2_conn_get_negotiated_version2(conn_);
  facts.congestion_control = congestion_ == congestion_control::bbr ? "bbr" : "cubic";
  if (info.min_rtt != UINT64_MAX) {  // a sample exists
    facts.rtt = std::chrono::microseconds(static_cast<std::int64_t>(info.smoothed_rtt / 1000));
    facts.rtt_min = std::chrono::microseconds(static_cast<std::int64_t>(info.min_rtt / 1000));
  }
  facts.packets_sent = info.pkt_sent;
  facts.packets_lost = info.pkt_lost;
  facts.congestion_window = info.cwnd;
  const auto repeated = repeats_ ? repeats_->sent() : quic_repeats::counters{};
  facts.repeats_sent = repeated.datagrams;
  facts.repeat_bytes = repeated.bytes;
  facts.repeats_useful = static_cast<std::uint64_t>(repeated.useful);
  facts.repeats_received = info.pkt_discarded - std::min(info.pkt_discarded, discarded_in_handshake_);
  facts.path_changes = path_changes_;
  if (tls_) {
    facts.peer_certificate_pin = tls_->peer_pin();
    facts.peer_certificate = tls_->peer_certificate();
  }
}

}  // namespace millrace::net
