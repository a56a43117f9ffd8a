// A process that this one has started: heard of when it ends, and reaped.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "base/result.hpp"

namespace millrace::server {

// One thread: the io_context's.
class child_process {
 public:
  // `ended` is called once, with what waitpid(2) says; it may destroy this object. Error (kind local): it cannot be watched, and was killed and reaped.
  static base::result<std::unique_ptr<child_process>> watch(boost::asio::io_context& io, int number, std::function<void(int status)> ended);
  // Nothing more is heard of it, and it lives on.
  ~child_process() = default;
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }
  // SIGTERM.
  void ask_to_stop() const;

 private:
  child_process(boost::asio::io_context& io, int number, int descriptor, std::function<void(int status)> ended);
  void wait();

  const int number_;
  boost::asio::posix::stream_descriptor descriptor_;  // readable when it has ended (pidfd_open(2))
  std::function<void(int status)> ended_;
};

}  // namespace millrace::server
