// The thin driver of dial_race: resolver, sockets, clock.
#include "net/dialer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "net/dial_race.hpp"
#include "net/endpoint_text.hpp"
#include "net/quic_client.hpp"
#include "net/tcp_client.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using clock = std::chrono::steady_clock;

std::string bracketed(const dial_target& target) {
  const auto host = base::escaped(target.host);
  return (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(target.port);
}

dial_race_plan plan_for(const dial_target& target, const dial_options& options, base::instant now) {
  dial_race_plan plan;
  plan.name = bracketed(target);
  plan.quic = target.quic;
  plan.tcp = target.tcp;
  plan.stagger = options.address_stagger;
  plan.whole_dial = options.whole_dial;
  if (options.memory != nullptr) {
    plan.head_start = options.memory->head_start(target.host, target.port, now);
    plan.quic_failed_before = plan.head_start == std::chrono::milliseconds::zero();
  }
  return plan;
}

base::error resolve_error(const std::string& host, const boost::system::error_code& why) {
  const auto shown = base::escaped(host);
  if (why == asio::error::host_not_found || why == asio::error::no_data) {
    return {base::error_kind::resolve, "the host name '" + shown + "' is unknown: check its spelling"};
  }
  return {base::error_kind::resolve,
          "the host name '" + shown + "' cannot be looked up (" + why.message() + "): check the network and the DNS of this machine"};
}

// One dial. Kept alive by its timer, which is armed until the race is over; the attempts only know it weakly.
class dial_run : public std::enable_shared_from_this<dial_run> {
 public:
  dial_run(asio::io_context& io, dial_target target, const dial_options& options, base::instant now)
      : io_(io),
        target_(std::move(target)),
        quic_options_(options.quic),
        race_(plan_for(target_, options, now), now),
        timer_(io),
        decided_(io),
        resolver_(io) {
    if (options.memory != nullptr) memory_ = *options.memory;
  }

  void start() {
    if (target_.host_is_ip) {
      boost::system::error_code failure;
      const auto address = asio::ip::make_address(target_.host, failure);
      if (failure) {
        race_.resolve_failed(clock::now(), {base::error_kind::usage, "'" + base::escaped(target_.host) + "' is no IP address"});
      } else {
        found({address});
      }
      return pump();
    }
    resolver_.async_resolve(
        target_.host, std::to_string(target_.port),
        [weak = weak_from_this()](const boost::system::error_code& failure, const tcp::resolver::results_type& results) {
          const auto self = weak.lock();
          if (!self) return;
          if (failure) {
            self->race_.resolve_failed(clock::now(), resolve_error(self->target_.host, failure));
          } else {
            std::vector<asio::ip::address> addresses;
            for (const auto& one : results) addresses.push_back(one.endpoint().address());
            self->found(std::move(addresses));
          }
          self->pump();
        });
    pump();
  }

  void give_up() {
    race_.give_up(clock::now());
    pump();
  }

  [[nodiscard]] const dial_race& race() const { return race_; }
  // Waited on by dial(); cancelled once the race is decided.
  asio::steady_timer& decided() { return decided_; }
  transport_ptr take_winner() { return std::exchange(won_, nullptr); }

 private:
  struct attempt {
    std::unique_ptr<quic_attempt> quic;
    std::shared_ptr<asio::cancellation_signal> tcp;
  };

  void found(std::vector<asio::ip::address> addresses) {
    std::vector<dial_race::address> named;
    for (const auto& one : addresses) {
      auto text = endpoint_text(one, target_.port);
      if (by_text_.emplace(text, one).second) named.push_back({std::move(text), one.is_v6()});
    }
    race_.resolved(clock::now(), std::move(named));
  }

  void pump() {
    const auto self = shared_from_this();
    take_won();
    while (const auto next = race_.poll_action()) perform(*next);
    if (race_.decided()) decided_.cancel();
    const auto timeout = race_.poll_timeout();
    if (!timeout) {
      timer_.cancel();
      resolver_.cancel();
      return;
    }
    if (timeout == armed_) return;
    armed_ = timeout;
    timer_.expires_at(*timeout);
    timer_.async_wait([self](const boost::system::error_code& failure) {
      if (failure) return;
      self->armed_.reset();
      self->race_.on_timer(clock::now());
      self->pump();
    });
  }

  void perform(const dial_race::action& what) {
    using verb = dial_race::action::verb;
    switch (what.what) {
      case verb::start: return what.kind == transport_kind::quic ? start_quic(what) : start_tcp(what);
      case verb::cancel: return cancel(what.attempt);
      case verb::remember_success:
        if (memory_) memory_->quic_succeeded(target_.host, target_.port, what.rtt);
        return;
      case verb::remember_failure:
        if (memory_) memory_->quic_failed(target_.host, target_.port, clock::now());
        return;
    }
  }

  [[nodiscard]] const asio::ip::address& address_of(const dial_race::action& what) const {
    return by_text_.at(race_.addresses()[what.address].text);
  }

  void start_quic(const dial_race::action& what) {
    quic_connect_options options;
    options.remote = {address_of(what), target_.port};
    options.server_name = target_.host;
    options.server_name_is_ip = target_.host_is_ip;
    options.verify = target_.verify;
    options.quic = quic_options_;
    attempts_[what.attempt].quic =
        quic_connect(io_, std::move(options), [weak = weak_from_this(), id = what.attempt](base::result<transport_ptr> made) {
          if (const auto self = weak.lock()) {
            self->ended(id, std::move(made));
          } else if (made) {
            (*made)->close(close_code::no_error, "the dial is over");
          }
        });
  }

  // By value: the coroutine outlives this call.
  static asio::awaitable<void> connect_tcp(std::weak_ptr<dial_run> weak, dial_race::attempt_id id, tcp_connect_options options,
                                           bool plain_if_no_tls) {
    auto plain = options;
    plain.tls = false;
    auto made = co_await tcp_connect(std::move(options));
    // A certificate that is not accepted, and silence, are no signs of a server without TLS.
    using base::error_kind;
    if (plain_if_no_tls && !made && (made.error().kind == error_kind::unreachable || made.error().kind == error_kind::unsupported ||
                                     made.error().kind == error_kind::protocol)) {
      made = co_await tcp_connect(std::move(plain));
    }
    // Behind what is ready in this loop turn: an answer over UDP that came first is looked at first.
    co_await asio::post(asio::use_awaitable);
    if (const auto self = weak.lock()) self->ended(id, std::move(made));
  }

  void start_tcp(const dial_race::action& what) {
    tcp_connect_options options;
    options.remote = {address_of(what), target_.port};
    options.tls = what.kind == transport_kind::tls;
    options.server_name = target_.host;
    options.server_name_is_ip = target_.host_is_ip;
    options.verify = target_.verify;
    auto signal = std::make_shared<asio::cancellation_signal>();
    attempts_[what.attempt].tcp = signal;
    // The signal has to live as long as the coroutine that listens to it, so the completion handler holds it.
    asio::co_spawn(io_, connect_tcp(weak_from_this(), what.attempt, std::move(options), options.tls && target_.plain_if_no_tls),
                   asio::bind_cancellation_slot(signal->slot(), [signal](const std::exception_ptr&) {}));
  }

  void ended(dial_race::attempt_id id, base::result<transport_ptr> made) {
    const auto self = shared_from_this();
    const auto now = clock::now();
    forget(id);
    if (!made) {
      if (race_.decided() && made.error().kind == base::error_kind::certificate) {
        base::log::warning("{}: QUIC, which lost the race, showed a certificate that is not accepted: {}", bracketed(target_),
                           made.error().text);
      }
      race_.failed(now, id, std::move(made).error());
      return pump();
    }
    for (const auto& [other, one] : attempts_) {
      if (one.quic && one.quic->answered()) race_.answered(other);
    }
    const auto rtt = (*made)->facts().rtt;
    made_[id] = *std::move(made);
    race_.connected(now, id, rtt);
    take_won();
    if (race_.winner() != id && race_.held() != id) drop_made(id);
    pump();
  }

  void take_won() {
    if (!race_.winner()) return;
    const auto found = made_.find(*race_.winner());
    if (found == made_.end()) return;
    won_ = std::move(found->second);
    made_.erase(found);
  }

  // It has carried no byte of RTMP and never will.
  void drop_made(dial_race::attempt_id id) {
    if (const auto found = made_.extract(id)) found.mapped()->close(close_code::no_error, "lost the race");
  }

  void cancel(dial_race::attempt_id id) {
    drop_made(id);
    if (const auto signal = forget(id)) signal->emit(asio::cancellation_type::terminal);
  }

  // A QUIC attempt is not destroyed at once: this may be running inside its own callback.
  std::shared_ptr<asio::cancellation_signal> forget(dial_race::attempt_id id) {
    const auto found = attempts_.find(id);
    if (found == attempts_.end()) return nullptr;
    auto gone = std::move(found->second);
    attempts_.erase(found);
    if (gone.quic) asio::post(io_, [last = std::move(gone.quic)] {});
    return gone.tcp;
  }

  asio::io_context& io_;
  const dial_target target_;
  const quic_client_options quic_options_;
  std::optional<dial_memory> memory_;
  dial_race race_;
  asio::steady_timer timer_, decided_;
  tcp::resolver resolver_;
  std::optional<base::instant> armed_;
  std::map<std::string, asio::ip::address> by_text_;
  std::map<dial_race::attempt_id, attempt> attempts_;
  std::map<dial_race::attempt_id, transport_ptr> made_;  // connected: held by the race, or about to win
  transport_ptr won_;
};

// Wrong before anything is tried: otherwise a missing file would look like a server that cannot do QUIC.
std::optional<base::error> check_files(const dial_target& target) {
  const bool needed = target.quic || target.tcp == dial_target::tcp_side::tls;
  if (!needed || target.verify.ca_file.empty() || target.verify.insecure || !target.verify.pin.empty()) return std::nullopt;
  if (std::ifstream(target.verify.ca_file).good()) return std::nullopt;
  return base::error{base::error_kind::local, "--ca " + target.verify.ca_file + ": the file is missing or unreadable"};
}

}  // namespace

