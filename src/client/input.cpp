#include "client/input.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "client/input_source.hpp"
#include "client/pacing.hpp"
#include "media/flv.hpp"
#include "media/tag_header.hpp"
#include "rtmp/hide_secrets.hpp"

namespace millrace::client {
namespace {

// What is read ahead: enough to ride out a slow disk, little enough to be nothing.
constexpr std::size_t queue_bytes_max = 8U << 20;
constexpr std::size_t queue_frames_max = 512;

base::error input_error(std::string text) { return {base::error_kind::input, std::move(text)}; }

struct owned_fd {
  int fd = -1;
  bool owned = true;
  ~owned_fd() {
    if (owned && fd >= 0) ::close(fd);
  }
};

}  // namespace

std::string shown_input(const std::string& path) {
  if (path == "-") return "standard input";
  return path.find("://") == std::string::npos ? path : rtmp::shown_target(path);
}

struct input::shared {
  shared(boost::asio::io_context& context, input_options what, std::function<void()> changed)
      : io(context), options(std::move(what)), on_change(std::move(changed)), wake_fd(::eventfd(0, EFD_CLOEXEC)), work(context.get_executor()) {}
  ~shared() {
    if (wake_fd >= 0) ::close(wake_fd);
  }

  boost::asio::io_context& io;
  const input_options options;
  std::function<void()> on_change;  // io thread only; emptied when the input goes
  const int wake_fd;
  std::thread thread;
  // The io_context has something to wait for while this thread reads. The thread gives it up with its last post.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;

  std::mutex mutex;                 // guards everything below
  std::condition_variable room;
  std::deque<media::frame> frames;
  std::size_t bytes = 0;
  std::uint64_t held_back = 0;  // times that the reader waited for room
  bool stopping = false;
  bool finished = false;
  std::optional<base::error> failure;
  std::string description;

  // Reader's thread only.
  loop_clock clock;
  std::uint64_t media_frames = 0;
  int pass = 0;
};

namespace {

void notify(const std::shared_ptr<input::shared>& s) {
  boost::asio::post(s->io, [weak = std::weak_ptr(s)] {
    const auto alive = weak.lock();
    // A copy: the call may end in our destructor, which empties it.
    const auto call = alive ? alive->on_change : nullptr;
    if (call) call();
  });
}

bool stopping(input::shared& s) {
  const std::scoped_lock lock(s.mutex);
  return s.stopping;
}

// What a looped file repeats at each pass and viewers must not see: its end marker, and headers that did not change.
bool wanted_when_looping(const media::frame& f, int pass) {
  if (f.kind == media::frame_kind::data) return pass == 0;
  const auto info = f.kind == media::frame_kind::video ? media::inspect_video(f.payload) : media::inspect_audio(f.payload);
  return !info.end_of_sequence;
}

base::result<void> deliver(const std::shared_ptr<input::shared>& s, media::frame f) {
  if (s->options.loop && !wanted_when_looping(f, s->pass)) return {};
  f.dts_ms = s->clock.map(f);
  if (f.kind != media::frame_kind::data) ++s->media_frames;
  std::unique_lock lock(s->mutex);
  const auto room = [&] { return s->stopping || (s->bytes < queue_bytes_max && s->frames.size() < queue_frames_max); };
  if (!room()) {
    ++s->held_back;
    s->room.wait(lock, room);
  }
  if (s->stopping) return input_error("stopped");
  const bool was_empty = s->frames.empty();
  s->bytes += f.payload.size();
  s->frames.push_back(std::move(f));
  lock.unlock();
  if (was_empty) notify(s);
  return {};
}

base::result<void> run_pass(const std::shared_ptr<input::shared>& s) {
  media::flv::reader reader;
  flv_target target;
  target.receive = [&](base::bytes_view bytes) -> base::result<void> {
    auto fine = reader.receive(std::chrono::steady_clock::now(), bytes);
    // What came before an error in the file is still good.
    while (auto f = reader.poll_frame()) {
      if (auto taken = deliver(s, std::move(*f)); !taken) return taken;
    }
    if (!fine) return input_error("not valid FLV: " + fine.error().text);
    return {};
  };
  target.stopped = [&] { return stopping(*s); };
  target.describe = [&](std::string text) {
    const std::scoped_lock lock(s->mutex);
    s->description = std::move(text);
  };

  const auto& path = s->options.path;
  const bool from_stdin = path == "-";
  if (!from_stdin && path.find("://") != std::string::npos) return remux_to_flv(path, nullptr, target);

  // A FIFO opens at once this way, also while nobody writes; standard input is shared with others and stays as it is.
  owned_fd file{from_stdin ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), !from_stdin};  // NOLINT: open is variadic
  if (file.fd < 0) return input_error(std::strerror(errno));
  struct stat facts {};
  static_cast<void>(::fstat(file.fd, &facts));
  if (S_ISDIR(facts.st_mode)) return input_error("is a directory");
  if (from_stdin && ::isatty(file.fd) == 1) return input_error("standard input is a terminal: pipe FLV into it, as in `ffmpeg -i … -f flv - | millrace push - URL`");
  byte_source source(file.fd, s->wake_fd);
  const auto head = source.peek(flv_signature_bytes);
  if (!head) return head.error();
  if (begins_as_flv(*head)) {
    target.describe("FLV, passed on as it is");
    return copy_flv(source, target);
  }
  if (from_stdin) {
    return input_error(head->empty() ? "empty: nothing came through the pipe"
                                    : "not FLV: let the program in front write FLV, as in `ffmpeg -i … -c copy -f flv - | millrace push - URL`");
  }
  return remux_to_flv(path, S_ISFIFO(facts.st_mode) ? &source : nullptr, target);
}

void run(const std::shared_ptr<input::shared>& s) {
  base::result<void> outcome;
  for (;;) {
    const auto before = s->media_frames;
    outcome = run_pass(s);
    if (!outcome || !s->options.loop || stopping(*s)) break;
    if (s->media_frames == before) break;  // an empty pass would spin
    s->clock.next_pass();
    ++s->pass;
  }
  if (outcome && s->media_frames == 0) outcome = input_error("no audio or video in it");
  {
    const std::scoped_lock lock(s->mutex);
    s->finished = true;
    if (!outcome && !s->stopping) s->failure = outcome.error().within(shown_input(s->options.path));
  }
  notify(s);
  s->work.reset();
}

}  // namespace

input::input(boost::asio::io_context& io, input_options options, std::function<void()> on_change)
    : shared_(std::make_shared<shared>(io, std::move(options), std::move(on_change))) {
  shared_->thread = std::thread([s = shared_] { run(s); });
}

input::~input() {
  shared_->on_change = nullptr;
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->room.notify_all();
  const std::uint64_t one = 1;
  static_cast<void>(!::write(shared_->wake_fd, &one, sizeof one));
  shared_->thread.join();
}

const media::frame* input::front() {
  const std::scoped_lock lock(shared_->mutex);
  // Elements of a deque stay where they are while the reader appends.
  return shared_->frames.empty() ? nullptr : &shared_->frames.front();
}

media::frame input::pop() {
  media::frame f;
  {
    const std::scoped_lock lock(shared_->mutex);
    f = std::move(shared_->frames.front());
    shared_->frames.pop_front();
    shared_->bytes -= f.payload.size();
  }
  shared_->room.notify_one();
  return f;
}

bool input::ended() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->finished && shared_->frames.empty();
}

std::optional<base::error> input::failure() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->failure;
}

std::uint64_t input::times_held_back() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->held_back;
}

std::string input::description() {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->description;
}

}  // namespace millrace::client
