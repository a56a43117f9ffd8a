#include "http/static_files.hpp"

#include <gtest/gtest.h>

#include <array>

namespace millrace::http {
namespace {

constexpr std::string_view policy = "default-src 'none'";
const std::array files{
    static_file{"/", "text/html; charset=utf-8", "11aa", false, base::as_bytes("<!doctype html>"), base::as_bytes("(page, packed)")},
    static_file{"/console/app-1.js", "text/javascript; charset=utf-8", "22bb", true, base::as_bytes("run()"), {}},
};

request get(std::string path, std::vector<std::pair<std::string, std::string>> headers = {}) {
  request r;
  r.method = "GET";
  r.path = std::move(path);
  r.headers = std::move(headers);
  return r;
}

std::optional<response> ask(const request& r) { return static_files(files, policy).find(r); }

std::string header(const response& r, std::string_view name) {
  for (const auto& [key, value] : r.headers) {
    if (key == name) return value;
  }
  return {};
}

std::string body(const response& r) {
  const auto flat = r.body.flatten();
  return {flat.begin(), flat.end()};
}

TEST(static_files, only_what_there_is) {
  for (const auto* path : {"", "/x", "/console", "/console/", "/console/app-1.js/", "/CONSOLE/app-1.js", "/console/../console/app-1.js", "//"}) {
    EXPECT_FALSE(ask(get(path))) << path;
  }
}

TEST(static_files, a_page_is_asked_for_each_time_and_its_parts_are_kept) {
  const auto page = ask(get("/"));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200u);
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(header(*page, "Cache-Control"), "no-cache");
  EXPECT_EQ(header(*page, "Content-Security-Policy"), policy);
  EXPECT_EQ(header(*page, "ETag"), "\"11aa\"");
  EXPECT_EQ(body(*page), "<!doctype html>");
  const auto part = ask(get("/console/app-1.js"));
  ASSERT_TRUE(part);
  EXPECT_EQ(header(*part, "Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(header(*part, "Content-Security-Policy"), policy);
}

TEST(static_files, compressed_only_for_those_who_take_it) {
  for (const auto* takes : {"gzip", "br, gzip", "gzip;q=0.5", "deflate , gzip ; q=1", "*", "x-gzip", "*;q=0, gzip"}) {
    const auto r = ask(get("/", {{"accept-encoding", takes}}));
    EXPECT_EQ(header(*r, "Content-Encoding"), "gzip") << takes;
    EXPECT_EQ(header(*r, "ETag"), "\"11aa-gzip\"") << takes;
    EXPECT_EQ(header(*r, "Vary"), "Accept-Encoding") << takes;
    EXPECT_EQ(body(*r), "(page, packed)") << takes;
  }
  for (const auto* takes : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "*, gzip;q=0", "notgzip"}) {
    const auto r = ask(get("/", {{"accept-encoding", takes}}));
    EXPECT_EQ(header(*r, "Content-Encoding"), "") << takes;
    EXPECT_EQ(header(*r, "Vary"), "Accept-Encoding") << takes;  // a cache between has to know in either case
    EXPECT_EQ(body(*r), "<!doctype html>") << takes;
  }
}

TEST(static_files, what_has_no_compressed_form_comes_plain) {
  const auto r = ask(get("/console/app-1.js", {{"accept-encoding", "gzip"}}));
  EXPECT_EQ(header(*r, "Content-Encoding"), "");
  EXPECT_EQ(header(*r, "Vary"), "");
  EXPECT_EQ(body(*r), "run()");
}

TEST(static_files, what_the_client_has_is_not_sent_again) {
  for (const auto* has : {"\"11aa\"", "W/\"11aa\"", "\"11aa-gzip\"", "\"other\", \"11aa\"", "*"}) {
    const auto r = ask(get("/", {{"if-none-match", has}, {"accept-encoding", "gzip"}}));
    EXPECT_EQ(r->status, 304u) << has;
    EXPECT_TRUE(r->body.empty()) << has;
    EXPECT_EQ(r->content_type, "") << has;
    EXPECT_EQ(header(*r, "ETag"), "\"11aa-gzip\"") << has;
    EXPECT_EQ(header(*r, "Content-Security-Policy"), policy) << has;
  }
  for (const auto* has : {"\"22bb\"", "11aa", "\"11a\"", "\"", ""}) EXPECT_EQ(ask(get("/", {{"if-none-match", has}}))->status, 200u) << has;
}

}  // namespace
}  // namespace millrace::http
