#include "net/listener.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <optional>
#include <set>

#include "base/log.hpp"
#include "net/endpoint_text.hpp"
#include "net/incoming.hpp"
#include "net/listen_sockets.hpp"
#include "net/quic_server.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

constexpr int accepts_per_turn = 64;
constexpr int pair_attempts = 32;  // for one number that is free on TCP and UDP
constexpr std::chrono::seconds log_pause{10};

// At most one line in ten seconds, with the number of those that were left out: a flood must not fill the disk.
class quiet_log {
 public:
  template <class Text>
  void warn(const Text& text) {
    const auto now = std::chrono::steady_clock::now();
    ++count_;
    if (now < next_) return;
    base::log::warning("{} ({} since the last such line)", text, count_);
    next_ = now + log_pause;
    count_ = 0;
  }

 private:
  base::instant next_{};
  std::uint64_t count_ = 0;
};

// A descriptor in reserve: given up for a moment, it lets the process accept a connection only to close it, instead of leaving it
// (and a busy accept loop) hanging at the descriptor limit.
class descriptor_reserve {
 public:
  descriptor_reserve() { refill(); }
  descriptor_reserve(const descriptor_reserve&) = delete;
  descriptor_reserve& operator=(const descriptor_reserve&) = delete;
  ~descriptor_reserve() { release(); }
  void release() {
    if (held_ >= 0) ::close(std::exchange(held_, -1));
  }
  bool refill() {
    if (held_ < 0) held_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return held_ >= 0;
  }

 private:
  int held_ = -1;
};

// New descriptors get the lowest free number, so a number near the limit means that nearly all are taken. The last ones are for
// recordings, logs and whoever reserves fewer.
int descriptor_ceiling(std::size_t reserved) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<int>::max();
  const auto most = std::min<rlim_t>(limit.rlim_cur, 1u << 30);
  return static_cast<int>(most - std::min<rlim_t>(reserved, most * reserved / 128));
}

// A transport together with what has to live exactly as long as somebody outside holds it.
transport_ptr holding(transport_ptr inner, std::shared_ptr<void> what) {
  struct pair {
    std::shared_ptr<void> what;
    transport_ptr inner;  // destroyed first
  };
  auto* raw = inner.get();
  return {std::make_shared<pair>(pair{std::move(what), std::move(inner)}), raw};
}

// What an accepted QUIC transport keeps: the server with the UDP socket.
class quic_hold {
 public:
  quic_hold(asio::io_context& io, std::shared_ptr<quic_server> server) : io_(io), server_(std::move(server)) {}
  quic_hold(const quic_hold&) = delete;
  quic_hold& operator=(const quic_hold&) = delete;
  // The last transport of a listener that is gone takes the UDP socket with it, but not from inside the socket's own callback.
  ~quic_hold() {
    if (server_.use_count() == 1) asio::post(io_, [last = std::move(server_)] {});
  }

 private:
  asio::io_context& io_;
  std::shared_ptr<quic_server> server_;
};

// Everything that callbacks may reach after the listener itself is gone.
class core : public std::enable_shared_from_this<core> {
 public:
  core(asio::io_context& io, listener_options options, accept_handler on_accept)
      : io_(io),
        options_(std::move(options)),
        on_accept_(std::move(on_accept)),
        retry_(io),
        table_(options_.addresses ? options_.addresses : std::make_shared<address_table>(options_.connections_per_address_max, options_.new_per_address_and_second)) {}

  base::result<void> prepare(const std::shared_ptr<const identity>& certificate) {
    if (!options_.tls || !certificate) return {};
    auto made = make_tls_server_context(*certificate);
    if (!made) return std::move(made).error();
    tls_ = *std::move(made);
    return {};
  }

  base::result<void> use(const std::shared_ptr<const identity>& certificate) {
    if (quic_) {
      if (auto used = quic_->use(*certificate); !used) return used;
    }
    return prepare(certificate);
  }

  void take(tcp::acceptor acceptor) {
    acceptor_.emplace(std::move(acceptor));
    accepting_ = true;
    wait();
  }

  void take_quic(std::unique_ptr<quic_server> server) { quic_ = std::move(server); }

  [[nodiscard]] listener_counters counters() const {
    auto now = counters_;
    if (quic_) now.quic = quic_->counters();
    return now;
  }

