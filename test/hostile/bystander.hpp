// A stream of 25 frames a second between an honest publisher and an honest viewer, on a thread of its own: what others notice of an attack.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "hostile/hostile.hpp"

namespace millrace::hostile {

// What the viewer saw since the last look.
struct quiet {
  milliseconds gap{0};    // the longest time between two frames, also up to now
  milliseconds late{0};   // by how much a timer of this side came too late at worst: the machine's doing, and part of the gap
  std::size_t frames = 0;
  std::size_t missing = 0;  // frames that were sent and did not come, and others did that were sent later
};

class bystander {
 public:
  explicit bystander(const arena& where);
  ~bystander();
  // Any thread.
  quiet look();
  std::string broken();  // why there is no stream any more; empty while there is

 private:
  asio::awaitable<void> live(conform::target where);
  asio::awaitable<void> publish(conform::on_stream to);
  asio::awaitable<void> watch(conform::on_stream from);
  void note(std::uint32_t number);
  void note_lateness(milliseconds late);
  void fail(std::string why);

  asio::io_context io_{1};
  std::mutex lock_;
  quiet seen_;
  std::string broken_;
  std::chrono::steady_clock::time_point last_frame_;
  std::uint32_t next_ = 0;
  std::thread thread_;
};

}  // namespace millrace::hostile
