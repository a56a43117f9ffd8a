// Asks other HTTP servers, by libcurl: what the server's hooks need.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::http {

struct client_request {
  std::string url;           // http or https; certificates are verified against the system's authorities
  std::string content_type;
  std::string body;          // sent by POST
  std::chrono::milliseconds timeout{3'000};  // for everything: name, connection, answer
};

struct client_response {
  unsigned status = 0;       // 0: there was none, see `failed`
  std::string location;      // of a redirect, which is never followed
  std::string body;
  std::string failed;        // why there is no answer, for people
};

// One thread for any number of requests at a time, with connections that are kept. Started by the first request.
class client {
 public:
  static constexpr std::size_t answer_bytes_max = 64u << 10;
  static constexpr std::size_t open_max = 2'000;  // requests that have no answer yet: beyond, they fail at once
  using handler = std::function<void(client_response&&)>;

  client();
  // What was asked by then has a tenth of a second to get through; handlers of the rest are called with a failure.
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  // Any thread. `done` is called once, on the client's thread, or at once here if there are too many open.
  void post(client_request what, handler done);
  [[nodiscard]] std::size_t open() const;

 private:
  struct transfer;
  void run();

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<transfer>> waiting_;  // for the thread to take
  std::size_t open_ = 0;
  bool stopping_ = false;
  void* multi_ = nullptr;  // CURLM: made with the thread
  std::thread thread_;
};

}  // namespace millrace::http
