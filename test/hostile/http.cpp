// HTTP requests that browsers do not send (RFC 9112), to the port of players, API and metrics; and WebSocket frames (RFC 6455).
#include "hostile/raw_tcp.hpp"

namespace millrace::hostile {
namespace {

struct request {
  const char* name;
  std::string sent;
  // The statuses, any of which is right: "400 414". "close": nothing but the end is said. An empty answer is right where "close" is in it.
  std::string statuses;
  bool only_once = false;  // exactly one answer: what is behind the request is not taken for another one
};

std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + std::string(more) + "Connection: close\r\n\r\n";
}
std::string often(std::string_view what, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += what;
  return out;
}
const std::string smuggled = "GET /api/v1/streams HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

const std::vector<request>& requests() {
  using namespace std::string_literals;
  static const std::string upgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
  static const std::vector<request> all{
      {"a request line of a megabyte", "GET /" + std::string(1u << 20, 'a') + " HTTP/1.1\r\n\r\n", "400 414 431 close"},
      {"a header field of a megabyte", get("/healthz", "X: " + std::string(1u << 20, 'a') + "\r\n"), "400 431 close"},
      {"20,000 header fields", get("/healthz", often("X: y\r\n", 20'000)), "400 431 close"},
      {"a header field without a name", get("/healthz", ": y\r\n"), "400 close"},
      {"a header field folded over lines", get("/healthz", "X: y\r\n z\r\n"), "200 400 close"},
      {"a space before the colon", get("/healthz", "Content-Length : 5\r\n"), "400 close"},
      {"a bare line feed for each end of line", "GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n", "200 400 505 close"},
      {"a NUL in the request line", "GET /hea\0lthz HTTP/1.1\r\nHost: a\r\n\r\n"s, "400 404 close"},
      {"a NUL in a header field", get("/healthz", "X: a\0b\r\n"s), "400 close"},
      {"a carriage return in a header field", get("/healthz", "X: a\rb\r\n"), "400 close"},
      {"bytes above 127 in the request line", get("/\xff\xfe\x80"), "400 404 close"},
      {"HTTP/0.9", "GET /healthz\r\n", "400 505 close"},
      {"HTTP/9.9", "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", "400 505 close"},
      {"HTTP/2 in prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 405 505 close"},
      {"no host", "GET /healthz HTTP/1.1\r\n\r\n", "400 close"},
      {"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 close"},
      {"a host that is none of ours asks for the API", "GET /api/v1/streams HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "403 421 400"},
      {"a method that nobody knows", "BREW /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "400 405 501 close"},
      {"a method of 60,000 bytes", std::string(60'000, 'M') + " / HTTP/1.1\r\n\r\n", "400 405 431 501 close"},
      {"CONNECT", "CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\nConnection: close\r\n\r\n", "400 404 405 501 close"},
      {"TRACE", "TRACE /healthz HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nConnection: close\r\n\r\n", "400 405 501 close"},
      {"a whole address in the request line", get("http://10.0.0.1/latest/meta-data"), "400 404 close"},
      {"a path that leads upwards", get("/../../../../etc/passwd"), "400 404"},
      {"a path that leads upwards in percents", get("/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), "400 404"},
      {"a path with a NUL in percents", get("/live/a%00.flv"), "400 404"},
      {"a path of half a percent", get("/live/%"), "400 404"},
      {"a query of 60,000 bytes", get("/healthz?" + std::string(60'000, 'q')), "400 414 431 200 close"},
      {"Content-Length and Transfer-Encoding", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400 411 415 501 close", true},
      {"two Content-Lengths", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nContent-Length: 49\r\n\r\n" + smuggled, "400 close", true},
      {"Content-Length with a plus", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +0\r\n\r\n" + smuggled, "400 close", true},
      {"Content-Length -1", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n" + smuggled, "400 close", true},
      {"Content-Length 2^64", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 18446744073709551616\r\n\r\n" + smuggled, "400 413 close", true},
      {"Content-Length in hexadecimal", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0x0\r\n\r\n" + smuggled, "400 close", true},
      {"Content-Length of a gigabyte", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1073741824\r\n\r\n" + std::string(100'000, 'x'), "400 413 close"},
      {"Transfer-Encoding xchunked", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n" + smuggled, "400 411 501 close", true},
      {"a chunk of 2^64 bytes", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + smuggled, "400 411 413 501 close", true},
      {"20,000 chunks of a byte", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + often("1\r\nx\r\n", 20'000) + "0\r\n\r\n", "400 411 413 501 close"},
      {"a body for GET", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n" + std::string(100'000, 'x'), "200 400 413 close"},
      {"a range of 2^64 bytes", get("/healthz", "Range: bytes=0-18446744073709551616\r\n"), "200 400 416"},
      {"10,000 ranges", get("/healthz", "Range: bytes=" + often("0-0,", 1'500) + "0-0\r\n"), "200 400 416 431 close"},
      {"a stream whose name leads upwards", get("/live/..%2f..%2fetc.flv"), "400 404"},
      {"a playlist of a stream that is not there", get("/live/nothing-there.m3u8"), "404 400 503"},
      {"a segment with a number of 40 digits", get("/live/nothing/seg-" + std::string(40, '9') + ".m4s"), "404 400"},
      {"playlist directives of 40 digits", get("/live/nothing.m3u8?_HLS_msn=" + std::string(40, '9') + "&_HLS_part=-1"), "400 404 503"},
      {"5000 requests in one breath", often("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 5000) + get("/healthz"), "200 close"},
      {"an upgrade to WebSocket without its key", get("/live/a.flv", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), "400 404 426 close"},
      {"an upgrade to WebSocket with a key of 60,000 bytes", get("/live/a.flv", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + std::string(60'000, 'k') + "\r\n"), "400 404 431 close"},
      {"an upgrade to WebSocket of version 99", "GET /live/a.flv HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 99\r\n\r\n", "400 404 426 close"},
      {"a WebSocket frame of 2^63 bytes", "GET /live/millrace-bystander-stream-a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\n" + "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" "abcd"s, "101 400 404 close"},
      {"a WebSocket frame without a mask", "GET /live/millrace-bystander-stream-a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\n" + "\x82\x03" "abc"s, "101 400 404 close"},
      {"20,000 WebSocket pings", "GET /live/millrace-bystander-stream-a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\n" + often("\x89\x80" "abcd", 20'000), "101 400 404 close"},
      {"a WebSocket ping of 126 bytes", "GET /live/millrace-bystander-stream-a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\n" + "\x89\xfe" + "\0\x7e"s + std::string(130, 'x'), "101 400 404 close"},
      {"a WebSocket frame with reserved bits", "GET /live/millrace-bystander-stream-a.flv HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\n" + "\xf3\x80" "abcd"s, "101 400 404 close"},
      {"RTMP in the place of a request", "\x03" + std::string(3072, '\0'), "400 close"},
      {"a TLS ClientHello that breaks off", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"s + std::string(100, '\0'), "close"},
      {"a megabyte of noise", "\x80" + std::string(1u << 20, '\x9d'), "400 close"},
  };
  return all;
}

std::string status_of(const std::string& answer) { return answer.size() < 12 || !answer.starts_with("HTTP/1.") ? "close" : answer.substr(9, 3); }

asio::awaitable<void> ask(arena& in, const request& what) {
  auto at = co_await raw_tcp::open(in, in.http());
  co_await at.send(what.sent);
  const auto may = [&](const char* status) { return what.statuses.find(status) != std::string::npos; };
  // A stream has no end, and who ends its side before an answer that takes a while may get none: there the beginning is enough.
  const bool beginning = may("101") || (!may("close") && !what.only_once);
  if (!beginning) at.finish();
  const auto answer = co_await at.answer(soon, beginning ? 12 : std::string::npos);
  const auto status = status_of(answer);
  check(may(status.c_str()), "answered with " + status + ": " + answer.substr(0, 60));
  if (what.only_once) {
    const auto second = answer.find("HTTP/1.1 ", 9);
    check(second == std::string::npos || answer.find("HTTP/1.1 200", 9) == std::string::npos, "what was behind the request was answered as another one");
  }
}

// Requests that never end: whatever they cost ends with them.
asio::awaitable<void> slow(arena& in, std::string begin, std::string again, milliseconds limit) {
  auto at = co_await raw_tcp::open(in, in.http());
  co_await at.send(begin);
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    try {
      co_await at.answer(milliseconds(500));
      co_return;
    } catch (const failure&) {
      if (std::chrono::steady_clock::now() >= end) throw;
    }
    co_await at.send(again);
  }
}

}  // namespace

void add_http(cases& to) {
  for (const auto& what : requests()) {
    to.push_back({"HTTP", what.name, "answered within 8 s with one of: " + what.statuses + (what.only_once ? ", and what is behind it is not" : ""),
                  [&what](arena& in) { return ask(in, what); }});
  }
  struct dribble {
    const char *name, *begin, *again;
  };
  static const std::vector<dribble> dribbles{
      {"nothing", "", ""},
      {"half a request line", "GET /hea", ""},
      {"a header field every half second", "GET /healthz HTTP/1.1\r\n", "X: y\r\n"},
      {"a byte every half second", "GET /", "a"},
      {"half a body", "POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n", "{"},
      {"half a ClientHello", "\x16\x03\x01", ""},
  };
  constexpr milliseconds limit{35'000};
  for (const auto& what : dribbles) {
    to.push_back({"HTTP", std::string("slowly: ") + what.name, "closed within " + std::to_string(limit.count() / 1000) + " s",
                  [&what](arena& in) { return slow(in, what.begin, what.again, limit); }, true});
  }
}

}  // namespace millrace::hostile
