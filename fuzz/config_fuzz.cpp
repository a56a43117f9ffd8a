// The configuration: a file of any text, variables of the environment, and what changes between two of them. Whatever is refused says why; what is accepted is
// the same when it is read again.
#include <vector>

#include "operations.hpp"
#include "seeds.hpp"
#include "server/config.hpp"

namespace {

using namespace millrace;
using fuzz::require;

void readable(const base::error& e) {
  require(e.kind == base::error_kind::usage && !e.text.empty());
}

}  // namespace

// Settings one by one, so that the fuzzer need not guess their names.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return fuzz::write_seeds_if_asked(*argc, *argv, [](const fuzz::seed_folder& seeds) {
    std::string section, all(server::example_config());
    int number = 0;
    while (!all.empty()) {
      auto line = all.substr(0, all.find('\n'));
      all.erase(0, std::min(all.size(), line.size() + 1));
      if (line.starts_with("#")) line.erase(0, line.find_first_not_of("# "));
      if (line.starts_with("[")) section = line;
      if (line.find(" = ") == std::string::npos || line.find('.') < line.find(" = ")) continue;
      seeds.add(("setting-" + std::to_string(++number)).c_str(), 0, base::as_bytes(section + '\n' + line.substr(0, line.find(" #")) + '\n'));
    }
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(base::as_text({data + 1, size - 1}));
  if (data[0] % 4 == 3) {
    // The environment: one variable for each line.
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      lines.push_back("MILLRACE_SERVE_" + text.substr(at, end - at));
      at = end + 1;
    }
    std::vector<const char*> entries;
    for (const auto& line : lines) entries.push_back(line.c_str());
    if (const auto c = server::apply_environment(entries, {}); !c) readable(c.error());
    return 0;
  }
  const auto c = server::parse_config(text, "file.toml");
  if (!c) {
    readable(c.error());
    return 0;
  }
  const auto again = server::parse_config(text, "file.toml");
  require(again && server::changes(*c, *again).empty());
  require(server::shard_count(*c) >= 1 && server::shard_count(*c) <= net::port_group::size_max);
  for (const auto& change : server::changes({}, *c)) require(!change.setting.empty());
  require(c->access.publish_allow.size() + c->access.play_allow.size() <= text.size() + 8);
  return 0;
}
