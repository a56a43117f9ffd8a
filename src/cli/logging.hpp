// base::log goes to standard error through spdlog.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace millrace::cli {

enum class log_format : unsigned char { text, json };

// Call once, before any thread starts. Servers get a time in front, other commands their name ("millrace push: …").
void start_logging(std::string_view command, base::log::level least);
void set_level(base::log::level least);
// json: each record is one line {"time":…,"level":…,"text":…}. Before any thread starts.
void set_format(log_format to);
std::optional<base::log::level> parse_level(std::string_view word);  // "debug", "info", "warning", "error"

}  // namespace millrace::cli
