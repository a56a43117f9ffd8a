// Names to streams, of one shard.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "hub/stream.hpp"

namespace millrace::hub {

// A stream exists while somebody publishes or views it; the directory itself holds none alive.
class directory {
 public:
  explicit directory(const base::hub_limits& limits);
  ~directory();
  // Finds or makes "app/name". Viewers may come before the publisher.
  std::shared_ptr<stream> open(std::string_view name);
  [[nodiscard]] std::shared_ptr<stream> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::shared_ptr<stream>> all() const;  // sorted by name

 private:
  struct state;
  std::shared_ptr<state> state_;  // shared with the streams' deleters
};

}  // namespace millrace::hub
