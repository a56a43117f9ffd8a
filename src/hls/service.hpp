// HLS as an HTTP server sees it: names in, answers out. Thread-safe.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"
#include "hls/presentation.hpp"
#include "hls/settings.hpp"

namespace millrace::hls {

class service {
 public:
  // Called on the thread of the first request for a stream, under no lock. Soon, on the thread that the stream belongs to or on any that has a
  // viewer's way to it, a hls::packager has to be made with this presentation and kept until it is over(); or presentation::close(404, …) says that
  // there is nothing to package. Both may happen inside the call or after it.
  using attach_function = std::function<void(std::shared_ptr<presentation>)>;
  using clock_function = std::function<base::instant()>;
  using wall_function = std::function<std::chrono::system_clock::time_point()>;

  // The clocks are called on any thread.
  service(const settings& how, attach_function attach, clock_function now, wall_function wall = std::chrono::system_clock::now);

  // `stream` is "app/name" as the hub knows it, `rest` what follows it in the path (decoded), `query` what follows the question mark. The first
  // request for a playlist starts packaging; whoever may not view the stream has been turned away before. `done` is called once: at once, or
  // within three target durations (first playlist: settings::first_wait) on some other thread.
  //   200  body, content_type, cache_control      400  a wrong query      404  no such stream, segment, part      503  nothing came in time
  void get(std::string_view stream, std::string_view rest, std::string_view query, answer_function done);

  // Ends waits that last too long and forgets what is over. Some thread calls it a few times a second.
  void on_timer();
  // Packagers that there are, running or about to.
  [[nodiscard]] std::size_t size() const;

 private:
  using key = std::pair<std::string, mux::container>;
  // Under the lock.
  void forget_closed();
  [[nodiscard]] std::uint64_t least_number(const key& name) const;
  void keep_least_number(const key& name, std::uint64_t next);

  const settings how_;
  const attach_function attach_;
  const clock_function now_;
  const wall_function wall_;
  mutable std::mutex mutex_;
  std::map<key, std::shared_ptr<presentation>> all_;
  // Above the numbers of what is over: of all, as far as the clock had come, also where it steps back; and of those whose segments came faster than
  // seconds, whose lead is theirs alone.
  std::uint64_t least_number_ = 0;
  std::map<key, std::uint64_t> ahead_;
};

}  // namespace millrace::hls
