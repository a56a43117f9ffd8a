// millrace check-config: whether a server would start with a configuration file, before one has to.
#include <CLI/CLI.hpp>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "net/identity.hpp"
#include "server/config.hpp"

namespace millrace::cli {
namespace {

// serve makes the directory: where there is none yet, the nearest one above it has to let it.
base::result<void> look_at_recordings(const std::filesystem::path& directory) {
  std::error_code failed;
  auto place = std::filesystem::absolute(directory, failed);
  while (::access(place.c_str(), W_OK | X_OK) != 0) {
    if (errno == ENOENT && place.has_relative_path()) {
      place = place.parent_path();
      continue;
    }
    const std::string why = std::strerror(errno);
    return base::error{base::error_kind::local, "record.directory " + directory.string() + ": " + why + " (for the user who asks: the server's may be another one)"};
  }
  return {};
}

// What the file names has to be there.
base::result<void> look_at(const server::config& c) {
  if (!c.certificate.empty()) {
    if (auto loaded = net::load_identity(c.certificate, c.key); !loaded) return std::move(loaded).error();
  }
  if (c.record.directory.empty()) return {};
  return look_at_recordings(c.record.directory);
}

int run(const std::string& file) {
  const auto parsed = server::load_config(file);
  if (!parsed) return fail("check-config", parsed.error());
  if (const auto there = look_at(*parsed); !there) return fail("check-config", base::error(there.error()).within(file));
  for (const auto& one : server::warnings(*parsed)) base::log::warning("{}: warning: {}", file, one);
  std::cout << file << ": good, " << parsed->written.size() << (parsed->written.size() == 1 ? " setting\n" : " settings\n");
  return 0;
}

}  // namespace

void add_check_config(CLI::App& app, int& status) {
  auto file = std::make_shared<std::string>();
  auto* command = app.add_subcommand("check-config", "Say whether a configuration file is good, with what it names: certificate, key, directory of recordings");
  command->add_option("FILE", *file, "Configuration file (TOML) of serve")->required()->option_text(" ");
  command->footer(
      "A fault is told with file, line and setting, and a misspelt setting with the nearest one that there is.\n"
      "Then let the running server take it over:  kill -HUP $(pidof millrace)");
  command->callback([file, &status] { status = run(*file); });
}

}  // namespace millrace::cli
