// The streams of one shard that are recorded: each a viewer of the hub, whose frames go to the disk thread.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "hub/stream.hpp"
#include "record/service.hpp"

namespace millrace::record {

// The seam to the server. One of these for each shard; all on the shard's thread.
//
//   when a publication of this shard has taken effect:  recorders.attach(stream)       each time, also for one that follows another
//   before the shard's streams and its io_context go:   recorders.close()
//
// It needs to be told nothing of the end of a publication: the hub does that.
class shard_recorders {
 public:
  struct seams {
    // Runs it on this shard's thread, later and never from inside. Called from the disk thread too, but not after close() has returned.
    std::function<void(std::function<void()>)> post;
    // The stream of that name, if a publisher of this shard publishes it now; null otherwise, also for what comes from another shard.
    std::function<std::shared_ptr<hub::stream>(std::string_view)> published;
  };
  shard_recorders(service& of, seams to);
  ~shard_recorders();
  shard_recorders(const shard_recorders&) = delete;
  shard_recorders& operator=(const shard_recorders&) = delete;

  // Not from inside the hub: it makes a cursor.
  void attach(const std::shared_ptr<hub::stream>& stream);
  // How many of the viewers that hub::stream_facts counts are recorders: 0 or 1.
  [[nodiscard]] std::size_t viewers_of(std::string_view stream) const;
  // What the rings still hold is handed over; the files end when the publisher does not come back, or with the service.
  void close();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace millrace::record
