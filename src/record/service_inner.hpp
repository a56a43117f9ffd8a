// What the disk thread and the shards share. Private to record.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "record/recording.hpp"
#include "record/service.hpp"

namespace millrace::record {

// What the recorder of a stream on one shard hands over, and how to reach it.
struct source {
  source(std::uint64_t number, std::string name, const settings& set) : id(number), stream(std::move(name)), queue(set.queue_bytes, set.queue_age) {}
  const std::uint64_t id;
  const std::string stream;
  frame_queue queue;
  // On its shard, if that is still there: there is room again; nobody reads it any more (`again`: unless it is published, then it begins anew).
  std::function<void()> on_room;
  std::function<void(bool again)> on_over;
  std::atomic<bool> stopped{false};  // by somebody who wants no more of it, or for another process; and not over yet
};

// How a shard is reached by its number: a command for a stream, wherever it is.
struct shard_door {
  std::function<void(const std::string& stream)> consider;
};

struct service::inner : std::enable_shared_from_this<service::inner> {
  inner(settings s, service_parts p);
  // A recording and who feeds it. The newest source is the last; the ones before it are emptied first.
  struct seat {
    seat(recording_context context, std::string stream, rule how) : files(context, std::move(stream), std::move(how)) {}
    record::recording files;           // the disk thread's
    std::uint32_t publication = 0;     // likewise: of the first source
    // Under the lock:
    std::deque<std::shared_ptr<source>> sources;
    active_recording facts;
    std::uint64_t lost_before = 0;     // by sources that are gone
    std::uint64_t failures = 0;
    bool publisher = true;
    bool retry = false;
  };
  using seat_ptr = std::shared_ptr<seat>;

  // ---- the disk thread ----
  bool turn();
  void run();
  void end_all();
  void end_seats();
  void take();

  // ---- any thread ----
  // Null: it is not recorded. `prepare` gives it its callbacks before the disk thread sees it.
  std::shared_ptr<source> begin(const std::string& stream, const std::function<void(source&)>& prepare);
  std::uint64_t add_door(shard_door door);
  void remove_door(std::uint64_t number);
  bool add_job(std::function<void()> job);
  void wake() { work.notify_one(); }
  service_facts look() const;

  const settings set;
  const std::shared_ptr<disk> on;
  const std::shared_ptr<clock> times;
  const std::function<void(const recording_facts&)> on_complete;
  index list;
  std::thread thread;

  mutable std::mutex lock;  // guards all below
  std::condition_variable work;
  bool stopping = false;
  enum class directory : unsigned char { ours, waited_for, given_away };
  directory has = directory::ours;
  std::set<std::string, std::less<>> waiting;  // streams that were published before the directory is ours
  std::map<std::string, seat_ptr, std::less<>> seats;
  std::vector<seat_ptr> ending;      // stopped by somebody
  std::set<std::string, std::less<>> demanded;
  std::deque<std::function<void()>> jobs;
  std::map<std::uint64_t, shard_door> doors;
  std::uint64_t next_number = 1;
  std::optional<disk::room> room;
  service_facts totals;              // of recordings that are over

 private:
  bool serve(const seat_ptr& one, bool ended);
  void note(seat& one, bool over);
  base::instant room_at_{};
  bool room_known_ = false;
};

}  // namespace millrace::record
