#include "load/process_figures.hpp"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace millrace::load {

base::result<process_figures> figures_of(const std::vector<int>& pids) {
  process_figures sum;
  for (const int pid : pids) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line)) return base::error{base::error_kind::local, "--pid " + std::to_string(pid) + ": there is no such process"};
    // The program's name, in brackets, may hold spaces and brackets.
    std::istringstream rest(line.substr(line.rfind(')') + 2));
    std::string word;
    double user = 0, system = 0, pages = 0;
    for (int field = 3; field <= 24 && rest >> word; ++field) {
      if (field == 14) user = std::stod(word);
      if (field == 15) system = std::stod(word);
      if (field == 24) pages = std::stod(word);
    }
    sum.cpu_seconds += (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    sum.rss_bytes += static_cast<std::uint64_t>(pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  }
  return sum;
}

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace millrace::load
