#include "cli/logging.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <fmt/chrono.h>

#include <atomic>
#include <boost/json.hpp>
#include <memory>
#include <mutex>

#include "cli/console.hpp"

namespace millrace::cli {
namespace {

std::shared_ptr<spdlog::logger> logger;
std::atomic<bool> as_json = false;  // SIGHUP changes it while others write

std::string json_line(const spdlog::details::log_msg& message) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
  const auto level = spdlog::level::to_string_view(message.level);
  return boost::json::serialize(boost::json::object{
      {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000)},
      {"level", boost::json::string_view(level.data(), level.size())},
      {"text", boost::json::string_view(message.payload.data(), message.payload.size())}});
}

// As spdlog's own stderr sink, but it steps around the progress line.
class console_sink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (as_json) return console::write_line(json_line(message));
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    while (text.size() > 0 && text[text.size() - 1] == '\n') text.resize(text.size() - 1);
    console::write_line(one_line({text.data(), text.size()}));
  }
  void flush_() override {}
};

spdlog::level::level_enum level_of(base::log::level at) {
  switch (at) {
    case base::log::level::debug: return spdlog::level::debug;
    case base::log::level::info: return spdlog::level::info;
    case base::log::level::warning: return spdlog::level::warn;
    case base::log::level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

void write(base::log::level at, std::string_view text) {
  if (logger) logger->log(level_of(at), text);
}

}  // namespace

void start_logging(std::string_view command, base::log::level least) {
  logger = std::make_shared<spdlog::logger>("millrace", std::make_shared<console_sink>());
  logger->set_level(spdlog::level::debug);
  logger->set_pattern(command == "serve" ? "%Y-%m-%dT%H:%M:%S.%e%z %l %v" : "millrace " + std::string(command) + ": %v");
  base::log::set_sink(write, least);
}

void set_level(base::log::level least) { base::log::set_sink(logger ? write : nullptr, least); }

void set_format(log_format to) { as_json = to == log_format::json; }

std::optional<base::log::level> parse_level(std::string_view word) {
  if (word == "debug") return base::log::level::debug;
  if (word == "info") return base::log::level::info;
  if (word == "warning") return base::log::level::warning;
  if (word == "error") return base::log::level::error;
  return std::nullopt;
}

}  // namespace millrace::cli
