#include "client/resume_file.hpp"

#include <charconv>
#include <filesystem>

#include "net/state_files.hpp"

namespace millrace::client {
namespace {

constexpr std::string_view mark = "millrace-resume-1";
constexpr std::string_view mark_of_any = "millrace-resume-";  // also of a version to come
constexpr std::uintmax_t largest_file = 4096;

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
  const base::error foreign{base::error_kind::local, file + " is no file of --resume: choose another"};
  // Before it is opened: a pipe would make us wait.
  std::error_code failure;
  const auto what = std::filesystem::status(file, failure);
  if (!failure && std::filesystem::exists(what)) {
    if (!std::filesystem::is_regular_file(what)) return foreign;
    const auto size = std::filesystem::file_size(file, failure);
    if (!failure && size > largest_file) return foreign;
  }
  auto content = net::read_state_file(file);
  if (!content) return std::move(content).error();
  if (!*content || (*content)->empty()) return std::optional<resume_ticket>();
  if (!(*content)->starts_with(mark_of_any)) return foreign;
  return parse_resume_ticket(**content);
}

base::result<void> write_resume_file(const std::string& file, const resume_ticket& ticket) {
  return net::write_state_file(file, format(ticket), 0600);
}

}  // namespace millrace::client
