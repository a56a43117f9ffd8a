// The streams of a server as one of its shards sees them: publishing a name, viewing one, whichever shard it belongs to.
//
// A stream belongs to the shard of its publisher. Where another shard has viewers of it, that shard has a stream of its own under the name, and a
// feed (stream_feed.hpp) from the owner appends to it: one hand-over per stream, shard and turn of its publisher, frames shared and not
// copied. So the hub knows nothing of shards, and a viewer does not care which one it is on.
//
// When a publication is followed by one on another shard (its publisher came back over a new connection), the viewers of every shard go
// over without a word: what they have had stays the publication of their stream until the new one's key frame has come.
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/directory.hpp"
#include "server/arrival_clock.hpp"
#include "server/fan_out.hpp"
#include "server/name_register.hpp"
#include "server/stream_feed.hpp"

namespace millrace::server {

class shared_streams;

// The right to publish a name on this server; destroying it gives it up. As hub::publication, but that it may be followed by one on another shard.
class live_publication {
 public:
  ~live_publication();
  live_publication(const live_publication&) = delete;
  live_publication& operator=(const live_publication&) = delete;

  void append(media::frame&& f);
  // Once per batch of appends: other shards get it now, viewers of this one by the pace of their fan_out.
  void announce();
  // As of hub::publication, but `taken_over` may also be called with nothing of the hub on the stack.
  void yield(std::function<void()> taken_over);
  // Likewise, and only to whoever has shown its token (name_register::take).
  void yield_to_shown(std::function<void()> taken_over);
  [[nodiscard]] bool waiting() const noexcept { return local_ && local_->waiting(); }
  // Takes note of it if its turn has come without a word.
  void look();
  [[nodiscard]] bool over() const noexcept { return !local_ || local_->over(); }
  [[nodiscard]] const std::shared_ptr<hub::stream>& target() const noexcept { return stream_; }
  [[nodiscard]] std::chrono::system_clock::time_point since() const noexcept { return since_; }
  [[nodiscard]] bool in_effect() const noexcept { return in_effect_ && !over(); }
  [[nodiscard]] arrival_clock& arrivals() noexcept { return arrivals_; }
  // What it may be followed with from any shard (resume.hpp).
  void offer_token(const std::string& token);

 private:
  friend class shared_streams;
  live_publication(shared_streams& home, std::uint64_t id, std::shared_ptr<hub::stream> stream, std::unique_ptr<hub::publication> local);

  std::weak_ptr<shared_streams*> home_;
  const std::uint64_t id_;  // of its claim
  std::shared_ptr<hub::stream> stream_;
  std::unique_ptr<hub::publication> local_;  // null once a publication of another shard has followed
  std::function<void()> taken_over_;
  std::shared_ptr<class watched_stream> watching_;  // while it waits for the end of a publication elsewhere
  bool in_effect_ = false, relayed_ = false;
  const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  arrival_clock arrivals_;
};

// A stream for the viewers of this shard, alive while one of them holds it.
class watched_stream {
 public:
  ~watched_stream();
  watched_stream(const watched_stream&) = delete;
  watched_stream& operator=(const watched_stream&) = delete;
  [[nodiscard]] const std::shared_ptr<hub::stream>& stream() const noexcept { return stream_; }
  // False while another shard publishes it and nothing of that has come yet: `then` is posted when it has. Who is told that it plays before would not
  // get all that is published after that.
  bool here(std::function<void()> then);

 private:
  friend class shared_streams;
  // What another shard publishes, appended here.
  struct mirror {
    std::uint64_t feed = 0;
    shard_index from = 0;
    std::unique_ptr<hub::publication> into;  // null until something has come
  };
  watched_stream(shared_streams& home, std::shared_ptr<hub::stream> stream);
  void follow();                                    // looks who publishes the name now
  bool begin();
  void keep(std::unique_ptr<hub::publication> one);  // until the one that follows it has begun
  void let_go();
  void take(frame_batch&& batch);
  void tell_who_waits();

