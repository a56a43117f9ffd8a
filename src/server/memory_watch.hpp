// How much memory the process may take, and what gives way when that is reached: at first what would begin anew, then viewers that hold memory up.
#pragma once
#include <atomic>
#include <cstdint>

namespace millrace::server {

struct memory_facts {
  std::uint64_t limit = 0;                 // bytes; 0: none
  std::uint64_t refused = 0, closed = 0;   // publishers and players; viewers
};

// Any thread.
class memory_watch {
 public:
  explicit memory_watch(std::uint64_t limit) : limit_(limit) {}
  // 80 % of what the machine or the control group (memory.max of cgroup v2) has; 0 where neither says.
  static std::uint64_t usual_limit();
  // What the kernel says of this process; 0 if it says nothing.
  static std::uint64_t resident();

  // Once a second.
  void look(std::uint64_t resident) { resident_ = resident; }
  // Nobody begins to publish or play.
  [[nodiscard]] bool tight() const { return limit_ > 0 && resident_ >= limit_ / 8 * 7; }
  // Viewers that hold up memory are closed.
  [[nodiscard]] bool over() const { return limit_ > 0 && resident_ >= limit_; }
  void count_refused() { ++refused_; }
  void count_closed() { ++closed_; }
  [[nodiscard]] memory_facts facts() const { return {limit_, refused_, closed_}; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> resident_{0}, refused_{0}, closed_{0};
};

}  // namespace millrace::server
