#include "client/probe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <array>
#include <exception>
#include <utility>

namespace millrace::client {
namespace {

namespace asio = boost::asio;

constexpr std::array<net::transport_kind, 3> kinds{net::transport_kind::quic, net::transport_kind::tls, net::transport_kind::tcp};

// The URI as if it named this transport and nothing else.
rtmp::uri only(rtmp::uri uri, net::transport_kind kind) {
  uri.use_quic = kind == net::transport_kind::quic;
  uri.use_tls_when_tcp = kind == net::transport_kind::tls;
  uri.fall_back_to = rtmp::fallback::none;
  return uri;
}

std::string_view handshake_name(net::transport_kind kind) {
  switch (kind) {
    case net::transport_kind::quic: return "quic handshake";
    case net::transport_kind::tls: return "tcp and tls handshake";
    case net::transport_kind::tcp: return "tcp handshake";
  }
  return "handshake";
}

// What the protocols need without loss or Retry: RFC 9000 section 7, RFC 8446 section 2, RFC 5246 section 7.3.
unsigned handshake_round_trips(const net::transport_facts& facts) {
  switch (facts.kind) {
    case net::transport_kind::quic: return 1;
    case net::transport_kind::tls: return facts.tls.find("1.3") != std::string::npos ? 2 : 3;
    case net::transport_kind::tcp: return 1;
  }
  return 0;
}

double ms_of(std::chrono::microseconds t) { return static_cast<double>(t.count()) / 1000.0; }

}  // namespace

// One transport, or (without a kind) the URI as it is.
class probe::attempt final : private link_handler {
 public:
  attempt(probe& owner, std::optional<net::transport_kind> kind) : owner_(owner), kind_(kind) {
    auto uri = owner.options_.target;
    if (kind) {
      result_.kind = *kind;
      uri = only(std::move(uri), *kind);
    }
    uri_ = uri;
    link_ = link::open(owner.io_, {std::move(uri), rtmp::client_role::connect_only, {}}, owner.options_.link, *this);
  }
  ~attempt() override {
    if (link_) link_->close();
  }

 private:
  void on_link_dialed() override {
    result_.reached = true;
    result_.facts = link_->facts();
    describe_certificate();
  }

  void on_link_connected() override { complete(std::nullopt); }

  void on_link_down(const link_end& end) override { complete(end.reason); }

  void describe_certificate() {
    if (!result_.facts || result_.facts->kind == net::transport_kind::tcp) return;
    const auto target = dial_target_of(uri_, owner_.options_.link.verify);
    probe_certificate c;
    c.text = result_.facts->peer_certificate;
    c.pin = result_.facts->peer_certificate_pin;
    c.verified = !target.verify.insecure || !target.verify.pin.empty();
    c.why = !target.verify.pin.empty()  ? "the pin matches"
            : target.verify.insecure    ? "not checked (--insecure)"
            : target.verify.ca_file.empty() ? "signed by an authority of the system's store, name matches"
                                            : "signed by " + target.verify.ca_file + ", name matches";
    result_.certificate = std::move(c);
  }

  void add_step(std::string_view name, link_times::stamp at, std::optional<unsigned> round_trips) {
    if (!at) return;
    result_.steps.push_back({std::string(name), ms_of(*at - before_), ms_of(*at), round_trips});
    before_ = *at;
  }

  void complete(std::optional<base::error> failure) {
    const auto& t = link_->times();
    before_ = std::chrono::microseconds(0);
    add_step("resolve", t.resolved, std::nullopt);
    add_step(handshake_name(result_.facts ? result_.facts->kind : result_.kind), t.transport,
             result_.facts ? std::optional(handshake_round_trips(*result_.facts)) : std::nullopt);
    add_step("rtmp handshake", t.rtmp_handshake, t.handshake_round_trips);
    add_step("connect", t.connected, t.connect_round_trips - std::min(t.connect_round_trips, t.handshake_round_trips));
    result_.answers = !failure;
    // Round trip times are better known after the exchange.
    if (auto facts = link_->facts()) result_.facts = std::move(facts);
    result_.failure = std::move(failure);
    story_ = link_->story();
    if (result_.failure && result_.failure->kind == base::error_kind::certificate && kind_) {
      look_at_certificate();
      return;
    }
    report();
  }

  // A refused certificate is worth seeing. The connection ends with the transport's handshake: no byte of RTMP goes over it.
  void look_at_certificate() {
    auto verify = owner_.options_.link.verify;
    verify.insecure = true;
    verify.pin.clear();
    auto target = dial_target_of(uri_, verify);
    target.verify.pin.clear();
    net::dial_options options;
    options.quic = owner_.options_.link.quic;
    options.whole_dial = owner_.options_.link.dial_timeout;
    asio::co_spawn(owner_.io_, net::dial(std::move(target), std::move(options)),
                   [this, alive = std::weak_ptr(alive_)](std::exception_ptr thrown, std::variant<net::dialed, net::dial_failure> outcome) {
                     auto* done = thrown ? nullptr : std::get_if<net::dialed>(&outcome);
                     if (!alive.lock()) {
                       if (done) done->transport->abort();
                       return;
                     }
                     if (done) {
                       result_.facts = done->transport->facts();
                       result_.certificate = probe_certificate{result_.facts->peer_certificate, result_.facts->peer_certificate_pin, false,
                                                               result_.failure->text};
                       done->transport->close(net::close_code::no_error, "probe");
                     }
                     report();
                   });
  }

  void report() {
    if (kind_) {
      owner_.report_.transports.push_back(std::move(result_));
    } else {
      auto& c = owner_.report_.choice;
      c.ok = result_.answers;
      if (result_.facts) c.kind = result_.facts->kind;
      c.why = story_.why;
      c.fell_back = story_.fell_back;
      c.steps = story_.steps;
      c.failure = result_.failure;
    }
    // The next attempt replaces this one, which is still on the stack.
    asio::post(owner_.io_, [owner = &owner_, alive = std::weak_ptr(alive_)] {
      if (alive.lock()) owner->next();
    });
  }

  probe& owner_;
  const std::optional<net::transport_kind> kind_;
  rtmp::uri uri_;
  link_ptr link_;
  probe_transport result_;
  net::dial_story story_;
  std::chrono::microseconds before_{0};
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

probe::probe(asio::io_context& io, probe_options options, std::function<void(probe_report)> done)
    : io_(io), options_(std::move(options)), done_(std::move(done)) {}

probe::~probe() = default;

void probe::start() {
  report_.url = options_.target.display(true);
  report_.host = options_.target.host;
  report_.port = options_.target.port;
  next();
}

void probe::next() {
  attempt_.reset();
  if (at_ < kinds.size()) {
    attempt_ = std::make_unique<attempt>(*this, kinds[at_]);
  } else if (at_ == kinds.size()) {
    attempt_ = std::make_unique<attempt>(*this, std::nullopt);
  } else {
    finish();
  }
  ++at_;
}

void probe::finish() {
  asio::post(io_, [done = done_, report = std::move(report_)] { done(report); });
}

}  // namespace millrace::client
