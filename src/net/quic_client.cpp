#include "net/quic_client.hpp"

#include <ifaddrs.h>
#include <net/if.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <map>
#include <mutex>

#include "net/quic_endpoint.hpp"
#include "net/quic_stream_transport.hpp"
#include "net/route_watch.hpp"

namespace millrace::net {
namespace {

// Tokens with which servers let us in without a Retry (RFC 9000 section 8.1.3): one per server, used once. The lock is for
// programs that dial on several threads; it is held for a map operation.
class address_tokens {
 public:
  static address_tokens& of_process() {
    static address_tokens all;
    return all;
  }
  void keep(const std::string& server, base::bytes_view token) {
    const std::scoped_lock lock(mutex_);
    if (tokens_.size() >= servers_max && !tokens_.contains(server)) tokens_.erase(tokens_.begin());
    tokens_.insert_or_assign(server, std::vector<std::uint8_t>(token.begin(), token.end()));
  }
  std::vector<std::uint8_t> take(const std::string& server) {
    const std::scoped_lock lock(mutex_);
    const auto node = tokens_.extract(server);
    return node ? node.mapped() : std::vector<std::uint8_t>{};
  }

 private:
  static constexpr std::size_t servers_max = 64;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::uint8_t>> tokens_;
};

constexpr std::size_t token_bytes_max = 512;
constexpr quic_time escape_every = 1'000'000'000;

// The index of the interface of this machine that has the address; 0: none has.
unsigned interface_of(const boost::asio::ip::address& wanted) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return 0;
  unsigned found = 0;
  for (const auto* one = all; one != nullptr && found == 0; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    const bool v4 = one->ifa_addr->sa_family == AF_INET;
    if (!v4 && one->ifa_addr->sa_family != AF_INET6) continue;
    const udp_address address(one->ifa_addr, v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (address.endpoint().address() == wanted) found = ::if_nametoindex(one->ifa_name);
  }
  ::freeifaddrs(all);
  return found;
}

class client_endpoint final : public quic_endpoint {
 public:
  client_endpoint(boost::asio::io_context& io, quic_connect_options options)
      : quic_endpoint(io), options_(std::move(options)), key_(options_.server_name + " " + udp_address(options_.remote).text()) {}
  ~client_endpoint() {
    if (connection_) connection_->detach();
  }

  [[nodiscard]] bool answered() const { return answered_; }

  base::result<std::shared_ptr<quic_stream_transport>> start(quic_stream_transport::open_callback done) {
    auto credentials = quic_credentials::for_client(options_.verify);
    if (!credentials) return credentials.error();
    auto tls = quic_tls::make_client(std::move(*credentials), options_.server_name, options_.server_name_is_ip, options_.verify,
                                     options_.quic.alpn);
    if (!tls) return tls.error();
    auto socket = quic_udp_socket::connect(io(), options_.remote);
    if (!socket) return socket.error();
    const auto token = address_tokens::of_process().take(key_);
    auto made =
        quic_connection::make_client(*this, std::move(*tls), options_.quic, token, (*socket)->local(), udp_address(options_.remote));
    if (!made) return made.error();
    connection_ = *made;
    auto pipe = std::make_shared<quic_stream_transport>(connection_, io(), std::move(done));
    connection_->set_application(pipe);
    add_socket(std::move(*socket));
    if (options_.quic.follow_network) watch_ = route_watch::open(io(), [this] { on_route_sign(); }, [this] { on_routes_changed(); });
    connection_->touch();  // the first flight leaves from the loop, not from inside this call
    return pipe;
  }

  // --- quic_connection_host. One connection, one peer: ids are not needed to tell datagrams apart.
  void add_id(const ngtcp2_cid&, quic_connection&) override {}
  void remove_id(const ngtcp2_cid&) override {}
  void on_ended(quic_connection& which) override {
    retime(which, quic_never);
    which.detach();
    const auto last = std::exchange(connection_, nullptr);
    watch_.reset();
    close_sockets();
  }
  void on_handshake_over(quic_connection&) override {}
  void on_path_change() override { drop_unsent(); }
  void make_reset_token(const ngtcp2_cid&, ngtcp2_stateless_reset_token& token) override { quic_random(token.data); }
  std::vector<std::uint8_t> make_address_token(const udp_address&) override { return {}; }
  void keep_address_token(base::bytes_view token) override {
    if (token.size() <= token_bytes_max) address_tokens::of_process().keep(key_, token);
  }
  base::result<void> move_to_fresh_socket(quic_connection& which) override {
    auto socket = quic_udp_socket::connect(io(), options_.remote);
    if (!socket) return socket.error();
    return move_to(which, std::move(*socket), quic_connection::migration::immediate);
  }

