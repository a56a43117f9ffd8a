// What a request is answered with.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/send_chain.hpp"
#include "base/time.hpp"

namespace millrace::http {

// A body that comes bit by bit: live media, a file. Used on its connection's thread.
class body_source {
 public:
  virtual ~body_source() = default;
  enum class state : unsigned char { more, waits, ended, broken };
  // Appends what there is, up to about `budget` bytes (one unit more is all right). `waits`: call wake() when there is more. `broken`: less comes
  // than was announced, the connection ends without a proper end.
  virtual state pull(base::instant now, std::size_t budget, base::send_chain& out) = 0;
  // Bytes of the peer, when the response switched protocols (101). False: the connection ends.
  virtual bool receive(base::bytes_view /*bytes*/) { return true; }
  // Once a second.
  virtual void on_tick(base::instant /*now*/) {}
  // The connection is gone or the body is over; nothing is pulled after that.
  virtual void on_end(std::string_view /*why*/) {}
  void wake() { if (on_wake) on_wake(); }
  std::function<void()> on_wake;  // the connection's
};

struct response {
  unsigned status = 200;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  base::send_chain body;
  std::unique_ptr<body_source> source;       // instead of `body`
  std::optional<std::uint64_t> source_bytes;  // its length if that is known; otherwise the end of the connection ends it
};

std::string_view reason_phrase(unsigned status);
// A short text, with a line break at its end, for people who call by hand.
response text_response(unsigned status, std::string text);
response bytes_response(std::string content_type, std::string body);

// The status line and headers. `date` as IMF-fixdate.
std::string encode_head(const response& r, bool keep_alive, std::string_view date);
std::string imf_date(std::int64_t unix_seconds);

}  // namespace millrace::http
