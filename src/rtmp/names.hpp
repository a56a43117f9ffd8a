// Application and stream names as peers send them: split, checked, never changed (percent-encodings stay as they are).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.hpp"

namespace millrace::rtmp {

// "name?a=b" to "name" and "a=b"; the first '?' counts.
std::pair<std::string, std::string> split_query(std::string_view text);

// "rtmp://host:port/live/x?a=b" to "live/x?a=b"; empty where there is no path.
std::string_view app_of_tc_url(std::string_view tc_url);

// Why a name or a query may not be used, for people; nothing when it may. A name must not be empty, longer than `bytes_max`, start
// with '/', have "." or ".." as a path segment, hold control characters, or be anything but UTF-8.
std::optional<std::string> bad_name(std::string_view what, std::string_view name, std::size_t bytes_max);
// A query may be empty and hold anything that is no control character.
std::optional<std::string> bad_query(std::string_view query, std::size_t bytes_max);

}  // namespace millrace::rtmp