  void stop() {
    accepting_ = false;
    boost::system::error_code ignored;
    if (acceptor_) acceptor_->close(ignored);
    retry_.cancel();
    if (quic_) quic_->stop();
  }

  [[nodiscard]] std::pair<int, int> sockets() {
    return {acceptor_ && acceptor_->is_open() ? acceptor_->native_handle() : -1, quic_ ? quic_->socket() : -1};
  }
  void join_sibling(int channel, std::uint16_t tag) {
    if (quic_) quic_->join_sibling(channel, tag); else ::close(channel);
  }
  // The socket stays open: who waits in its queue is served by the one of both that lives.
  void leave_to_sibling() {
    accepting_ = false;
    boost::system::error_code ignored;
    if (acceptor_) acceptor_->cancel(ignored);
    retry_.cancel();
    if (quic_) quic_->leave_reading_to_sibling();
  }
  void take_back() {
    if (quic_) quic_->take_reading_back();
    if (!acceptor_ || !acceptor_->is_open() || accepting_) return;
    boost::system::error_code failure;
    acceptor_->listen(asio::socket_base::max_listen_connections, failure);  // the other process may have had no use for it and shut it down
    if (failure) return base::log::error("port {}: nobody is accepted any more: {}", options_.address.port, failure.message());
    accepting_ = true;
    wait();
  }

  void set_handshake_deadline(std::chrono::milliseconds limit) {
    options_.handshake_deadline = limit;
    if (quic_) quic_->set_handshake_timeout(limit);
  }

  void shut_down() {
    stop();
    on_accept_ = nullptr;
    for (const auto& one : std::exchange(handshaking_, {})) one->abandon();
    quic_.reset();  // lives on with the transports that hold it
  }

  // Counted as refused by whichever of the two says no, and never by both.
  [[nodiscard]] bool quic_may_begin(const udp::endpoint& remote) {
    const auto verdict = table_->look(remote.address(), now());
    if (on_accept_ && verdict == address_table::verdict::admitted) return true;
    refused_by_table("udp " + endpoint_text(remote.address(), remote.port()), verdict);
    return false;
  }

  [[nodiscard]] std::shared_ptr<void> take_quic_ticket(const udp::endpoint& remote) {
    const auto verdict = table_->look(remote.address(), now());
    auto ticket = on_accept_ ? table_->take(remote.address(), now()) : nullptr;
    if (!ticket) refused_by_table("udp " + endpoint_text(remote.address(), remote.port()), verdict);
    return ticket;
  }

  void accepted_quic(transport_ptr made, base::instant came) {
    if (!on_accept_) return made->abort();
    ++counters_.accepted_quic;
    on_accept_(holding(std::move(made), std::make_shared<quic_hold>(io_, quic_)), came);
  }

 private:
  static base::instant now() { return std::chrono::steady_clock::now(); }

  void refused_by_table(const std::string& who, address_table::verdict why) {
    const bool fast = why == address_table::verdict::too_fast;
    ++(fast ? counters_.refused_rate : counters_.refused_limit);
    if (on_accept_) log_address_.warn(who + (fast ? ": too many new connections a second from this address" : ": too many connections from this address"));
  }

