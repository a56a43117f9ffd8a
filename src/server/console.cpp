#include "server/console.hpp"

#include "http/static_files.hpp"

namespace millrace::server {

// Made by cmake/console.cmake: what the bundler made of console/, or nothing.
extern const std::span<const http::static_file> console_files;

namespace {

// Nothing from anywhere else, nothing inline. The players need no more than `blob:`, which is how a page hands media to its own video element.
// Trusted Types: the browser refuses every string that would be taken for markup, so a stream's name cannot become any.
constexpr std::string_view policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

}  // namespace

std::optional<http::response> console_response(const http::request& r) {
  if (auto file = http::static_files(console_files, policy).find(r)) return file;
  if (r.path == "/") {
    return http::text_response(200, "This millrace was built without its console: install nodejs (18 or newer) and npm, then build with cmake -DMILLRACE_CONSOLE=ON");
  }
  if (r.path == "/console" || r.path == "/console/") {
    auto there = http::text_response(302, "the console is at /");
    there.headers.emplace_back("Location", "/");
    return there;
  }
  return std::nullopt;
}

}  // namespace millrace::server
