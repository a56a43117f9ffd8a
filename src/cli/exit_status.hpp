// How a command ends: the exit status per kind of error, and the one line that says why.
#pragma once
#include <string_view>

#include "base/error.hpp"

namespace millrace::cli {

enum exit_status : int {
  exit_ok = 0,
  exit_internal = 1,
  exit_usage = 2,
  exit_input = 3,
  exit_network = 4,
  exit_certificate = 5,
  exit_refused = 6,
  exit_local = 7,
};

exit_status status_of(base::error_kind kind);

// "millrace push: clip.mp4: No such file or directory" on standard error, on one line whatever a peer wrote into it; returns the status.
int fail(std::string_view command, const base::error& why);

// The table for --help.
extern const char* const exit_status_help;

}  // namespace millrace::cli