asio::awaitable<std::variant<dialed, dial_failure>> dial(dial_target target, dial_options options) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  if (!target.quic && target.tcp == dial_target::tcp_side::none) {
    co_return dial_failure{{base::error_kind::usage, "neither QUIC nor TCP is allowed: nothing to dial"}, {}};
  }
  if (auto wrong = check_files(target)) co_return dial_failure{*std::move(wrong), {}};

  const auto executor = co_await asio::this_coro::executor;
  auto& io = static_cast<asio::io_context&>(asio::query(executor, asio::execution::context));
  const bool plain_if_no_tls = target.tcp == dial_target::tcp_side::tls && target.plain_if_no_tls;
  const auto run = std::make_shared<dial_run>(io, std::move(target), options, clock::now());
  run->start();
  while (!run->race().decided()) {
    run->decided().expires_at(base::instant::max());
    co_await run->decided().async_wait(asio::as_tuple(asio::use_awaitable));
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) run->give_up();
  }
  // Given up in the same turn in which somebody won: then the transport is there but not wanted, its owner decides.
  if (auto won = run->take_winner()) {
    auto story = run->race().story();
    if (plain_if_no_tls && won->kind() == transport_kind::tcp) story.why += "; that port speaks no TLS, so plain RTMP, for it is a loopback host";
    co_return dialed{std::move(won), std::move(story)};
  }
  co_return dial_failure{run->race().failure(), run->race().story()};
}

}  // namespace millrace::net
