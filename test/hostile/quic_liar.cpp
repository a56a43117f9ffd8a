#include "hostile/quic_liar.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "hostile/raw_tcp.hpp"

namespace millrace::hostile {

namespace {

constexpr std::size_t datagram_bytes = 1200;
// Stream data of a carrying packet has a head of its own, and ngtcp2 never makes a packet smaller than 4 bytes of plain text.
const std::array<std::uint8_t, datagram_bytes> nothing{};

// ngtcp2's encrypt callback has no user data. One thread lies, one connection at a time.
thread_local liar* writing = nullptr;

}  // namespace

bytes varint(std::uint64_t value) {  // RFC 9000 section 16
  const int log = value < 64 ? 0 : value < 16'384 ? 1 : value < (1u << 30) ? 2 : 3;
  bytes out(std::size_t{1} << log);
  for (std::size_t i = out.size(); i-- > 0; value >>= 8) out[i] = static_cast<std::uint8_t>(value);
  out[0] = static_cast<std::uint8_t>((out[0] & 0x3F) | (log << 6));
  return out;
}

struct liar_callbacks {
  static liar& self(void* user) { return *static_cast<liar*>(user); }
  static int encrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* plain,
                     std::size_t plain_size, const std::uint8_t* nonce, std::size_t nonce_size, const std::uint8_t* header, std::size_t header_size) {
    return writing->encrypt(dest, aead, context, {plain, plain_size}, {nonce, nonce_size}, {header, header_size});
  }
  static void random(std::uint8_t* into, std::size_t size, const ngtcp2_rand_ctx*) { net::quic_random({into, size}); }
  static int new_id(ngtcp2_conn*, ngtcp2_cid* id, ngtcp2_stateless_reset_token* token, std::size_t size, void* user) {
    net::quic_random({id->data, size});
    id->datalen = size;
    net::quic_random(token->data);
    auto& given = self(user).given_ids_.emplace_back(bytes{static_cast<std::uint8_t>(size)});
    given.insert(given.end(), id->data, id->data + size);
    given.insert(given.end(), std::begin(token->data), std::end(token->data));
    return 0;
  }
  static int confirmed(ngtcp2_conn*, void* user) {
    self(user).confirmed_ = true;
    return 0;
  }
  static int retry(ngtcp2_conn* conn, const ngtcp2_pkt_hd* header, void* user) {
    self(user).retried_ = true;
    return ngtcp2_crypto_recv_retry_cb(conn, header, user);
  }
  static int acknowledged(ngtcp2_conn*, std::int64_t, std::uint64_t offset, std::uint64_t size, void* user, void*) {
    self(user).acknowledged_ = offset + size;
    return 0;
  }
  static int new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) {
    self(user).token_.assign(token, token + size);
    return 0;
  }
};

