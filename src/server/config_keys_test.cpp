// Every setting by itself: a value that it takes, and where that ends up; one that it does not take, and what is said of it. A setting without a line here
// fails the test.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include "server/config.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

struct line {
  std::string_view setting, good;
  std::function<bool(const config&)> taken;  // false of the defaults
  std::string_view bad, said;                // no bad value: any text does
};

bool asks(const config& c, hook what) { return c.hooks.urls.at(static_cast<std::size_t>(what)) == std::vector<std::string>{"http://127.0.0.1/"}; }
bool has(const std::vector<address_range>& all, const char* address) {
  return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.contains(boost::asio::ip::make_address(address)); });
}

constexpr std::string_view span = "takes seconds, more than 0 and at most 86400", texts = "takes a text or a list of texts", text = "takes a text in quotes", yes_no = "takes true or false",
                           url = R"(takes addresses such as "http://127.0.0.1:8085/hooks", not "ftp://x")",
                           range = R"("nowhere" is no address range: write 10.0.0.0/8, 2001:db8::/32, a single address, loopback or all)";

const std::vector<line>& lines() {
  static const std::vector<line> all{
      {"listen", R"(["127.0.0.1:2000"])", [](const config& c) { return c.listen.size() == 1 && c.listen[0].port == 2000; }, "[]", "takes at least one address"},
      {"shards", "3", [](const config& c) { return c.shards == 3; }, "0", "takes a whole number from 1 to 64"},
      {"state", R"("/s")", [](const config& c) { return c.state_directory == "/s"; }, "1", text},
      {"log_level", R"("error")", [](const config& c) { return c.log_level == "error"; }, R"("loud")", R"(takes "debug", "info", "warning" or "error")"},
      {"log_format", R"("json")", [](const config& c) { return c.log_format == "json"; }, R"("xml")", R"(takes "text" or "json")"},
      {"tls.enabled", "false", [](const config& c) { return !c.tls; }, "0", yes_no},
      {"tls.certificate", R"("/c")", [](const config& c) { return c.certificate == "/c"; }, "1", text},
      {"tls.key", R"("/k")", [](const config& c) { return c.key == "/k"; }, "1", text},
      {"quic.enabled", "false", [](const config& c) { return !c.quic; }, "0", yes_no},
      {"quic.congestion", R"("cubic")", [](const config& c) { return c.congestion == net::congestion_control::cubic; }, R"("reno")", R"(takes one of "bbr", "cubic")"},
      {"quic.redundancy", R"("off")", [](const config& c) { return c.redundancy == net::redundancy_policy::off; }, R"("on")", R"(takes one of "auto", "off")"},
      {"quic.retry", R"("always")", [](const config& c) { return c.retry == net::retry_policy::always; }, R"("often")", R"(takes one of "under-load", "always", "never")"},
      {"quic.idle_timeout_s", "7.5", [](const config& c) { return c.quic_idle_timeout == 7500ms; }, "0.5", "takes seconds from 1 to 600"},
      {"publish.allow", R"(["192.0.2.0/24"])", [](const config& c) { return has(c.access.publish_allow, "192.0.2.1") && !has(c.access.publish_allow, "127.0.0.1"); }, R"("nowhere")", range},
      {"publish.keys", R"({"live/*" = "12345678"})", [](const config& c) { return c.access.publish_keys.size() == 1 && c.access.publish_keys[0].secret == "12345678"; }, R"("live")",
       R"(takes a table: [publish.keys] with lines like "live/*" = "secret")"},
      {"publish.resume_s", "0", [](const config& c) { return c.resume_window == 0ms; }, "601", "takes seconds from 0 to 600"},
      {"access.sign_secrets", R"("0123456789abcdef")", [](const config& c) { return c.access.sign_secrets == std::vector<std::string>{"0123456789abcdef"}; }, R"("short")",
       "takes secrets of at least 16 characters: openssl rand -hex 32"},
      {"access.jwt_keys", R"("@jwks@")", [](const config& c) { return c.access.jwt.keys != nullptr; }, R"("/nowhere.json")", "/nowhere.json is no file"},
      {"access.jwt_issuer", R"("us")", [](const config& c) { return c.access.jwt.issuer == "us"; }, "1", text},
      {"access.jwt_audience", R"("them")", [](const config& c) { return c.access.jwt.audience == "them"; }, "1", text},
      {"play.allow", R"("10.0.0.0/8")", [](const config& c) { return has(c.access.play_allow, "10.1.1.1") && !has(c.access.play_allow, "192.0.2.1"); }, R"("nowhere")", range},
      {"play.recordings_allow", R"("all")", [](const config& c) { return has(c.access.recordings_allow, "192.0.2.1"); }, R"("nowhere")", range},
      {"play.catch_up", "false", [](const config& c) { return !c.viewers.catch_up; }, "1", yes_no},
      {"play.delay_ms", "0", [](const config& c) { return c.viewers.delay == 0ms; }, "10001", "takes a whole number from 0 to 10000"},
      {"play.wait_s", "2.5", [](const config& c) { return c.viewers.publisher_wait == 2500ms; }, "-1", "takes seconds from 0 (for ever) to 86400"},
      {"play.gather_ms_max", "30", [](const config& c) { return c.fan_out.window_max == 30ms; }, "1001", "takes a whole number from 0 to 1000"},
      {"play.load_per_cent", "12.5", [](const config& c) { return c.fan_out.load == 0.125; }, "0", "takes per cent from 1 to 100"},
      {"http.listen", R"(":81")", [](const config& c) { return c.web.listen.size() == 1 && c.web.listen[0].port == 81; }, "81", texts},
      {"http.cors", R"("")", [](const config& c) { return c.web.cors.empty(); }, R"("a\nb")", R"(takes "*", an origin such as "https://example.com", or "")"},
      {"http.admin_allow", "[]", [](const config& c) { return c.web.admin_allow.empty(); }, R"("nowhere")", range},
      {"http.admin_hosts", R"("a.example")", [](const config& c) { return c.web.admin_hosts == std::vector<std::string>{"a.example"}; }, R"("https://a.example")",
       R"(takes names without scheme and port, not "https://a.example")"},
      {"hooks.form", R"("form")", [](const config& c) { return c.hooks.form == hook_form::form; }, R"("xml")", R"(takes "json" (as SRS sends hooks) or "form" (as nginx-rtmp does))"},
      {"hooks.timeout_s", "0.5", [](const config& c) { return c.hooks.timeout == 500ms; }, "10", "takes seconds from 0.05 to 9"},
      {"hooks.on_connect", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::connect); }, R"("ftp://x")", url},
      {"hooks.on_disconnect", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::disconnect); }, R"("ftp://x")", url},
      {"hooks.on_publish", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::publish); }, R"("ftp://x")", url},
      {"hooks.on_publish_done", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::publish_done); }, R"("ftp://x")", url},
      {"hooks.on_play", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::play); }, R"("ftp://x")", url},
      {"hooks.on_play_done", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::play_done); }, R"("ftp://x")", url},
      {"hooks.on_done", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::done); }, R"("ftp://x")", url},
      {"hooks.on_record_done", R"("http://127.0.0.1/")", [](const config& c) { return asks(c, hook::record_done); }, R"("ftp://x")", url},
      {"hls.segment_s", "4", [](const config& c) { return c.hls.segment == 4s; }, "0.9", "takes seconds from 1 to 8"},
      {"hls.part_ms", "500", [](const config& c) { return c.hls.part == 500ms; }, "50", "takes a whole number from 100 to 1000"},
      {"hls.window", "10", [](const config& c) { return c.hls.window == 10; }, "2", "takes a whole number from 3 to 100"},
      {"hls.linger_s", "5", [](const config& c) { return c.hls.linger == 5s; }, "0", span},
      {"record.directory", R"("/r")", [](const config& c) { return c.record.directory == "/r"; }, "1", text},
      {"record.rules", R"([{streams = "live/*"}])", [](const config& c) { return c.record.rules.size() == 1 && c.record.rules[0].streams == "live/*"; }, R"([{streams = ""}])", R"(streams: takes names such as "live/*")"},  // more: config_record_test.cpp
      {"record.linger_s", "0", [](const config& c) { return c.record.linger == 0ms; }, "86401", "takes seconds from 0 to 86400"},
      {"record.free_bytes_min", "0", [](const config& c) { return c.record.free_bytes_min == 0; }, "-1", "takes a whole number from 0 to 1152921504606846976"},
      {"record.queue_bytes", "1048576", [](const config& c) { return c.record.queue_bytes == 1 << 20; }, "1048575", "takes a whole number from 1048576 to 17179869184"},
      {"record.queue_s", "5", [](const config& c) { return c.record.queue_age == 5s; }, "0", span},
      {"drain.seconds", "30", [](const config& c) { return c.drain == 30s; }, "-1", "takes seconds from 0 to 86400"},
      {"drain.upgrade_s", "60", [](const config& c) { return c.hand_over == 60s; }, "604801", "takes seconds from 0 to 604800"},
      {"drain.to", R"("rtmps://other/live")", [](const config& c) { return c.drain_to == "rtmps://other/live"; }, R"("other")", R"(takes an address such as "rtmps://other.example.com/live")"},
      {"limits.connect_s", "5", [](const config& c) { return c.rtmp.connect_deadline == 5s; }, "0", span},
      {"limits.idle_connection_s", "5", [](const config& c) { return c.rtmp.idle_connection == 5s; }, "0", span},
      {"limits.publisher_silence_s", "5", [](const config& c) { return c.rtmp.publisher_silence == 5s; }, "86401", span},
      {"limits.media_message_bytes", "65536", [](const config& c) { return c.rtmp.media_message_bytes == 65'536; }, "65535", "takes a whole number from 65536 to 16777215"},
      {"limits.viewer_age_s", "0.5", [](const config& c) { return c.hub.viewer_age == 500ms; }, "0", span},
      {"limits.ring_s", "5", [](const config& c) { return c.hub.ring_age == 5s; }, "0", span},
      {"limits.ring_bytes", "1048576", [](const config& c) { return c.hub.ring_bytes == 1 << 20; }, "1", "takes a whole number from 1048576 to 17179869184"},
      {"limits.connections_per_address", "7", [](const config& c) { return c.connections_per_address_max == 7; }, "0", "takes a whole number from 1 to 1000000"},
      {"limits.new_connections_per_address", "0.5", [](const config& c) { return c.new_per_address_and_second == 0.5; }, "-1", "takes connections a second from 0 (any number) to 100000"},
      {"limits.handshaking", "7", [](const config& c) { return c.handshaking_max == 7; }, "0", "takes a whole number from 1 to 1000000"},
      {"limits.memory_bytes", "1000000", [](const config& c) { return c.memory_max == 1'000'000; }, "-1", "takes a whole number of bytes; 0: most of what there is"},
  };
  return all;
}

// The one setting that is a file.
std::string with_file(std::string_view value) {
  static const auto file = [] {
    const auto path = std::filesystem::path(testing::TempDir()) / "config_keys_test_jwks.json";
    std::ofstream(path) << R"({"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})";
    return path.string();
  }();
  std::string out(value);
  if (const auto at = out.find("@jwks@"); at != std::string::npos) out.replace(at, 6, file);
  return out;
}

// Some go together.
std::string_view beside(std::string_view setting) { return setting == "tls.certificate" ? "tls.key = \"/k\"\n" : setting == "tls.key" ? "tls.certificate = \"/c\"\n" : ""; }

std::string variable(std::string_view setting) {
  std::string out = "MILLRACE_SERVE_";
  for (const char c : setting) out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

TEST(config_keys, each_has_a_line) {
  std::set<std::string_view> tried;
  for (const auto& one : lines()) EXPECT_TRUE(tried.insert(one.setting).second) << one.setting;
  for (const auto name : setting_names()) EXPECT_TRUE(tried.erase(name) == 1) << name << " has no line in this test";
  EXPECT_TRUE(tried.empty()) << *tried.begin() << " is no setting";
}

TEST(config_keys, in_a_file) {
  for (const auto& one : lines()) {
    EXPECT_FALSE(one.taken(config{})) << one.setting << ": the default would pass as well";
    const auto parsed = parse_config(std::string(one.setting) + " = " + with_file(one.good) + "\n" + std::string(beside(one.setting)), "m.toml");
    ASSERT_TRUE(parsed) << one.setting << ": " << parsed.error().text;
    EXPECT_TRUE(one.taken(*parsed)) << one.setting;
    if (one.bad.empty()) continue;
    const auto refused = parse_config("\n" + std::string(one.setting) + " = " + std::string(one.bad) + "\n", "m.toml");
    ASSERT_FALSE(refused) << one.setting << " = " << one.bad;
    EXPECT_EQ(refused.error().text, "m.toml:2: " + std::string(one.setting) + ": " + std::string(one.said));
  }
}

TEST(config_keys, none_takes_what_is_no_number) {
  for (const auto& one : lines()) EXPECT_FALSE(parse_config(std::string(one.setting) + " = nan\n", "m.toml")) << one.setting;
}

TEST(config_keys, in_the_environment) {
  for (const auto& one : lines()) {
    const auto entry = variable(one.setting) + "=" + with_file(one.good);
    const char* const entries[] = {entry.c_str()};
    const auto parsed = apply_environment(entries, {});
    ASSERT_TRUE(parsed) << one.setting << ": " << parsed.error().text;
    EXPECT_TRUE(one.taken(*parsed)) << one.setting;
    if (one.bad.empty()) continue;
    const auto wrong = variable(one.setting) + "=" + std::string(one.bad);
    const char* const refused[] = {wrong.c_str()};
    EXPECT_EQ(apply_environment(refused, {}).error().text, variable(one.setting) + ": " + std::string(one.said));
  }
}

TEST(config_keys, the_example_shows_each) {
  std::set<std::string> shown;
  std::string section;
  std::istringstream example{std::string(example_config())};
  for (std::string row; std::getline(example, row);) {
    if (row.starts_with("# ")) row.erase(0, 2);
    if (row.starts_with('[')) {
      section = row.substr(row.starts_with("[[") ? 2 : 1, row.find(']') - (row.starts_with("[[") ? 2 : 1));
      shown.insert(section);  // publish.keys and record.rules are sections
    } else if (const auto end = row.find_first_of(" ="); end != std::string::npos) {
      shown.insert(section.empty() ? row.substr(0, end) : section + "." + row.substr(0, end));
    }
  }
  for (const auto name : setting_names()) EXPECT_TRUE(shown.contains(std::string(name))) << name;
}

// "play.wait_s", "quic.*": the settings that a cell of a table of the documentation names.
std::set<std::string_view> named(const std::string& cell) {
  std::set<std::string_view> out;
  const std::regex name("`([a-z_.]+)(\\*?)`");
  for (auto at = std::sregex_iterator(cell.begin(), cell.end(), name); at != std::sregex_iterator(); ++at) {
    const auto before = out.size();
    for (const auto each : setting_names()) {
      if ((*at)[2].length() > 0 ? each.starts_with((*at)[1].str()) : each == (*at)[1].str()) out.insert(each);
    }
    EXPECT_GT(out.size(), before) << at->str() << " is no setting, or is named twice";
  }
  return out;
}

TEST(config_keys, the_documentation_says_which_are_reloaded) {
  std::ifstream in(std::filesystem::path(MILLRACE_DOC) / "configuration.md");
  std::set<std::string_view> at_once, later;
  bool there = false;
  for (std::string row; std::getline(in, row);) {
    if (row.starts_with("## ")) there = row == "## What SIGHUP changes";
    if (!there || !row.starts_with("| `")) continue;
    const auto middle = row.find(" | ");
    at_once.merge(named(row.substr(0, middle)));
    later.merge(named(row.substr(middle)));
  }
  for (const auto name : setting_names()) {
    EXPECT_EQ(at_once.contains(name), is_reloaded(name)) << name;
    EXPECT_EQ(later.contains(name), !is_reloaded(name)) << name;
  }
}

}  // namespace
}  // namespace millrace::server
