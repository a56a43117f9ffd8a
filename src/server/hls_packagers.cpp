#include "server/hls_packagers.hpp"

#include <algorithm>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace {

constexpr std::chrono::milliseconds look_every{250};
constexpr const char* protocol = "hls";

}  // namespace

void hls_packagers::add(std::shared_ptr<hls::presentation> to) {
  auto source = streams_.watch(to->stream());
  all_.push_back({to, source, nullptr});
  base::log::info("{}: packaged as HLS in {}", base::escaped(to->stream()), mux::name(to->container()));
  const auto begin = [weak = std::weak_ptr(alive_), to] {
    if (const auto self = weak.lock()) (*self)->start(to);
  };
  if (source->here(begin)) start(to);
  arm();
}

void hls_packagers::start(const std::shared_ptr<hls::presentation>& to) {
  for (auto& each : all_) {
    if (each.to == to && !each.packager) each.packager = std::make_unique<hls::packager>(each.source->stream(), to, hls::clocks::real());
  }
}

void hls_packagers::arm() {
  if (std::exchange(armed_, true)) return;
  timer_.expires_after(look_every);
  timer_.async_wait([weak = std::weak_ptr(alive_)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self) return;
    (*self)->armed_ = false;
    (*self)->on_timer();
  });
}

void hls_packagers::on_timer() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& each : all_) {
    if (each.packager) each.packager->on_timer(now);
  }
  // Their ends tell other viewers nothing, so they may go at once; but not while the list is walked.
  std::vector<one> over;
  const auto first = std::stable_partition(all_.begin(), all_.end(), [](const one& each) { return !each.to->closed(); });
  std::move(first, all_.end(), std::back_inserter(over));
  all_.erase(first, all_.end());
  for (const auto& each : over) base::log::info("{}: packaged as HLS in {} no more", base::escaped(each.to->stream()), mux::name(each.to->container()));
  if (!all_.empty()) arm();
}

void hls_packagers::facts(base::instant at, std::vector<connection_facts>& into) const {
  for (const auto& each : all_) {
    for (auto& viewer : each.to->viewers().facts(at)) {
      connection_facts c;
      c.protocol = protocol;
      c.agent = std::move(viewer.who.agent);
      c.since = viewer.since;
      c.transport.kind = viewer.who.secure ? net::transport_kind::tls : net::transport_kind::tcp;
      c.transport.remote = std::move(viewer.who.remote);
      c.transport.bytes_sent = viewer.bytes;
      play_facts play;
      play.stream = each.to->stream();
      play.frames.delivered = viewer.answers;
      c.plays.push_back(std::move(play));
      into.push_back(std::move(c));
    }
  }
}

void hls_packagers::count(base::instant at, std::map<std::string, protocol_count, std::less<>>& protocols) const {
  for (const auto& each : all_) {
    if (const auto viewers = each.to->viewers().size(at)) protocols[protocol].viewers += viewers;
  }
}

void hls_packagers::sample(base::instant at, stream_history& history) const {
  for (const auto& each : all_) history.of_viewers(each.to->stream(), each.to->viewers().size(at));
}

std::size_t hls_packagers::viewers_of(std::string_view stream, base::instant at) const {
  std::size_t sum = 0;
  for (const auto& each : all_) sum += each.to->stream() == stream ? each.to->viewers().size(at) : 0;
  return sum;
}

std::size_t hls_packagers::packagers_of(std::string_view stream) const {
  return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [&](const one& each) { return each.packager && each.to->stream() == stream; }));
}

void hls_packagers::close() {
  timer_.cancel();
  for (auto& each : std::exchange(all_, {})) {
    each.packager.reset();
    each.to->close(503, "the server is shutting down");
  }
}

}  // namespace millrace::server
