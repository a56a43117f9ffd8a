#include "cli/stats_sink.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "cli/console.hpp"

namespace millrace::cli {
namespace {

struct repeater : std::enable_shared_from_this<repeater> {
  repeater(boost::asio::io_context& io, std::function<void()> f) : timer(io), act(std::move(f)) {}
  void arm() {
    // From the last due time, so that a minute of reports is 60 of them.
    timer.expires_at(std::max(timer.expiry() + std::chrono::seconds(1), std::chrono::steady_clock::now()));
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
      const auto self = weak.lock();
      if (failure || !self) return;
      self->act();
      self->arm();
    });
  }
  boost::asio::steady_timer timer;
  std::function<void()> act;
};

struct signal_watch : std::enable_shared_from_this<signal_watch> {
  signal_watch(boost::asio::io_context& io, std::function<void()> f) : signals(io, SIGINT, SIGTERM), stop(std::move(f)) {}
  void arm() {
    signals.async_wait([weak = weak_from_this()](const boost::system::error_code& failure, int) {
      const auto self = weak.lock();
      if (failure || !self) return;
      if (self->seen) {
        console::settle();
        ::_exit(130);
      }
      self->seen = true;
      self->arm();
      self->stop();
    });
  }
  boost::asio::signal_set signals;
  std::function<void()> stop;
  bool seen = false;
};

}  // namespace

base::result<std::shared_ptr<stats_sink>> stats_sink::open(const std::string& path) {
  auto sink = std::make_shared<stats_sink>();
  if (path == "-") {
    sink->fd_ = STDOUT_FILENO;
  } else if (!path.empty()) {
    sink->fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);  // NOLINT: open is variadic
    if (sink->fd_ < 0) return base::error{base::error_kind::local, "--stats " + path + ": " + std::strerror(errno)};
    sink->owned_ = true;
  }
  return sink;
}

stats_sink::~stats_sink() {
  if (owned_) ::close(fd_);
}

void stats_sink::write(const client::progress& p) {
  if (fd_ < 0) return;
  const auto line = client::progress_json(p) + "\n";
  // A pipe that is ready has room for PIPE_BUF bytes (pipe(7)). One that nobody reads costs its reader lines, and not the stream its time.
  pollfd ready{fd_, POLLOUT, 0};
  if (line.size() > PIPE_BUF || ::poll(&ready, 1, 0) != 1) return;
  static_cast<void>(!::write(fd_, line.data(), line.size()));
}

std::shared_ptr<void> stop_on_signal(boost::asio::io_context& io, std::function<void()> stop) {
  auto watch = std::make_shared<signal_watch>(io, std::move(stop));
  watch->arm();
  return watch;
}

std::shared_ptr<void> repeat_every_second(boost::asio::io_context& io, std::function<void()> act) {
  auto r = std::make_shared<repeater>(io, std::move(act));
  r->timer.expires_at(std::chrono::steady_clock::now());
  r->arm();
  return r;
}

void finish_closing(boost::asio::io_context& io) {
  io.restart();
  io.run_for(std::chrono::milliseconds(2500));
}

}  // namespace millrace::cli
