#include "cli/exit_status.hpp"

#include <cstdio>
#include <string>

#include "cli/console.hpp"

namespace millrace::cli {

const char* const exit_status_help =
    "Exit status: 0 done; 1 a fault of our own; 2 wrong words on the command line or in a configuration; 3 the input is missing or no media;\n"
    "4 network: host unknown, unreachable, no answer, connection lost; 5 the server's certificate was not accepted; 6 the server refused\n"
    "(no right, name taken, no such stream); 7 something local: port taken, certificate, state or output file.";

exit_status status_of(base::error_kind kind) {
  switch (kind) {
    case base::error_kind::usage: return exit_usage;
    case base::error_kind::input: return exit_input;
    case base::error_kind::local: return exit_local;
    case base::error_kind::resolve:
    case base::error_kind::unreachable:
    case base::error_kind::timeout:
    case base::error_kind::unsupported:
    case base::error_kind::protocol:
    case base::error_kind::limit:
    case base::error_kind::closed: return exit_network;
    case base::error_kind::certificate: return exit_certificate;
    case base::error_kind::denied:
    case base::error_kind::busy:
    case base::error_kind::not_found: return exit_refused;
    case base::error_kind::internal: return exit_internal;
  }
  return exit_internal;
}

int fail(std::string_view command, const base::error& why) {
  std::string line = "millrace ";
  line += command;
  line += ": ";
  line += one_line(why.text);
  console::write_line(line);
  return status_of(why.kind);
}

}  // namespace millrace::cli
