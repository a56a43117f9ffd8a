#include "cli/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <utility>

#include "base/utf8.hpp"

namespace millrace::cli {
namespace console {
namespace {

std::mutex one_at_a_time;
bool drawn = false;

void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void wipe() {
  if (std::exchange(drawn, false)) put("\r\x1b[K");
}

}  // namespace

void write_line(std::string_view line) {
  const std::scoped_lock lock(one_at_a_time);
  wipe();
  std::string whole(line);
  whole += '\n';
  put(whole);
  std::fflush(stderr);
}

void draw(std::string_view line) {
  const std::scoped_lock lock(one_at_a_time);
  put("\r");
  put(line);
  put("\x1b[K");
  std::fflush(stderr);
  drawn = true;
}

void settle() {
  const std::scoped_lock lock(one_at_a_time);
  if (std::exchange(drawn, false)) put("\n");
  std::fflush(stderr);
}

bool is_terminal() {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  return terminal;
}

std::size_t columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) return size.ws_col - 1U;
  return 79;
}

}  // namespace console

std::string one_line(std::string_view text) {
  // C1 controls are two bytes in UTF-8, and one where a terminal takes bytes as they come.
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto from = at;
    const auto c = base::next_code_point(text, at);
    if (!c) {
      out += '?';
      ++at;
    } else if (*c < 0x20 || (*c >= 0x7f && *c < 0xa0)) {
      out += ' ';
    } else {
      out += text.substr(from, at - from);
    }
  }
  return out;
}

progress_display::progress_display(std::string command, bool quiet) : command_(std::move(command)), quiet_(quiet) {}

progress_display::~progress_display() { console::settle(); }

void progress_display::show(const client::progress& p) {
  if (quiet_) return;
  if (console::is_terminal()) {
    console::draw(one_line(client::progress_line(p, console::columns())));
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (last_ == std::chrono::steady_clock::time_point{}) last_ = now;
  if (now - last_ < std::chrono::seconds(10)) return;
  last_ = now;
  console::write_line("millrace " + command_ + ": " + one_line(client::progress_line(p, 0)));
}

}  // namespace millrace::cli
