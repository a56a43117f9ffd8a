#include "conform/suite.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/escape.hpp"

namespace millrace::conform {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;

std::string_view name(outcome how) {
  switch (how) {
    case outcome::passed: return "pass";
    case outcome::failed: return "fail";
    case outcome::refused: return "refused";
    case outcome::skipped: return "skipped";
  }
  return "?";
}

asio::awaitable<verdict> run_case(asio::io_context& io, const target& where, const test_case& which) {
  verdict v{which.id, which.title, outcome::passed, {}, {}};
  const auto start = clock::now();
  context c(io, where, which.id);
  try {
    co_await which.run(c);
  } catch (const failure& f) {
    v.how = outcome::failed;
    v.detail = f.text;
  } catch (const refusal& r) {
    v.how = outcome::refused;
    v.detail = r.text;
  } catch (const skip& s) {
    v.how = outcome::skipped;
    v.detail = s.text;
  }
  if (!c.notes().empty()) v.detail += (v.detail.empty() ? "" : "; ") + c.notes();
  v.took = std::chrono::duration_cast<milliseconds>(clock::now() - start);
  co_return v;
}

base::result<std::vector<test_case>> choose(const suite_options& options) {
  std::vector<test_case> out;
  std::vector<bool> used(options.only.size(), false);
  for (const auto& one : catalogue()) {
    bool wanted = options.only.empty();
    for (std::size_t i = 0; i < options.only.size(); ++i) {
      const std::string_view id = one.id, asked = options.only[i];
      // "T1" is T1 and not T10; "T" is the whole section.
      const bool section = !asked.empty() && std::none_of(asked.begin(), asked.end(), [](char letter) { return letter >= '0' && letter <= '9'; });
      const bool match = id == asked || (section && id.size() > asked.size() && id.substr(0, asked.size()) == asked &&
                                         id[asked.size()] >= '0' && id[asked.size()] <= '9');
      if (!match) continue;
      wanted = true;
      used[i] = true;
    }
    if (wanted && (options.slow || !one.slow)) out.push_back(one);
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    return base::error{base::error_kind::usage, "no test has the id '" + base::escaped(options.only[i]) + "': see --list"};
  }
  return out;
}

asio::awaitable<std::vector<verdict>> run_suite(asio::io_context& io, const target& where, std::vector<test_case> cases, std::size_t at_once,
                                                std::function<void(const verdict&)> progress) {
  // Shared with the workers, which may outlive this coroutine if it is destroyed amid the run.
  struct shared {
    std::vector<test_case> cases;
    std::vector<verdict> verdicts;
    std::size_t next = 0, done = 0;
    std::function<void(const verdict&)> progress;
    asio::steady_timer all_done;
    shared(asio::io_context& context) : all_done(context, clock::time_point::max()) {}
  };
  const auto state = std::make_shared<shared>(io);
  state->cases = std::move(cases);
  state->verdicts.resize(state->cases.size());
  state->progress = std::move(progress);
  const auto worker = [](asio::io_context& context, target there, std::shared_ptr<shared> all) -> asio::awaitable<void> {
    while (all->next < all->cases.size()) {
      const auto mine = all->next++;
      all->verdicts[mine] = co_await run_case(context, there, all->cases[mine]);
      if (all->progress) all->progress(all->verdicts[mine]);
      if (++all->done == all->cases.size()) all->all_done.cancel();
    }
  };
  for (std::size_t i = 0; i < std::min(at_once, state->cases.size()); ++i) asio::co_spawn(io, worker(io, where, state), asio::detached);
  while (state->done < state->cases.size()) co_await state->all_done.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::move(state->verdicts);
}

asio::awaitable<base::result<std::string>> server_version(asio::io_context& io, const target& where) {
  context c(io, where, "version");
  try {
    const auto at = co_await c.handshaken();
    at->call("connect", 1, {}, 0, c.connect_object());
    const auto answer = co_await at->wait_command("_result", 1);
    const auto* version = answer.object.find("fmsVer");
    co_return version && version->text() ? base::escaped(*version->text()) : std::string("no version given");
  } catch (const failure& f) {
    co_return base::error{base::error_kind::unreachable, f.text};
  }
}

}  // namespace millrace::conform
