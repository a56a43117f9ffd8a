#include "net/quic_server.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "base/log.hpp"
#include "net/quic_endpoint.hpp"
#include "net/quic_ids.hpp"
#include "net/quic_sibling.hpp"
#include "net/quic_stream_transport.hpp"

namespace millrace::net {
namespace {

constexpr quic_time second = 1'000'000'000;
constexpr quic_time retry_token_life = 10 * second, address_token_life = 24 * 3600 * second;
// A handshake costs a signature and two agreements of keys, a millisecond of CPU. A flood of them makes handshakes wait for each other, not
// what is connected: after so much time for them the loop turns. What does not fit in the queue is lost, as in a full socket.
constexpr quic_time handshake_time_per_turn = second / 200;
// A sibling that has died looks at first like one that has no use for the socket. Clients knock again after a second: who is not refused before is served then.
constexpr quic_time take_back_time = second / 2;
constexpr std::size_t waiting_handshake_bytes_max = 2u << 20;
constexpr std::size_t half_open_hard_factor = 4;  // past this many times the Retry threshold new clients are ignored
constexpr std::size_t reset_bytes_min = 5 + NGTCP2_STATELESS_RESET_TOKENLEN, reset_bytes_usual = 43;

// Tokens outlive the process (their secret is kept), so their time is that of the wall clock.
ngtcp2_tstamp wall_clock() {
  return static_cast<ngtcp2_tstamp>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

// So many answers a second to packets that made no connection; the rest stay unanswered.
class answer_budget {
 public:
  explicit answer_budget(double per_second) : per_second_(per_second), left_(per_second) {}
  bool take(quic_time now) {
    left_ = std::min(per_second_, left_ + per_second_ * static_cast<double>(now - last_) / static_cast<double>(second));
    last_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  double per_second_, left_;
  quic_time last_ = quic_now();
};

struct kept_datagram {
  std::vector<std::uint8_t> bytes;
  udp_address local, remote;
  std::uint8_t ecn;
};

class server_endpoint final : public quic_endpoint {
 public:
  server_endpoint(boost::asio::io_context& io, std::shared_ptr<const quic_credentials> credentials, quic_server_options options,
                  accept_handler on_accept, quic_admission admission)
      : quic_endpoint(io),
        credentials_(std::move(credentials)),
        options_(std::move(options)),
        on_accept_(std::move(on_accept)),
        admission_(std::move(admission)) {}
  ~server_endpoint() {
    for (const auto& [key, connection] : connections_) connection->detach();
  }

  void start(std::unique_ptr<quic_udp_socket> socket) {
    port_ = socket->local().port();
    add_socket(std::move(socket));
  }
  void use(std::shared_ptr<const quic_credentials> credentials) { credentials_ = std::move(credentials); }  // sessions under way share the old ones
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] quic_server_counters counters() const {
    auto out = counters_;
    out.datagrams_received = datagrams_received_;
    out.datagrams_sent = datagrams_sent_;
    out.connections = connections_.size() - lingering();
    out.half_open = half_open_;
    return out;
  }
  void stop() { stopped_ = true; }
  void set_handshake_timeout(std::chrono::milliseconds limit) { options_.handshake_timeout = limit; }
  [[nodiscard]] int socket() const { return present_socket() == nullptr ? -1 : present_socket()->descriptor(); }
  void join_sibling(int channel, process_tag tag) {
    sibling_ = std::make_shared<quic_sibling>(io(), channel, tag);
    const auto weak = weak_from_this();
    sibling_->start(
        [weak](const udp_datagram& datagram) {
          const auto self = std::static_pointer_cast<server_endpoint>(weak.lock());
          if (self && self->open()) self->collect([&] { self->on_passed_on(datagram); });
        },
        [weak] {
          const auto self = std::static_pointer_cast<server_endpoint>(weak.lock());
          if (self && self->open() && self->left_at_) self->read_for_who_stayed();
        });
  }
  void leave_reading_to_sibling() {
    if (!sibling_ || !sibling_->there()) return read_for_who_stayed();
    left_at_ = quic_now();
    stop_reading();
  }
  void take_reading_back() {
    left_at_.reset();
    read_again();
  }
  void shut_down() {
    stopped_ = true;
    on_accept_ = nullptr;
    admission_ = {};
    shutting_down_ = true;
    const auto all = connections_;  // closing removes from it
    for (const auto& [key, connection] : all) {
      if (!connection->finishing())
        connection->close_for_good(static_cast<std::uint64_t>(close_code::no_error), "the server is shutting down");
    }
    close_when_idle();
  }

  // --- quic_connection_host
  void choose_id(std::span<std::uint8_t> id) override {
    random(id);
    put_tag(id, options_.tag);
    options_.group.claim(id);
  }
  void add_id(const ngtcp2_cid& id, quic_connection& which) override { ids_.insert_or_assign(connection_id(id), &which); }
  void remove_id(const ngtcp2_cid& id) override { ids_.erase(connection_id(id)); }
  void on_ended(quic_connection& which) override {
    retime(which, quic_never);
    which.detach();
    connections_.erase(&which);
    close_when_idle();
  }
  void on_handshake_over(quic_connection& which) override {
    --half_open_;
    if (!which.handshake_completed() || which.ticket || !admission_.take) return;
    which.ticket = admission_.take(which.proven_remote().endpoint());
    if (!which.ticket) which.refuse("too many connections from this address");
  }
  void on_path_change() override { ++counters_.path_changes; }
  void on_over_budget() override { ++counters_.over_budget; }
  void make_reset_token(const ngtcp2_cid& id, ngtcp2_stateless_reset_token& token) override {
    const auto& secret = options_.secrets.stateless_reset;
    // An id whose token cannot be computed gets a random one: it then merely cannot be reset.
    if (ngtcp2_crypto_generate_stateless_reset_token(token.data, secret.data(), secret.size(), &id) != 0) quic_random(token.data);
  }
  std::vector<std::uint8_t> make_address_token(const udp_address& remote) override {
    std::vector<std::uint8_t> token(NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);
    const auto& secret = options_.secrets.token;
    const auto size =
        ngtcp2_crypto_generate_regular_token(token.data(), secret.data(), secret.size(), remote.data(), remote.size(), wall_clock());
    token.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return token;
  }
  void keep_address_token(base::bytes_view) override {}
  base::result<void> move_to_fresh_socket(quic_connection&) override {
    return base::error{base::error_kind::unsupported, "only a client changes its address"};
  }

 private:
  // The other process accepts, but not on this socket.
  void read_for_who_stayed() {
    left_at_ = quic_now();
    read_again();
  }
  // Transports that were told to close flush for up to two seconds, whatever happens to the server; the socket stays for them.
  void close_when_idle() {
    if (!shutting_down_ || !connections_.empty()) return;
    if (sibling_) sibling_->close();
    close_sockets();
  }
  void on_datagram(const udp_datagram& datagram) override;
  void on_socket_error(int) override {}  // an unconnected socket's errors name no peer; losses are repaired by the connections
  void on_passed_on(const udp_datagram& datagram);
  void on_handshake_datagram(const udp_datagram& datagram);
  void shake_hands(const udp_datagram& datagram);
  void work_off_handshakes();
  void accept(const udp_datagram& datagram);
  bool check_token(const udp_datagram& datagram, quic_server_hello& hello);
  void answer(const udp_datagram& to, const std::uint8_t* bytes, ngtcp2_ssize size);
  void refuse(const udp_datagram& datagram, const ngtcp2_pkt_hd& header, std::uint64_t code);
  void send_retry(const udp_datagram& datagram, const ngtcp2_pkt_hd& header);
  void send_version_negotiation(const udp_datagram& datagram, const ngtcp2_version_cid& ids);
  void send_stateless_reset(const udp_datagram& datagram, const ngtcp2_version_cid& ids);
  [[nodiscard]] std::size_t lingering() const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [](const auto& each) { return !each.second->alive(); }));
  }

