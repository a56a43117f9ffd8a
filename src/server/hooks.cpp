#include "server/hooks.hpp"

#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

struct hook_caller::inner {
  std::mutex mutex;
  std::shared_ptr<const hook_settings> set;
  http::client* client = nullptr;
  std::string server;
  std::atomic<std::uint64_t> asked{0}, refused{0}, failed{0};

  std::shared_ptr<const hook_settings> now() {
    const std::lock_guard held(mutex);
    return set;
  }
};

hook_caller::hook_caller(hook_settings set, std::string server) : inner_(std::make_shared<inner>()) {
  inner_->set = std::make_shared<const hook_settings>(std::move(set));
  inner_->client = &client_;
  inner_->server = std::move(server);
}

hook_caller::~hook_caller() = default;

void hook_caller::use(hook_settings set) {
  auto fresh = std::make_shared<const hook_settings>(std::move(set));
  const std::lock_guard held(inner_->mutex);
  inner_->set = std::move(fresh);
}

bool hook_caller::wants(hook what) const { return !inner_->now()->of(what).empty(); }

hook_counts hook_caller::counts() const { return {inner_->asked, inner_->refused, inner_->failed}; }

void hook_caller::ask(std::shared_ptr<const hook_settings> set, hook_question q, std::function<void(hook_answer&&)> done) {
  if (set->of(q.what).empty()) return done({false, "there is nobody to ask", std::nullopt});
  q.server = inner_->server;
  ask_next(inner_, set, std::make_shared<const hook_question>(std::move(q)), 0, {true, {}, std::nullopt}, std::move(done));
}

// One after the other: whoever says no ends it, and the last name that was given counts.
void hook_caller::ask_next(const std::shared_ptr<inner>& in, const std::shared_ptr<const hook_settings>& set, std::shared_ptr<const hook_question> q, std::size_t index,
                     hook_answer so_far, std::function<void(hook_answer&&)> done) {
  const auto& urls = set->of(q->what);
  if (index >= urls.size()) return done(std::move(so_far));
  ++in->asked;
  auto request = encode_hook(*set, *q, urls[index]);
  in->client->post(std::move(request), [in, set, q, index, so_far = std::move(so_far), done = std::move(done)](http::client_response&& r) mutable {
    auto answer = decode_hook(set->form, q->what, r);
    if (!answer.allowed) {
      ++(r.status == 0 ? in->failed : in->refused);
      const auto about = q->who.app + "/" + q->stream;
      log::warning("hook {} of {}: {}: {}", name(q->what), escaped(loggable(*set, q->what, about)), r.status == 0 ? "no answer" : "refused", answer.why);
      return done(std::move(answer));
    }
    if (!answer.stream) answer.stream = std::move(so_far.stream);
    ask_next(in, set, std::move(q), index + 1, std::move(answer), std::move(done));
  });
}

void hook_caller::tell(hook_question q) {
  const auto set = inner_->now();
  q.server = inner_->server;
  for (const auto& url : set->of(q.what)) {
    ++inner_->asked;
    const auto about = loggable(*set, q.what, q.who.app + "/" + q.stream);
    inner_->client->post(encode_hook(*set, q, url), [in = inner_, form = set->form, what = q.what, about](http::client_response&& r) {
      const auto answer = decode_hook(form, what, r);
      if (answer.allowed) return;
      ++in->failed;
      log::warning("hook {} of {}: not taken: {}", name(what), escaped(about), answer.why);
    });
  }
}

void hook_visit::end() {
  const auto to = std::exchange(to_, {}).lock();
  if (!to) return;
  auto over = std::move(begun_);
  over.publishing = over.what == hook::publish;
  over.what = over.publishing ? hook::publish_done : hook::play_done;
  to->tell(over);
  over.what = hook::done;
  to->tell(std::move(over));
}

}  // namespace millrace::server
