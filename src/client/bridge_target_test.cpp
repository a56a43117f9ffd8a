#include "client/bridge_target.hpp"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

struct row {
  const char* url;
  local_request request;
  const char* plain;
};

TEST(bridge_target, one_table_of_what_goes_where) {
  const row rows[] = {
      {"rtmpq://example.com", {"live", "", "show", ""}, "rtmps://example.com/live/show"},
      {"rtmpq://example.com/", {"live", "", "show", ""}, "rtmps://example.com/live/show"},
      {"rtmpq://example.com:7000", {"a/b", "", "show", ""}, "rtmps://example.com:7000/a/b/show"},
      {"rtmpq://example.com/live", {"other", "", "show", ""}, "rtmps://example.com/live/show"},
      {"rtmpq://example.com/live/", {"other", "", "show", ""}, "rtmps://example.com/live/show"},
      {"rtmpq://example.com/live/fixed", {"other", "", "show", ""}, "rtmps://example.com/live/fixed"},
      {"rtmpq://example.com/live/fixed", {"other", "", "", ""}, "rtmps://example.com/live/fixed"},
      {"rtmpq://example.com", {"live", "", "show", "key=a%20b"}, "rtmps://example.com/live/show?key=a%20b"},
      {"rtmpq://example.com/live/fixed?key=1", {"x", "", "y", "more=2"}, "rtmps://example.com/live/fixed?key=1&more=2"},
      {"rtmp://example.com?transport=quic", {"live", "", "show", "transport=quic"}, "rtmp://example.com/live/show"},
      {"rtmp://[::1]:1936", {"live", "", "show", ""}, "rtmp://[::1]:1936/live/show"},
      {"rtmpq://example.com?key=9", {"live", "", "show", ""}, "rtmps://example.com/live/show?key=9"},
  };
  for (const auto& r : rows) {
    auto route = parse_bridge_route(r.url);
    ASSERT_TRUE(route.has_value()) << r.url << ": " << route.error().text;
    auto target = resolve_target(*route, r.request);
    ASSERT_TRUE(target.has_value()) << r.url << ": " << target.error().text;
    if (std::string_view(r.request.stream_query) == "transport=quic") {
      EXPECT_EQ(target->uri.stream_name(), "show?transport=quic") << "a local program's query passes through untouched";
      EXPECT_TRUE(target->uri.use_quic);
      continue;
    }
    EXPECT_EQ(target->uri.plain(), r.plain) << r.url;
  }
}

TEST(bridge_target, connect_query_goes_to_connect) {
  auto route = parse_bridge_route("rtmpq://example.com");
  ASSERT_TRUE(route.has_value());
  auto target = resolve_target(*route, {"live", "user=1", "show", "key=2"});
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->app_query, "user=1");
  EXPECT_EQ(target->uri.stream_name(), "show?key=2");
  EXPECT_EQ(target->uri.app, "live");
}

TEST(bridge_target, incomplete_names_are_refused_with_advice) {
  auto route = parse_bridge_route("rtmpq://example.com");
  ASSERT_TRUE(route.has_value());
  auto no_app = resolve_target(*route, {"", "", "show", ""});
  ASSERT_FALSE(no_app.has_value());
  EXPECT_EQ(no_app.error().kind, base::error_kind::not_found);
  auto no_stream = resolve_target(*route, {"live", "", "", ""});
  ASSERT_FALSE(no_stream.has_value());
  EXPECT_NE(no_stream.error().text.find("stream key"), std::string::npos);
}

TEST(bridge_target, bad_urls_keep_the_parsers_words) {
  for (const char* text : {"", "example.com", "http://example.com", "rtmpq://", "rtmpq:///", "rtmpq://host:99999"}) {
    auto route = parse_bridge_route(text);
    ASSERT_FALSE(route.has_value()) << text;
    EXPECT_EQ(route.error().kind, base::error_kind::usage);
    EXPECT_FALSE(route.error().text.empty());
  }
}

}  // namespace
}  // namespace millrace::client
