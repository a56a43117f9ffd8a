#include "net/dial_race.hpp"

#include <algorithm>

namespace millrace::net {
namespace {

constexpr std::chrono::seconds learning_limit{2};
constexpr std::size_t addresses_max = 8;  // a name with more of them is tried in part

std::string_view spoken(transport_kind kind) {
  switch (kind) {
    case transport_kind::tcp: return "TCP";
    case transport_kind::tls: return "TLS";
    case transport_kind::quic: return "QUIC";
  }
  return "?";
}

// RFC 8305 section 4: families alternate, the resolver's order is kept within each.
std::vector<dial_race::address> alternating(std::vector<dial_race::address> found) {
  std::vector<dial_race::address> first, second, mixed;
  for (auto& one : found) (one.v6 == found.front().v6 ? first : second).push_back(one);
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(std::move(first[i]));
    if (i < second.size()) mixed.push_back(std::move(second[i]));
  }
  if (mixed.size() > addresses_max) mixed.resize(addresses_max);
  return mixed;
}

}  // namespace

dial_race::dial_race(dial_race_plan plan, base::instant now) : plan_(std::move(plan)), start_(now) {
  quic_ = {plan_.quic, transport_kind::quic, 0, {}};
  const bool tls = plan_.tcp == dial_target::tcp_side::tls;
  tcp_ = {plan_.tcp != dial_target::tcp_side::none, tls ? transport_kind::tls : transport_kind::tcp, 0, {}};
}

std::chrono::microseconds dial_race::since_start(base::instant now) const {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - start_);
}

void dial_race::resolved(base::instant now, std::vector<address> found) {
  if (phase_ != phase::resolving) return;
  story_.resolved = since_start(now);
  if (found.empty()) return fail(now, {base::error_kind::resolve, plan_.name + " has no address: check the host name"});
  addresses_ = alternating(std::move(found));
  phase_ = phase::racing;
  quic_.next_start = now;
  tcp_.next_start = plan_.quic ? now + plan_.head_start : now;
  advance(now);
}

void dial_race::resolve_failed(base::instant now, base::error why) {
  if (phase_ != phase::resolving) return;
  fail(now, std::move(why));
}

void dial_race::connected(base::instant now, attempt_id id, std::optional<std::chrono::microseconds> rtt) {
  if (id >= attempts_.size() || attempts_[id].at != state::under_way) return;
  if (phase_ == phase::racing) {
    if (attempts_[id].kind == transport_kind::quic || !answer_under_way()) return win(now, id, rtt);
    // One is enough: the next address of the same host would not be better.
    if (held()) return stop_attempt(id, now, "lost the race");
    attempts_[id].at = state::held;
    return;
  }
  if (phase_ != phase::learning) return;
  // QUIC works here, it was only late: no failure, and the next dial knows how long to wait for it.
  attempts_[id].at = state::connected;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - attempts_[id].started);
  actions_.push_back({action::verb::remember_success, id, transport_kind::quic, 0, rtt.value_or(took)});
  end_learning(now);
}

void dial_race::failed(base::instant now, attempt_id id, base::error why) {
  if (id >= attempts_.size() || attempts_[id].at != state::under_way) return;
  auto& one = attempts_[id];
  one.at = state::failed;
  one.why = std::move(why);
  if (phase_ == phase::learning) {
    if (under_way(transport_kind::quic)) return;
    // A wrong certificate is no sign that UDP does not pass here.
    if (one.why.kind != base::error_kind::certificate) actions_.push_back({action::verb::remember_failure, id, one.kind, 0, {}});
    return end_learning(now);
  }
  if (phase_ != phase::racing) return;
  story_.steps[id].ended = since_start(now);
  story_.steps[id].outcome = one.why.text;
  // Never a reason to fall back, on whichever attempt: somebody may stand between.
  if (one.why.kind == base::error_kind::certificate) {
    return fail(now, {base::error_kind::certificate, plan_.name + " (" + std::string(spoken(one.kind)) + "): " + one.why.text});
  }
  side_of(one.kind).next_start = now;  // RFC 8305 section 5: a failure does not wait for the stagger
  if (held() && !answer_under_way()) return release_held(now);
  advance(now);
}

void dial_race::answered(attempt_id id) {
  if (id < attempts_.size()) attempts_[id].answered = true;
}

std::optional<dial_race::attempt_id> dial_race::held() const {
  const auto found = std::find_if(attempts_.begin(), attempts_.end(), [](const attempt& one) { return one.at == state::held; });
  if (found == attempts_.end()) return std::nullopt;
  return static_cast<attempt_id>(found - attempts_.begin());
}

void dial_race::release_held(base::instant now) { win(now, *held(), std::nullopt); }

void dial_race::on_timer(base::instant now) {
  switch (phase_) {
    case phase::resolving:
      if (now >= start_ + plan_.whole_dial) {
        fail(now,
             {base::error_kind::resolve, "no answer to the question for the address of " + plan_.name + ": check the DNS of this machine"});
      }
      return;
    case phase::racing: return advance(now);
    case phase::learning:
      if (now < learning_until_) return;
      actions_.push_back({action::verb::remember_failure, 0, transport_kind::quic, 0, {}});
      return end_learning(now);
    case phase::over: return;
  }
}

void dial_race::give_up(base::instant now) {
  if (!decided()) return fail(now, {base::error_kind::closed, "the dial to " + plan_.name + " was given up"});
  if (phase_ == phase::learning) end_learning(now);
}

std::optional<dial_race::action> dial_race::poll_action() {
  if (actions_.empty()) return std::nullopt;
  auto next = actions_.front();
  actions_.pop_front();
  return next;
}

