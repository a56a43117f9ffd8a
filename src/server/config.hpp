// What `millrace serve` can be told: the embedded defaults, then a TOML file, then the command line.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "hls/settings.hpp"
#include "net/listener.hpp"
#include "record/settings.hpp"
#include "server/access.hpp"
#include "server/fan_out_pace.hpp"
#include "server/hook_text.hpp"
#include "server/play_options.hpp"
#include "server/web_settings.hpp"

namespace millrace::server {

struct config {
  std::vector<net::listen_address> listen;   // empty: every address, port 1935
  std::size_t shards = 0;                    // threads, each with connections and streams of its own; 0: one per core. See shard_count
  std::filesystem::path state_directory;     // empty: $STATE_DIRECTORY (systemd), $XDG_STATE_HOME/millrace or ~/.local/state/millrace
  std::filesystem::path certificate, key;    // both or neither; neither: self-signed in the state directory
  bool quic = true;
  bool tls = true;
  net::congestion_control congestion = net::congestion_control::bbr;
  net::redundancy_policy redundancy = net::redundancy_policy::automatic;
  net::retry_policy retry = net::retry_policy::under_load;
  std::chrono::milliseconds quic_idle_timeout{30'000};
  std::string log_level = "info";            // debug, info, warning, error
  std::string log_format = "text";           // text, json
  access_rules access = default_access_rules();
  base::rtmp_limits rtmp;
  base::amf_limits amf;
  base::hub_limits hub;
  viewer_settings viewers;                   // what players get that ask for nothing else
  web_settings web;
  hls::settings hls;
  hook_settings hooks;                       // what an operator's back end is asked and told
  fan_out_pace::settings fan_out;            // how long frames are gathered for viewers
  std::size_t connections_per_address_max = 100;
  double new_per_address_and_second = 20;    // after as many at once as there may be at a time
  std::size_t handshaking_max = 1'000;       // over TCP, of all shards
  std::uint64_t memory_max = 0;              // bytes; 0: memory_watch::usual_limit()
  // On SIGTERM, peers that can (E-RTMP "Reconnect Request") are asked to reconnect and served on for this long, or until they left.
  std::chrono::milliseconds drain{1'000};
  // After another process has taken over: so long who is connected is served.
  std::chrono::milliseconds hand_over{3'600'000};
  // A publisher that lost its connection has so long to come back with its token before viewers are told that it is gone.
  std::chrono::milliseconds resume_window{10'000};
  record::settings record;                   // nothing without a directory
  std::string drain_to;                      // the tcUrl that they are sent to; empty: where they are
  std::map<std::string, std::string> written;  // what a file or the environment said, by setting, as TOML: for comparing only
};

// Errors (kind usage) name file, line, key and what the key takes; an unknown key is an error that suggests the nearest one.
// What the file says nothing about stays as it is in `c`.
base::result<config> parse_config(std::string_view toml, std::string_view file_name, config c = {});
base::result<config> load_config(const std::filesystem::path& file, config c = {});
// What is in it and does nothing, or not what it was written for: a sentence for each, without secrets. No reason not to start.
std::vector<std::string> warnings(const config& c);
// Variables of the environment named after settings, such as MILLRACE_SERVE_LIMITS_RING_S=10: a value as TOML writes it, or a text without quotes.
// `entries` as in environ: "NAME=VALUE"; others are skipped. Errors as above, with the variable in place of file and line.
base::result<config> apply_environment(std::span<const char* const> entries, config c);

// "limits.ring_s": all that there are, sorted.
std::vector<std::string_view> setting_names();
// Whether a server that runs takes a change of it over (server::reload).
bool is_reloaded(std::string_view setting);

// What differs between two configurations, by setting, and whether a server that runs takes it over (server::reload). Lists of rules count as one.
struct config_change {
  std::string setting;
  bool takes_effect = false;
};
std::vector<config_change> changes(const config& before, const config& after);

// Fills what was left open from the environment. Error (kind local) when no state directory can be found.
base::result<std::filesystem::path> state_directory(const config& c);

// At least 1, at most net::port_group::size_max.
std::size_t shard_count(const config& c);

// Every key with its default and one line of help, itself a valid file: `millrace serve --print-config`.
std::string_view example_config();

}  // namespace millrace::server
