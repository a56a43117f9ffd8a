// The one way to log. The pure layers do not log at all; net, server and client call these.
#pragma once
#include <fmt/format.h>

#include <string_view>

namespace millrace::base::log {

enum class level : unsigned char { debug, info, warning, error };

// Where records go, and from which level on. Set by the command line (stderr through spdlog); until then records are dropped. Any thread, also while
// others write. `text` is one line: escape peer bytes with base::escaped, never log a key.
using sink = void (*)(level, std::string_view text);
void set_sink(sink to, level least);
bool enabled(level at);
void write(level at, std::string_view text);

template <class... A>
void debug(fmt::format_string<A...> f, A&&... a) { if (enabled(level::debug)) write(level::debug, fmt::format(f, std::forward<A>(a)...)); }
template <class... A>
void info(fmt::format_string<A...> f, A&&... a) { if (enabled(level::info)) write(level::info, fmt::format(f, std::forward<A>(a)...)); }
template <class... A>
void warning(fmt::format_string<A...> f, A&&... a) { if (enabled(level::warning)) write(level::warning, fmt::format(f, std::forward<A>(a)...)); }
template <class... A>
void error(fmt::format_string<A...> f, A&&... a) { if (enabled(level::error)) write(level::error, fmt::format(f, std::forward<A>(a)...)); }

}  // namespace millrace::base::log
