// One binary, one command per file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nearest.hpp"
#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/exit_status.hpp"
#include "cli/logging.hpp"
#include "rtmp/hide_secrets.hpp"

namespace millrace::cli {
namespace {

// The deepest command that was named.
CLI::App& chosen(CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : *commands.front();
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
    for (const auto& name : option->get_snames()) out.push_back("-" + name);
  }
  return out;
}

// "serve, push or pull"
std::string command_names(const CLI::App& app) {
  std::string out;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* command : commands) out += (out.empty() ? "" : command == commands.back() ? " or " : ", ") + command->get_name();
  return out;
}

// "no option --lop: did you mean --loop?"
std::string unknown_word(CLI::App& app, CLI::App& command, const std::string& word) {
  std::vector<std::string> names;
  std::string text;
  if (word.starts_with("-") && word.size() > 1) {
    names = option_names(command);
    if (&command != &app) {
      for (auto& name : option_names(app)) names.push_back(std::move(name));
    }
    text = "unknown option " + word;
  } else if (&command == &app) {
    for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
    text = "unknown command " + word;
  } else {
    return "unexpected argument " + word + ": see `millrace " + command.get_name() + " --help`";
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto nearest = base::nearest(word.substr(0, word.find('=')), candidates);
  return text + (nearest.empty() ? std::string() : ": did you mean " + std::string(nearest) + "?");
}

// An argument in a wrong place may be a URL with its key.
std::string without_secrets(std::string text, std::span<char*> arguments) {
  std::vector<std::string_view> urls;
  for (const std::string_view argument : arguments) {
    const auto slashes = argument.find("://");
    if (slashes == std::string_view::npos) continue;
    const auto equals = argument.substr(0, slashes).rfind('=');  // --option=URL
    urls.push_back(argument.substr(equals == std::string_view::npos ? 0 : equals + 1));
  }
  // One may be the beginning of another.
  std::sort(urls.begin(), urls.end(), [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  for (const auto url : urls) {
    const auto shown = rtmp::shown_target(url);
    for (auto at = text.find(url); at != std::string::npos; at = text.find(url, at + shown.size())) text.replace(at, url.size(), shown);
  }
  return text;
}

int usage_error(CLI::App& app, const CLI::ParseError& failure, std::span<char*> arguments) {
  auto& command = chosen(app);
  const std::string name = &command == &app ? "" : command.get_name();
  // A word that nobody knows explains a missing one better than the other way round.
  auto unknown = command.remaining();
  if (unknown.empty()) unknown = app.remaining();
  std::string text;
  if (!unknown.empty()) {
    text = unknown_word(app, command, unknown.front());
  } else if (&command == &app && dynamic_cast<const CLI::RequiredError*>(&failure) != nullptr) {
    text = "a command is missing: " + command_names(app) + "; see `millrace --help`";
  } else {
    text = std::string(failure.what()) + "; see `millrace " + name + (name.empty() ? "" : " ") + "--help`";
  }
  console::write_line("millrace" + (name.empty() ? "" : " " + name) + ": " + one_line(without_secrets(std::move(text), arguments)));
  return exit_usage;
}

int run(int argc, char** argv) {
  CLI::App app("millrace: live media over RTMP, RTMPS and RTMP over QUIC", "millrace");
  int status = exit_ok;
  app.set_version_flag("--version", "millrace " MILLRACE_VERSION);
  app.add_flag("-v,--verbose", globals().verbose, "Say more");
  app.add_flag("-q,--quiet", globals().quiet, "Say only what went wrong");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  add_serve(app, status);
  add_check_config(app, status);
  add_sign(app, status);
  add_push(app, status);
  add_pull(app, status);
  add_bridge(app, status);
  add_probe(app, status);
  add_conform(app, status);
  add_bench(app, status);
  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) command->fallthrough();
  app.footer(
      "Examples:\n"
      "  millrace serve\n"
      "  millrace push clip.mp4 'rtmpq://localhost/live/show?pin=PIN' --loop      (PIN: printed by serve)\n"
      "  millrace pull 'rtmpq://localhost/live/show?pin=PIN' - | ffplay -\n"
      "  millrace bridge rtmpq://example.com                                      (OBS: server rtmp://127.0.0.1/live)\n"
      "`millrace COMMAND --help` tells the rest.\n\n" +
      std::string(exit_status_help));
  // Runs before the chosen command does, when the flags are known.
  app.parse_complete_callback([&app] {
    const auto commands = app.get_subcommands();
    const auto level = globals().quiet ? base::log::level::error : globals().verbose ? base::log::level::debug : base::log::level::info;
    start_logging(commands.empty() ? "" : commands.front()->get_name(), level);
  });
  try {
    app.parse(argc, argv);
    return status;
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted, std::cout, std::cerr);
  } catch (const CLI::ParseError& failure) {
    return usage_error(app, failure, {argv, static_cast<std::size_t>(argc)});
  }
}

}  // namespace
}  // namespace millrace::cli

int main(int argc, char** argv) {
  try {
    return millrace::cli::run(argc, argv);
  } catch (const std::exception& failure) {
    // Expected errors are values; what is thrown this far is a fault of ours or the machine's.
    millrace::cli::console::write_line(std::string("millrace: ") + failure.what());
    return millrace::cli::exit_internal;
  }
}
