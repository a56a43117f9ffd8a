#include <fmt/format.h>

#include <charconv>

#include "record/writer.hpp"

namespace millrace::record {
namespace {

using namespace std::chrono;

bool take_number(std::string_view& text, std::size_t width, char behind, int& to) {
  if (text.size() < width + 1 || text[width] != behind) return false;
  const auto read = std::from_chars(text.data(), text.data() + width, to);
  if (read.ec != std::errc() || read.ptr != text.data() + width || to < 0) return false;
  text.remove_prefix(width + 1);
  return true;
}

}  // namespace

std::string utc_text(system_clock::time_point t) {
  const auto day = floor<days>(t);
  const year_month_day date(day);
  const hh_mm_ss time(floor<milliseconds>(t - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

std::optional<system_clock::time_point> parse_utc(std::string_view text) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, ms = 0;
  if (!take_number(text, 4, '-', y) || !take_number(text, 2, '-', mo) || !take_number(text, 2, 'T', d) || !take_number(text, 2, ':', h) ||
      !take_number(text, 2, ':', mi) || !take_number(text, 2, '.', s) || !take_number(text, 3, 'Z', ms) || !text.empty())
    return std::nullopt;
  const year_month_day date(year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d)));
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  return sys_days(date) + hours(h) + minutes(mi) + seconds(s) + milliseconds(ms);
}

}  // namespace millrace::record