  std::shared_ptr<const quic_credentials> credentials_;
  quic_server_options options_;
  accept_handler on_accept_;
  quic_admission admission_;
  std::unordered_map<quic_connection*, std::shared_ptr<quic_connection>> connections_;
  connection_id_table ids_;
  base::fifo<kept_datagram> waiting_;  // for handshakes, in the order in which they came
  std::size_t waiting_bytes_ = 0;
  quic_time handshake_time_ = 0;       // spent since the last turn for them
  bool turn_for_handshakes_posted_ = false;
  std::shared_ptr<quic_sibling> sibling_;
  std::optional<quic_time> left_at_;   // since when new clients are not ours
  quic_server_counters counters_;
  std::size_t half_open_ = 0;
  std::uint16_t port_ = 0;
  bool stopped_ = false, shutting_down_ = false;
  answer_budget resets_{100}, negotiations_{1000}, refusals_{1000}, retries_{50'000};
};

void server_endpoint::on_datagram(const udp_datagram& datagram) {
  if (datagram.bytes.empty()) return;  // the decoder asserts on those
  ngtcp2_version_cid ids{};
  const int rv = ngtcp2_pkt_decode_version_cid(&ids, datagram.bytes.data(), datagram.bytes.size(), quic_id_bytes);
  if (rv == NGTCP2_ERR_VERSION_NEGOTIATION) return send_version_negotiation(datagram, ids);
  if (rv != 0) return;
  if (const auto known = ids_.find(connection_id(ids.dcid, ids.dcidlen)); known != ids_.end()) {
    if (!known->second->handshake_completed()) return on_handshake_datagram(datagram);
    const auto connection = known->second->shared_from_this();
    return connection->read(datagram);
  }
  if (sibling_ && sibling_->there() && ids.dcidlen == quic_id_bytes && has_tag({ids.dcid, ids.dcidlen}, sibling_->tag())) return sibling_->forward(datagram);
  const bool long_header = (datagram.bytes[0] & 0x80) != 0;
  // A Version Negotiation is the only long header of version 0, and none of a server's business (RFC 9000 sections 6.1 and 10.3).
  if (ids.version == 0) return long_header ? void() : send_stateless_reset(datagram, ids);
  on_handshake_datagram(datagram);
}

void server_endpoint::on_handshake_datagram(const udp_datagram& datagram) {
  if (waiting_.empty() && handshake_time_ < handshake_time_per_turn) return shake_hands(datagram);
  if (waiting_bytes_ + datagram.bytes.size() > waiting_handshake_bytes_max) return void(++counters_.handshakes_dropped);
  waiting_bytes_ += datagram.bytes.size();
  waiting_.push_back({{datagram.bytes.begin(), datagram.bytes.end()}, datagram.local, datagram.remote, datagram.ecn});
}

void server_endpoint::shake_hands(const udp_datagram& datagram) {
  const quic_time began = quic_now();
  ngtcp2_version_cid ids{};
  if (ngtcp2_pkt_decode_version_cid(&ids, datagram.bytes.data(), datagram.bytes.size(), quic_id_bytes) != 0) return;
  if (const auto known = ids_.find(connection_id(ids.dcid, ids.dcidlen)); known != ids_.end()) {
    const auto connection = known->second->shared_from_this();
    connection->read(datagram);
  } else if (ids.version != 0) {
    accept(datagram);
  }
  handshake_time_ += quic_now() - began;
  if (handshake_time_ < handshake_time_per_turn || std::exchange(turn_for_handshakes_posted_, true)) return;
  boost::asio::post(io(), [weak = weak_from_this()] {
    const auto self = std::static_pointer_cast<server_endpoint>(weak.lock());
    if (!self) return;
    self->turn_for_handshakes_posted_ = false;
    self->handshake_time_ = 0;
    if (self->open() && !self->waiting_.empty()) self->collect([&] { self->work_off_handshakes(); });
  });
}

void server_endpoint::work_off_handshakes() {
  while (!waiting_.empty() && handshake_time_ < handshake_time_per_turn && open()) {
    const auto next = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= next.bytes.size();
    shake_hands({next.bytes, next.local, next.remote, next.ecn});
  }
}

// What the other process found to be ours: known or of the past, never somebody new.
void server_endpoint::on_passed_on(const udp_datagram& datagram) {
  ++datagrams_received_;
  ngtcp2_version_cid ids{};
  if (datagram.bytes.empty() || ngtcp2_pkt_decode_version_cid(&ids, datagram.bytes.data(), datagram.bytes.size(), quic_id_bytes) != 0) return;
  const auto known = ids_.find(connection_id(ids.dcid, ids.dcidlen));
  if (known == ids_.end()) {
    if (ids.version == 0 && (datagram.bytes[0] & 0x80) == 0) send_stateless_reset(datagram, ids);
    return;
  }
  const auto connection = known->second->shared_from_this();
  connection->read(datagram);
}

void server_endpoint::accept(const udp_datagram& datagram) {
  quic_server_hello hello;
  if (ngtcp2_accept(&hello.header, datagram.bytes.data(), datagram.bytes.size()) != 0) return;
  if (half_open_ >= half_open_hard_factor * std::max<std::size_t>(options_.retry_above_half_open, 64)) return;
  const auto from = datagram.remote.endpoint();
  if (left_at_ && quic_now() - *left_at_ < take_back_time) return;
  if (stopped_ || left_at_ || (admission_.may_begin && !admission_.may_begin(from))) return refuse(datagram, hello.header, NGTCP2_CONNECTION_REFUSED);
  hello.original_dcid = hello.header.dcid;
  if (!check_token(datagram, hello)) return;
  const bool want_retry = options_.retry == retry_policy::always ||
                          (options_.retry == retry_policy::under_load && half_open_ >= options_.retry_above_half_open);
  if (want_retry && hello.token_type == NGTCP2_TOKEN_TYPE_UNKNOWN) return send_retry(datagram, hello.header);
  // With a token the address is known to be the client's, so what is half open counts for it too: none takes all the places.
  std::shared_ptr<void> ticket;
  if (hello.token_type != NGTCP2_TOKEN_TYPE_UNKNOWN && admission_.take) {
    ticket = admission_.take(from);
    if (!ticket) return refuse(datagram, hello.header, NGTCP2_CONNECTION_REFUSED);
  }

  auto tls = quic_tls::make_server(credentials_, options_.alpn);
  if (!tls) return base::log::warning("quic: {}", tls.error().text);
  auto made = quic_connection::make_server(*this, std::move(*tls), options_, hello, datagram.local, datagram.remote);
  if (!made) return base::log::warning("quic: {}", made.error().text);
  const auto connection = *made;
  connection->ticket = std::move(ticket);
  connections_.emplace(connection.get(), connection);
  ++half_open_;
  auto pipe = std::make_shared<quic_stream_transport>(connection, io(), [weak = weak_from_this(), came = instant_of(quic_now())](base::result<transport_ptr> opened) {
    // A handshake that failed is the connection's own affair: it has told the peer.
    const auto self = std::static_pointer_cast<server_endpoint>(weak.lock());
    if (!self || !opened || !self->on_accept_) return;
    const auto accepted = self->on_accept_;  // a copy: it may destroy the server
    accepted(std::move(*opened), came);
  });
  connection->set_application(pipe);
  pipe->expect_stream_until(quic_now() + static_cast<quic_time>(std::chrono::nanoseconds(options_.handshake_timeout).count()));
  connection->read(datagram);
}

// False when the packet is done with. A valid token fills in the hello.
bool server_endpoint::check_token(const udp_datagram& datagram, quic_server_hello& hello) {
  const auto& header = hello.header;
  if (header.tokenlen == 0) return true;
  const auto& secret = options_.secrets.token;
  if (header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    ngtcp2_cid original{};
    if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, secret.data(), secret.size(), header.version,
                                          datagram.remote.data(), datagram.remote.size(), &header.dcid, retry_token_life,
                                          wall_clock()) != 0) {
      refuse(datagram, header, NGTCP2_INVALID_TOKEN);  // RFC 9000 section 8.1.2: it would only time out otherwise
      return false;
    }
    hello.original_dcid = original;
    hello.token_type = NGTCP2_TOKEN_TYPE_RETRY;
  } else if (header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR) {
    if (ngtcp2_crypto_verify_regular_token(header.token, header.tokenlen, secret.data(), secret.size(), datagram.remote.data(),
                                           datagram.remote.size(), address_token_life, wall_clock()) == 0) {
      hello.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
    }
  }  // anything else is some other server's token: as good as none (RFC 9000 section 8.1.3)
  return true;
}