 private:
  // The socket in use stays: to hear what is still under way to it, and because all goes on over it where the new path is not known to work. An older
  // one goes, and one whose path has not proved itself yet: ngtcp2 looks at one path at a time.
  base::result<void> move_to(quic_connection& which, std::shared_ptr<quic_udp_socket> socket, quic_connection::migration how) {
    const auto used = which.local();
    if (auto moved = which.migrate(socket->local(), how); !moved) return moved;
    remove_sockets_but(used);
    drop_unsent();  // a network that takes nothing any more is a reason to leave it, and its full socket would hold up the packets that prove the new path
    add_socket(std::move(socket));
    return {};
  }

  // Something about the routes changes. Packets from an address that is still there go on through its own interface meanwhile, or what leads to
  // the new network would swallow them. If it is gone there is nothing to wait for: what is sent from it would be lost.
  void on_route_sign() {
    const auto connection = connection_;
    if (!connection || !connection->handshake_completed()) return;
    const auto interface = interface_of(connection->local().endpoint().address());
    if (interface == 0) return on_routes_changed();
    if (auto* const used = socket_for(connection->local())) used->send_through(interface);
  }

  // The way to the server may lead over another address now (Wi-Fi to mobile, or back). As long as the old one is there the move waits until
  // the new path has proved itself, so that nothing is lost if it leads nowhere.
  void on_routes_changed() {
    const auto connection = connection_;
    if (!connection || !connection->handshake_completed()) return;
    auto socket = quic_udp_socket::connect(io(), options_.remote);
    if (!socket) return;  // no way at all at the moment
    const auto now = (*socket)->local().endpoint().address(), before = connection->local().endpoint().address();
    if (now == before) {
      if (auto* const used = socket_for(connection->local())) used->send_through(0);
      return;
    }
    const auto how = interface_of(before) != 0 ? quic_connection::migration::validated : quic_connection::migration::immediate;
    static_cast<void>(move_to(*connection, std::move(*socket), how));  // what is too early is tried again when sending fails
  }

  void on_datagram(const udp_datagram& datagram) override {
    answered_ = true;
    if (const auto connection = connection_) connection->read(datagram);
  }
  void on_socket_error(int number) override {
    const auto connection = connection_;
    if (!connection) return;
    // Our address or its network went away (Wi-Fi lost, a cable pulled): another one may lead to the server.
    const bool no_way =
        number == ENETUNREACH || number == EHOSTUNREACH || number == EADDRNOTAVAIL || number == ENETDOWN || number == EINVAL;
    if (no_way && connection->handshake_completed() && quic_now() >= next_escape_) {
      next_escape_ = quic_now() + escape_every;
      if (move_to_fresh_socket(*connection)) return;
    }
    connection->on_socket_error(number);
  }

  quic_connect_options options_;
  std::string key_;
  quic_time next_escape_ = 0;
  bool answered_ = false;
  std::unique_ptr<route_watch> watch_;
  std::shared_ptr<quic_connection> connection_;
};

// What the attempt and the callback share: whichever is first decides.
struct attempt_state {
  std::function<void(base::result<transport_ptr>)> done;
  std::weak_ptr<quic_stream_transport> pipe;
  std::weak_ptr<client_endpoint> endpoint;
};

class attempt final : public quic_attempt {
 public:
  explicit attempt(std::shared_ptr<attempt_state> state) : state_(std::move(state)) {}
  ~attempt() override {
    state_->done = nullptr;
    if (const auto pipe = state_->pipe.lock()) pipe->give_up();  // does nothing to a connection that was handed over
  }
  [[nodiscard]] bool answered() const override {
    const auto endpoint = state_->endpoint.lock();
    return endpoint && endpoint->answered();
  }

 private:
  std::shared_ptr<attempt_state> state_;
};

}  // namespace

std::unique_ptr<quic_attempt> quic_connect(boost::asio::io_context& io, quic_connect_options options,
                                           std::function<void(base::result<transport_ptr>)> done) {
  auto state = std::make_shared<attempt_state>();
  state->done = std::move(done);
  const auto tell = [state](base::result<transport_ptr> outcome) {
    if (const auto callback = std::exchange(state->done, nullptr)) callback(std::move(outcome));
  };
  auto endpoint = std::make_shared<client_endpoint>(io, std::move(options));
  state->endpoint = endpoint;
  if (auto started = endpoint->start(tell); started) {
    state->pipe = *started;
  } else {
    boost::asio::post(io, [tell, failed = started.error()] { tell(failed); });
  }
  return std::make_unique<attempt>(std::move(state));
}

base::result<void> quic_rebind_local(transport& t) {
  auto* const pipe = dynamic_cast<quic_stream_transport*>(&t);
  if (pipe == nullptr) return base::error{base::error_kind::unsupported, "only a QUIC connection can change its local address"};
  return pipe->rebind_local();
}

}  // namespace millrace::net
