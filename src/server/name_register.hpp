// Which shard has which stream: the one thing that the shards of a server share. A stream belongs to the shard of its publisher.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::server {

using shard_index = std::size_t;

// Any thread; holds its lock for no longer than a look. What it says may be old when it is read: whoever acts on it is told of every
// change afterwards (shared_streams::reconsider) and looks again.
class name_register {
 public:
  // The right to publish a name. There is one holder, and one successor at most, which waits to go on where the holder is.
  struct claim {
    std::uint64_t id = 0;  // never 0 for one that was granted
    shard_index shard = 0;
    bool follows = false;         // a successor …
    shard_index holder_shard = 0;  // … of whoever is here
  };
  // Shards that have to look again.
  using shards = std::vector<shard_index>;

  // Error kind busy when somebody publishes already and does not yield, or has a successor already. `tell`: who watches the name.
  base::result<claim> publish(std::string_view name, shard_index shard, shards& tell);
  // The holder may be followed from now on.
  void yield(std::string_view name, std::uint64_t id);
  // The successor publishes now and is the holder; nothing if it is that already or has lost its claim. True: a change, tell `tell`.
  bool take_over(std::string_view name, std::uint64_t id, shards& tell);
  // The claim is given up, or was lost before.
  void release(std::string_view name, std::uint64_t id, shards& tell);
  // False once another claim took over or it was given up.
  [[nodiscard]] bool has(std::string_view name, std::uint64_t id) const;

  [[nodiscard]] std::optional<shard_index> holder(std::string_view name) const;
  [[nodiscard]] std::optional<shard_index> successor(std::string_view name) const;

  // The token that the holder may be followed with, from any shard. take() is true once, for the right one; who holds the name may be followed then,
  // and `holder_shard` has to be told.
  void offer_token(std::string_view name, std::uint64_t id, std::string token);
  bool take(std::string_view name, std::string_view token, shard_index& holder_shard);
  // A successor's token is that of a connection that was lost before its turn came: the shard that has it. Once it is released the holder may be followed
  // with that token.
  [[nodiscard]] std::optional<shard_index> waits_with(std::string_view name, std::string_view token) const;

  // A shard has viewers of the name.
  void watch(std::string_view name, shard_index shard);
  void unwatch(std::string_view name, shard_index shard);

  [[nodiscard]] bool watched(std::string_view name) const;
  // Nobody publishes it here, or somebody who may be followed.
  [[nodiscard]] bool may_follow(std::string_view name) const;
  // Published by another process, from which it comes as soon as somebody here watches it (hand_over.hpp).
  void set_elsewhere(const std::string& name, bool published);
  [[nodiscard]] bool elsewhere(std::string_view name) const;

  // For tests: names of which anything is known.
  [[nodiscard]] std::size_t size() const;

 private:
  struct place {
    std::uint64_t id = 0;  // 0: nobody
    shard_index shard = 0;
    bool yields = false;
    bool token_shown = false;
    std::string token;
    [[nodiscard]] bool may_be_followed() const { return yields || token_shown; }
  };
  struct entry {
    place holder, successor;
    shards watchers;
  };
  using entries = std::map<std::string, entry, std::less<>>;
  void forget_if_unused(entries::iterator at);

  mutable std::mutex lock_;
  entries entries_;
  std::set<std::string, std::less<>> elsewhere_;
  std::uint64_t next_id_ = 1;
};

}  // namespace millrace::server