void server_endpoint::answer(const udp_datagram& to, const std::uint8_t* bytes, ngtcp2_ssize size) {
  if (size <= 0 || blocked()) return;  // under pressure these are the first to be left out
  const auto count = static_cast<std::size_t>(size);
  send({{bytes, count}, count, to.local, to.remote, 0});
}

void server_endpoint::refuse(const udp_datagram& datagram, const ngtcp2_pkt_hd& header, std::uint64_t code) {
  if (!refusals_.take(quic_now())) return;
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet{};
  answer(datagram, packet.data(),
         ngtcp2_crypto_write_connection_close(packet.data(), packet.size(), header.version, &header.scid, &header.dcid, code, nullptr, 0));
}

void server_endpoint::send_retry(const udp_datagram& datagram, const ngtcp2_pkt_hd& header) {
  if (!retries_.take(quic_now())) return;
  ngtcp2_cid own{};
  own.datalen = quic_id_bytes;
  choose_id({own.data, own.datalen});
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token{};
  const auto& secret = options_.secrets.token;
  const auto token_size =
      ngtcp2_crypto_generate_retry_token2(token.data(), secret.data(), secret.size(), header.version, datagram.remote.data(),
                                          datagram.remote.size(), &own, &header.dcid, wall_clock());
  if (token_size < 0) return;
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet{};
  ++counters_.retries_sent;
  answer(datagram, packet.data(),
         ngtcp2_crypto_write_retry(packet.data(), packet.size(), header.version, &header.scid, &own, &header.dcid, token.data(),
                                   static_cast<std::size_t>(token_size)));
}

