// What requests get: now, later, or a reason why not.
#include <algorithm>
#include <chrono>
#include <utility>

#include "hls/presentation.hpp"

namespace millrace::hls {
namespace {

// A playlist is another one at any time. What it names is that and nothing else for ever (numbers are never used again), so caches may keep it.
constexpr const char* changes = "no-cache";
constexpr const char* stays = "public, max-age=3600, immutable";
constexpr const char* playlist_type = "application/vnd.apple.mpegurl";

answer of(base::slice body, const char* type, const char* cache) {
  answer a;
  a.content_type = type;
  a.body = base::send_chain(std::move(body));
  a.cache_control = cache;
  return a;
}

answer refused(unsigned status, std::string why) {
  answer a;
  a.status = status;
  a.content_type = "text/plain";
  a.cache_control = "no-store";
  a.why = std::move(why);
  return a;
}

}  // namespace

std::optional<answer> presentation::answer_to(const request& what, const snapshot& s) const {
  switch (what.of) {
    case request::type::multivariant:
      if (!s.ready) return std::nullopt;
      return of(s.multivariant, playlist_type, changes);
    case request::type::playlist: return playlist_answer(what, s);
    case request::type::init:
      for (const auto& i : s.inits) {
        if (i.number == what.number) return of(i.bytes, "video/mp4", stays);
      }
      return refused(404, "no such initialization section");
    case request::type::segment: return segment_answer(what, s);
    case request::type::part: return part_answer(what, s);
  }
  return std::nullopt;
}

// Draft section 6.2.5.2.
std::optional<answer> presentation::playlist_answer(const request& what, const snapshot& s) const {
  if (!s.ready) return std::nullopt;
  auto there = of(what.skip ? s.delta : s.playlist, playlist_type, changes);
  if (!what.wanted_msn || s.ended) return there;
  auto msn = *what.wanted_msn;
  std::optional<std::uint64_t> part = container_ == mux::container::fmp4 ? what.wanted_part : std::nullopt;
  // Further than two behind the last segment, no player that has read the playlist can be.
  if (msn > s.next_msn + 1) return refused(400, "_HLS_msn is too far ahead");
  if (part) {
    // A part that its segment did not get is the first one of the next.
    for (const auto& one : s.segments) {
      if (one->entry.msn != msn || !one->entry.complete || *part < one->parts.size()) continue;
      ++msn;
      part = 0;
      break;
    }
  }
  if (msn < s.next_msn) return there;
  if (msn > s.next_msn || !part) return std::nullopt;
  const auto limit = s.part_target_ms >= 1000 ? 3 : (3000 + s.part_target_ms - 1) / std::max<std::int64_t>(s.part_target_ms, 1);
  if (*part >= s.next_parts + static_cast<std::uint64_t>(limit)) return refused(400, "_HLS_part is too far ahead");
  if (*part < s.next_parts) return there;
  return std::nullopt;
}

std::optional<answer> presentation::part_answer(const request& what, const snapshot& s) const {
  for (const auto& one : s.segments) {
    if (one->entry.msn != what.number) continue;
    if (what.part < one->parts.size()) {
      auto a = of(one->parts[static_cast<std::size_t>(what.part)], "video/mp4", stays);
      a.taken_by = viewers_;
      return a;
    }
    if (one->entry.complete) return refused(404, "no such part");
    break;
  }
  // The one that EXT-X-PRELOAD-HINT names (section 6.2.6).
  if (what.number == s.next_msn && what.part == s.next_parts && s.ready && !s.ended) return std::nullopt;
  return refused(404, "no such part");
}

std::optional<answer> presentation::segment_answer(const request& what, const snapshot& s) const {
  for (const auto& one : s.segments) {
    if (one->entry.msn != what.number) continue;
    if (!one->entry.complete) return std::nullopt;
    answer a = of({}, container_ == mux::container::fmp4 ? "video/mp4" : "video/mp2t", stays);
    for (const auto& part : one->parts) a.body.push_back(part);
    a.taken_by = viewers_;
    return a;
  }
  return refused(404, "no such segment");
}

base::instant presentation::wait_until(base::instant now, const snapshot& s) const {
  if (!s.ready) return now + how_.first_wait;
  return now + std::chrono::seconds(3 * s.target_s);
}

void presentation::get(const request& what, base::instant now, answer_function done) {
  std::optional<answer> a;
  {
    const std::lock_guard lock(mutex_);
    last_request_ = std::max(last_request_, now);
    a = closed_ ? closed_ : answer_to(what, *now_);
    if (!a) {
      if (waiters_.size() < how_.limits.waits) {
        waiters_.push_back({what, wait_until(now, *now_), std::move(done)});
        return;
      }
      a = refused(503, "too many wait");
    }
  }
  done(std::move(*a));
}

void presentation::expire(base::instant now) {
  std::vector<answer_function> late;
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    why = !trouble_.empty() ? trouble_ : now_->ready ? "nothing new came in time" : "no segment came in time";
    std::erase_if(waiters_, [&](waiter& w) {
      if (now < w.until) return false;
      late.push_back(std::move(w.done));
      return true;
    });
  }
  for (auto& done : late) done(refused(503, why));
}

bool presentation::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_.has_value();
}

bool presentation::idle(base::instant now) const {
  const std::lock_guard lock(mutex_);
  return waiters_.empty() && now - last_request_ >= how_.idle;
}

void presentation::close(unsigned status, std::string why) {
  std::vector<waiter> left;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = refused(status, why);
    left.swap(waiters_);
    now_ = std::make_shared<snapshot>();
  }
  for (auto& w : left) w.done(refused(status, why));
}

}  // namespace millrace::hls
