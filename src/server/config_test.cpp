#include "server/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace millrace::server {
namespace {

std::string failure(std::string_view text) {
  const auto parsed = parse_config(text, "m.toml");
  return parsed ? std::string() : parsed.error().text;
}

TEST(config, the_example_is_valid_and_equals_the_defaults) {
  const auto parsed = parse_config(example_config(), "example");
  ASSERT_TRUE(parsed) << parsed.error().text;
  const config defaults;
  EXPECT_EQ(parsed->rtmp.connect_deadline, defaults.rtmp.connect_deadline);
  EXPECT_EQ(parsed->rtmp.idle_connection, defaults.rtmp.idle_connection);
  EXPECT_EQ(parsed->rtmp.publisher_silence, defaults.rtmp.publisher_silence);
  EXPECT_EQ(parsed->hub.viewer_age, defaults.hub.viewer_age);
  EXPECT_EQ(parsed->hub.ring_age, defaults.hub.ring_age);
  EXPECT_EQ(parsed->hub.ring_bytes, defaults.hub.ring_bytes);
  EXPECT_EQ(parsed->viewers.catch_up, defaults.viewers.catch_up);
  EXPECT_EQ(parsed->viewers.delay, defaults.viewers.delay);
  EXPECT_EQ(parsed->viewers.publisher_wait, defaults.viewers.publisher_wait);
  EXPECT_EQ(parsed->congestion, defaults.congestion);
  EXPECT_EQ(parsed->redundancy, defaults.redundancy);
  EXPECT_EQ(parsed->retry, defaults.retry);
  EXPECT_EQ(parsed->quic_idle_timeout, defaults.quic_idle_timeout);
  EXPECT_EQ(parsed->connections_per_address_max, defaults.connections_per_address_max);
  EXPECT_EQ(parsed->fan_out.window_max, defaults.fan_out.window_max);
  EXPECT_EQ(parsed->fan_out.load, defaults.fan_out.load);
  EXPECT_EQ(parsed->drain, defaults.drain);
  EXPECT_EQ(parsed->drain_to, defaults.drain_to);
  EXPECT_EQ(parsed->access.publish_allow.size(), defaults.access.publish_allow.size());
  EXPECT_TRUE(parsed->access.publish_keys.empty());
  EXPECT_EQ(parsed->access.recordings_allow.size(), defaults.access.recordings_allow.size());
  EXPECT_EQ(parsed->log_format, defaults.log_format);
  EXPECT_EQ(parsed->web.cors, defaults.web.cors);
  EXPECT_EQ(parsed->web.admin_allow.size(), defaults.web.admin_allow.size());
  EXPECT_EQ(parsed->web.admin_hosts, defaults.web.admin_hosts);
  // Nothing by itself listens on HTTP but the command.
  ASSERT_EQ(parsed->web.listen.size(), 1U);
  EXPECT_EQ(parsed->web.listen[0].host, "127.0.0.1");
  EXPECT_EQ(parsed->web.listen[0].port, 8080);
}

TEST(config, who_may_play_recordings) {
  const auto ours = boost::asio::ip::make_address("127.0.0.1"), theirs = boost::asio::ip::make_address("198.51.100.7");
  EXPECT_TRUE(may_play_recordings(config{}.access, ours, "live/a", "", {}).allowed);
  EXPECT_FALSE(may_play_recordings(config{}.access, theirs, "live/a", "", {}).allowed) << "who may play what is live may not play what was";
  const auto parsed = parse_config("[play]\nrecordings_allow = [\"198.51.100.0/24\"]\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_TRUE(may_play_recordings(parsed->access, theirs, "live/a", "", {}).allowed);
  EXPECT_FALSE(may_play_recordings(parsed->access, ours, "live/a", "", {}).allowed);
  const auto closed = parse_config("[play]\nallow = [\"10.0.0.0/8\"]\nrecordings_allow = [\"all\"]\n", "m.toml");
  EXPECT_FALSE(may_play_recordings(closed->access, theirs, "live/a", "", {}).allowed) << "who may not play at all may not play recordings";
}

TEST(config, how_hls_is_cut) {
  const auto parsed = parse_config("[hls]\nsegment_s = 4\npart_ms = 500\nwindow = 10\nlinger_s = 5\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->hls.segment, std::chrono::seconds(4));
  EXPECT_EQ(parsed->hls.part, std::chrono::milliseconds(500));
  EXPECT_EQ(parsed->hls.window, 10U);
  EXPECT_EQ(parsed->hls.linger, std::chrono::seconds(5));
  EXPECT_EQ(failure("[hls]\nsegment_s = 9"), "m.toml:2: hls.segment_s: takes seconds from 1 to 8");
  EXPECT_EQ(failure("[hls]\npart_ms = 50"), "m.toml:2: hls.part_ms: takes a whole number from 100 to 1000");
  EXPECT_EQ(failure("[hls]\nwindow = 2"), "m.toml:2: hls.window: takes a whole number from 3 to 100");
  const auto example = parse_config(example_config(), "example");
  const config defaults;
  EXPECT_EQ(example->hls.segment, defaults.hls.segment);
  EXPECT_EQ(example->hls.part, defaults.hls.part);
  EXPECT_EQ(example->hls.window, defaults.hls.window);
  EXPECT_EQ(example->hls.linger, defaults.hls.linger);
}

TEST(config, the_environment_wins_over_the_file) {
  const auto file = *parse_config("log_level = \"error\"\n[limits]\nring_s = 5\n", "m.toml");
  const char* const entries[] = {"HOME=/root", "MILLRACE_SERVE_LIMITS_RING_S=7.5", "MILLRACE_SERVE_PUBLISH_ALLOW=[\"10.0.0.0/8\", \"loopback\"]", "MILLRACE_SERVE_TLS_ENABLED=false",
                                 "MILLRACE_SERVE_DRAIN_TO=rtmps://other/live"};
  const auto both = apply_environment(entries, file);
  ASSERT_TRUE(both) << both.error().text;
  EXPECT_EQ(both->hub.ring_age, std::chrono::milliseconds(7500));
  EXPECT_EQ(both->access.publish_allow.size(), 3U);
  EXPECT_FALSE(both->tls);
  EXPECT_EQ(both->drain_to, "rtmps://other/live");
  EXPECT_EQ(both->log_level, "error");
  const auto said = [&](const char* entry) { return apply_environment(std::span(&entry, 1), file).error().text; };
  EXPECT_EQ(said("MILLRACE_SERVE_LIMITS_RING=7"), "MILLRACE_SERVE_LIMITS_RING: no setting has this variable; did you mean MILLRACE_SERVE_LIMITS_RING_S?");
  EXPECT_EQ(said("MILLRACE_SERVE_TLS_ENABLED=perhaps"), "MILLRACE_SERVE_TLS_ENABLED: takes true or false");
  EXPECT_EQ(said("MILLRACE_SERVE_LIMITS_RING_S=1\nother = 2"), "MILLRACE_SERVE_LIMITS_RING_S: takes one value");
}

TEST(config, changes_are_named_and_which_take_a_restart) {
  const auto read = [](std::string_view text) { return *parse_config(text, "m.toml"); };
  const auto names = [&](std::string_view before, std::string_view after) {
    std::string out;
    for (const auto& one : changes(read(before), read(after))) out += one.setting + (one.takes_effect ? "+ " : "- ");
    return out;
  };
  EXPECT_EQ(names("[play]\nallow = [\"all\"]", "[play]\nallow = [ \"all\" ] # the same"), "");
  EXPECT_EQ(names("[play]\nallow = [\"all\"]", ""), "play.allow+ ");
  EXPECT_EQ(names("", "listen = \":1\"\n[publish.keys]\n\"live/*\" = \"12345678\"\n[limits]\nring_s = 5\nconnect_s = 5"), "limits.connect_s+ limits.ring_s- listen- publish.keys+ ");
  EXPECT_EQ(names("", "[hooks]\non_publish = \"http://127.0.0.1/\""), "hooks.on_publish+ ");
  EXPECT_EQ(names("[publish.keys]\n\"live/*\" = \"12345678\"", "[publish.keys]\n\"live/*\" = \"12345679\""), "publish.keys+ ");
}

TEST(config, keys_may_have_limits) {
  const auto parsed = parse_config("[publish.keys]\n\"live/*\" = \"12345678\"\n\"guests/*\" = { secret = \"abcdefgh\", at_once = 2, kbps = 8000, session_s = 7200 }\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  const auto from = boost::asio::ip::make_address("198.51.100.7");
  const auto guest = may_publish(parsed->access, from, "guests/a", "key=abcdefgh");
  EXPECT_TRUE(guest.allowed);
  EXPECT_EQ(guest.allows, (allowance{2, 8000, std::chrono::hours(2)}));
  EXPECT_FALSE(may_publish(parsed->access, from, "live/a", "key=12345678").allows.any());
  const auto said = [](const std::string& what) { return failure("[publish.keys]\n\"a/*\" = { " + what + " }"); };
  EXPECT_EQ(said("at_once = 2"), "m.toml:2: publish.keys: \"a/*\" takes a secret of at least 8 characters in quotes");
  EXPECT_EQ(said("secret = \"12345678\", kpbs = 2"), "m.toml:2: publish.keys: \"a/*\": kpbs is nothing of a key; did you mean kbps?");
  EXPECT_EQ(said("secret = \"12345678\", kbps = 2.5"), "m.toml:2: publish.keys: \"a/*\": kbps takes a whole number");
  EXPECT_EQ(said("secret = \"12345678\", session_s = -1"), "m.toml:2: publish.keys: \"a/*\": session_s takes no negative number");
  EXPECT_EQ(said("secret = \"12345678\", at_once = 100000001"), "m.toml:2: publish.keys: \"a/*\": at_once is more than can be: leave it out where there is no limit");
  EXPECT_EQ(failure("[publish.keys]\n\"a/*\" = \"12345678\"\n[publish.keys.\"b/*\"]\nsecret = \"12345678\"\n\nkpbs = 2"),
            "m.toml:6: publish.keys: \"b/*\": kpbs is nothing of a key; did you mean kbps?");
}

TEST(config, what_is_said_of_http) {
  config before;
  before.web.listen = {{"127.0.0.1", 8080}};
  before.web.optional = true;
  const auto silent = parse_config("", "m.toml", before);
  ASSERT_TRUE(silent);
  EXPECT_TRUE(silent->web.optional);
  const auto parsed = parse_config("log_format = \"json\"\n[http]\nlisten = [\":80\", \"[::1]:81\"]\ncors = \"https://example.com\"\nadmin_allow = [\"10.0.0.0/8\"]\nadmin_hosts = \"a.example\"\n", "m.toml", before);
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->web.listen.size(), 2U);
  EXPECT_EQ(parsed->web.listen[1].port, 81);
  EXPECT_FALSE(parsed->web.optional);  // what was asked for has to be had
  EXPECT_EQ(parsed->web.cors, "https://example.com");
  EXPECT_FALSE(parsed->web.admin_allow.at(0).contains(boost::asio::ip::make_address("127.0.0.1")));
  EXPECT_EQ(parsed->web.admin_hosts, std::vector<std::string>{"a.example"});
  EXPECT_EQ(parsed->log_format, "json");
  EXPECT_TRUE(parse_config("[http]\nlisten = []", "m.toml", before)->web.listen.empty());
  EXPECT_EQ(failure("log_format = \"xml\""), "m.toml:1: log_format: takes \"text\" or \"json\"");
  EXPECT_EQ(failure("[http]\ncors = \"a\\r\\nb\""), "m.toml:2: http.cors: takes \"*\", an origin such as \"https://example.com\", or \"\"");
}

TEST(config, reads_what_an_operator_writes) {
  const auto parsed = parse_config("listen = \"127.0.0.1:2000\"\n[quic]\ncongestion = \"cubic\"\nredundancy = \"off\"\n[publish]\nallow = [\"10.0.0.0/8\"]\n"
                                   "[publish.keys]\n\"live/*\" = \"12345678\"\n[limits]\nviewer_age_s = 0.5\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->listen.size(), 1U);
  EXPECT_EQ(parsed->listen[0].port, 2000);
  EXPECT_EQ(parsed->congestion, net::congestion_control::cubic);
  EXPECT_EQ(parsed->redundancy, net::redundancy_policy::off);
  EXPECT_EQ(parsed->access.publish_allow.size(), 1U);
  EXPECT_EQ(parsed->access.publish_keys.at(0).pattern, "live/*");
  EXPECT_EQ(parsed->hub.viewer_age, std::chrono::milliseconds(500));
}

TEST(config, what_players_get) {
  const auto parsed = parse_config("[play]\ncatch_up = false\ndelay_ms = 0\nwait_s = 2.5\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_FALSE(parsed->viewers.catch_up);
  EXPECT_EQ(parsed->viewers.delay.count(), 0);
  EXPECT_EQ(parsed->viewers.publisher_wait.count(), 2'500);
  EXPECT_EQ(failure("[play]\ncatch_up = 1"), "m.toml:2: play.catch_up: takes true or false");
  EXPECT_EQ(failure("[play]\ndelay_ms = 10001"), "m.toml:2: play.delay_ms: takes a whole number from 0 to 10000");
  EXPECT_EQ(failure("[play]\nwait_s = -1"), "m.toml:2: play.wait_s: takes seconds from 0 (for ever) to 86400");
}

TEST(config, when_frames_are_gathered) {
  const auto parsed = parse_config("[play]\ngather_ms_max = 30\nload_per_cent = 12.5\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->fan_out.window_max.count(), 30);
  EXPECT_EQ(parsed->fan_out.load, 0.125);
  EXPECT_EQ(parse_config("[play]\ngather_ms_max = 0", "m.toml")->fan_out.window_max.count(), 0);
  EXPECT_EQ(failure("[play]\ngather_ms_max = 1001"), "m.toml:2: play.gather_ms_max: takes a whole number from 0 to 1000");
  EXPECT_EQ(failure("[play]\nload_per_cent = 0"), "m.toml:2: play.load_per_cent: takes per cent from 1 to 100");
}

TEST(config, Q2_reads_the_drain) {
  const auto parsed = parse_config("[drain]\nseconds = 30\nto = \"rtmps://other/live\"\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->drain, std::chrono::seconds(30));
  EXPECT_EQ(parsed->drain_to, "rtmps://other/live");
  EXPECT_EQ(parse_config("[drain]\nseconds = 0", "m.toml")->drain.count(), 0);
  EXPECT_NE(failure("[drain]\nseconds = -1").find("drain.seconds: takes seconds"), std::string::npos);
}

TEST(config, drain_to_is_an_address_that_clients_can_follow) {
  const auto to = [](const std::string& value) { return failure("[drain]\nto = \"" + value + "\""); };
  for (const auto* good : {"", "rtmp://other/live", "rtmps://other.example.com:443", "rtmpq://[2001:db8::1]/live?fallback=none", "//other/live", "/elsewhere"}) EXPECT_EQ(to(good), "") << good;
  for (const auto* bad : {"backup.example.com", "other:1935/live", "http://x/live", "rtmp://", "rtmp:///live", "rtmp://other:99999/live", "rtmp://other/li ve", "/li ve", "x/rtmp://other/live"}) {
    EXPECT_EQ(to(bad), "m.toml:2: drain.to: takes an address such as \"rtmps://other.example.com/live\"") << bad;
  }
}

TEST(config, hosts_of_the_api_are_names) {
  const auto host = [](const std::string& value) { return failure("[http]\nadmin_hosts = [\"a.example\", \"" + value + "\"]"); };
  for (const std::string bad : {"", "https://a.example", "a.example:8080", "a.example/", "a b", "*.example", "[::1]"}) {
    EXPECT_EQ(host(bad), "m.toml:2: http.admin_hosts: takes names without scheme and port, not \"" + bad + "\"");
  }
  EXPECT_EQ(parse_config("[http]\nadmin_hosts = \"Console-1.Example\"", "m.toml")->web.admin_hosts, std::vector<std::string>{"console-1.example"}) << "as a browser asks for it";
}

TEST(config, an_address_is_listened_on_once) {
  EXPECT_EQ(failure("listen = []"), "m.toml:1: listen: takes at least one address");
  EXPECT_EQ(failure("listen = [\":1\", \"[::]:1\"]"), "m.toml:1: listen: has port 1 of :: twice");
  EXPECT_EQ(failure("[http]\nlisten = [\"127.0.0.1:81\", \"localhost:81\"]"), "m.toml:2: http.listen: has port 81 of 127.0.0.1 twice");
  EXPECT_EQ(failure("listen = \"127.0.0.1:81\"\n[http]\nlisten = [\":80\", \"127.0.0.1:81\"]"), "m.toml: listen and http.listen both have port 81 of 127.0.0.1");
  EXPECT_EQ(failure("listen = [\":0\", \":0\", \"127.0.0.1:1\", \"127.0.0.2:1\"]\n[http]\nlisten = [\":0\", \":0\", \"127.0.0.1:2\"]"), "") << "any free port is another one";
  config usual;
  usual.web.listen = {{"127.0.0.1", 8080}};
  usual.web.optional = true;
  EXPECT_TRUE(parse_config("listen = \"127.0.0.1:8080\"", "m.toml", usual)) << "nobody asked for HTTP there";
  const char* const entries[] = {"MILLRACE_SERVE_LISTEN=:81", "MILLRACE_SERVE_HTTP_LISTEN=:82"};
  EXPECT_TRUE(apply_environment(entries, *parse_config("listen = \":80\"\nhttp.listen = \":81\"", "m.toml"))) << "both moved";
  EXPECT_EQ(apply_environment(std::span(entries, 1), *parse_config("listen = \":80\"\nhttp.listen = \":81\"", "m.toml")).error().text, "listen and http.listen both have port 81 of ::");
}

TEST(config, a_file_that_cannot_be_read_is_no_empty_one) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "config_test_folder";
  std::filesystem::create_directories(folder);
  for (const auto& [path, why] : {std::pair{folder, "Is a directory"}, {folder / "none.toml", "No such file or directory"}, {"/proc/self/mem", "Input/output error"}}) {
    const auto loaded = load_config(path);
    ASSERT_FALSE(loaded) << path;
    EXPECT_EQ(loaded.error().kind, base::error_kind::local);
    EXPECT_EQ(loaded.error().text, "configuration file " + path.string() + ": " + why);
  }
  std::ofstream(folder / "empty.toml").flush();
  EXPECT_TRUE(load_config(folder / "empty.toml"));
  // Longer than it is read at once.
  std::ofstream(folder / "long.toml") << std::string(10'000, '#') << "\nshards = 3\n";
  EXPECT_EQ(load_config(folder / "long.toml")->shards, 3U);
}

TEST(config, says_which_line_and_what_would_be_right) {
  EXPECT_EQ(failure("lisen = \":1\""), "m.toml:1: lisen is no setting; did you mean listen? (millrace serve --print-config shows all)");
  EXPECT_EQ(failure("[quic]\nredundancy = \"yes\""), "m.toml:2: quic.redundancy: takes one of \"auto\", \"off\"");
  EXPECT_EQ(failure("\n[quic]\nretry = \"often\""), "m.toml:3: quic.retry: takes one of \"under-load\", \"always\", \"never\"");
  EXPECT_NE(failure("[limits]\nconnect_s = -1").find("m.toml:2: limits.connect_s: takes seconds"), std::string::npos);
  EXPECT_NE(failure("[publish.keys]\n\"live/*\" = \"short\"").find("at least 8"), std::string::npos);
  EXPECT_NE(failure("[tls]\ncertificate = \"a\"").find("tls.key is missing"), std::string::npos);
  EXPECT_NE(failure("a = = 1").find("m.toml:1:"), std::string::npos);
}

}  // namespace
}  // namespace millrace::server