void server_endpoint::send_version_negotiation(const udp_datagram& datagram, const ngtcp2_version_cid& ids) {
  // RFC 9000 section 5.2.2: only to packets that could start a connection, so the answer is never larger.
  if (datagram.bytes.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE || !negotiations_.take(quic_now())) return;
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet{};
  std::array<std::uint8_t, 1> noise{};
  quic_random(noise);
  constexpr std::array<std::uint32_t, 2> versions{NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};
  ++counters_.version_negotiations_sent;
  answer(datagram, packet.data(),
         ngtcp2_pkt_write_version_negotiation(packet.data(), packet.size(), noise[0], ids.scid, ids.scidlen, ids.dcid, ids.dcidlen,
                                              versions.data(), versions.size()));
}

// RFC 9000 section 10.3: shorter than what it answers, so that two ends without state cannot keep resetting each other.
void server_endpoint::send_stateless_reset(const udp_datagram& datagram, const ngtcp2_version_cid& ids) {
  if (datagram.bytes.size() <= reset_bytes_min || !resets_.take(quic_now())) return;
  ngtcp2_cid id{};
  ngtcp2_cid_init(&id, ids.dcid, std::min(ids.dcidlen, std::size_t{NGTCP2_MAX_CIDLEN}));
  ngtcp2_stateless_reset_token token{};
  const auto& secret = options_.secrets.stateless_reset;
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data, secret.data(), secret.size(), &id) != 0) return;
  const std::size_t size = std::min(datagram.bytes.size() - 1, reset_bytes_usual);
  std::array<std::uint8_t, reset_bytes_usual> noise{}, packet{};
  quic_random(noise);
  ++counters_.stateless_resets_sent;
  answer(datagram, packet.data(),
         ngtcp2_pkt_write_stateless_reset2(packet.data(), size, &token, noise.data(), size - NGTCP2_STATELESS_RESET_TOKENLEN));
}