liar::liar(arena& in, liar_options options) : in_(in), options_(std::move(options)), remote_(in.udp()) {
  net::verify_options verify;
  verify.insecure = true;
  static const auto credentials = net::quic_credentials::for_client(verify).value();
  tls_ = net::quic_tls::make_client(credentials, "localhost", false, verify, options_.alpn).value();
  const auto source = next_source();
  for (std::size_t i = 0; i < options_.sockets; ++i) {
    auto& made = sockets_.emplace_back(in.io, asio::ip::udp::endpoint(source, 0));
    made.non_blocking(true);
  }
  local_ = net::udp_address(sockets_[0].local_endpoint());

  auto table = net::quic_callback_table(false);
  table.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  table.encrypt = liar_callbacks::encrypt;
  table.rand = liar_callbacks::random;
  table.get_new_connection_id2 = liar_callbacks::new_id;
  table.handshake_confirmed = liar_callbacks::confirmed;
  table.acked_stream_data_offset = liar_callbacks::acknowledged;
  table.recv_new_token = liar_callbacks::new_token;
  table.recv_retry = liar_callbacks::retry;
  // What is left are notes that net::quic_connection takes of its own.
  table.remove_connection_id = nullptr;
  table.handshake_completed = nullptr;
  table.begin_path_validation = nullptr;
  table.path_validation = nullptr;
  table.recv_stateless_reset2 = nullptr;
  table.stream_open = nullptr;
  table.recv_stream_data = nullptr;
  table.stream_reset = nullptr;
  table.recv_stop_sending = nullptr;
  table.stream_close = nullptr;

  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = net::quic_now();
  settings.token = options_.token.data();
  settings.tokenlen = options_.token.size();
  settings.no_pmtud = 1;
  settings.max_tx_udp_payload_size = datagram_bytes;
  ngtcp2_transport_params params;
  ngtcp2_transport_params_default(&params);
  params.initial_max_data = params.initial_max_stream_data_bidi_local = 1u << 20;
  params.max_idle_timeout = 30'000'000'000;
  params.active_connection_id_limit = 7;
  ngtcp2_cid destination{}, own{};
  destination.datalen = own.datalen = net::quic_id_bytes;
  net::quic_random({destination.data, destination.datalen});
  net::quic_random({own.data, own.datalen});
  const ngtcp2_path path{{local_.data(), local_.size()}, {remote_.data(), remote_.size()}, nullptr};
  if (ngtcp2_conn_client_new(&conn_, &destination, &own, &path, options_.version, &table, &settings, &params, nullptr, this) != 0) {
    throw failure{"ngtcp2 takes no such client"};
  }
  // Only now: ngtcp2 asserts what it is given. It encodes them with the ClientHello, which is not made yet.
  if (options_.params) options_.params(const_cast<ngtcp2_transport_params&>(*ngtcp2_conn_get_local_transport_params2(conn_)));
  tls_->attach(conn_);
}

liar::~liar() {
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);
}

