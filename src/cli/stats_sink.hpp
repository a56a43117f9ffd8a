// --stats, and the two habits of every long-running client command: a signal ends it in order, once a second it reports.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "client/progress.hpp"

namespace millrace::cli {

class stats_sink {
 public:
  // Empty: nowhere. "-": standard output. Error kind local.
  static base::result<std::shared_ptr<stats_sink>> open(const std::string& path);
  ~stats_sink();
  // Never waits: a line that the file or pipe does not take at once is left out.
  void write(const client::progress& p);

 private:
  int fd_ = -1;
  bool owned_ = false;
};

// The returned values keep the habit up; dropping them ends it.
// The first SIGINT or SIGTERM calls `stop`, a second one ends the process at once.
std::shared_ptr<void> stop_on_signal(boost::asio::io_context& io, std::function<void()> stop);
std::shared_ptr<void> repeat_every_second(boost::asio::io_context& io, std::function<void()> act);
// After io.stop(): closed transports still deliver their last bytes and goodbyes. Returns when they are gone, after 2.5 s at the latest.
void finish_closing(boost::asio::io_context& io);

}  // namespace millrace::cli
