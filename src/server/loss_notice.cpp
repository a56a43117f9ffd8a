#include "server/loss_notice.hpp"

#include <algorithm>
#include <numeric>

namespace millrace::server {
namespace {

constexpr std::chrono::seconds notice_gap{10};

std::uint64_t total(const hub::cursor_stats& stats) { return std::accumulate(stats.lost.begin(), stats.lost.end(), std::uint64_t{0}); }

hub::loss most_of(const hub::cursor_stats& stats) {
  return static_cast<hub::loss>(std::max_element(stats.lost.begin(), stats.lost.end()) - stats.lost.begin());
}

std::string_view sentence_of_most(const hub::cursor_stats& stats) { return hub::sentence(most_of(stats)); }

}  // namespace

std::string losses_text(const hub::cursor_stats& stats) {
  const auto all = total(stats);
  if (all == 0) return {};
  std::string out = std::to_string(all) + (all == 1 ? " frame not sent:" : " frames not sent:");
  bool first = true;
  for (std::size_t i = 0; i < stats.lost.size(); ++i) {
    if (stats.lost[i] == 0) continue;
    out += (first ? " " : ", ") + std::to_string(stats.lost[i]) + " " + std::string(hub::name(static_cast<hub::loss>(i)));
    first = false;
  }
  return out;
}

bool loss_notice::gate::open(base::instant now) const { return !last || now - *last >= notice_gap; }

hub::cursor_stats loss_notice::gate::take(const hub::cursor_stats& stats, base::instant now) {
  hub::cursor_stats since;
  for (std::size_t i = 0; i < since.lost.size(); ++i) since.lost[i] = stats.lost[i] - told.lost[i];
  told = stats;
  last = now;
  return since;
}

std::optional<loss_notice::text> loss_notice::for_log(const hub::cursor_stats& stats, base::instant now) {
  if (total(stats) == total(log_.told) || !log_.open(now)) return std::nullopt;
  const auto since = log_.take(stats, now);
  return text{losses_text(since) + ". " + std::string(sentence_of_most(since)), since.dropped_slow() > 0, most_of(since)};
}

std::optional<std::string> loss_notice::for_player(const hub::cursor_stats& stats, base::instant now) {
  if (stats.dropped_slow() == player_.told.dropped_slow() || !player_.open(now)) return std::nullopt;
  auto since = player_.take(stats, now);
  for (const auto wish : {hub::loss::paused, hub::loss::catching_up}) since.lost[static_cast<std::size_t>(wish)] = 0;
  return losses_text(since) + ". " + std::string(sentence_of_most(since));
}

}  // namespace millrace::server
