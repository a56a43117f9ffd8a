#include "load/process_figures.hpp"

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace millrace::load {

namespace {

struct stat_figures {
  double cpu_seconds = 0;
  std::uint64_t rss_bytes = 0;
};

std::optional<stat_figures> read_stat(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The program's name, in brackets, may hold spaces and brackets.
  std::istringstream rest(line.substr(line.rfind(')') + 2));
  std::string word;
  double user = 0, system = 0, pages = 0;
  for (int field = 3; field <= 24 && rest >> word; ++field) {
    if (field == 14) user = std::stod(word);
    if (field == 15) system = std::stod(word);
    if (field == 24) pages = std::stod(word);
  }
  return stat_figures{(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK)),
                      static_cast<std::uint64_t>(pages * static_cast<double>(::sysconf(_SC_PAGESIZE)))};
}

}  // namespace

base::result<process_figures> figures_of(const std::vector<int>& pids) {
  process_figures sum;
  for (const int pid : pids) {
    const auto folder = std::filesystem::path("/proc") / std::to_string(pid);
    const auto whole = read_stat(folder / "stat");
    if (!whole) return base::error{base::error_kind::local, "--pid " + std::to_string(pid) + ": there is no such process"};
    sum.cpu_seconds += whole->cpu_seconds;
    sum.rss_bytes += whole->rss_bytes;
    std::error_code ignored;
    for (const auto& thread : std::filesystem::directory_iterator(folder / "task", ignored)) {
      if (const auto one = read_stat(thread.path() / "stat")) sum.thread_cpu_seconds[std::stoi(thread.path().filename())] = one->cpu_seconds;
    }
  }
  return sum;
}

process_figures since(const process_figures& before, process_figures after) {
  after.cpu_seconds -= before.cpu_seconds;
  for (auto& [thread, cpu] : after.thread_cpu_seconds) {
    if (const auto found = before.thread_cpu_seconds.find(thread); found != before.thread_cpu_seconds.end()) cpu -= found->second;
  }
  return after;
}

std::vector<double> core_busy_seconds() {
  std::vector<double> out;
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line) && line.starts_with("cpu");) {
    std::istringstream rest(line);
    std::string name;
    rest >> name;
    if (name == "cpu") continue;  // the sum
    double busy = 0, value = 0;
    for (int field = 1; field <= 8 && rest >> value; ++field) {
      if (field != 4 && field != 5) busy += value;  // idle, waiting for a disk
    }
    out.push_back(busy / static_cast<double>(::sysconf(_SC_CLK_TCK)));
  }
  return out;
}

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace millrace::load
