#include "server/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "rtmp/redirect.hpp"
#include "server/config_record.hpp"

namespace millrace::server {
namespace {

using base::error_kind;

// One key of the file: how its value gets into the configuration.
struct setting {
  std::function<fault(config&, const toml::node&)> read;
};
using settings = std::map<std::string, setting, std::less<>>;

template <class T>
setting number(T config::*group, auto T::*field, std::int64_t least, std::int64_t most) {
  return {[=](config& c, const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) return fmt::format("takes a whole number from {} to {}", least, most);
    auto& target = (c.*group).*field;
    target = static_cast<std::decay_t<decltype(target)>>(*value);
    return {};
  }};
}

setting number(std::size_t config::*field, std::int64_t least, std::int64_t most) {
  return {[=](config& c, const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) return fmt::format("takes a whole number from {} to {}", least, most);
    c.*field = static_cast<std::size_t>(*value);
    return {};
  }};
}

// Ranges of real numbers are asked for with "not within", which NaN is not either.
template <class T>
setting seconds(T config::*group, std::chrono::milliseconds T::*field) {
  return {[=](config& c, const toml::node& node) -> std::string {
    const auto value = node.value<double>();
    if (!value || !(*value > 0 && *value <= 86'400)) return "takes seconds, more than 0 and at most 86400";
    (c.*group).*field = std::chrono::milliseconds(static_cast<std::int64_t>(*value * 1000));
    return {};
  }};
}

setting seconds_between(double least, double most, std::chrono::milliseconds& (*field)(config&)) {
  return {[=](config& c, const toml::node& node) -> std::string {
    const auto value = node.value<double>();
    if (!value || !(*value >= least && *value <= most)) return fmt::format("takes seconds from {} to {}", least, most);
    field(c) = std::chrono::milliseconds(static_cast<std::int64_t>(*value * 1000));
    return {};
  }};
}

setting text(std::function<std::string(config&, const std::string&)> take) {
  return {[take = std::move(take)](config& c, const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::string>();
    if (!value) return "takes a text in quotes";
    return take(c, *value);
  }};
}

setting flag(bool config::*field) {
  return {[=](config& c, const toml::node& node) -> std::string {
    const auto value = node.value_exact<bool>();
    if (!value) return "takes true or false";
    c.*field = *value;
    return {};
  }};
}

// A text or a list of texts.
setting texts(std::function<std::string(config&, const std::vector<std::string>&)> take) {
  return {[take = std::move(take)](config& c, const toml::node& node) -> std::string {
    std::vector<std::string> all;
    if (const auto one = node.value_exact<std::string>()) {
      all.push_back(*one);
    } else if (const auto* list = node.as_array()) {
      for (const auto& item : *list) {
        const auto value = item.value_exact<std::string>();
        if (!value) return "takes a text or a list of texts";
        all.push_back(*value);
      }
    } else {
      return "takes a text or a list of texts";
    }
    return take(c, all);
  }};
}

std::string take_ranges(std::vector<address_range>& to, const std::vector<std::string>& from) {
  to.clear();
  for (const auto& one : from) {
    auto ranges = address_range::parse(one);
    if (!ranges) return std::move(ranges).error().text;
    to.insert(to.end(), ranges->begin(), ranges->end());
  }
  return {};
}

// Port 0 is another one each time.
bool same_port(const net::listen_address& a, const net::listen_address& b) { return a.host == b.host && a.port == b.port && a.port != 0; }

std::string take_addresses(std::vector<net::listen_address>& to, const std::vector<std::string>& from) {
  to.clear();
  for (const auto& one : from) {
    auto address = net::parse_listen_address(one);
    if (!address) return std::move(address).error().text;
    if (std::any_of(to.begin(), to.end(), [&](const auto& other) { return same_port(*address, other); })) return fmt::format("has port {} of {} twice", address->port, address->host);
    to.push_back(std::move(*address));
  }
  return {};
}

// Said of a file or the environment as a whole, since either may move both. A port of HTTP that nobody asked for gives way by itself.
std::string shared_address(const config& c) {
  if (c.web.optional) return {};
  for (const auto& one : c.listen) {
    if (std::any_of(c.web.listen.begin(), c.web.listen.end(), [&](const auto& other) { return same_port(one, other); })) {
      return fmt::format("listen and http.listen both have port {} of {}", one.port, one.host);
    }
  }
  return {};
}

template <class E>
setting choice(E config::*field, std::vector<std::pair<std::string, E>> choices) {
  return text([=](config& c, const std::string& value) -> std::string {
    std::string names;
    for (const auto& [name, member] : choices) {
      if (name == value) {
        c.*field = member;
        return {};
      }
      names += (names.empty() ? "\"" : ", \"") + name + "\"";
    }
    return "takes one of " + names;
  });
}

bool has_spaces(const std::string& address) {
  return std::any_of(address.begin(), address.end(), [](unsigned char byte) { return byte <= ' ' || byte == 0x7f; });
}

setting hook_urls(hook what) {
  return texts([what](config& c, const std::vector<std::string>& values) -> std::string {
    for (const auto& one : values) {
      const bool known = one.starts_with("http://") || one.starts_with("https://");
      if (!known || has_spaces(one)) return fmt::format("takes addresses such as \"http://127.0.0.1:8085/hooks\", not \"{}\"", base::escaped(one));
    }
    c.hooks.urls[static_cast<std::size_t>(what)] = values;
    return {};
  });
}

// As clients read what they are sent: also "//host/app" and "/app". Without a scheme "other.example.com" would be an application of this server.
std::string take_drain_target(config& c, const std::string& value) {
  static const auto somewhere = *rtmp::parse_uri("rtmp://host/app/stream");
  const auto scheme_end = value.find("://");
  const bool absolute = scheme_end != std::string::npos && value.find_first_of("/?") > scheme_end;
  const bool known = value.empty() || ((absolute || value.starts_with('/')) && rtmp::follow_redirect(somewhere, value, {}));
  if (!known || has_spaces(value)) return "takes an address such as \"rtmps://other.example.com/live\"";
  c.drain_to = value;
  return {};
}

// In lower case, as they are compared with.
std::string take_host_names(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.clear();
  for (const auto& one : from) {
    auto name = one;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") != std::string::npos) {
      return fmt::format("takes names without scheme and port, not \"{}\"", base::escaped(one));
    }
    to.push_back(std::move(name));
  }
  return {};
}

// { secret = "…", at_once = 1, kbps = 8000, session_s = 14400 }
fault take_limited_key(stream_key& key, const toml::table& said) {
  for (const auto& [name, node] : said) {
    if (name == "secret") {
      key.secret = node.value_exact<std::string>().value_or("");
      continue;
    }
    std::vector<std::string_view> names(allowance::names.begin(), allowance::names.end());
    if (std::find(names.begin(), names.end(), name.str()) == names.end()) {
      names.emplace_back("secret");
      return {fmt::format("{} is nothing of a key; did you mean {}?", name.str(), base::nearest(name.str(), names)), name.source().begin};
    }
    const auto value = node.value_exact<std::int64_t>();
    if (!value) return {fmt::format("{} takes a whole number", name.str()), name.source().begin};
    if (const auto wrong = key.allows.set(name.str(), *value); !wrong.empty()) return {fmt::format("{} {}", name.str(), wrong), name.source().begin};
  }
  return {};
}

fault take_keys(config& c, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) return {"takes a table: [publish.keys] with lines like \"live/*\" = \"secret\""};
  c.access.publish_keys.clear();
  for (const auto& [pattern, said] : *table) {
    stream_key key{std::string(pattern.str()), {}};
    if (const auto* const limited = said.as_table()) {
      if (auto wrong = take_limited_key(key, *limited); !wrong.text.empty()) return {fmt::format("\"{}\": {}", pattern.str(), wrong.text), wrong.at};
    } else {
      key.secret = said.value_exact<std::string>().value_or("");
    }
    if (key.secret.size() < 8) return {fmt::format("\"{}\" takes a secret of at least 8 characters in quotes", pattern.str()), pattern.source().begin};
    c.access.publish_keys.push_back(std::move(key));
  }
  return {};
}

