#include "client/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

namespace millrace::client {
namespace {

// on_change when the queue falls to this: the reader of a paused player has room again.
constexpr std::size_t short_bytes = 1U << 20;

}  // namespace

struct output::shared {
  shared(boost::asio::io_context& context, std::function<void()> changed) : io(context), on_change(std::move(changed)), work_guard(context.get_executor()) {}
  ~shared() {
    if (wake_fd >= 0) ::close(wake_fd);
    if (owned && fd >= 0) ::close(fd);
  }

  boost::asio::io_context& io;
  std::function<void()> on_change;  // io thread only
  // The io_context has something to wait for while this thread writes. The thread gives it up with its last post.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_guard;
  std::string name;
  int fd = -1;
  int wake_fd = ::eventfd(0, EFD_CLOEXEC);
  bool owned = true;
  bool truncate = false;
  std::thread thread;

  std::mutex mutex;  // guards everything below
  std::condition_variable work;
  base::send_chain queue;
  std::size_t bytes = 0;            // queued and being written
  bool finishing = false;
  bool stopping = false;
  bool finished = false;
  std::optional<base::error> failure;
};

namespace {

using shared_ptr = std::shared_ptr<output::shared>;

void notify(const shared_ptr& s) {
  boost::asio::post(s->io, [weak = std::weak_ptr(s)] {
    const auto alive = weak.lock();
    // A copy: the call may end in our destructor, which empties it.
    const auto call = alive ? alive->on_change : nullptr;
    if (call) call();
  });
}

base::error write_error(const output::shared& s, int code) {
  if (code == EPIPE) return {base::error_kind::closed, "the reader of " + s.name + " went away"};
  return {base::error_kind::local, "writing " + s.name + ": " + std::strerror(code)};
}

// Blocks until all is written, the pipe breaks, or the writer is to stop. A pipe can be full for ever, so waiting has a way out.
std::optional<base::error> write_all(output::shared& s, base::bytes_view bytes) {
  while (!bytes.empty()) {
    std::array<pollfd, 2> wait{{{s.fd, POLLOUT, 0}, {s.wake_fd, POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return write_error(s, errno);
    if ((wait[1].revents & POLLIN) != 0) return base::error{base::error_kind::closed, "stopped"};
    if (wait[0].revents == 0) continue;
    // At most what a pipe takes atomically when it is writable, so that the write itself does not block.
    const auto part = bytes.first(std::min<std::size_t>(bytes.size(), s.owned ? bytes.size() : 4096));
    const auto count = ::write(s.fd, part.data(), part.size());
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return write_error(s, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return std::nullopt;
}

void run(const shared_ptr& s) {
  std::unique_lock lock(s->mutex);
  for (;;) {
    s->work.wait(lock, [&] { return s->stopping || s->finishing || !s->queue.empty(); });
    if (s->stopping) return;
    if (s->queue.empty()) break;
    auto chain = std::exchange(s->queue, {});
    lock.unlock();
    std::optional<base::error> failure;
    if (std::exchange(s->truncate, false) && ::ftruncate(s->fd, 0) != 0) failure = write_error(*s, errno);
    for (const auto& part : chain.parts()) {
      if (failure) break;
      failure = write_all(*s, part.view());
    }
    lock.lock();
    const bool was_long = s->bytes > short_bytes;
    s->bytes -= chain.size();
    if (failure) {
      if (s->stopping) return;
      s->failure = std::move(failure);
      break;
    }
    if (was_long && s->bytes <= short_bytes) notify(s);
  }
  s->finished = true;
  notify(s);
  s->work_guard.reset();
}

}  // namespace

base::result<std::unique_ptr<output>> output::open(boost::asio::io_context& io, const std::string& path, std::function<void()> on_change) {
  auto s = std::make_shared<shared>(io, std::move(on_change));
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) == 1) {
      return base::error{base::error_kind::usage, "standard output is a terminal: pipe it, as in `millrace pull URL - | ffplay -`, or name a file"};
    }
    s->fd = STDOUT_FILENO;
    s->owned = false;
    s->name = "standard output";
  } else {
    s->fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);  // NOLINT: open is variadic
    s->name = path;
    if (s->fd < 0) return base::error{base::error_kind::local, "cannot write " + path + ": " + std::strerror(errno)};
    struct stat facts {};
    s->truncate = ::fstat(s->fd, &facts) == 0 && S_ISREG(facts.st_mode);
    s->owned = S_ISREG(facts.st_mode);
  }
  return std::unique_ptr<output>(new output(std::move(s)));
}

output::output(std::shared_ptr<shared> s) : shared_(std::move(s)) {
  shared_->thread = std::thread([copy = shared_] { run(copy); });
}

output::~output() {
  shared_->on_change = nullptr;
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->work.notify_all();
  const std::uint64_t one = 1;
  static_cast<void>(!::write(shared_->wake_fd, &one, sizeof one));
  shared_->thread.join();
}

void output::write(base::send_chain chain) {
  {
    const std::scoped_lock lock(shared_->mutex);
    if (shared_->finishing || shared_->failure) return;
    shared_->bytes += chain.size();
    shared_->queue.append(std::move(chain));
  }
  shared_->work.notify_one();
}

void output::finish() {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->finishing = true;
  }
  shared_->work.notify_one();
}

std::size_t output::queued_bytes() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->bytes;
}

bool output::finished() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->finished;
}

std::optional<base::error> output::failure() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->failure;
}

}  // namespace millrace::client
