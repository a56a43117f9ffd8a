#include "hub/time_squeeze.hpp"

#include <algorithm>
#include <limits>

namespace millrace::hub {
namespace {

struct point {
  std::int64_t from = 0;
  bool decoded = false, shown = false;
  std::int64_t to = 0;  // milliseconds from the start of the squeezed part
};

// The times below the edge, each once, with what they are.
std::vector<point> points_of(const std::vector<std::int64_t>& decoded, const std::vector<std::int64_t>& shown, std::int64_t first,
                             std::int64_t edge) {
  std::vector<point> all;
  all.reserve(decoded.size() + shown.size());
  for (const auto t : decoded) {
    if (t < edge) all.push_back({t, true, false, 0});
  }
  for (const auto t : shown) {
    if (t >= first && t < edge) all.push_back({t, false, true, 0});
  }
  std::sort(all.begin(), all.end(), [](const point& a, const point& b) { return a.from < b.from; });
  std::size_t kept = 0;
  for (const auto& p : all) {
    if (kept > 0 && all[kept - 1].from == p.from) {
      all[kept - 1].decoded |= p.decoded;
      all[kept - 1].shown |= p.shown;
    } else {
      all[kept++] = p;
    }
  }
  all.resize(kept);
  return all;
}

// Raises what is too low to follow its predecessors, strictly among its own kind. Returns the highest value.
std::int64_t raise(std::vector<point>& all) {
  std::int64_t any = 0, decoded = -1, shown = -1;
  for (auto& p : all) {
    p.to = std::max(p.to, any);
    if (p.decoded) p.to = std::max(p.to, decoded + 1);
    if (p.shown) p.to = std::max(p.to, shown + 1);
    any = p.to;
    if (p.decoded) decoded = p.to;
    if (p.shown) shown = p.to;
  }
  return any;
}

// Lowers what is too high to be followed by its successors and the edge at `width`.
void lower(std::vector<point>& all, std::int64_t width) {
  std::int64_t any = width, decoded = width, shown = width;
  for (auto p = all.rbegin(); p != all.rend(); ++p) {
    p->to = std::min(p->to, any);
    if (p->decoded) p->to = std::min(p->to, decoded - 1);
    if (p->shown) p->to = std::min(p->to, shown - 1);
    any = p->to;
    if (p->decoded) decoded = p->to;
    if (p->shown) shown = p->to;
  }
}

}  // namespace

std::optional<time_squeeze> time_squeeze::make(const std::vector<std::int64_t>& decoded_ms, const std::vector<std::int64_t>& shown_ms,
                                               std::int64_t edge_ms, std::chrono::milliseconds wanted) {
  if (decoded_ms.empty()) return std::nullopt;
  const auto first = *std::min_element(decoded_ms.begin(), decoded_ms.end());
  const auto length = edge_ms - first;
  if (length <= std::max<std::int64_t>(wanted.count(), 1)) return std::nullopt;

  auto all = points_of(decoded_ms, shown_ms, first, edge_ms);
  // With every value at 0 raising them gives the narrowest squeeze that keeps the frames apart.
  const auto narrowest = raise(all) + 1;
  const auto width = std::min(std::max<std::int64_t>(wanted.count(), narrowest), length);
  if (width == length) return std::nullopt;
  for (auto& p : all) p.to = (p.from - first) * width / length;
  raise(all);
  lower(all, width);

  time_squeeze made;
  made.edge_ms_ = edge_ms;
  made.points_.reserve(all.size());
  for (const auto& p : all) made.points_.emplace_back(p.from, edge_ms - width + p.to);
  return made;
}

std::int64_t time_squeeze::map(std::int64_t time_ms) const {
  if (time_ms >= edge_ms_) return time_ms;
  const auto above = std::upper_bound(points_.begin(), points_.end(), time_ms, [](std::int64_t t, const auto& p) { return t < p.first; });
  if (above == points_.begin()) return start_ms() - (points_.front().first - time_ms);  // shown before K is: keeps its distance
  return std::prev(above)->second;
}

}  // namespace millrace::hub
