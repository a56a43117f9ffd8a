// Bytes to requests: HTTP/1.1 by Boost.Beast's parser, which knows nothing of sockets here.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "http/request.hpp"

namespace millrace::http {

// Of one connection, in order; what follows a request waits until that one was taken, so that requests are answered one by one. Linear in the
// bytes received.
class request_reader {
 public:
  static constexpr std::uint32_t header_bytes_max = 16u << 10;  // curl and browsers send under 2 KiB
  static constexpr std::uint64_t body_bytes_max = 64u << 10;    // the API takes small JSON objects

  request_reader();
  ~request_reader();
  request_reader(const request_reader&) = delete;
  request_reader& operator=(const request_reader&) = delete;

  void receive(base::bytes_view bytes);
  // The next request if it is there whole. An error is final; its code is the status that it is answered with.
  struct failure {
    unsigned status = 400;
    std::string why;
  };
  std::optional<request> poll(std::optional<failure>& failed);
  // Bytes that came and belong to no request that was taken.
  [[nodiscard]] std::size_t waiting_bytes() const noexcept;
  // They are another protocol's now (an upgrade).
  std::string take_rest();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace millrace::http
