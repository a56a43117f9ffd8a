#include "server/play_options.hpp"

#include <charconv>
#include <optional>

#include "base/escape.hpp"
#include "server/query.hpp"

namespace millrace::server {
namespace {

constexpr unsigned delay_ms_max = 10'000;

std::optional<unsigned> number_up_to(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value > most) return std::nullopt;
  return value;
}

class reader {
 public:
  reader(std::string_view query, std::vector<std::string>& ignored) : query_(query), ignored_(ignored) {}

  std::optional<unsigned> number(std::string_view name, unsigned most) {
    const auto text = query_parameter(query_, name);
    if (!text) return std::nullopt;
    const auto value = number_up_to(*text, most);
    if (!value) ignore(name, *text, "a whole number from 0 to " + std::to_string(most));
    return value;
  }
  std::optional<bool> flag(std::string_view name) {
    const auto text = query_parameter(query_, name);
    if (!text) return std::nullopt;
    if (*text == "yes") return true;
    if (*text == "no") return false;
    ignore(name, *text, "yes or no");
    return std::nullopt;
  }
  // The track to get; `otherwise` without a wish.
  std::optional<std::uint8_t> track(std::string_view name, std::optional<std::uint8_t> otherwise) {
    if (query_parameter(query_, name) == "all") return std::nullopt;
    const auto value = number(name, 255);
    return value ? static_cast<std::uint8_t>(*value) : otherwise;
  }

 private:
  void ignore(std::string_view name, std::string_view text, const std::string& takes) {
    ignored_.push_back(std::string(name) + "=" + base::escaped(text) + " (takes " + takes + ")");
  }
  std::string_view query_;
  std::vector<std::string>& ignored_;
};

}  // namespace

play_options read_play_options(std::string_view query, const viewer_settings& settings, std::chrono::milliseconds age_max,
                               bool multitrack_capable) {
  play_options options;
  options.policy.age_max = age_max;
  reader from(query, options.ignored);
  const auto delay = from.number("delay", delay_ms_max);
  if (from.flag("catch_up").value_or(delay.has_value() || settings.catch_up)) {
    options.policy.wanted_delay = delay ? std::chrono::milliseconds(*delay) : settings.delay;
  }
  const std::optional<std::uint8_t> otherwise = multitrack_capable ? std::nullopt : std::optional<std::uint8_t>(0);
  options.policy.video_track = from.track("video_track", otherwise);
  options.policy.audio_track = from.track("audio_track", otherwise);
  return options;
}

}  // namespace millrace::server