  std::weak_ptr<shared_streams*> home_;
  std::shared_ptr<hub::stream> stream_;
  std::optional<mirror> mirror_;
  std::unique_ptr<hub::publication> before_;
  std::vector<std::function<void()>> waiting_;
};

struct shared_facts {
  std::size_t fed = 0;        // streams that other shards get from here
  std::size_t mirrored = 0;   // streams that come from other shards
  std::uint64_t lost = 0;     // frames that a shard did not get because it was too slow; all since the start
};

// One thread: its shard's, but for the constructor and connect().
class shared_streams {
 public:
  // All of it outlives this object.
  shared_streams(boost::asio::io_context& io, hub::directory& own, fan_out& viewers, name_register& names, shard_index index);
  ~shared_streams();
  // Where the others are, this one included; before any thread runs.
  using place = std::pair<boost::asio::io_context*, std::weak_ptr<shared_streams*>>;
  [[nodiscard]] place here() { return {&io_, alive_}; }
  void connect(std::vector<place> all) { all_ = std::move(all); }
  // Nothing is told to other shards any more. They may be gone.
  void close() { all_.clear(); }

  [[nodiscard]] std::shared_ptr<watched_stream> watch(std::string_view name);
  // Error kind busy as of name_register.
  // `relayed`: it comes from another process, whose publisher it is.
  base::result<std::unique_ptr<live_publication>> publish(const std::string& name, bool relayed = false);
  // By anybody, on any shard, or in another process where that is known.
  [[nodiscard]] bool published(std::string_view name) const { return names_.holder(name).has_value() || names_.elsewhere(name); }
  // Somebody shows the token that the present publication may be followed with. If it is right, `on_token` is called on the shard that has the
  // publication (here: at once), and true returned. If it is the token of one that waits to follow, that one's shard is told likewise: it makes room, and whoever
  // showed the token may when they come again.
  bool take(const std::string& name, const std::string& token);
  std::function<void(const std::string& name, const std::string& token)> on_token;
  // A publication of this shard has taken effect; perhaps from inside the hub.
  std::function<void(const std::shared_ptr<hub::stream>&)> on_published;
  // A publication of this shard that is not relayed has taken effect, or one that had is over; likewise.
  std::function<void(const std::string& name, bool published)> on_own;

  [[nodiscard]] shared_facts facts() const;
  // Those of this shard, by name; a name has two while one follows the other.
  [[nodiscard]] const std::multimap<std::string, live_publication*, std::less<>>& publications() const noexcept { return publications_; }
  // Viewers of the stream that are other shards.
  [[nodiscard]] std::size_t feeds_of(std::string_view name) const;

 private:
  friend class live_publication;
  friend class watched_stream;

  void post(shard_index to, std::function<void(shared_streams&)> what) const;
  void tell(const name_register::shards& others, const std::string& name) const;
  [[nodiscard]] std::shared_ptr<watched_stream> find_watched(std::string_view name) const;

  // Of publications of this shard.
  void took_effect(live_publication& which);
  void tell_of(live_publication& which);
  void ended(live_publication& which);
  void followed(live_publication& which);
  void reconsider(const std::string& name);  // something about the name has changed

  // Of feeds from this shard; `id` is the choice of the shard that asked.
  struct feed {
    shard_index to = 0;
    std::uint64_t id = 0;
    std::unique_ptr<stream_feed> frames;
  };
  void start_feed(const std::string& name, shard_index to, std::uint64_t id);
  void stop_feed(const std::string& name, shard_index to, std::uint64_t id);
  void taken(const std::string& name, shard_index to, std::uint64_t id, std::size_t bytes);
  void finish_feeds(const std::string& name);
  // Of feeds to this shard.
  void arrived(const std::string& name, std::uint64_t id, frame_batch&& batch);

  boost::asio::io_context& io_;
  hub::directory& own_;
  fan_out& viewers_;
  name_register& names_;
  const shard_index index_;
  std::vector<place> all_;
  std::multimap<std::string, live_publication*, std::less<>> publications_;
  std::map<std::string, std::weak_ptr<watched_stream>, std::less<>> watched_;
  std::map<std::string, std::vector<feed>, std::less<>> feeds_;  // by name
  std::uint64_t next_feed_ = 1, lost_ = 0;
  std::size_t mirrored_ = 0;
  std::shared_ptr<shared_streams*> alive_ = std::make_shared<shared_streams*>(this);
};

}  // namespace millrace::server
