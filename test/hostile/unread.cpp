// Peers that ask for answers and read none: what is answered must not gather in the server.
#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "hostile/attack.hpp"
#include "hostile/server_process.hpp"

namespace millrace::hostile {
namespace {

// What a connection may cost meanwhile, and a sanitizer's quarantine is not it.
constexpr std::size_t memory_allowed = 32u << 20;

struct flood {
  const char* name;
  const std::vector<way>& ways;
  int times, at_once;
  std::function<void(const striker&, int)> ask;
};

const std::vector<flood>& floods() {
  static const std::vector<flood> all{
      {"Set Peer Bandwidth 20,000 times, nothing is read", byte_ways, 20'000, 1'000,
       [](auto& s, int i) { s.at->send(rtmp::make_set_peer_bandwidth(1'000'000u + static_cast<std::uint32_t>(i % 2), rtmp::bandwidth_limit::hard)); }},
      {"FCPublish of 60,000 bytes as often as it may be, nothing is read", all_ways, 400, 2, [](auto& s, int) { s.call("FCPublish", {std::string(60'000, 'a')}); }},
  };
  return all;
}

std::size_t resident(const arena& in) {
  const auto now = in.pid != 0 && !has_sanitizer(in.pid) ? figures_of(in.pid) : std::nullopt;
  return now ? now->resident_bytes : 0;
}

asio::awaitable<void> carry_out(arena& in, way via, const flood& what) {
  auto where = in.target(via);
  where.run = in.fresh_name();
  conform::context c(in.io, where, "");
  const auto at = co_await c.connected();
  const striker hand{in, at, 0, where.run};
  const auto before = resident(in);
  hand.at->transport()->pause_receive(true);
  // A few at a time: what one burst is answered with has a bound of its own. Until the server has it all, or takes no more of it; over TCP
  // its reset says so.
  asio::steady_timer step(in.io);
  const auto until = std::chrono::steady_clock::now() + soon;
  std::size_t most = before;
  for (int i = 0; !hand.at->closed() && (i < what.times || hand.at->transport()->queued_bytes() > 0) && std::chrono::steady_clock::now() < until;) {
    for (const int end = std::min(i + what.at_once, what.times); i < end; ++i) what.ask(hand, i);
    step.expires_after(milliseconds(10));
    co_await step.async_wait(asio::use_awaitable);
    most = std::max(most, resident(in));
  }
  if (!hand.at->closed()) hand.at->transport()->pause_receive(false);
  co_await hand.at->wait_closed(soon);
  most = std::max(most, resident(in));
  check(most <= before + memory_allowed, std::to_string((most - before) >> 20) + " MB of memory more");
}

}  // namespace

void add_unread(cases& to) {
  for (const auto via : all_ways) {
    for (const auto& what : floods()) {
      if (std::find(what.ways.begin(), what.ways.end(), via) == what.ways.end()) continue;
      to.push_back({"unread over " + std::string(name(via)), what.name, "closed within 8 s, at most 32 MB more memory", [via, &what](arena& in) { return carry_out(in, via, what); }});
    }
  }
}

}  // namespace millrace::hostile
