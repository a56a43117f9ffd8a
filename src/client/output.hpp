// A file or standard output, written on a thread of its own from a bounded queue.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/send_chain.hpp"

namespace millrace::client {

// Everything is called on the io_context's thread, `on_change` too: when the queue became short again, when writing failed, and when
// all was written after finish(). The destructor drops what is still queued.
class output {
 public:
  // `path` "-" is standard output. Opens at once, but an existing file keeps its content until the first write.
  // Errors: local (cannot be created), usage (a terminal).
  static base::result<std::unique_ptr<output>> open(boost::asio::io_context& io, const std::string& path, std::function<void()> on_change);
  ~output();
  output(const output&) = delete;
  output& operator=(const output&) = delete;

  void write(base::send_chain chain);
  // No more writes: everything queued is written, then on_change is called and finished() is true.
  void finish();
  [[nodiscard]] std::size_t queued_bytes();
  [[nodiscard]] bool finished();
  // Kind local: disk full …; kind closed: the reader of the pipe went away.
  [[nodiscard]] std::optional<base::error> failure();

  struct shared;

 private:
  explicit output(std::shared_ptr<shared> s);
  std::shared_ptr<shared> shared_;
};

}  // namespace millrace::client
