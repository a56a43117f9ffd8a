#include "server/resume.hpp"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "server/access.hpp"

namespace millrace::server {
namespace log = base::log;

std::string resume_register::issue(const std::string& name, std::function<void()> let_go) {
  std::string token;
  for (int i = 0; i < 4; ++i) {
    char part[17];
    std::snprintf(part, sizeof part, "%016llx", static_cast<unsigned long long>(random_()));
    token += part;
  }
  auto& e = entries_[name];
  // What lingers stays until the new publication has taken over, and goes by the timer at the latest.
  e.token = token;
  e.let_go = std::move(let_go);
  return token;
}

void resume_register::linger(const std::string& name, const std::string& token, std::unique_ptr<live_publication> publication) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || token.empty() || found->second.token != token || publication->over()) return;
  auto& e = found->second;
  e.let_go = nullptr;
  publication->look();
  if (publication->waiting()) {
    // Nothing of it was to be seen: it goes, and the one that it was to follow is what its publisher comes back to.
    if (e.waiting) wait(name, e); else entries_.erase(found);
    return;
  }
  e.waiting = std::move(publication);
  log::info("{} waits for its publisher for {} ms", base::escaped(name), window_.count());
  wait(name, e);
}

void resume_register::wait(const std::string& name, entry& e) {
  e.until = std::make_unique<boost::asio::steady_timer>(io_, window_);
  e.until->async_wait([this, alive = std::weak_ptr(alive_), name](boost::system::error_code failed) {
    if (failed || alive.expired()) return;
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    log::info("{}: its publisher did not come back", base::escaped(name));
    // Its end tells the viewers. A token that was given out since is that of a new publication.
    const auto gone = std::move(found->second.waiting);
    found->second.until.reset();
    if (!found->second.let_go) entries_.erase(found);
  });
}

void resume_register::end(const std::string& name, const std::string& token) {
  const auto found = entries_.find(name);
  if (found != entries_.end() && !token.empty() && found->second.token == token) entries_.erase(found);
}

bool resume_register::take(const std::string& name, const std::string& token) {
  const auto found = entries_.find(name);
  if (token.empty() || found == entries_.end()) return false;
  auto& e = found->second;
  // Where something waits whose token is used up, it is that of a next connection, which was on another shard and is lost as well.
  if (!equal_in_constant_time(e.token, token) && !(e.waiting && e.token.empty())) return false;
  e.token.clear();
  if (const auto let_go = std::exchange(e.let_go, nullptr)) {
    if (!e.waiting) entries_.erase(found);  // the next token is issued where the new publication is, which may be another shard
    let_go();
  } else if (e.waiting) {
    wait(name, e);  // for the first key frame of the new one
    e.waiting->yield_to_shown([this, alive = std::weak_ptr(alive_), name] {
      // We are inside the new publication's append().
      boost::asio::post(io_, [this, alive, name] {
        if (alive.expired()) return;
        if (const auto at = entries_.find(name); at != entries_.end() && at->second.waiting && at->second.waiting->over()) {
          at->second.waiting.reset();
          at->second.until.reset();
          if (at->second.token.empty()) entries_.erase(at);
        }
      });
    });
  }
  return true;
}

std::size_t resume_register::lingering() const {
  std::size_t count = 0;
  for (const auto& [name, e] : entries_) count += e.waiting ? 1u : 0u;
  return count;
}

}  // namespace millrace::server