std::optional<base::instant> dial_race::poll_timeout() const {
  if (phase_ == phase::over) return std::nullopt;
  if (phase_ == phase::learning) return learning_until_;
  auto next = start_ + plan_.whole_dial;
  if (phase_ == phase::resolving) return next;
  for (const auto* one : {&quic_, &tcp_}) {
    if (!one->wanted || one->next == addresses_.size()) continue;
    if (one == &tcp_ && held()) continue;
    next = std::min(next, one->next_start);
  }
  return next;
}

bool dial_race::under_way(transport_kind kind) const {
  return std::any_of(attempts_.begin(), attempts_.end(),
                     [kind](const attempt& one) { return one.kind == kind && one.at == state::under_way; });
}

bool dial_race::answer_under_way() const {
  return std::any_of(attempts_.begin(), attempts_.end(), [](const attempt& one) {
    return one.kind == transport_kind::quic && one.answered && one.at == state::under_way;
  });
}

bool dial_race::exhausted(const side& one) const { return !one.wanted || (one.next == addresses_.size() && !under_way(one.kind)); }

bool dial_race::start_due(side& one, base::instant now) {
  if (!one.wanted || one.next == addresses_.size() || now < one.next_start) return false;
  if (one.kind != transport_kind::quic && held()) return false;
  const attempt_id id = attempts_.size();
  attempts_.push_back({one.kind, state::under_way, false, now, {}});
  story_.steps.push_back({one.kind, addresses_[one.next].text, since_start(now), {}, {}});
  actions_.push_back({action::verb::start, id, one.kind, one.next, {}});
  ++one.next;
  one.next_start = now + plan_.stagger;
  return true;
}

void dial_race::advance(base::instant now) {
  if (now >= start_ + plan_.whole_dial) {
    if (held()) return release_held(now);
    std::vector<const base::error*> failures;
    for (const auto& one : attempts_) {
      if (one.at == state::failed) failures.push_back(&one.why);
    }
    return fail(now, sum_up_failures(plan_, story_, failures, true));
  }
  start_due(quic_, now);
  // The head start ends early when QUIC has nothing left to wait for.
  if (plan_.quic && exhausted(quic_) && tcp_.next == 0) tcp_.next_start = std::min(tcp_.next_start, now);
  start_due(tcp_, now);
  if (!exhausted(quic_) || !exhausted(tcp_)) return;
  std::vector<const base::error*> failures;
  for (const auto& one : attempts_) failures.push_back(&one.why);
  fail(now, sum_up_failures(plan_, story_, failures, false));
}

void dial_race::stop_attempt(attempt_id id, base::instant now, std::string_view outcome) {
  attempts_[id].at = state::stopped;
  actions_.push_back({action::verb::cancel, id, attempts_[id].kind, 0, {}});
  if (!story_.steps[id].outcome.empty()) return;
  story_.steps[id].ended = since_start(now);
  story_.steps[id].outcome = outcome;
}

void dial_race::win(base::instant now, attempt_id id, std::optional<std::chrono::microseconds> rtt) {
  winner_ = id;
  auto& best = attempts_[id];
  best.at = state::connected;
  story_.connected = since_start(now);
  story_.steps[id].ended = story_.connected;
  story_.steps[id].outcome = "connected";
  story_.fell_back = plan_.quic && best.kind != transport_kind::quic;
  story_.why = why_won(best);

  phase_ = story_.fell_back ? phase::learning : phase::over;
  learning_until_ = now + learning_limit;
  for (attempt_id other = 0; other < attempts_.size(); ++other) {
    if (!open(other)) continue;
    if (story_.fell_back && attempts_[other].kind == transport_kind::quic) {
      // Goes on for a moment, only to learn; for the dial's caller it is over.
      story_.steps[other].ended = story_.connected;
      story_.steps[other].outcome = "lost the race";
    } else {
      stop_attempt(other, now, "lost the race");
    }
  }
  if (best.kind == transport_kind::quic) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - best.started);
    actions_.push_back({action::verb::remember_success, id, best.kind, 0, rtt.value_or(took)});
  }
  // Only when the host answered over TCP does the silence over UDP say something about UDP.
  if (story_.fell_back && !under_way(transport_kind::quic)) {
    actions_.push_back({action::verb::remember_failure, id, transport_kind::quic, 0, {}});
    phase_ = phase::over;
  }
}

std::string dial_race::why_won(const attempt& best) const {
  const std::string kind(spoken(best.kind));
  if (!story_.fell_back)
    return kind + " as asked" + (best.kind == transport_kind::quic && plan_.quic_failed_before ? ", it works again" : "");
  const std::string fell = "fell back to " + kind + ": ";
  if (!under_way(transport_kind::quic)) {
    const attempt* last = nullptr;
    for (const auto& one : attempts_) {
      if (one.kind == transport_kind::quic) last = &one;
    }
    if (last != nullptr) return fell + "QUIC failed: " + last->why.text;
  }
  if (plan_.quic_failed_before) return fell + "QUIC failed here before, so it got no head start, and " + kind + " answered first";
  return fell + "no answer over UDP within " + std::to_string(plan_.head_start.count()) + " ms";
}

void dial_race::fail(base::instant now, base::error why) {
  phase_ = phase::over;
  const bool ran_out = why.kind == base::error_kind::timeout;
  for (attempt_id id = 0; id < attempts_.size(); ++id) {
    if (open(id)) stop_attempt(id, now, ran_out ? "no answer" : "stopped");
  }
  failure_ = std::move(why);
  story_.why = failure_.text;
}

void dial_race::end_learning(base::instant now) {
  for (attempt_id id = 0; id < attempts_.size(); ++id) {
    if (open(id)) stop_attempt(id, now, "lost the race");
  }
  phase_ = phase::over;
}

}  // namespace millrace::net
