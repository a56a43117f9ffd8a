// dial_race by operations: addresses, answers, failures and time in any order. Every attempt that was started ends once, the winner is connected, a
// certificate that is not accepted is never a reason to fall back, and in the end it is over and says why.
#include <set>

#include "net/dial_race.hpp"
#include "operations.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

net::dial_race_plan plan_of(operations& in) {
  net::dial_race_plan plan;
  plan.name = "host:1935";
  const auto how = in(16);
  plan.quic = how & 1;
  plan.quic_failed_before = how & 2;
  using side = net::dial_target::tcp_side;
  plan.tcp = std::array{side::plain, side::tls, side::none, side::plain}[how >> 2];
  if (plan.tcp == side::none) plan.quic = true;
  plan.head_start = std::chrono::milliseconds(in(8) * 50);
  return plan;
}

class run {
 public:
  explicit run(operations& in) : in_(in), plan_(plan_of(in)), race_(plan_, now_) {}

  void all() {
    while (in_.more() && !race_.over()) {
      step();
      act();
    }
    if (in_.chance()) race_.give_up(now_), act();
    for (int turn = 0; turn < 200 && !race_.over(); ++turn) {
      const auto at = race_.poll_timeout();
      require(at.has_value());
      now_ = std::max(now_, *at);
      race_.on_timer(now_);
      act();
    }
    require(race_.over() && race_.decided() && !race_.poll_timeout() && !race_.held());
    // Nobody is left under way but the winner.
    for (const auto id : running_) require(race_.winner() == id);
    if (!race_.winner()) require(!race_.failure().text.empty() && running_.empty());
    if (bad_certificate_) require(!race_.winner() && race_.failure().kind == base::error_kind::certificate);
    require(race_.story().steps.size() == started_);
  }

 private:
  void step() {
    const auto any = started_ == 0 ? 0 : in_(started_ + 1);  // one more than there is: must be ignored
    switch (in_(8)) {
      case 0: {
        std::vector<net::dial_race::address> found;
        for (auto count = in_(12); count > 0; --count) found.push_back({std::to_string(count), in_.chance()});
        return race_.resolved(now_, std::move(found));
      }
      case 1:
        if (in_(8) == 0) race_.resolve_failed(now_, {base::error_kind::resolve, "no such host"});
        return;
      case 2: now_ += std::chrono::milliseconds(in_(256) * (in_(8) == 0 ? 20 : 1)); return race_.on_timer(now_);
      case 3:
        if (const auto at = race_.poll_timeout()) now_ = std::max(now_, *at), race_.on_timer(now_);
        return;
      case 4: {
        const bool live = running_.contains(any) && !race_.decided();
        // It lost, and only taught that UDP passes.
        if (race_.decided() && running_.contains(any) && race_.winner() != any) running_.erase(any);
        const bool quic = any < race_.story().steps.size() && race_.story().steps[any].kind == net::transport_kind::quic;
        race_.connected(now_, any, in_.chance() ? std::optional(20'000us) : std::nullopt);
        if (live && quic) require(race_.winner() == any);
        return;
      }
      case 5: return race_.answered(any);
      case 6: {
        const bool certificate = in_(4) == 0;
        const bool counts = running_.contains(any) && !race_.decided() && race_.held() != any;
        running_.erase(running_.contains(any) && race_.held() != any && race_.winner() != any ? any : started_);
        race_.failed(now_, any, {certificate ? base::error_kind::certificate : base::error_kind::unreachable, "it failed"});
        bad_certificate_ = bad_certificate_ || (counts && certificate);
        return;
      }
      default:
        if (in_(32) == 0) race_.give_up(now_);
    }
  }

  void act() {
    using verb = net::dial_race::action::verb;
    while (const auto a = race_.poll_action()) {
      switch (a->what) {
        case verb::start:
          require(a->attempt == started_ && a->address < race_.addresses().size() && !race_.decided());
          require(a->kind == net::transport_kind::quic ? plan_.quic : plan_.tcp != net::dial_target::tcp_side::none);
          running_.insert(started_++);
          break;
        case verb::cancel: require(running_.erase(a->attempt) == 1 && race_.winner() != a->attempt); break;
        case verb::remember_success:
        case verb::remember_failure: require(plan_.quic); break;
      }
    }
    const auto at = race_.poll_timeout();
    require(race_.over() || at);
    require(!race_.winner() || race_.decided());
    require(!race_.decided() || !race_.held());
  }

  operations& in_;
  base::instant now_ = base::instant{} + 1h;
  const net::dial_race_plan plan_;
  net::dial_race race_;
  std::set<std::size_t> running_;
  std::size_t started_ = 0;
  bool bad_certificate_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
