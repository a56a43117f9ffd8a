#include "hls/service.hpp"

#include <algorithm>
#include <vector>

#include "hls/request.hpp"

namespace millrace::hls {
namespace {

answer refused(unsigned status, std::string why) {
  answer a;
  a.status = status;
  a.content_type = "text/plain";
  a.cache_control = "no-store";
  a.why = std::move(why);
  return a;
}

}  // namespace

service::service(const settings& how, attach_function attach, clock_function now, wall_function wall)
    : how_(how), attach_(std::move(attach)), now_(std::move(now)), wall_(std::move(wall)) {}

void service::get(std::string_view stream, std::string_view rest, std::string_view query, answer_function done) {
  const auto what = parse_request(rest, query);
  if (!what) return done(refused(what.error().kind == base::error_kind::not_found ? 404 : 400, what.error().text));
  const auto now = now_();
  std::shared_ptr<presentation> p;
  bool made = false;
  {
    const std::lock_guard lock(mutex_);
    const key name(stream, what->container);
    auto found = all_.find(name);
    if (found != all_.end() && found->second->closed()) {
      forget_closed();
      found = all_.end();
    }
    if (found != all_.end()) {
      p = found->second;
    } else if (what->starts() && all_.size() < how_.limits.streams) {
      p = std::make_shared<presentation>(std::string(stream), what->container, how_, least_number(name));
      all_.emplace(name, p);
      made = true;
    }
  }
  if (!p) {
    if (what->starts()) return done(refused(503, "too many streams are packaged"));
    return done(refused(404, "nothing of this stream is kept: begin with its playlist"));
  }
  // Before the packager, so that it finds somebody who waits, and a refusal reaches them.
  p->get(*what, now, std::move(done));
  if (made) attach_(std::move(p));
}

void service::forget_closed() {
  std::erase_if(all_, [this](const auto& one) {
    if (!one.second->closed()) return false;
    keep_least_number(one.first, one.second->next_number());
    return true;
  });
}

std::uint64_t service::least_number(const key& name) const {
  const auto found = ahead_.find(name);
  return found == ahead_.end() ? least_number_ : std::max(least_number_, found->second);
}

void service::keep_least_number(const key& name, std::uint64_t next) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wall_().time_since_epoch()).count();
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0));
  least_number_ = std::max(least_number_, std::min(next, now));
  if (next <= now) return;
  std::erase_if(ahead_, [this](const auto& one) { return one.second <= least_number_; });
  if (const auto found = ahead_.find(name); found != ahead_.end()) {
    found->second = std::max(found->second, next);
  } else if (ahead_.size() < how_.limits.streams) {
    ahead_.emplace(name, next);
  } else {
    least_number_ = std::max(least_number_, next);
  }
}

void service::on_timer() {
  const auto now = now_();
  std::vector<std::shared_ptr<presentation>> there;
  {
    const std::lock_guard lock(mutex_);
    forget_closed();
    there.reserve(all_.size());
    for (const auto& [name, p] : all_) there.push_back(p);
  }
  for (const auto& p : there) {
    p->expire(now);
    // Its packager sees that too, if there ever was one.
    if (p->idle(now)) p->close(404, "the stream is not packaged any more");
  }
}

std::size_t service::size() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

}  // namespace millrace::hls
