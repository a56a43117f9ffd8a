#include "rtmp/uri.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "rtmp/uri_host.hpp"

namespace millrace::rtmp {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string pin(64, 'a');

uri good(std::string_view text, const uri_options& options = {}) {
  auto u = parse_uri(text, options);
  EXPECT_TRUE(u) << text << ": " << (u ? "" : u.error().text);
  return u ? *u : uri{};
}
std::string refused(std::string_view text, const uri_options& options = {}) {
  const auto u = parse_uri(text, options);
  EXPECT_FALSE(u) << text;
  if (u) return "";
  EXPECT_EQ(u.error().kind, base::error_kind::usage);
  return u.error().text;
}

TEST(uri, table_of_what_is_dialled) {
  struct row {
    const char* text;
    bool quic;
    fallback to;
    bool tls;
    const char* plain;
  };
  for (const auto& r : {
           row{"rtmp://h/a/s", false, fallback::none, false, "rtmp://h/a/s"},
           row{"rtmps://h/a/s", false, fallback::none, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s?fallback=rtmp", true, fallback::rtmp, false, "rtmp://h/a/s"},
           row{"rtmpq://h/a/s?fallback=rtmps", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s?fallback=none", true, fallback::none, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s?transport=quic-only", true, fallback::none, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s?transport=quic", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmpq://localhost/a/s", true, fallback::rtmps, true, "rtmps://localhost/a/s"},
           row{"rtmpq://127.9.9.9/a/s", true, fallback::rtmps, true, "rtmps://127.9.9.9/a/s"},
           row{"rtmpq://[::1]/a/s", true, fallback::rtmps, true, "rtmps://[::1]/a/s"},
           row{"rtmpq://localhost/a/s?fallback=rtmps", true, fallback::rtmps, true, "rtmps://localhost/a/s"},
           row{"rtmpq://localhost/a/s?fallback=none", true, fallback::none, true, "rtmps://localhost/a/s"},
           row{"rtmpq://localhost.example/a/s", true, fallback::rtmps, true, "rtmps://localhost.example/a/s"},
           row{"rtmp://h/a/s?transport=quic", true, fallback::rtmp, false, "rtmp://h/a/s"},
           row{"rtmp://h/a/s?quic=1", true, fallback::rtmp, false, "rtmp://h/a/s"},
           row{"rtmp://h/a/s?transport=quic&fallback=rtmps", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmp://h/a/s?transport=quic-only", true, fallback::none, false, "rtmp://h/a/s"},
           row{"rtmp://h/a/s?transport=quic&fallback=none", true, fallback::none, false, "rtmp://h/a/s"},
           row{"rtmps://h/a/s?transport=quic", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmps://h/a/s?quic=1&fallback=none", true, fallback::none, true, "rtmps://h/a/s"},
           row{"rtmps://localhost/a/s?transport=quic", true, fallback::rtmps, true, "rtmps://localhost/a/s"},
           // Contradictions: the strictest wish wins, in any order.
           row{"rtmpq://h/a/s?fallback=rtmp&fallback=none", true, fallback::none, true, "rtmps://h/a/s"},
           row{"rtmpq://h/a/s?fallback=rtmps&fallback=rtmp", true, fallback::rtmps, true, "rtmps://h/a/s"},
           row{"rtmp://h/a/s?transport=quic-only&transport=quic&fallback=rtmp", true, fallback::none, false, "rtmp://h/a/s"},
       }) {
    const auto u = good(r.text);
    EXPECT_EQ(u.use_quic, r.quic) << r.text;
    EXPECT_EQ(u.fall_back_to, r.to) << r.text;
    EXPECT_EQ(u.use_tls_when_tcp, r.tls) << r.text;
    EXPECT_EQ(u.plain(), r.plain) << r.text;
  }
}

TEST(uri, identifier_is_found_in_scheme_or_query) {
  EXPECT_EQ(good("rtmp://h/a/s").identifier, quic_identifier::none);
  EXPECT_EQ(good("rtmpq://h/a/s").identifier, quic_identifier::in_scheme);
  EXPECT_EQ(good("rtmpq://h/a/s?quic=1").identifier, quic_identifier::in_scheme);
  EXPECT_EQ(good("rtmps://h/a/s?x=y&quic=1").identifier, quic_identifier::in_query);
  EXPECT_EQ(good("rtmp://h/a/s?transport=quic-only").identifier, quic_identifier::in_query);
}

TEST(uri, Y1_identifier_is_one_exact_whole_parameter) {
  for (const auto* query : {"token=quic=1x",
                            "token=transport=quic",
                            "transport=quicx",
                            "transport=QUIC",
                            "Transport=quic",
                            "xtransport=quic",
                            "transport=quic;x=1",
                            "transport=%71uic",
                            "transport=tcp",
                            "transport=",
                            "transport",
                            "quic",
                            "quic=",
                            "quic=10",
                            "quic=1=1",
                            "a=b&token=quic=1x&c=d",
                            "x=?transport=quic",
                            "transport=quic#x",
                            "fallback=none",
                            "fallback=rtmps",
                            "pin=1234"}) {
    const auto text = std::string("rtmp://h/a/s?") + query;
    const auto u = good(text);
    EXPECT_FALSE(u.use_quic) << query;
    EXPECT_EQ(u.query, query);
    EXPECT_EQ(u.plain(), text);
  }
}

TEST(uri, Y2_only_our_parameters_are_deleted) {
  const auto stays = [](std::string_view query) { return good("rtmpq://h/a/s?" + std::string(query)).query; };
  EXPECT_EQ(stays("transport=quic"), "");
  EXPECT_EQ(stays("transport=quic&transport=quic&quic=1"), "");
  EXPECT_EQ(stays("a=1&transport=quic&b=2"), "a=1&b=2");
  EXPECT_EQ(stays("transport=quic&b=2"), "b=2");
  EXPECT_EQ(stays("a=1&quic=1"), "a=1");
  EXPECT_EQ(stays("b=2&a=1&b=2"), "b=2&a=1&b=2");
  EXPECT_EQ(stays("sig=%2f%2F+%zz&e=1?x&&"), "sig=%2f%2F+%zz&e=1?x&&");
  EXPECT_EQ(stays("transport=tcp&fallback=maybe&transport"), "transport=tcp&fallback=maybe&transport");
  EXPECT_EQ(stays("fallback=rtmp&k=v&pin=" + pin), "k=v");
  EXPECT_EQ(good("rtmpq://h/a/s?transport=quic").plain(), "rtmps://h/a/s");
  EXPECT_EQ(good("rtmp://h/a/s?").plain(), "rtmp://h/a/s");
  EXPECT_EQ(good("rtmp://h/a/s?&").plain(), "rtmp://h/a/s?&");
}

TEST(uri, fallback_and_pin_are_ours_only_where_they_mean_something) {
  EXPECT_EQ(good("rtmps://h/a/s?fallback=rtmp").query, "fallback=rtmp");
  EXPECT_EQ(good("rtmp://h/a/s?pin=" + pin).query, "pin=" + pin);
  EXPECT_EQ(good("rtmp://h/a/s?pin=" + pin).pin, "");
  EXPECT_EQ(good("rtmps://h/a/s?pin=" + pin).plain(), "rtmps://h/a/s");
  EXPECT_EQ(good("rtmps://h/a/s?pin=" + pin).pin, pin);
  EXPECT_EQ(good("rtmp://h/a/s?quic=1&pin=" + pin).pin, pin);
  EXPECT_EQ(good("rtmpq://h/a/s?pin=" + std::string(64, 'B')).pin, std::string(64, 'b'));
  EXPECT_EQ(good("rtmpq://h/a/s?pin=" + pin + "&pin=" + std::string(64, 'A')).pin, pin);
}

TEST(uri, what_looks_like_a_misspelt_parameter_of_ours_is_told) {
  const auto told = [](std::string_view text, const uri_options& options = {}) { return doubtful_parameters(good(text, options), options); };
  using testing::ElementsAre;
  EXPECT_THAT(told("rtmpq://h/a/s?fallback=off"), ElementsAre("fallback=off is none of none, rtmps, rtmp: passed on to the server as it is"));
  EXPECT_THAT(told("rtmp://h/a/s?k=v&transport=quic_only&transport=quic_only"),
              ElementsAre("transport=quic_only is none of quic, quic-only: passed on to the server as it is"));
  EXPECT_THAT(told("rtmp://h/a/s?quic=0&fallback="),
              ElementsAre("quic=0 is not 1: passed on to the server as it is", "fallback= is none of none, rtmps, rtmp: passed on to the server as it is"));
  // A key may have got into it.
  EXPECT_THAT(told("rtmp://h/a/s?transport=quic?key=SECRET"), ElementsAre("transport=*** is none of quic, quic-only: passed on to the server as it is"));
  EXPECT_THAT(told("rtmpq://h/a/s?fallback=" + pin), ElementsAre("fallback=*** is none of none, rtmps, rtmp: passed on to the server as it is"));
  for (const auto* fine : {"rtmp://h/a/s", "rtmp://h/a/s?fallback=none", "rtmp://h/a/s?transport=quic&quic=1&fallback=rtmp", "rtmpq://h/a/s?transport=quic-only",
                           "rtmp://h/a/s?transport&Transport=x&xquic=2&token=fallback=off&pin=12"}) {
    EXPECT_THAT(told(fine), ElementsAre()) << fine;
  }
  const uri_options via{"via=udp", std::nullopt};
  EXPECT_THAT(told("rtmp://h/a/s?via=udp&transport=quic", via), ElementsAre());
  EXPECT_THAT(told("rtmp://h/a/s?via=tcp", via), ElementsAre("via=tcp is none of udp, udp-only: passed on to the server as it is"));
  EXPECT_THAT(told("rtmp://h/a/s?quic=2", {"quic=yes", std::nullopt}), ElementsAre("quic=2 is none of yes, yes-only, 1: passed on to the server as it is"));
}

TEST(uri, malformed_pin_is_never_ignored) {
  for (const auto* head : {"rtmpq://h/a/s?", "rtmps://h/a/s?", "rtmp://h/a/s?transport=quic&"}) {
    EXPECT_THAT(refused(std::string(head) + "pin="), AllOf(HasSubstr("64 hexadecimal digits"), HasSubstr("got 0 characters")));
    EXPECT_THAT(refused(std::string(head) + "pin=" + pin + "a"), HasSubstr("got 65 characters"));
    EXPECT_THAT(refused(std::string(head) + "pin=" + std::string(64, 'g')), HasSubstr("not all of them hexadecimal"));
    EXPECT_THAT(refused(std::string(head) + "pin=" + pin + "&pin=" + std::string(64, 'b')), HasSubstr("two different pin="));
  }
}

TEST(uri, Y4_rtmps_never_falls_back_to_plain) {
  EXPECT_THAT(refused("rtmps://h/a/s?transport=quic&fallback=rtmp"), HasSubstr("never falls back to plain rtmp"));
  EXPECT_THAT(refused("rtmps://localhost/a/s?quic=1", {"transport=quic", fallback::rtmp}), HasSubstr("never falls back"));
}

TEST(uri, fallback_override_wins_over_the_uri) {
  const auto with = [](std::string_view text, fallback f) { return good(text, {"transport=quic", f}); };
  EXPECT_EQ(with("rtmpq://h/a/s", fallback::rtmp).plain(), "rtmp://h/a/s");
  EXPECT_EQ(with("rtmpq://h/a/s?fallback=rtmp", fallback::rtmps).plain(), "rtmps://h/a/s");
  EXPECT_EQ(with("rtmpq://localhost/a/s", fallback::none).fall_back_to, fallback::none);
  EXPECT_EQ(with("rtmp://h/a/s?transport=quic-only", fallback::rtmp).fall_back_to, fallback::rtmp);
  // Nothing to fall back from: a plain URI stays what it is.
  EXPECT_EQ(with("rtmps://h/a/s", fallback::rtmp).plain(), "rtmps://h/a/s");
  EXPECT_EQ(with("rtmp://h/a/s", fallback::rtmps).plain(), "rtmp://h/a/s");
}

TEST(uri, identifier_can_be_chosen) {
  const uri_options via{"via=udp", std::nullopt};
  EXPECT_TRUE(good("rtmp://h/a/s?via=udp", via).use_quic);
  EXPECT_EQ(good("rtmp://h/a/s?k=v&via=udp", via).plain(), "rtmp://h/a/s?k=v");
  EXPECT_EQ(good("rtmp://h/a/s?via=udp-only", via).fall_back_to, fallback::none);
  EXPECT_TRUE(good("rtmp://h/a/s?quic=1", via).use_quic);
  EXPECT_FALSE(good("rtmp://h/a/s?transport=quic", via).use_quic);
  EXPECT_EQ(good("rtmp://h/a/s?transport=quic-only", via).query, "transport=quic-only");
  for (const auto* wrong : {"", "x", "=x", "x=", "a=b&c=d", "a=b?", "a= b", "fallback=none", "pin=x"}) {
    EXPECT_THAT(refused("rtmp://h/a/s", {wrong, std::nullopt}), HasSubstr("NAME=VALUE")) << wrong;
  }
}

TEST(uri, path_is_split_at_the_last_slash) {
  struct row {
    const char* path;
    const char* app;
    const char* stream;
    const char* query;
  };
  for (const auto& r :
       {row{"/live/show", "live", "show", ""}, row{"/live", "live", "", ""}, row{"/live/", "live", "", ""}, row{"/a/b/c", "a/b", "c", ""},
        row{"/a/b/", "a/b", "", ""}, row{"/a//s", "a/", "s", ""}, row{"//a/s", "/a", "s", ""},
        row{"/live/sh%2Fow?k=a/b", "live", "sh%2Fow", "k=a/b"}, row{"/live?k=v/w", "live", "", "k=v/w"},
        row{"/live/mp4:x_#1", "live", "mp4:x_#1", ""}, row{"/live/?k=v", "live", "", "k=v"}, row{"/live/\xc3\xa9", "live", "\xc3\xa9", ""},
        row{"/live/a@b", "live", "a@b", ""}}) {
    const auto text = std::string("rtmp://h") + r.path;
    const auto u = good(text);
    EXPECT_EQ(u.app, r.app) << text;
    EXPECT_EQ(u.stream, r.stream) << text;
    EXPECT_EQ(u.query, r.query) << text;
    EXPECT_EQ(u.plain(), text);
  }
}

TEST(uri, stream_name_carries_the_query) {
  EXPECT_EQ(good("rtmp://h/live/show").stream_name(), "show");
  EXPECT_EQ(good("rtmpq://h/live/show?k=v&transport=quic").stream_name(), "show?k=v");
  EXPECT_EQ(good("rtmp://h/live?k=v").stream_name(), "");
}

TEST(uri, Y2_tc_url_is_the_same_on_every_transport) {
  for (const auto* scheme_and : {"rtmp://Host:1936/a/b/s?k=v", "rtmps://Host:1936/a/b/s?k=v", "rtmpq://Host:1936/a/b/s?k=v",
                                 "rtmp://Host:1936/a/b/s?transport=quic&k=v"}) {
    const auto u = good(scheme_and);
    EXPECT_EQ(u.tc_url(), "rtmp://Host:1936/a/b");
    EXPECT_EQ(u.stream_name(), "s?k=v");
  }
  EXPECT_EQ(good("rtmpq://h/live/s").tc_url(), "rtmp://h/live");
  EXPECT_EQ(good("rtmpq://h:1935/live/s").tc_url(), "rtmp://h:1935/live");
  EXPECT_EQ(good("rtmps://[2001:DB8::1]:443/live/s").tc_url(), "rtmp://[2001:DB8::1]:443/live");
}

TEST(uri, hosts_and_ports) {
  auto u = good("RTMPQ://Example.COM/a/s");
  EXPECT_EQ(u.scheme_written, scheme::rtmpq);
  EXPECT_EQ(u.host, "Example.COM");
  EXPECT_EQ(u.port, 1935);
  EXPECT_FALSE(u.port_written || u.host_is_ip || u.loopback);
  u = good("rtmp://[2001:db8::1]:65535/a/s");
  EXPECT_EQ(u.host, "2001:db8::1");
  EXPECT_EQ(u.port, 65535);
  EXPECT_TRUE(u.port_written && u.host_is_ip);
  EXPECT_TRUE(good("rtmp://192.0.2.1/a/s").host_is_ip);
  EXPECT_TRUE(good("rtmp://LocalHost/a/s").loopback);
  EXPECT_TRUE(good("rtmp://[0:0::0:1]/a/s").loopback);
  EXPECT_FALSE(good("rtmp://128.0.0.1/a/s").loopback);
  EXPECT_FALSE(good("rtmp://127.0.0.1.example/a/s").loopback);
  EXPECT_EQ(good("rtmp://h_1.a-b./a/s").host, "h_1.a-b.");
}

TEST(uri, errors_say_what_to_write) {
  EXPECT_THAT(refused(""), HasSubstr("rtmp://HOST/APP/STREAM"));
  EXPECT_THAT(refused("rmtp://h/a/s"), AllOf(HasSubstr("\"rmtp\""), HasSubstr("rtmpq://")));
  EXPECT_THAT(refused("rtmpe://h/a/s"), HasSubstr("\"rtmpe\""));
  EXPECT_THAT(refused("https://h/a/s"), HasSubstr("rtmps://"));
  EXPECT_THAT(refused("h/a/s"), HasSubstr("scheme is missing"));
  EXPECT_THAT(refused("h/a:b"), HasSubstr("scheme is missing"));
  EXPECT_THAT(refused("rtmps:/h/a/s"), HasSubstr("write rtmps://HOST"));
  EXPECT_THAT(refused("rtmp:///a/s"), HasSubstr("host is missing"));
  EXPECT_THAT(refused("rtmp://:1935/a/s"), HasSubstr("host is missing"));
  EXPECT_THAT(refused("rtmp://h"), HasSubstr("application is missing"));
  EXPECT_THAT(refused("rtmp://h/"), HasSubstr("application is missing"));
  EXPECT_THAT(refused("rtmp://h//s"), HasSubstr("application is missing"));
  EXPECT_THAT(refused("rtmp://h?transport=quic"), HasSubstr("application is missing"));
  for (const auto* port : {"", "0", "65536", "123456", "19x", "-1", "01935", "+1"}) {
    EXPECT_THAT(refused(std::string("rtmp://h:") + port + "/a/s"), HasSubstr("number from 1 to 65535")) << port;
  }
  EXPECT_THAT(refused("rtmp://me:secret@h/a/s"), AllOf(HasSubstr("'@'"), HasSubstr("query"), Not(HasSubstr("secret"))));
  EXPECT_THAT(refused("rtmp://2001:db8::1/a/s"), HasSubstr("rtmp://[2001:db8::1]/"));
  EXPECT_THAT(refused("rtmp://[2001:db8::1/a/s"), HasSubstr("']'"));
  EXPECT_THAT(refused("rtmp://[::1]x/a/s"), HasSubstr("may follow the ']'"));
  EXPECT_THAT(refused("rtmp://[fe80::1%25eth0]/a/s"), HasSubstr("without a zone"));
  EXPECT_THAT(refused("rtmp://[127.0.0.1]/a/s"), HasSubstr("no IPv6 address"));
  EXPECT_THAT(refused("rtmp://256.0.0.1/a/s"), HasSubstr("no IPv4 address"));
  EXPECT_THAT(refused("rtmp://127.1/a/s"), HasSubstr("no IPv4 address"));
  EXPECT_THAT(refused("rtmp://b\xc3\xbc"
                      "cher.example/a/s"),
              AllOf(HasSubstr("xn--"), HasSubstr("b\\xc3\\xbccher")));
  EXPECT_THAT(refused("rtmp://a..b/a/s"), HasSubstr("empty part"));
  EXPECT_THAT(refused("rtmp://h/a/s p"), AllOf(HasSubstr("position 13"), HasSubstr("%20")));
  EXPECT_THAT(refused("rtmp://h/a/s\n"), HasSubstr("position 13"));
  EXPECT_THAT(refused(std::string("rtmp://h/a/\0s", 13)), HasSubstr("control character"));
  EXPECT_THAT(refused("rtmp://" + std::string(64, 'a') + "/a/s"), HasSubstr("63 bytes"));
}

TEST(uri, display_hides_the_key) {
  const auto u = good("rtmpq://h:1936/live/secret?token=hidden=too&flag&&b=&transport=quic");
  EXPECT_EQ(u.display(true), "rtmpq://h:1936/live/***?token=***&***&&b=***");
  EXPECT_EQ(u.display(false), "rtmpq://h:1936/live/secret?token=hidden=too&flag&&b=");
  EXPECT_EQ(good("rtmps://h/live/s").display(true), "rtmps://h/live/***");
  EXPECT_EQ(good("rtmp://h/live").display(true), "rtmp://h/live");
}

TEST(uri_host, ipv4) {
  EXPECT_EQ(parse_ipv4("1.2.3.255"), (std::array<std::uint8_t, 4>{1, 2, 3, 255}));
  for (const auto* wrong : {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3", "1..2.3", "1.2.3.256", "1.2.3.1000", "01.2.3.4",
                            "1.2.3.a", "1.2.3.-4", " 1.2.3.4"}) {
    EXPECT_FALSE(parse_ipv4(wrong)) << wrong;
  }
}

TEST(uri_host, ipv6) {
  using address = std::array<std::uint8_t, 16>;
  EXPECT_EQ(parse_ipv6("::"), address{});
  EXPECT_EQ(parse_ipv6("::1"), (address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(parse_ipv6("1::"), (address{0, 1}));
  EXPECT_EQ(parse_ipv6("2001:DB8::a:b"), (address{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 0xb}));
  EXPECT_EQ(parse_ipv6("1:2:3:4:5:6:7:8"), (address{0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}));
  EXPECT_EQ(parse_ipv6("1:2:3:4:5:6:7::"), (address{0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0}));
  EXPECT_EQ(parse_ipv6("::ffff:192.0.2.1"), (address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}));
  EXPECT_EQ(parse_ipv6("1:2:3:4:5:6:1.2.3.4"), (address{0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4}));
  for (const auto* wrong : {"",
                            ":",
                            ":::",
                            "1",
                            "1:",
                            ":1",
                            "1:2:3:4:5:6:7",
                            "1:2:3:4:5:6:7:8:9",
                            "1::2::3",
                            "12345::",
                            "g::",
                            "1:2:3:4:5:6:7:8::",
                            "::1:2:3:4:5:6:7:8",
                            "1:2:3:4:5:6:7:1.2.3.4",
                            "::1.2.3",
                            "1.2.3.4",
                            "1.2.3.4::",
                            "::1%eth0",
                            "::1:",
                            "1:::2"}) {
    EXPECT_FALSE(parse_ipv6(wrong)) << wrong;
  }
}

// Random URIs, put together from pieces of which the test knows whether they are ours: what has to be left is known without
// asking the parser.
TEST(uri, random_conversion_is_exact_and_idempotent) {
  std::mt19937 random(20240601);  // NOLINT: the same URIs in every run
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const auto pick = [&](const std::vector<std::string>& from) { return from[below(from.size())]; };
  const std::vector<std::string> hosts{"h", "example.com", "localhost", "127.0.0.1", "[::1]", "[2001:db8::7]", "A-b.C", "10.0.0.1"};
  const std::vector<std::string> segments{"live", "a", "%41", "x%2fy", "mp4:z", "k-_.~", "+", "\xc3\xa9", "a=b&c"};
  const std::vector<std::string> foreign{"",       "k=v",        "token=quic=1x",   "transport=tcp", "transport", "sig=a%2Bb/c?d==",
                                         "quic=0", "fallback=x", "transport=quic2", "e=1",           "Pin=1",     "pin"};
  int with_quic = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto written = pick({"rtmp", "rtmps", "rtmpq"});
    const auto authority = pick(hosts) + (below(2) == 0 ? "" : ":" + std::to_string(below(65535) + 1));
    std::string path = "/" + pick(segments);
    for (auto more = below(4); more > 0; --more) path += "/" + pick(segments);
    if (below(8) == 0) path += '/';

    bool quic = written == "rtmpq";
    std::vector<std::pair<std::string, bool>> parameters;  // text, and whether it is ours in a QUIC URI
    for (auto more = below(6); more > 0; --more) {
      if (below(2) == 0) {
        parameters.emplace_back(pick(foreign), false);
      } else {
        const auto ours = pick({"transport=quic", "transport=quic-only", "quic=1", "fallback=none", "fallback=rtmps", "pin=" + pin});
        parameters.emplace_back(ours, true);
        quic = quic || ours[0] == 't' || ours[0] == 'q';
      }
    }
    std::string query;
    std::string left;
    bool first_left = true;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& [text, ours] = parameters[i];
      query += (i == 0 ? "?" : "&") + text;
      if (ours && (quic || (written == "rtmps" && text[0] == 'p'))) continue;
      left += (first_left ? "" : "&") + text;
      first_left = false;
    }
    const auto text = written + "://" + authority + path + query;
    const auto u = parse_uri(text);
    ASSERT_TRUE(u) << text << ": " << u.error().text;
    with_quic += u->use_quic ? 1 : 0;
    ASSERT_EQ(u->use_quic, quic) << text;
    ASSERT_EQ(u->query, left) << text;
    const auto plain = u->plain();
    ASSERT_EQ(plain, std::string(u->use_tls_when_tcp ? "rtmps" : "rtmp") + "://" + authority + path + (left.empty() ? "" : "?" + left))
        << text;

    const auto again = parse_uri(plain);
    ASSERT_TRUE(again) << plain;
    ASSERT_EQ(again->plain(), plain);
    ASSERT_FALSE(again->use_quic);
    ASSERT_EQ(again->tc_url(), u->tc_url());
    ASSERT_EQ(again->app, u->app);
    ASSERT_EQ(again->stream_name(), u->stream_name());
    ASSERT_TRUE(u->use_tls_when_tcp || u->scheme_written == scheme::rtmp || u->fall_back_to == fallback::rtmp) << text;  // never below the table
  }
  EXPECT_GT(with_quic, 5'000);
  EXPECT_LT(with_quic, 19'000);
}

TEST(uri, a_loopback_server_without_tls_may_be_used_in_the_plain_unless_the_user_said_how_far_to_fall) {
  EXPECT_TRUE(good("rtmpq://localhost/a/s").plain_if_no_tls);
  EXPECT_TRUE(good("rtmpq://[::1]/a/s").plain_if_no_tls);
  EXPECT_FALSE(good("rtmpq://example.com/a/s").plain_if_no_tls);
  EXPECT_FALSE(good("rtmpq://localhost/a/s?fallback=rtmps").plain_if_no_tls);
  EXPECT_FALSE(good("rtmps://localhost/a/s?transport=quic").plain_if_no_tls);
}

}  // namespace
}  // namespace millrace::rtmp
