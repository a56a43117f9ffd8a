#include "hostile/driver.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "conform/steps.hpp"
#include "hostile/bystander.hpp"
#include "hostile/server_process.hpp"

namespace millrace::hostile {
namespace {

using clock = std::chrono::steady_clock;

// What an attack may cost the others, beyond what this machine costs them when it is idle.
constexpr milliseconds gap_allowed{200};
constexpr std::size_t memory_allowed = 8u << 20;
// No case takes longer, whatever it waits for; the long form has cycles of ten thousand.
constexpr std::chrono::seconds case_limit{90}, full_case_limit{1'800};
// A machine that does something else for a moment makes a gap as well. Only what comes again, with nothing beside it, is the case's.
constexpr int repeats = 2;

milliseconds since(clock::time_point start) { return std::chrono::duration_cast<milliseconds>(clock::now() - start); }

class runner {
 public:
  runner(arena& in, const driver_options& options) : in_(in), options_(options) {}

  summary run(const cases& all) {
    bystander beside(in_);
    beside_ = &beside;
    if (!warm_up()) return std::move(out_);
    begin_waiting(all);
    for (const auto& each : all) {
      if (over()) break;
      if (!each.waits) run_alone(each);
    }
    end_waiting();
    settle();
    return std::move(out_);
  }

 private:
  // Every way once for publishing and playing, several times over: what the server then holds is what it holds when it works. The machine's own
  // gaps are taken afterwards, with nothing going on.
  bool warm_up() {
    for (int i = 0; i < 12; ++i) {
      for (const auto via : {way::rtmp, way::rtmps, way::rtmpq, way::roqr}) {
        verdict failed = execute({"warm-up", std::string(name(via)), "", [via](arena& in) { return honest(in, via); }});
        if (failed.failed.empty()) continue;
        out_.faults.push_back("an honest client over " + failed.name + " failed before any attack: " + failed.failed);
        return false;
      }
    }
    wait(milliseconds(1'000));
    beside_->look();
    wait(milliseconds(3'000));
    const auto idle = look();
    out_.idle_gap = idle.gap;
    out_.largest_gap = milliseconds(0);
    if (const auto now = figures_of(in_.pid)) {
      out_.resident_before = now->resident_bytes;
      out_.descriptors_before = now->descriptors;
    }
    return !over();
  }

  static asio::awaitable<void> honest(arena& in, way via) {
    auto where = in.target(via);
    where.run = in.fresh_name();
    conform::context c(in.io, where, "honest");
    const auto there = co_await conform::relayed(c);
    const auto frame = conform::avc_frame(true);
    std::vector<bytes> wanted{frame};
    co_await conform::arrivals(there.to.at, std::move(wanted));
  }

  void wait(milliseconds span) {
    asio::steady_timer timer(in_.io, span);
    bool due = false;
    timer.async_wait([&due](boost::system::error_code) { due = true; });
    run_until([&due] { return due; }, span + std::chrono::seconds(10));
  }

  template <class Condition>
  bool run_until(Condition reached, clock::duration limit) {
    const auto end = clock::now() + limit;
    while (!reached()) {
      if (clock::now() >= end) return false;
      in_.io.restart();
      in_.io.run_one_until(end);
    }
    return true;
  }

  // What a case under way has come to. Outlives a case that is given up.
  struct progress {
    bool done = false;
    std::exception_ptr thrown;
    milliseconds took{0};
  };
  std::shared_ptr<progress> begin(const hostile_case& what) {
    auto state = std::make_shared<progress>();
    asio::co_spawn(in_.io, what.run(in_), [state, start = clock::now()](std::exception_ptr thrown) {
      state->thrown = std::move(thrown);
      state->took = since(start);
      state->done = true;
    });
    return state;
  }

  static void judge(const progress& state, verdict& into) {
    if (!state.done) {
      into.failed = "did not come to an end";
      return;
    }
    if (!state.thrown) return;
    try {
      std::rethrow_exception(state.thrown);
    } catch (const failure& why) {
      into.failed = why.text;
    } catch (const conform::skip&) {
      into.skipped = true;
    } catch (const std::exception& why) {
      into.failed = std::string("the suite itself: ") + why.what();
    }
  }

  verdict execute(const hostile_case& what) {
    verdict out{what.family, what.name, what.expected, "", false, milliseconds(0), milliseconds(0)};
    const auto state = begin(what);
    run_until([&state] { return state->done; }, in_.full ? full_case_limit : case_limit);
    judge(*state, out);
    out.took = state->took;
    return out;
  }

  // What the machine did to a timer of ours at the same time is none of the server's doing.
  quiet look() {
    auto seen = beside_->look();
    seen.gap -= std::min(seen.gap, seen.late);
    out_.frames += seen.frames;
    out_.frames_missing += seen.missing;
    return seen;
  }

  // The verdict of a case that ran alone: what it says itself, and what it did to the others.
  verdict observed(const hostile_case& what) {
    auto verdict = execute(what);
    const auto seen = look();
    verdict.gap = seen.gap;
    out_.largest_gap = std::max(out_.largest_gap, seen.gap);
    if (verdict.failed.empty() && seen.missing > 0) verdict.failed = "the viewer beside it missed " + std::to_string(seen.missing) + " frames";
    if (verdict.failed.empty() && seen.gap > out_.idle_gap + gap_allowed) {
      verdict.failed = "the viewer beside it waited " + std::to_string(seen.gap.count()) + " ms, " + std::to_string(out_.idle_gap.count()) + " ms when idle";
    }
    if (auto why = lost()) verdict.failed = *why;
    return verdict;
  }

  // Most cases are over before the next frame is due, so a gap may be the doing of the one before: that one is repeated as well.
  void run_alone(const hostile_case& what) {
    auto result = observed(what);
    for (int i = 0; i < repeats && !result.failed.empty() && result.gap > out_.idle_gap + gap_allowed && !lost(); ++i) {
      wait(what.rest);
      look();
      if (before_ != nullptr) execute(*before_);
      result = observed(what);
    }
    before_ = &what;
    tell(std::move(result));
  }

  // Each of these waits for a deadline of the server nearly all of its time, so they all wait beside each other and beside the others.
  struct waiting {
    const hostile_case* what;
    std::shared_ptr<progress> state;
  };
  void begin_waiting(const cases& all) {
    for (const auto& each : all) {
      if (each.waits && !over()) waiting_.push_back({&each, begin(each)});
    }
  }
  void end_waiting() {
    run_until([this] { return std::all_of(waiting_.begin(), waiting_.end(), [](const waiting& one) { return one.state->done; }); }, case_limit);
    const auto seen = look();
    for (const auto& one : waiting_) {
      verdict result{one.what->family, one.what->name, one.what->expected, "", false, one.state->took, seen.gap};
      judge(*one.state, result);
      tell(std::move(result));
    }
  }

  void tell(verdict result) {
    if (options_.progress) options_.progress(result);
    out_.verdicts.push_back(std::move(result));
  }

  // The server is gone, or the stream beside it.
  std::optional<std::string> lost() {
    if (options_.ended) {
      if (const auto how = options_.ended()) return "the server ended: " + *how;
    }
    if (const auto why = beside_->broken(); !why.empty()) return "the stream beside it ended: " + why;
    return std::nullopt;
  }

  bool over() {
    const auto why = lost();
    if (why && out_.faults.empty()) out_.faults.push_back(*why);
    return why.has_value();
  }

  // Connections that were just dropped take their time to end (QUIC: three probe timeouts; an idle one: 30 s), and memory goes with them.
  void settle() {
    if (over() || in_.pid == 0) return;
    out_.memory_checked = !has_sanitizer(in_.pid);
    std::optional<process_figures> now;
    for (const auto start = clock::now(); since(start) < std::chrono::seconds(40);) {
      now = figures_of(in_.pid);
      if (now && now->descriptors <= out_.descriptors_before && (!out_.memory_checked || now->resident_bytes <= out_.resident_before + memory_allowed)) break;
      wait(milliseconds(200));
    }
    const auto seen = look();
    out_.largest_gap = std::max(out_.largest_gap, seen.gap);
    if (!now) return out_.faults.push_back("the server is gone");
    out_.resident_after = now->resident_bytes;
    out_.descriptors_after = now->descriptors;
    if (now->descriptors > out_.descriptors_before) out_.faults.push_back(std::to_string(now->descriptors - out_.descriptors_before) + " descriptors stayed open");
    if (out_.memory_checked && now->resident_bytes > out_.resident_before + memory_allowed) {
      out_.faults.push_back(std::to_string((now->resident_bytes - out_.resident_before) >> 20) + " MB of memory stayed");
    }
    if (over()) return;
    // Whatever it went through, it serves.
    for (const auto via : {way::rtmp, way::rtmps, way::rtmpq, way::roqr}) {
      const auto after = execute({"afterwards", std::string(name(via)), "", [via](arena& in) { return honest(in, via); }});
      if (!after.failed.empty()) out_.faults.push_back("an honest client over " + after.name + " failed afterwards: " + after.failed);
    }
  }

  arena& in_;
  const driver_options& options_;
  bystander* beside_ = nullptr;
  const hostile_case* before_ = nullptr;
  std::vector<waiting> waiting_;
  summary out_;
};

}  // namespace

summary run_all(arena& in, const cases& all, const driver_options& options) { return runner(in, options).run(all); }

}  // namespace millrace::hostile
