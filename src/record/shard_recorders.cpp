#include "record/shard_recorders.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "record/service_inner.hpp"

namespace millrace::record {
namespace {

// As for most viewers: the ring keeps no more for a recording than for them. What the disk needs beyond that waits in the queue.
constexpr std::chrono::seconds age_max{2};
// What a queued frame costs beside its payload, so that a flood of empty ones is bounded as well.
constexpr std::size_t frame_overhead_bytes = 256;

// The way to a shard from other threads, until it closes.
class mailbox {
 public:
  explicit mailbox(std::function<void(std::function<void()>)> post) : post_(std::move(post)) {}
  void post(std::function<void()> what) {
    const std::scoped_lock guard(lock_);
    if (post_) post_(std::move(what));
  }
  void close() {
    const std::scoped_lock guard(lock_);
    post_ = nullptr;
  }

 private:
  std::mutex lock_;
  std::function<void(std::function<void()>)> post_;
};

// Original times, every frame, every track. A full queue makes it a slow viewer: the hub leaves out whole groups of pictures and counts them.
class recorder final : public hub::viewer {
 public:
  recorder(std::shared_ptr<hub::stream> stream, std::shared_ptr<source> to, std::shared_ptr<clock> times)
      : to_(std::move(to)), times_(std::move(times)), cursor_(std::move(stream), *this, hub::cursor_policy{.age_max = age_max, .wanted_delay = {}, .video_track = {}, .audio_track = {}}) {}

  [[nodiscard]] const std::shared_ptr<source>& to() const noexcept { return to_; }
  [[nodiscard]] const std::shared_ptr<hub::stream>& stream() const noexcept { return cursor_.source(); }

  bool again = false;  // it was published anew, or the directory taken back, while its end was under way

  void pull() {
    const auto now = times_->steady();
    for (bool more = true; more;) {
      const auto room = to_->queue.room(now);
      std::size_t bytes = 0;
      while (bytes < room) {
        auto next = cursor_.next(now);
        if (!next) break;
        bytes += next->item->frame()->payload.size() + frame_overhead_bytes;
        publication_ = next->publication;
        frames_.push_back({std::move(next->item), next->publication, false});
      }
      more = to_->queue.push(frames_, bytes, cursor_.stats().dropped_slow(), bytes >= room, now);
      frames_.clear();
    }
  }

  void on_frames() override { pull(); }
  void on_cleared(const hub::entry_ptr& clear) override {
    pull();
    frames_.push_back({clear, publication_, true});
    to_->queue.push(frames_, 0, cursor_.stats().dropped_slow(), false, times_->steady());
    frames_.clear();
  }
  void on_publisher_gone() override {
    pull();
    to_->queue.set_gone(times_->steady());
  }
  void on_publisher_back() override { to_->queue.set_gone(std::nullopt); }

 private:
  const std::shared_ptr<source> to_;
  const std::shared_ptr<clock> times_;
  hub::cursor cursor_;
  std::uint32_t publication_ = 0;
  std::vector<queued_frame> frames_;  // kept for its memory
};

}  // namespace

struct shard_recorders::state : std::enable_shared_from_this<state> {
  state(service& of, seams to) : home(of.inside()), published(std::move(to.published)), box(std::make_shared<mailbox>(std::move(to.post))) {}

  void attach(const std::shared_ptr<hub::stream>& stream) {
    if (closed) return;
    const auto& name = stream->name();
    const auto found = all.find(name);
    // The publisher is back before the recording was over, or was followed here: the hub has told the recorder.
    if (found != all.end() && found->second->stream() == stream) {
      if (found->second->to()->stopped) found->second->again = true;  // of the publication before; this one begins when that is over
      return;
    }
    auto to = home->begin(name, [this, &name](source& made) {
      const auto weak = weak_from_this();
      made.on_room = [box = box, weak, name, id = made.id] {
        box->post([weak, name, id] {
          if (const auto alive = weak.lock()) alive->pull(name, id);
        });
      };
      made.on_over = [box = box, weak, name, id = made.id](bool again) {
        box->post([weak, name, id, again] {
          if (const auto alive = weak.lock()) alive->over(name, id, again);
        });
      };
    });
    if (!to) return;
    auto made = std::make_unique<recorder>(stream, std::move(to), home->times);
    auto& place = all[name];
    place = std::move(made);
    place->pull();
  }

  void pull(const std::string& name, std::uint64_t id) {
    const auto found = all.find(name);
    if (found != all.end() && found->second->to()->id == id) found->second->pull();
  }

  void over(const std::string& name, std::uint64_t id, bool again) {
    const auto found = all.find(name);
    if (found == all.end() || found->second->to()->id != id) return;
    again = again || found->second->again;
    all.erase(found);
    if (!again) return;
    if (const auto stream = published(name)) attach(stream);  // back while the file was being closed
  }

  void consider(const std::string& name) {
    if (closed) return;
    if (const auto stream = published(name)) attach(stream);
  }

  const std::shared_ptr<service::inner> home;
  const std::function<std::shared_ptr<hub::stream>(std::string_view)> published;
  const std::shared_ptr<mailbox> box;
  std::map<std::string, std::unique_ptr<recorder>, std::less<>> all;
  std::uint64_t door = 0;
  bool closed = false;
};

shard_recorders::shard_recorders(service& of, seams to) : state_(std::make_shared<state>(of, std::move(to))) {
  state_->door = state_->home->add_door({[box = state_->box, weak = std::weak_ptr(state_)](const std::string& name) {
    box->post([weak, name] {
      if (const auto alive = weak.lock()) alive->consider(name);
    });
  }});
}

shard_recorders::~shard_recorders() { close(); }

void shard_recorders::attach(const std::shared_ptr<hub::stream>& stream) { state_->attach(stream); }

std::size_t shard_recorders::viewers_of(std::string_view stream) const { return state_->all.contains(stream) ? 1 : 0; }

void shard_recorders::close() {
  if (std::exchange(state_->closed, true)) return;
  state_->home->remove_door(state_->door);
  state_->box->close();
  for (const auto& [name, one] : state_->all) one->on_publisher_gone();
  state_->all.clear();
}

}  // namespace millrace::record
