// A hostile client: some hundred things that no honest peer does, to a server of its own or to one that is named.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/pattern.hpp"
#include "hostile/driver.hpp"
#include "hostile/server_process.hpp"

namespace millrace::hostile {
namespace {

constexpr const char* usage =
    "millrace_hostile [OPTIONS]: attacks a server and says how it took it. Without --server it starts the millrace beside this program.\n"
    "  --program FILE       the millrace to start\n"
    "  --server PORT:HTTP   a server that runs on 127.0.0.1, its ports of RTMP and HTTP; --pid N lets memory and descriptors be looked at\n"
    "  --only PATTERN       cases whose \"family: name\" matches, '*' stands for any run of characters; may be given several times\n"
    "  --full               cycles by ten thousands, every byte instead of some, and floods that are too much for a build with sanitizers\n"
    "  --json FILE          the verdicts and figures\n"
    "  --quiet              failures and the summary only\n"
    "  --list               the cases and what is expected of each\n";

struct arguments {
  std::filesystem::path program, json;
  std::vector<std::string> only;
  std::optional<std::string> server;
  int pid = 0;
  bool full = false, list = false, quiet = false, help = false;
};

arguments parse(int count, char** words) {
  arguments out;
  out.program = std::filesystem::path(words[0]).parent_path() / "millrace";
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string {
      if (++i == count) throw std::invalid_argument(word + " wants a value");
      return words[i];
    };
    if (word == "--program") out.program = value();
    else if (word == "--server") out.server = value();
    else if (word == "--pid") out.pid = std::stoi(value());
    else if (word == "--only") out.only.push_back(value());
    else if (word == "--json") out.json = value();
    else if (word == "--full") out.full = true;
    else if (word == "--quiet") out.quiet = true;
    else if (word == "--list") out.list = true;
    else if (word == "--help") out.help = true;
    else throw std::invalid_argument("unknown option " + word);
  }
  return out;
}

cases chosen(const arguments& from) {
  cases all, out;
  for (const auto add : {add_handshakes, add_http, add_tls, add_chunks, add_control, add_unread, add_amf, add_commands, add_names, add_media, add_enhanced, add_roqr,
                         add_datagrams, add_quic_handshakes, add_quic_frames, add_cycles}) {
    add(all);
  }
  for (auto& each : all) {
    bool wanted = from.only.empty() && (from.full || !each.full_only);
    for (const auto& pattern : from.only) wanted = wanted || base::matches_pattern(pattern, each.family + ": " + each.name);
    if (wanted) out.push_back(std::move(each));
  }
  if (out.empty()) throw std::invalid_argument("--only names no case: see --list");
  return out;
}

int run(const arguments& from) {
  const auto all = chosen(from);
  if (from.list) {
    for (const auto& each : all) std::cout << each.family << ": " << each.name << " (" << each.expected << ")\n";
    return 0;
  }
  asio::io_context io{1};
  arena in{io};
  in.full = from.full;
  in.pid = from.pid;
  std::unique_ptr<server_process> own;
  if (from.server) {
    const auto colon = from.server->find(':');
    if (colon == std::string::npos) throw std::invalid_argument("--server wants PORT:HTTP");
    in.port = static_cast<std::uint16_t>(std::stoi(from.server->substr(0, colon)));
    in.http_port = static_cast<std::uint16_t>(std::stoi(from.server->substr(colon + 1)));
  } else {
    own = std::make_unique<server_process>(from.program);
    in.port = own->port();
    in.http_port = own->http_port();
    in.pid = own->pid();
  }
  driver_options options;
  if (own) options.ended = [&own] { return own->ended(); };
  options.progress = [&from](const verdict& v) {
    if (!from.quiet || !v.failed.empty()) std::cout << line(v) << std::endl;
  };
  auto result = run_all(in, all, options);
  if (own) {
    if (const auto how = own->stop(); how != "exit status 0") result.faults.push_back("the server ended with " + how);
    if (!result.passed()) std::cout << own->last_of_log(20'000) << "\n";
  }
  std::cout << in_words(result) << std::endl;
  if (!from.json.empty()) std::ofstream(from.json) << json(result);
  return result.passed() ? 0 : 1;
}

}  // namespace
}  // namespace millrace::hostile

int main(int count, char** words) {
  try {
    const auto from = millrace::hostile::parse(count, words);
    if (from.help) {
      std::fputs(millrace::hostile::usage, stdout);
      return 0;
    }
    return millrace::hostile::run(from);
  } catch (const std::invalid_argument& wrong) {
    std::fprintf(stderr, "millrace_hostile: %s\n%s", wrong.what(), millrace::hostile::usage);
    return 2;
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "millrace_hostile: %s\n", failed.what());
    return 1;
  }
}
