// What lets another process take a cut-off publication up again (live profile, "Resume"): the token, on disk.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::client {

// A token, and the server that gave it. It is worth nothing at another server, nor without the right to publish there.
struct resume_ticket {
  std::string host;
  std::uint16_t port = 0;
  std::string token;
};

// One line of text, mode 0600. A file that is missing or empty is no ticket. What is there and is none of ours is an error (kind local), as is
// what cannot be read: the file will be written over, and removed at the end.
base::result<std::optional<resume_ticket>> read_resume_file(const std::string& file);
base::result<void> write_resume_file(const std::string& file, const resume_ticket& ticket);

std::string format(const resume_ticket& ticket);
std::optional<resume_ticket> parse_resume_ticket(std::string_view text);

}  // namespace millrace::client
