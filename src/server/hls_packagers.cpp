#include "server/hls_packagers.hpp"

#include <algorithm>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace {

constexpr std::chrono::milliseconds look_every{250};

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

void hls_packagers::close() {
  timer_.cancel();
  for (auto& each : std::exchange(all_, {})) {
    each.packager.reset();
    each.to->close(503, "the server is shutting down");
  }
}

}  // namespace millrace::server
