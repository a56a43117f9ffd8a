#include "client/progress.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

namespace millrace::client {
namespace {

std::string clock_text(std::chrono::milliseconds t) {
  const auto s = t.count() / 1000;
  return fmt::format("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string rate_text(double bits) {
  if (bits >= 999'500) return fmt::format("{:.2f} Mb/s", bits / 1e6);
  return fmt::format("{:.0f} kb/s", bits / 1e3);
}

// Cuts at a column, never inside a UTF-8 sequence.
void cut_to(std::string& text, std::size_t width) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U) continue;
    if (columns == width) {
      text.resize(i);
      return;
    }
    ++columns;
  }
}

// A line of statistics stays one that a pipe takes whole (PIPE_BUF), whatever a peer had to say.
std::string for_json(std::string text) {
  constexpr std::size_t columns_max = 512;
  cut_to(text, columns_max);
  return text;
}

double milliseconds(std::chrono::microseconds t) { return static_cast<double>(t.count()) / 1000.0; }

}  // namespace

std::string_view name(link_state state) {
  switch (state) {
    case link_state::waiting_for_input: return "waiting for input";
    case link_state::connecting: return "connecting";
    case link_state::waiting_for_media: return "waiting for media";
    case link_state::live: return "live";
    case link_state::waiting_to_retry: return "waiting to retry";
    case link_state::ending: return "ending";
  }
  return "unknown";
}

std::string progress_line(const progress& p, std::size_t width) {
  std::string out = clock_text(p.position);
  if (p.state == link_state::live || p.state == link_state::ending) {
    out += "  " + rate_text(p.bits_per_second);
    if (p.rtt) out += fmt::format("  rtt {:.1f} ms", milliseconds(*p.rtt));
    if (p.loss_percent) out += fmt::format("  loss {:.1f} %", *p.loss_percent);
    if (p.repeats_sent.value_or(0) > 0) out += fmt::format("  repeated {}", *p.repeats_sent);
    out += fmt::format("  queue {} ms", p.queue_age.count());
  } else if (p.state == link_state::waiting_to_retry) {
    out += fmt::format("  reconnecting in {:.0f} s", std::ceil(static_cast<double>(p.retry_in.count()) / 1000.0));
    if (!p.last_error.empty()) out += " (" + p.last_error + ")";
  } else {
    out += fmt::format("  {}", name(p.state));
    // Nothing on the wire tells a stream that nobody publishes from one that is slow to begin.
    if (p.state == link_state::waiting_for_media) out += " (perhaps nobody publishes it yet)";
  }
  if (p.frames_dropped > 0) out += fmt::format("  dropped {}", p.frames_dropped);
  if (p.reconnects > 0) out += fmt::format("  reconnects {}", p.reconnects);
  if (!p.transport.empty()) {
    out += "  " + p.transport;
    if (!p.why.empty()) out += " (" + p.why + ")";
  }
  if (width > 0) cut_to(out, width);
  return out;
}

std::string progress_json(const progress& p) {
  boost::json::object out;
  out["state"] = name(p.state);
  out["running_ms"] = p.running.count();
  out["position_ms"] = p.position.count();
  out["frames"] = p.frames;
  out["frames_dropped"] = p.frames_dropped;
  out["bytes"] = p.bytes;
  out["bits_per_second"] = static_cast<std::uint64_t>(std::llround(std::max(0.0, p.bits_per_second)));
  if (p.rtt) {
    out["rtt_ms"] = milliseconds(*p.rtt);
  } else {
    out["rtt_ms"] = nullptr;
  }
  if (p.loss_percent) {
    out["loss_percent"] = *p.loss_percent;
  } else {
    out["loss_percent"] = nullptr;
  }
  const auto optional_count = [&](const char* key, const std::optional<std::uint64_t>& value) {
    if (value) {
      out[key] = *value;
    } else {
      out[key] = nullptr;
    }
  };
  optional_count("repeats_sent", p.repeats_sent);
  optional_count("repeat_bytes", p.repeat_bytes);
  optional_count("repeats_useful", p.repeats_useful);
  optional_count("repeats_received", p.repeats_received);
  out["queue_age_ms"] = p.queue_age.count();
  out["queue_bytes"] = p.queue_bytes;
  if (p.target_bits_per_second) {
    out["target_bits_per_second"] = static_cast<std::uint64_t>(std::llround(*p.target_bits_per_second));
  } else {
    out["target_bits_per_second"] = nullptr;
  }
  if (p.transport.empty()) {
    out["transport"] = nullptr;
  } else {
    out["transport"] = p.transport;
  }
  out["why"] = for_json(p.why);
  out["reconnects"] = p.reconnects;
  out["last_error"] = for_json(p.last_error);
  return boost::json::serialize(out);
}

double rate_meter::update(std::uint64_t total, base::instant now) {
  const auto delta = total >= last_total_ ? total - last_total_ : total;
  const auto seconds = std::chrono::duration<double>(now - last_).count();
  const double rate = seen_ && seconds > 0 ? static_cast<double>(delta) / seconds : 0;
  last_total_ = total;
  last_ = now;
  seen_ = true;
  return rate;
}

std::optional<double> loss_meter::update(std::optional<std::uint64_t> sent, std::optional<std::uint64_t> lost) {
  if (!sent || !lost) {
    sent_ = lost_ = 0;
    return std::nullopt;
  }
  if (*sent < sent_ || *lost < lost_) sent_ = lost_ = 0;  // a new connection counts from 0
  const auto new_sent = *sent - sent_;
  const auto new_lost = *lost - lost_;
  sent_ = *sent;
  lost_ = *lost;
  if (new_sent == 0) return std::nullopt;
  // A loss is noticed later than the packet was counted, so one second can hold more of the former.
  return std::min(100.0, 100.0 * static_cast<double>(new_lost) / static_cast<double>(new_sent));
}

}  // namespace millrace::client
