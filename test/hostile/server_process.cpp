#include "hostile/server_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "hostile/hostile.hpp"

namespace millrace::hostile {
namespace {

std::string contents(const std::filesystem::path& of) {
  std::ifstream from(of, std::ios::binary);
  return {std::istreambuf_iterator<char>(from), {}};
}

std::filesystem::path proc(pid_t pid, const char* what) { return std::filesystem::path("/proc") / std::to_string(pid) / what; }

std::string in_words(int status) {
  return WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status)) : "signal " + std::to_string(WTERMSIG(status));
}

// /proc has no events.
template <class Condition>
bool within(std::chrono::seconds limit, Condition holds) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return true;
}

}  // namespace

std::optional<process_figures> figures_of(pid_t pid) {
  std::size_t whole = 0, resident = 0;
  std::istringstream pages(contents(proc(pid, "statm")));
  if (!(pages >> whole >> resident) || resident == 0) return std::nullopt;  // a zombie has none
  process_figures out;
  out.resident_bytes = resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::error_code gone;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(proc(pid, "fd"), gone)) ++out.descriptors;
  return out;
}

bool has_sanitizer(pid_t pid) {
  const auto maps = contents(proc(pid, "maps"));
  return maps.find("libasan") != std::string::npos || maps.find("libtsan") != std::string::npos;
}

std::uint64_t cpu_ms_of(pid_t pid) {
  const auto stat = contents(proc(pid, "stat"));
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));  // the name may hold anything
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::uint64_t user = 0, system = 0;
  fields >> user >> system;
  return (user + system) * 1000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

server_process::server_process(const std::filesystem::path& program) {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-hostile-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  log_ = directory_ / "log";
  const auto settings = directory_ / "millrace.toml";
  // Limits per address are for the cases that are about them: all of these come from this machine.
  std::ofstream(settings) << "[limits]\nconnect_s = " << connect_deadline.count() / 1000 << "\nconnections_per_address = 100000\n";
  const std::string state = directory_ / "state";
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    const int log = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execl(program.c_str(), program.c_str(), "serve", "--config", settings.c_str(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shards", "2",
            "--state", state.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  try {
    wait_until_ready();
  } catch (...) {
    stop();
    throw;
  }
}

server_process::~server_process() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void server_process::wait_until_ready() {
  static const std::regex rtmp("ready.* rtmp://[^ ]*:([0-9]+)"), http(" http://[^ ]*:([0-9]+)");
  std::smatch at_rtmp, at_http;
  std::string log;
  const bool ready = within(std::chrono::seconds(20), [&] {
    log = contents(log_);
    return (std::regex_search(log, at_rtmp, rtmp) && std::regex_search(log, at_http, http)) || ended();
  });
  if (!ready || ended()) throw std::runtime_error("the server did not start:\n" + log);
  port_ = static_cast<std::uint16_t>(std::stoi(at_rtmp[1]));
  http_port_ = static_cast<std::uint16_t>(std::stoi(at_http[1]));
}

std::optional<std::string> server_process::ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_ ? std::optional(in_words(*status_)) : std::nullopt;
}

std::string server_process::stop() {
  if (!ended()) ::kill(pid_, SIGTERM);
  if (within(std::chrono::seconds(20), [this] { return ended().has_value(); })) return *ended();
  ::kill(pid_, SIGKILL);
  within(std::chrono::seconds(20), [this] { return ended().has_value(); });
  return "it did not end within 20 s of SIGTERM";
}

std::string server_process::last_of_log(std::size_t most) const {
  const auto log = contents(log_);
  return log.size() > most ? log.substr(log.size() - most) : log;
}

}  // namespace millrace::hostile
