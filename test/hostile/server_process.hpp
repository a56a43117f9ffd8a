// `millrace serve` as a process of its own, and what the kernel says of it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace millrace::hostile {

// Figures of any process, from /proc.
struct process_figures {
  std::size_t resident_bytes = 0, descriptors = 0;
};
[[nodiscard]] std::optional<process_figures> figures_of(pid_t pid);  // nothing: there is no such process
// Memory that was freed stays in a sanitizer's quarantine, so its size says nothing of what the program holds.
[[nodiscard]] bool has_sanitizer(pid_t pid);
// CPU that a process used so far, in milliseconds, of all its threads.
[[nodiscard]] std::uint64_t cpu_ms_of(pid_t pid);

// Starts it on free ports with two shards; the destructor ends it in order. Its log goes to a file, which is shown when something failed.
class server_process {
 public:
  explicit server_process(const std::filesystem::path& program);
  ~server_process();
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::uint16_t http_port() const noexcept { return http_port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // How it ended, if it has: "exit status 1", "signal 11".
  [[nodiscard]] std::optional<std::string> ended();
  // SIGTERM, and how it ended within 20 s; a leak that a sanitizer reports is a status other than 0.
  std::string stop();
  [[nodiscard]] std::string last_of_log(std::size_t bytes) const;

 private:
  void wait_until_ready();
  std::filesystem::path directory_, log_;
  pid_t pid_ = 0;
  std::uint16_t port_ = 0, http_port_ = 0;
  std::optional<int> status_;
};

}  // namespace millrace::hostile