const settings& known_settings() {
  static const settings all = {
      {"listen", texts([](config& c, const std::vector<std::string>& v) { return v.empty() ? "takes at least one address" : take_addresses(c.listen, v); })},
      {"shards", number(&config::shards, 1, net::port_group::size_max)},
      {"state", text([](config& c, const std::string& v) { c.state_directory = v; return std::string(); })},
      {"log_level", text([](config& c, const std::string& v) -> std::string {
         if (v != "debug" && v != "info" && v != "warning" && v != "error") return "takes \"debug\", \"info\", \"warning\" or \"error\"";
         c.log_level = v;
         return {};
       })},
      {"log_format", text([](config& c, const std::string& v) -> std::string {
         if (v != "text" && v != "json") return "takes \"text\" or \"json\"";
         c.log_format = v;
         return {};
       })},
      {"tls.enabled", flag(&config::tls)},
      {"tls.certificate", text([](config& c, const std::string& v) { c.certificate = v; return std::string(); })},
      {"tls.key", text([](config& c, const std::string& v) { c.key = v; return std::string(); })},
      {"quic.enabled", flag(&config::quic)},
      {"quic.congestion", choice<net::congestion_control>(&config::congestion, {{"bbr", net::congestion_control::bbr}, {"cubic", net::congestion_control::cubic}})},
      {"quic.redundancy", choice<net::redundancy_policy>(&config::redundancy, {{"auto", net::redundancy_policy::automatic}, {"off", net::redundancy_policy::off}})},
      {"quic.retry", choice<net::retry_policy>(&config::retry, {{"under-load", net::retry_policy::under_load},
                                                                {"always", net::retry_policy::always},
                                                                {"never", net::retry_policy::never}})},
      {"quic.idle_timeout_s", seconds_between(1, 600, [](config& c) -> std::chrono::milliseconds& { return c.quic_idle_timeout; })},
      {"publish.allow", texts([](config& c, const std::vector<std::string>& v) { return take_ranges(c.access.publish_allow, v); })},
      {"publish.keys", {take_keys}},
      {"access.sign_secrets", texts([](config& c, const std::vector<std::string>& v) -> std::string {
         if (std::any_of(v.begin(), v.end(), [](const std::string& one) { return one.size() < 16; })) return "takes secrets of at least 16 characters: openssl rand -hex 32";
         c.access.sign_secrets = v;
         return {};
       })},
      {"access.jwt_keys", text([](config& c, const std::string& v) -> std::string {
         c.access.jwt.keys = nullptr;
         if (v.empty()) return {};
         auto keys = jwt_keys::load(v);
         if (!keys) return std::move(keys).error().text;
         c.access.jwt.keys = std::move(*keys);
         return {};
       })},
      {"access.jwt_issuer", text([](config& c, const std::string& v) { c.access.jwt.issuer = v; return std::string(); })},
      {"access.jwt_audience", text([](config& c, const std::string& v) { c.access.jwt.audience = v; return std::string(); })},
      {"play.allow", texts([](config& c, const std::vector<std::string>& v) { return take_ranges(c.access.play_allow, v); })},
      {"play.recordings_allow", texts([](config& c, const std::vector<std::string>& v) { return take_ranges(c.access.recordings_allow, v); })},
      {"play.catch_up", {[](config& c, const toml::node& node) -> std::string {
         const auto value = node.value_exact<bool>();
         if (!value) return "takes true or false";
         c.viewers.catch_up = *value;
         return {};
       }}},
      {"play.delay_ms", number(&config::viewers, &viewer_settings::delay, 0, 10'000)},
      {"play.wait_s", {[](config& c, const toml::node& node) -> std::string {
         const auto value = node.value<double>();
         if (!value || !(*value >= 0 && *value <= 86'400)) return "takes seconds from 0 (for ever) to 86400";
         c.viewers.publisher_wait = std::chrono::milliseconds(static_cast<std::int64_t>(*value * 1000));
         return {};
       }}},
      {"play.gather_ms_max", number(&config::fan_out, &fan_out_pace::settings::window_max, 0, 1'000)},
      {"play.load_per_cent", {[](config& c, const toml::node& node) -> std::string {
         const auto value = node.value<double>();
         if (!value || !(*value >= 1 && *value <= 100)) return "takes per cent from 1 to 100";
         c.fan_out.load = *value / 100;
         return {};
       }}},
      {"drain.seconds", seconds_between(0, 86'400, [](config& c) -> std::chrono::milliseconds& { return c.drain; })},
      {"drain.upgrade_s", seconds_between(0, 604'800, [](config& c) -> std::chrono::milliseconds& { return c.hand_over; })},
      {"publish.resume_s", seconds_between(0, 600, [](config& c) -> std::chrono::milliseconds& { return c.resume_window; })},
      {"http.listen", texts([](config& c, const std::vector<std::string>& v) {
         c.web.optional = false;
         return take_addresses(c.web.listen, v);
       })},
      {"http.cors", text([](config& c, const std::string& v) -> std::string {
         if (v.find_first_of("\r\n") != std::string::npos) return "takes \"*\", an origin such as \"https://example.com\", or \"\"";
         c.web.cors = v;
         return {};
       })},
      {"http.admin_allow", texts([](config& c, const std::vector<std::string>& v) { return take_ranges(c.web.admin_allow, v); })},
      {"http.admin_hosts", texts([](config& c, const std::vector<std::string>& v) { return take_host_names(c.web.admin_hosts, v); })},
      {"hooks.form", text([](config& c, const std::string& v) -> std::string {
         if (v != "json" && v != "form") return "takes \"json\" (as SRS sends hooks) or \"form\" (as nginx-rtmp does)";
         c.hooks.form = v == "json" ? hook_form::json : hook_form::form;
         return {};
       })},
      {"hooks.timeout_s", seconds_between(0.05, 9, [](config& c) -> std::chrono::milliseconds& { return c.hooks.timeout; })},  // clients have 10 s to connect
      {"hooks.on_connect", hook_urls(hook::connect)},
      {"hooks.on_disconnect", hook_urls(hook::disconnect)},
      {"hooks.on_publish", hook_urls(hook::publish)},
      {"hooks.on_publish_done", hook_urls(hook::publish_done)},
      {"hooks.on_play", hook_urls(hook::play)},
      {"hooks.on_play_done", hook_urls(hook::play_done)},
      {"hooks.on_done", hook_urls(hook::done)},
      {"hooks.on_record_done", hook_urls(hook::record_done)},
      {"hls.segment_s", seconds_between(1, 8, [](config& c) -> std::chrono::milliseconds& { return c.hls.segment; })},
      {"hls.part_ms", number(&config::hls, &hls::settings::part, 100, 1'000)},
      {"hls.window", number(&config::hls, &hls::settings::window, 3, 100)},
      {"hls.linger_s", seconds(&config::hls, &hls::settings::linger)},
      {"record.directory", text([](config& c, const std::string& v) { c.record.directory = v; return std::string(); })},
      {"record.rules", {[](config& c, const toml::node& node) { return read_record_rules(c.record, node); }}},
      {"record.linger_s", seconds_between(0, 86'400, [](config& c) -> std::chrono::milliseconds& { return c.record.linger; })},
      {"record.free_bytes_min", number(&config::record, &record::settings::free_bytes_min, 0, std::int64_t{1} << 60)},
      {"record.queue_bytes", number(&config::record, &record::settings::queue_bytes, 1 << 20, std::int64_t{1} << 34)},
      {"record.queue_s", seconds(&config::record, &record::settings::queue_age)},
      {"drain.to", text(take_drain_target)},
      {"limits.connect_s", seconds(&config::rtmp, &base::rtmp_limits::connect_deadline)},
      {"limits.idle_connection_s", seconds(&config::rtmp, &base::rtmp_limits::idle_connection)},
      {"limits.publisher_silence_s", seconds(&config::rtmp, &base::rtmp_limits::publisher_silence)},
      {"limits.media_message_bytes", number(&config::rtmp, &base::rtmp_limits::media_message_bytes, 65'536, 16'777'215)},
      {"limits.viewer_age_s", seconds(&config::hub, &base::hub_limits::viewer_age)},
      {"limits.ring_s", seconds(&config::hub, &base::hub_limits::ring_age)},
      {"limits.ring_bytes", number(&config::hub, &base::hub_limits::ring_bytes, 1 << 20, std::int64_t{1} << 34)},
      {"limits.new_connections_per_address", {[](config& c, const toml::node& node) -> std::string {
         const auto value = node.value<double>();
         if (!value || !(*value >= 0 && *value <= 100'000)) return "takes connections a second from 0 (any number) to 100000";
         c.new_per_address_and_second = *value;
         return {};
       }}},
      {"limits.handshaking", number(&config::handshaking_max, 1, 1'000'000)},
      {"limits.memory_bytes", {[](config& c, const toml::node& node) -> std::string {
         const auto value = node.value_exact<std::int64_t>();
         if (!value || *value < 0) return "takes a whole number of bytes; 0: most of what there is";
         c.memory_max = static_cast<std::uint64_t>(*value);
         return {};
       }}},
      {"limits.connections_per_address", number(&config::connections_per_address_max, 1, 1'000'000)},
  };
  return all;
}

std::string as_written(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << toml::toml_formatter(value); });
  return out.str();
}

// Settings that a server takes over while it runs; sections end with a dot.
constexpr std::array reloaded{"hooks.", "access.", "publish.allow", "publish.keys", "play.allow", "play.recordings_allow", "play.catch_up", "play.delay_ms", "play.wait_s", "http.cors",
                              "http.admin_allow", "http.admin_hosts", "drain.seconds", "drain.upgrade_s", "drain.to", "tls.certificate", "tls.key", "log_level", "log_format",
                              "limits.connect_s", "limits.idle_connection_s", "limits.publisher_silence_s", "limits.media_message_bytes", "limits.viewer_age_s"};

std::string read_table(config& c, const toml::table& table, const std::string& prefix, toml::source_position& at) {
  const auto& known = known_settings();
  for (const auto& [key, node] : table) {
    const std::string path = prefix.empty() ? std::string(key.str()) : prefix + "." + std::string(key.str());
    at = key.source().begin;
    if (const auto found = known.find(path); found != known.end()) {
      if (auto wrong = found->second.read(c, node); !wrong.text.empty()) {
        if (wrong.at) at = wrong.at;
        return fmt::format("{}: {}", path, wrong.text);
      }
      c.written[path] = as_written(node);
      continue;
    }
    const bool is_section = std::any_of(known.begin(), known.end(), [&](const auto& k) { return k.first.starts_with(path + "."); });
    if (is_section && node.is_table()) {
      auto wrong = read_table(c, *node.as_table(), path, at);
      if (!wrong.empty()) return wrong;
      continue;
    }
    return fmt::format("{} is no setting; did you mean {}? (millrace serve --print-config shows all)", path, base::nearest(path, setting_names()));
  }
  return {};
}

}  // namespace

base::result<config> parse_config(std::string_view toml_text, std::string_view file_name, config c) {
  toml::table table;
  try {  // start-up only: the library reports syntax errors this way
    table = toml::parse(toml_text, file_name);
  } catch (const toml::parse_error& wrong) {
    return base::error{error_kind::usage, fmt::format("{}:{}: {}", file_name, wrong.source().begin.line, wrong.description())};
  }
  toml::source_position at;
  if (auto wrong = read_table(c, table, "", at); !wrong.empty()) {
    return base::error{error_kind::usage, fmt::format("{}:{}: {}", file_name, at.line, wrong)};
  }
  if (c.certificate.empty() != c.key.empty()) {
    return base::error{error_kind::usage, fmt::format("{}: tls.certificate and tls.key go together; {} is missing", file_name,
                                                      c.key.empty() ? "tls.key" : "tls.certificate")};
  }
  if (auto wrong = shared_address(c); !wrong.empty()) return base::error{error_kind::usage, fmt::format("{}: {}", file_name, wrong)};
  return c;
}

std::vector<std::string_view> setting_names() {
  std::vector<std::string_view> names;
  for (const auto& [path, one] : known_settings()) names.push_back(path);
  return names;
}

bool is_reloaded(std::string_view setting) {
  return std::any_of(reloaded.begin(), reloaded.end(), [&](std::string_view one) { return one.ends_with('.') ? setting.starts_with(one) : setting == one; });
}

base::result<config> apply_environment(std::span<const char* const> entries, config c) {
  static constexpr std::string_view prefix = "MILLRACE_SERVE_";
  std::map<std::string, std::string, std::less<>> names;  // by the variable's
  for (const auto& [path, one] : known_settings()) {
    std::string name(prefix);
    for (const char letter : path) name += letter == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    names.emplace(std::move(name), path);
  }
  for (const std::string_view entry : entries) {
    if (!entry.starts_with(prefix)) continue;
    const auto name = entry.substr(0, entry.find('='));
    const auto found = names.find(name);
    if (found == names.end()) {
      std::vector<std::string_view> all;
      for (const auto& [known, path] : names) all.push_back(known);
      return base::error{error_kind::usage, fmt::format("{}: no setting has this variable; did you mean {}?", name, base::nearest(name, all))};
    }
    const std::string value(entry.substr(std::min(entry.size(), name.size() + 1)));
    toml::table table;
    try {
      table = toml::parse("value = " + value);
    } catch (const toml::parse_error&) {
      table.insert_or_assign("value", value);  // a text as a shell has it
    }
    if (table.size() != 1) return base::error{error_kind::usage, fmt::format("{}: takes one value", name)};
    const auto& node = *table.get("value");
    if (auto wrong = known_settings().find(found->second)->second.read(c, node); !wrong.text.empty()) return base::error{error_kind::usage, fmt::format("{}: {}", name, wrong.text)};
    c.written[found->second] = as_written(node);
  }
  if (auto wrong = shared_address(c); !wrong.empty()) return base::error{error_kind::usage, std::move(wrong)};
  return c;
}

std::vector<config_change> changes(const config& before, const config& after) {
  std::map<std::string, std::pair<std::string, std::string>> both;
  for (const auto& [path, value] : before.written) both[path].first = value;
  for (const auto& [path, value] : after.written) both[path].second = value;
  std::vector<config_change> out;
  for (const auto& [path, values] : both) {
    if (values.first == values.second) continue;
    out.push_back({path, is_reloaded(path)});
  }
  return out;
}

base::result<config> load_config(const std::filesystem::path& file, config c) {
  std::ifstream in(file, std::ios::binary);
  std::string text;
  // A directory can be opened, and only read() makes the stream bad where it cannot be read: operator<< of rdbuf() takes it for an empty file.
  for (std::array<char, 4096> piece; in.read(piece.data(), piece.size()) || in.gcount() > 0;) text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) return base::error{error_kind::local, fmt::format("configuration file {}: {}", file.string(), std::strerror(errno))};
  return parse_config(text, file.string(), std::move(c));
}

base::result<std::filesystem::path> state_directory(const config& c) {
  if (!c.state_directory.empty()) return c.state_directory;
  if (const char* systemd = std::getenv("STATE_DIRECTORY"); systemd != nullptr && *systemd != 0) return std::filesystem::path(systemd);
  if (const char* xdg = std::getenv("XDG_STATE_HOME"); xdg != nullptr && *xdg == '/') return std::filesystem::path(xdg) / "millrace";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return std::filesystem::path(home) / ".local/state/millrace";
  return base::error{error_kind::local, "no place for the certificate and secrets: give --state DIR (HOME is not set)"};
}

std::size_t shard_count(const config& c) {
  const std::size_t wanted = c.shards == 0 ? std::thread::hardware_concurrency() : c.shards;  // cores that this process may use
  return std::clamp<std::size_t>(wanted, 1, net::port_group::size_max);
}

std::string_view example_config() {
  return R"(# millrace.toml - every setting with its default. Command-line options win over this file.

listen = ["[::]:1935"]        # one TCP and one UDP port each: rtmp, rtmps and rtmpq together; [::] takes IPv4 too
# shards = 4                  # threads, each with connections and streams of its own; default: one per core
# state = "/var/lib/millrace" # self-signed certificate and QUIC secrets; default $STATE_DIRECTORY or ~/.local/state/millrace
log_level = "info"            # debug, info, warning, error
log_format = "text"           # text, json: one object per line

[tls]
enabled = true                # rtmps on the same TCP port
# certificate = "/etc/millrace/fullchain.pem"   # both or neither; neither: self-signed on first start
# key = "/etc/millrace/privkey.pem"

[quic]
enabled = true                # rtmpq on the UDP port of the same number
congestion = "bbr"            # bbr, cubic
redundancy = "auto"           # auto: media packets twice while some get lost on the way to a viewer and there is room to spare; off
retry = "under-load"          # under-load, always, never (address validation, RFC 9000 section 8.1.2)
idle_timeout_s = 30

[publish]
allow = ["loopback"]          # may publish without a key: ranges, addresses, "loopback", "all"
resume_s = 10                 # a millrace that lost its connection has so long to come back before viewers are told; 0: they are told at once
[publish.keys]                # "app/name" patterns: publish to NAME?key=SECRET from anywhere, within limits if there are any; others are made on the page (http://127.0.0.1:8080/#/publish) or by the API
# "live/*" = "at-least-8-characters"            # letters and digits, as openssl rand -hex 16 makes them: spaces, %, & and others do not pass in every client
# "guests/*" = { secret = "at-least-8-characters", at_once = 2, kbps = 8000, session_s = 7200 }   # streams at a time, mean bit rate of each, how long each may last

[access]
# jwt_keys = "/etc/millrace/jwks.json"          # JWK set: who shows a token of RS256, ES256 or HS256 (NAME?jwt=…, over HTTP also Authorization: Bearer) may do what it says
jwt_issuer = ""               # "iss" and "aud" that a token has to have; "": any
jwt_audience = ""
sign_secrets = []             # of signed addresses ("millrace sign"), for publishing and playing; the first one signs, all are accepted

[play]
allow = ["all"]               # may play without a signature; []: nobody
recordings_allow = ["loopback"] # who of these may play recordings (NAME?recording=newest): doc/recording.md
catch_up = true               # start near the live edge: old frames in fast motion, no old sound; NAME?catch_up=no for recorders
delay_ms = 200                # how far behind the live edge then; NAME?delay=MS
gather_ms_max = 100           # while a core is busier than load_per_cent and has many viewers, frames are gathered for so long at most before
load_per_cent = 25            # viewers get them: cheaper, and later; otherwise every frame goes out at once
wait_s = 0                    # for a publisher that is not there (0: for ever); then NetStream.Play.StreamNotFound

[http]                        # HTTP and HTTPS on one port: /APP/NAME.flv (also as a WebSocket), /api/v1, /metrics, /healthz
listen = ["127.0.0.1:8080"]   # []: none. Players of other hosts need ":8080"; the API stays with admin_allow
cors = "*"                    # Access-Control-Allow-Origin of media; "": none
admin_allow = ["loopback"]    # who may use the API and read the metrics
# admin_hosts = ["live.example.com"]            # names by which they may ask for it, beside addresses and localhost

[hooks]                       # HTTP addresses that are asked and told: doc/hooks.md
form = "json"                 # json (as SRS: POST application/json, 0 is yes), form (as nginx-rtmp: POST of a form, 2xx is yes)
timeout_s = 3                 # no answer is a no
# on_connect = "http://127.0.0.1:8085/hooks"    # asked; a text or a list of which all must say yes
# on_publish = "http://127.0.0.1:8085/hooks"    # asked, and allows what publish.allow does not
# on_play = "http://127.0.0.1:8085/hooks"       # asked, also for HTTP-FLV and HLS, and allows what play.allow does not
# on_done = "http://127.0.0.1:8085/hooks"       # told: a publication or play is over
# on_publish_done = "http://127.0.0.1:8085/hooks"
# on_play_done = "http://127.0.0.1:8085/hooks"
# on_disconnect = "http://127.0.0.1:8085/hooks"
# on_record_done = "http://127.0.0.1:8085/hooks"

[hls]                         # /APP/NAME.m3u8, made while somebody asks for it
segment_s = 2                 # a segment ends at the first key frame after so much
part_ms = 250                 # of Low-Latency HLS
window = 6                    # segments in the playlist
linger_s = 60                 # a playlist stays so long for a publisher that has gone
[record]                      # what is published, into files: doc/recording.md
# directory = "/var/lib/millrace/recordings"    # nothing is recorded without it
linger_s = 10                 # a publisher that comes back so soon goes on in the same file
free_bytes_min = 1073741824   # recording stops while less is free
queue_bytes = 33554432        # what may wait for the disk, of each stream …
queue_s = 10                  # … and for how long; then pictures are left out up to a key frame
# [[record.rules]]            # as often as needed; the first one that fits a name counts
# streams = "live/*"          # '*' stands for any run of characters
# format = "mp4"              # mp4 (fragmented), flv (all codecs, tracks and data)
# file = "{app}/{stream}-{date}-{time}.{ext}"   # below the directory; UTC; also {n}, the number of the file
# rotate_s = 0                # another file at the first key frame after so long (0: never) …
# rotate_bytes = 0            # … or so much
# start = "publish"           # publish, demand (when somebody asks for it)

[drain]
seconds = 1                   # on SIGTERM: for clients that can reconnect by themselves (E-RTMP); without any it takes no time
upgrade_s = 3600              # on SIGUSR2, when a new process has taken over: who is connected to the old one stays for so long at most (doc/upgrade.md)
# to = "rtmps://other.example.com/live"         # where they are sent; default: the address that they are using

[limits]
connect_s = 10                # from accept to a served connect
idle_connection_s = 30        # neither publishing nor playing
publisher_silence_s = 30      # then the name is free again
media_message_bytes = 16777215
viewer_age_s = 2              # a viewer further behind jumps to the newest key frame
ring_s = 20                   # what one stream keeps at most, while viewers may want it
ring_bytes = 67108864
connections_per_address = 100 # loopback is not counted
new_connections_per_address = 20 # a second, after a burst of connections_per_address; loopback is not counted; 0: any number
handshaking = 1000            # connections over TCP that have not shaken hands; new ones are refused beyond
memory_bytes = 0              # of the process: at 7/8 nobody may begin to publish or play, at all of it viewers that hold up memory are closed; 0: 80 % of what there is
)";
}

}  // namespace millrace::server