  void wait() {
    acceptor_->async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](const boost::system::error_code& failure) {
      if (failure || !self->accepting_) return;
      if (self->accept_burst()) {
        self->wait();
      } else {
        self->wait_a_moment();
      }
    });
  }

  // Without a descriptor in reserve the connections have to wait; trying at once again would only burn the CPU.
  void wait_a_moment() {
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
      if (!failure && self->accepting_) self->wait();
    });
  }

  bool accept_burst() {
    for (int i = 0; i < accepts_per_turn && accepting_; ++i) {
      boost::system::error_code failure;
      tcp::endpoint remote;
      tcp::socket socket = acceptor_->accept(io_, remote, failure);
      if (!failure) {
        accepted_tcp(std::move(socket), remote);
      } else if (failure == asio::error::would_block || failure == asio::error::try_again) {
        return true;
      } else if (failure.value() == EMFILE || failure.value() == ENFILE) {
        if (const auto what = shed_one(); what != shed::one) return what == shed::none_waiting;
      } else if (failure.value() == ENOBUFS || failure.value() == ENOMEM) {
        log_limit_.warn("no memory for another connection");
        return false;
      }  // anything else is the end of one connection before it began
    }
    return true;
  }

  enum class shed : unsigned char { one, none_waiting, impossible };

  shed shed_one() {
    reserve_.release();
    const int gone = ::accept4(acceptor_->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    // The kernel looks for a descriptor before it looks for a connection: there may be none.
    const bool nobody = gone < 0 && errno == EAGAIN;
    if (gone >= 0) ::close(gone);
    if (!reserve_.refill() || (gone < 0 && !nobody)) return shed::impossible;
    if (nobody) return shed::none_waiting;
    ++counters_.refused_limit;
    log_limit_.warn("no file descriptor left, new connections are refused: raise the limit (ulimit -n)");
    return shed::one;
  }

  void accepted_tcp(tcp::socket socket, const tcp::endpoint& remote) {
    if (socket.native_handle() >= ceiling_) {
      ++counters_.refused_limit;
      return log_limit_.warn("nearly all file descriptors are taken, new connections are refused: raise the limit (ulimit -n)");
    }
    if (handshaking_.size() >= options_.handshaking_max) {
      ++counters_.refused_limit;
      return log_limit_.warn("too many connections are in their handshake, new ones are refused");
    }
    const auto verdict = table_->look(remote.address(), now());
    auto ticket = table_->take(remote.address(), now());
    if (!ticket) return refused_by_table("tcp " + endpoint_text(remote.address(), remote.port()), verdict);
    auto one = std::make_shared<incoming>(
        std::move(socket), incoming_options{options_.tcp, tls_, options_.handshake_deadline},
        [self = shared_from_this(), held = std::move(ticket), came = now()](incoming& from, incoming_outcome outcome, transport_ptr made) {
          self->handshaking_.erase(from.shared_from_this());
          self->came_in(outcome, std::move(made), held, came);
        });
    handshaking_.insert(one);
    one->start();
  }

  void came_in(incoming_outcome outcome, transport_ptr made, std::shared_ptr<void> ticket, base::instant came) {
    switch (outcome) {
      case incoming_outcome::gone: return;
      case incoming_outcome::refused_first_byte: ++counters_.refused_first_byte; return;
      case incoming_outcome::refused_handshake: ++counters_.refused_handshake; return;
      case incoming_outcome::ready: break;
    }
    ++(made->kind() == transport_kind::tls ? counters_.accepted_tls : counters_.accepted_tcp);
    if (on_accept_) on_accept_(holding(std::move(made), std::move(ticket)), came);
  }

  asio::io_context& io_;
  listener_options options_;
  accept_handler on_accept_;
  asio::steady_timer retry_;
  std::optional<tcp::acceptor> acceptor_;
  bool accepting_ = false;
  std::shared_ptr<quic_server> quic_;
  std::shared_ptr<const tls_server_context> tls_;
  std::shared_ptr<address_table> table_;
  std::set<std::shared_ptr<incoming>> handshaking_;
  listener_counters counters_;
  descriptor_reserve reserve_;
  const int ceiling_ = descriptor_ceiling(options_.reserved_descriptors);
  quiet_log log_limit_, log_address_;
};

class listener_on_core final : public listener {
 public:
  listener_on_core(std::shared_ptr<core> made, std::uint16_t port, std::vector<std::string> addresses)
      : core_(std::move(made)), port_(port), addresses_(std::move(addresses)) {}
  ~listener_on_core() override { core_->shut_down(); }
  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::vector<std::string> addresses() const override { return addresses_; }
  [[nodiscard]] listener_counters counters() const override { return core_->counters(); }
  void stop() override { core_->stop(); }
  [[nodiscard]] std::pair<int, int> sockets() const override { return core_->sockets(); }
  void join_sibling(int channel, std::uint16_t tag) override { core_->join_sibling(channel, tag); }
  void leave_to_sibling() override { core_->leave_to_sibling(); }
  void take_back() override { core_->take_back(); }
  void set_handshake_deadline(std::chrono::milliseconds limit) override { core_->set_handshake_deadline(limit); }
  base::result<void> use(const std::shared_ptr<const identity>& certificate) override { return core_->use(certificate); }

 private:
  std::shared_ptr<core> core_;
  std::uint16_t port_;
  std::vector<std::string> addresses_;
};

struct opened {
  std::optional<tcp::acceptor> acceptor;
  std::unique_ptr<quic_server> quic;
  std::uint16_t port = 0;
};