int liar::encrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, base::bytes_view plain,
                  base::bytes_view nonce, base::bytes_view header) {
  bytes said(plain.begin(), plain.end());
  // RFC 9000 section 17.2: the form in the first bit, the type of a long header in the third and fourth.
  const level at = (header[0] & 0x80) == 0 ? level::application : (header[0] & 0x30) == 0 ? level::initial : level::handshake;
  const auto replace = [&said](const bytes& by) {
    std::fill(said.begin(), said.end(), std::uint8_t{0});  // PADDING
    std::copy_n(by.begin(), std::min(by.size(), said.size()), said.begin());
  };
  if (!options_.first_lie.empty() && options_.lies_at == at && !first_lie_told_) {
    replace(options_.first_lie);
    first_lie_told_ = at != level::initial;  // an Initial is said again and again, and is the same each time
  } else if (at == level::application && lie_ && lie_->size() <= said.size()) {
    replace(*std::exchange(lie_, std::nullopt));
  }
  return ngtcp2_crypto_encrypt(dest, aead, context, said.data(), said.size(), nonce.data(), nonce.size(), header.data(), header.size()) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

void liar::send(base::bytes_view datagram) {
  bytes whole(datagram.begin(), datagram.end());
  if (options_.bend) options_.bend(whole);
  if (!confirmed_) first_datagram_ = whole;
  boost::system::error_code ignored;
  sockets_[confirmed_ ? turn_++ % sockets_.size() : 0].send_to(asio::buffer(whole), in_.udp(), 0, ignored);
  sent_bytes_ += whole.size();
}

// One packet at most; with `carrier`, one about so many bytes of a stream.
bool liar::write_one(base::bytes_view carrier) {
  std::array<std::uint8_t, datagram_bytes> packet{};
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  ngtcp2_vec part{const_cast<std::uint8_t*>(carrier.data()), carrier.size()};
  ngtcp2_ssize taken = -1;
  writing = this;
  const auto size = ngtcp2_conn_writev_stream(conn_, &path.path, &info, packet.data(), packet.size(), &taken, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                              carrier.empty() ? -1 : stream_, &part, carrier.empty() ? 0 : 1, net::quic_now());
  writing = nullptr;
  if (taken > 0) carried_ += static_cast<std::uint64_t>(taken);
  if (size <= 0) {
    if (size < 0) after(static_cast<int>(size));
    return false;
  }
  send(base::bytes_view(packet).first(static_cast<std::size_t>(size)));
  return true;
}

void liar::write() {
  while (!ended_ && write_one({})) {
  }
  ngtcp2_conn_update_pkt_tx_time(conn_, net::quic_now());
}

void liar::after(int rv) {
  if (rv == 0 || ended_) return;
  ended_ = end{std::nullopt, ngtcp2_strerror(rv)};
  if (rv != NGTCP2_ERR_DRAINING) return;
  const auto* const said = ngtcp2_conn_get_ccerr(conn_);
  if (said->type == NGTCP2_CCERR_TYPE_TRANSPORT || said->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    ended_->code = said->error_code;
    ended_->text.assign(said->reason, said->reason + said->reasonlen);
  }
}

void liar::read() {
  std::array<std::uint8_t, 65'536> space{};
  for (auto& socket : sockets_) {
    for (;;) {
      asio::ip::udp::endpoint from;
      boost::system::error_code failed;
      const auto size = socket.receive_from(asio::buffer(space), from, 0, failed);
      if (failed) break;
      received_bytes_ += size;
      ++received_datagrams_;
      if (options_.deaf || ended_) continue;
      // Its own address is what it says it is: that it flaps is the server's affair.
      const ngtcp2_path path{{local_.data(), local_.size()}, {remote_.data(), remote_.size()}, nullptr};
      const ngtcp2_pkt_info info{};
      writing = this;
      const int rv = ngtcp2_conn_read_pkt(conn_, &path, &info, space.data(), size, net::quic_now());
      writing = nullptr;
      after(rv);
    }
  }
}

void liar::begin() { write(); }

// Reads, writes and keeps its timers until `reached` or the end.
template <class Condition>
asio::awaitable<bool> liar::until(Condition reached, milliseconds limit) {
  constexpr milliseconds look{1};  // several sockets and ngtcp2's timers: a short turn is simpler than to wait for each of them
  asio::steady_timer timer(in_.io);
  const auto due = std::chrono::steady_clock::now() + limit;
  for (;;) {
    read();
    if (!ended_ && !options_.deaf) {
      if (ngtcp2_conn_get_expiry2(conn_) <= net::quic_now()) after(ngtcp2_conn_handle_expiry(conn_, net::quic_now()));
      if (!ended_) write();
    }
    if (reached()) co_return true;
    if (ended_ || std::chrono::steady_clock::now() >= due) co_return false;
    timer.expires_after(look);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<bool> liar::shake_hands(milliseconds limit) {
  begin();
  co_return co_await until([this] { return confirmed_; }, limit);
}

asio::awaitable<bool> liar::say(bytes frames) {
  if (stream_ < 0 && ngtcp2_conn_open_bidi_stream(conn_, &stream_, nullptr) != 0) throw failure{"the server allows no stream"};
  lie_ = std::move(frames);
  const auto carrier = base::bytes_view(nothing).first(std::max<std::size_t>(lie_->size(), 4));
  const auto told = [this] { return !lie_.has_value(); };
  const auto try_it = [this, carrier, told] { return told() || (write_one(carrier), told()); };
  const bool done = try_it() || co_await until(try_it, soon);
  if (!done && !ended_) throw failure{"the server acknowledges nothing any more"};
  co_return !ended_;
}

asio::awaitable<bool> liar::taken(milliseconds limit) {
  const bool all = co_await until([this] { return acknowledged_ >= carried_; }, limit);
  if (!all && !ended_) throw failure{"neither acknowledged nor closed within " + std::to_string(limit.count()) + " ms"};
  co_return all;
}

bool liar::move() {
  asio::ip::udp::socket other(in_.io, asio::ip::udp::endpoint(next_source(), 0));
  other.non_blocking(true);
  local_ = net::udp_address(other.local_endpoint());
  const ngtcp2_path path{{local_.data(), local_.size()}, {remote_.data(), remote_.size()}, nullptr};
  if (ngtcp2_conn_initiate_immediate_migration(conn_, &path, net::quic_now()) != 0) return false;
  sockets_[0] = std::move(other);
  return true;
}

asio::awaitable<void> liar::listen(milliseconds span) {
  co_await until([] { return false; }, span);
}

}  // namespace millrace::hostile