class server final : public quic_server {
 public:
  explicit server(std::shared_ptr<server_endpoint> endpoint) : endpoint_(std::move(endpoint)) {}
  ~server() override { endpoint_->shut_down(); }
  [[nodiscard]] std::uint16_t port() const override { return endpoint_->port(); }
  [[nodiscard]] quic_server_counters counters() const override { return endpoint_->counters(); }
  void stop() override { endpoint_->stop(); }
  void set_handshake_timeout(std::chrono::milliseconds limit) override { endpoint_->set_handshake_timeout(limit); }
  [[nodiscard]] int socket() const override { return endpoint_->socket(); }
  void join_sibling(int channel, std::uint16_t tag) override { endpoint_->join_sibling(channel, tag); }
  void leave_reading_to_sibling() override { endpoint_->leave_reading_to_sibling(); }
  void take_reading_back() override { endpoint_->take_reading_back(); }
  base::result<void> use(const identity& certificate) override {
    auto credentials = quic_credentials::for_server(certificate);
    if (!credentials) return credentials.error();
    endpoint_->use(std::move(*credentials));
    return {};
  }

 private:
  std::shared_ptr<server_endpoint> endpoint_;
};

}  // namespace

base::result<std::unique_ptr<quic_server>> quic_listen(boost::asio::io_context& io, boost::asio::ip::udp::endpoint local,
                                                       std::shared_ptr<const identity> certificate, quic_server_options options,
                                                       accept_handler on_accept, quic_admission admission, int inherited) {
  if (!certificate) return base::error{base::error_kind::local, "QUIC needs a certificate"};
  auto credentials = quic_credentials::for_server(*certificate);
  if (!credentials) return credentials.error();
  for (auto* const secret : {&options.secrets.stateless_reset, &options.secrets.token}) {
    if (!secret->empty()) continue;  // without a kept secret all works until the restart
    secret->resize(32);
    quic_random(*secret);
  }
  auto socket = inherited >= 0 ? quic_udp_socket::adopt(io, inherited, options.group) : quic_udp_socket::bind(io, local, options.group);
  if (!socket) return std::move(socket).error().within("udp " + udp_address(local).text());
  auto endpoint =
      std::make_shared<server_endpoint>(io, std::move(*credentials), std::move(options), std::move(on_accept), std::move(admission));
  endpoint->start(std::move(*socket));
  return std::unique_ptr<quic_server>(std::make_unique<server>(std::move(endpoint)));
}

}  // namespace millrace::net
