#include "http/request_reader.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

struct outcome {
  std::vector<request> requests;
  std::optional<request_reader::failure> failed;
};

outcome read(std::string_view bytes, std::size_t step) {
  outcome out;
  request_reader reader;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    reader.receive(base::as_bytes(bytes.substr(at, step)));
    while (auto one = reader.poll(out.failed)) out.requests.push_back(*std::move(one));
  }
  return out;
}

TEST(request_reader, reads_a_request_whatever_its_pieces) {
  const std::string bytes = "GET /live/a%20b.flv?delay=50&x=%26+y HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: test\r\nConnection: Keep-Alive, Upgrade\r\n\r\n";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto out = read(bytes, step);
    ASSERT_EQ(out.requests.size(), 1u) << step;
    const auto& r = out.requests.front();
    EXPECT_EQ(r.method, "GET");
    EXPECT_EQ(r.path, "/live/a b.flv");
    EXPECT_EQ(r.query, "delay=50&x=%26+y");
    EXPECT_EQ(r.parameter("x"), "& y");
    EXPECT_EQ(r.parameter("delay"), "50");
    EXPECT_FALSE(r.parameter("y"));
    EXPECT_EQ(r.header("host"), "example.com:8080");
    EXPECT_TRUE(r.has_token("connection", "upgrade"));
    EXPECT_FALSE(r.has_token("connection", "close"));
    EXPECT_TRUE(r.keep_alive);
  }
}

TEST(request_reader, gives_pipelined_requests_one_by_one) {
  const auto out = read("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\r\nGET /3 HTTP/1.0\r\n\r\n", 1000);
  ASSERT_EQ(out.requests.size(), 3u);
  EXPECT_EQ(out.requests[1].body, "body");
  EXPECT_EQ(out.requests[2].path, "/3");
  EXPECT_FALSE(out.requests[2].keep_alive);
  EXPECT_FALSE(out.failed);
}

TEST(request_reader, knows_what_waits_behind_the_requests_that_were_taken) {
  const std::string one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  request_reader reader;
  std::optional<request_reader::failure> failed;
  for (int i = 0; i < 9; ++i) reader.receive(base::as_bytes(one));
  for (std::size_t left = 8; left > 0; --left) {
    ASSERT_TRUE(reader.poll(failed));
    EXPECT_EQ(reader.waiting_bytes(), left * one.size());
    if (left % 3 == 0) {
      reader.receive(base::as_bytes(one));
      ASSERT_TRUE(reader.poll(failed));
    }
  }
  reader.receive(base::as_bytes("rest"));
  EXPECT_EQ(reader.take_rest(), one + "rest");
  EXPECT_EQ(reader.waiting_bytes(), 0u);
  EXPECT_FALSE(failed);
}

TEST(request_reader, takes_no_body_whose_length_is_not_said) {
  for (const std::size_t piece : {1u, 7u, 1000u}) {
    const auto out = read("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", piece);
    EXPECT_TRUE(out.requests.empty());
    ASSERT_TRUE(out.failed);
    EXPECT_EQ(out.failed->status, 411u);
  }
}

// What is behind it would be another request to us, and a body to whoever knows the coding (RFC 9112 section 6.1).
TEST(request_reader, takes_no_transfer_coding_at_all) {
  for (const std::string coding : {"xchunked", "gzip", "identity", "chunked, gzip", ""}) {
    const auto out = read("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + "\r\n\r\nGET /api HTTP/1.1\r\nHost: a\r\n\r\n", 1000);
    EXPECT_TRUE(out.requests.empty()) << coding;
    EXPECT_TRUE(out.failed) << coding;
  }
}

TEST(request_reader, wants_one_host) {  // RFC 9112 section 3.2
  EXPECT_EQ(read("GET / HTTP/1.1\r\n\r\n", 1000).failed.value_or(request_reader::failure{}).status, 400u);
  EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 1000).failed.value_or(request_reader::failure{}).status, 400u);
  EXPECT_EQ(read("GET / HTTP/1.0\r\n\r\n", 1000).requests.size(), 1u);
}

TEST(request_reader, takes_the_path_out_of_an_absolute_target) {
  const auto out = read("GET http://example.com/live/a.flv?b HTTP/1.1\r\nHost: example.com\r\n\r\n", 1000);
  ASSERT_EQ(out.requests.size(), 1u);
  EXPECT_EQ(out.requests[0].path, "/live/a.flv");
  EXPECT_EQ(out.requests[0].query, "b");
}

TEST(request_reader, refuses_what_is_no_request) {
  const struct {
    std::string bytes;
    unsigned status;
  } cases[] = {
      {"\x03\x01\x02\x03 this is RTMP\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET live HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
  };
  for (const auto& one : cases) {
    const auto out = read(one.bytes, 100);
    EXPECT_TRUE(out.requests.empty()) << one.bytes.substr(0, 40);
    ASSERT_TRUE(out.failed) << one.bytes.substr(0, 40);
    EXPECT_EQ(out.failed->status, one.status) << one.bytes.substr(0, 40) << ": " << out.failed->why;
    EXPECT_FALSE(out.failed->why.empty());
  }
}

TEST(request_reader, says_nothing_more_after_an_error) {
  std::optional<request_reader::failure> failed;
  request_reader reader;
  reader.receive(base::as_bytes("nonsense\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(reader.poll(failed));
  EXPECT_TRUE(failed);
  failed.reset();
  EXPECT_FALSE(reader.poll(failed));
  EXPECT_FALSE(failed);
}

TEST(percent, goes_both_ways) {
  EXPECT_EQ(percent_encoded("live/a b<\xC3\xA9>"), "live/a%20b%3C%C3%A9%3E");
  EXPECT_EQ(percent_decoded("live/a%20b%3C%C3%A9%3E"), "live/a b<\xC3\xA9>");
  EXPECT_EQ(percent_decoded("a+b"), "a+b");
  EXPECT_EQ(percent_decoded("a+b", true), "a b");
  EXPECT_FALSE(percent_decoded("%"));
  EXPECT_FALSE(percent_decoded("%G0"));
}

}  // namespace
}  // namespace millrace::http
