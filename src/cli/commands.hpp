// The commands of the one binary, a file each.
#pragma once
#include <CLI/CLI.hpp>

namespace millrace::cli {

// Each adds its subcommand; when that one is chosen, its callback runs it to the end and leaves the exit status in `status`, which
// outlives the parse.
void add_serve(CLI::App& app, int& status);
void add_check_config(CLI::App& app, int& status);
void add_sign(CLI::App& app, int& status);
void add_push(CLI::App& app, int& status);
void add_pull(CLI::App& app, int& status);
void add_bridge(CLI::App& app, int& status);
void add_probe(CLI::App& app, int& status);
void add_conform(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);

}  // namespace millrace::cli
