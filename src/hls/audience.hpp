// Who watches a stream over HLS. HLS knows no viewers, only requests, over any number of connections: told apart is who comes from another address or
// says another User-Agent. Behind one proxy that is fewer than there are.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace millrace::hls {

// Who asks. `address` without the port; `remote` with it, of the newest request.
struct asker {
  std::string address, remote, agent;
  bool secure = false;  // HTTPS
};

struct viewer_facts {
  asker who;
  std::chrono::system_clock::time_point since;
  std::uint64_t answers = 0, bytes = 0;  // segments and parts
};

// Of one presentation. Thread-safe.
class audience {
 public:
  // So many are known at a time; whoever comes beyond that is served and not counted.
  static constexpr std::size_t viewers_max = 10'000;
  // Who took nothing for `silence` has left.
  explicit audience(base::duration silence) : silence_(silence) {}

  // Somebody got a segment or a part. Who reads playlists only views nothing.
  void took(const asker& who, std::uint64_t bytes, base::instant now);
  [[nodiscard]] std::size_t size(base::instant now);
  [[nodiscard]] std::vector<viewer_facts> facts(base::instant now);

 private:
  void forget(base::instant now);
  struct one {
    viewer_facts facts;
    base::instant last{};
  };
  const base::duration silence_;
  std::mutex mutex_;
  base::instant tidied_{};  // because it was full
  std::map<std::pair<std::string, std::string>, one> all_;  // by address and agent
};

}  // namespace millrace::hls