base::result<opened> open_both(asio::io_context& io, const asio::ip::address& address, std::uint16_t port, const listener_options& options,
                               const std::shared_ptr<core>& made) {
  opened both;
  both.port = port;
  if (options.tcp || options.tls) {
    auto acceptor = options.inherited_tcp >= 0 ? adopt_acceptor(io, options.inherited_tcp) : open_acceptor(io, {address, port}, options.address_option, options.receive_buffer, options.group);
    if (!acceptor) return std::move(acceptor).error();
    both.port = acceptor->local_endpoint().port();
    both.acceptor.emplace(*std::move(acceptor));
  }
  if (options.quic) {
    if (options.group.index == 0 && options.inherited_udp < 0) {
      if (auto free = probe_udp(address, both.port, options.address_option); !free) return std::move(free).error();
    }
    auto quic_options = options.quic_options;
    quic_options.group = options.quic_group;
    quic_options.handshake_timeout = options.handshake_deadline;
    auto server = quic_listen(
        io, {address, both.port}, options.certificate, std::move(quic_options),
        [weak = std::weak_ptr(made)](transport_ptr accepted, base::instant came) {
          if (const auto alive = weak.lock()) {
            alive->accepted_quic(std::move(accepted), came);
          } else {
            accepted->abort();
          }
        },
        {.may_begin =
             [weak = std::weak_ptr(made)](const udp::endpoint& remote) {
               const auto alive = weak.lock();
               return alive != nullptr && alive->quic_may_begin(remote);
             },
         .take = [weak = std::weak_ptr(made)](const udp::endpoint& remote) {
           const auto alive = weak.lock();
           return alive != nullptr ? alive->take_quic_ticket(remote) : nullptr;
         }},
        options.inherited_udp);
    if (!server) return std::move(server).error();
    both.port = (*server)->port();
    both.quic = *std::move(server);
  }
  return base::result<opened>(std::move(both));
}

}  // namespace

listener_counters& listener_counters::operator+=(const listener_counters& other) {
  accepted_tcp += other.accepted_tcp;
  accepted_tls += other.accepted_tls;
  accepted_quic += other.accepted_quic;
  refused_first_byte += other.refused_first_byte;
  refused_handshake += other.refused_handshake;
  refused_limit += other.refused_limit;
  refused_rate += other.refused_rate;
  quic += other.quic;
  return *this;
}

base::result<std::unique_ptr<listener>> listen(asio::io_context& io, listener_options options, accept_handler on_accept) {
  if (!options.tcp && !options.tls && !options.quic)
    return base::error{base::error_kind::usage, "nothing to listen for: TCP, TLS and QUIC are all off"};
  if ((options.quic || (options.tls && !options.tcp)) && !options.certificate) {
    return base::error{base::error_kind::local, "TLS and QUIC need a certificate: give one, or a state directory where one can be made"};
  }
  boost::system::error_code failure;
  auto address = asio::ip::make_address(options.address.host.empty() ? "::" : options.address.host, failure);
  if (failure) return base::error{base::error_kind::usage, "listen address: '" + options.address.host + "' is no IP address"};
  if (address == asio::ip::address_v6::any() && !has_ipv6()) {
    base::log::info("this host has no IPv6: listening on 0.0.0.0 instead of [::]");
    address = asio::ip::address_v4::any();
  }

  auto made = std::make_shared<core>(io, options, std::move(on_accept));
  if (auto prepared = made->prepare(options.certificate); !prepared) return std::move(prepared).error();
  auto both = open_both(io, address, options.address.port, options, made);
  // Any free port: TCP chose one whose number may be taken on UDP.
  for (int i = 1; !both && options.address.port == 0 && i < pair_attempts; ++i) both = open_both(io, address, 0, options, made);
  if (!both) return std::move(both).error();

  std::vector<std::string> addresses;
  const auto at = endpoint_text(address, both->port);
  if (options.tcp) addresses.push_back(options.plain_scheme + "://" + at);
  if (options.tls && options.certificate) addresses.push_back(options.tls_scheme + "://" + at);
  if (options.quic) addresses.push_back("rtmpq://" + at);
  if (both->acceptor) made->take(*std::move(both->acceptor));
  if (both->quic) made->take_quic(std::move(both->quic));
  return std::unique_ptr<listener>(std::make_unique<listener_on_core>(std::move(made), both->port, std::move(addresses)));
}

}  // namespace millrace::net
