// Standard error, shared by log lines and the progress line that is drawn over itself. One thread, but for write_line.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "client/progress.hpp"

namespace millrace::cli {

namespace console {

// One line on standard error; a progress line that stands there is wiped first. Any thread.
void write_line(std::string_view line);
// Draws (or redraws) the progress line. Only when stderr is a terminal.
void draw(std::string_view line);
// Leaves the progress line standing and goes to the next line.
void settle();
bool is_terminal();
std::size_t columns();

}  // namespace console

// Control characters become spaces, also the C1 ones, and what is no UTF-8 question marks; the rest stays (our own texts hold "…" and
// quotes).
std::string one_line(std::string_view text);

// What to show of a running command: on a terminal every second over itself, otherwise a line every 10 s.
class progress_display {
 public:
  progress_display(std::string command, bool quiet);
  ~progress_display();
  progress_display(const progress_display&) = delete;
  progress_display& operator=(const progress_display&) = delete;
  void show(const client::progress& p);

 private:
  std::string command_;
  bool quiet_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace millrace::cli
