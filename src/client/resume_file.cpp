#include "client/resume_file.hpp"

#include <charconv>

#include "net/state_files.hpp"

namespace millrace::client {
namespace {

constexpr std::string_view mark = "millrace-resume-1";

std::string_view next_word(std::string_view& text) {
  const auto end = text.find_first_of(" \n");
  const auto word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

}  // namespace

std::string format(const resume_ticket& ticket) {
  return std::string(mark) + ' ' + ticket.host + ' ' + std::to_string(ticket.port) + ' ' + ticket.token + '\n';
}

std::optional<resume_ticket> parse_resume_ticket(std::string_view text) {
  if (next_word(text) != mark) return std::nullopt;
  resume_ticket out;
  out.host = next_word(text);
  const auto port = next_word(text);
  out.token = next_word(text);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (read.ec != std::errc() || read.ptr != port.data() + port.size()) return std::nullopt;
  if (out.host.empty() || out.token.empty() || !text.empty()) return std::nullopt;
  return out;
}

base::result<std::optional<resume_ticket>> read_resume_file(const std::string& file) {
  auto content = net::read_state_file(file);
  if (!content) return std::move(content).error();
  return *content ? parse_resume_ticket(**content) : std::nullopt;
}

base::result<void> write_resume_file(const std::string& file, const resume_ticket& ticket) {
  return net::write_state_file(file, format(ticket), 0600);
}

}  // namespace millrace::client
