// How much of publishing a key or a token is good for, and how much of that is used.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "base/time.hpp"

namespace millrace::server {

// 0: as much as one likes.
struct allowance {
  std::uint32_t at_once = 0;         // streams at a time; a second connection to the same stream is the same one
  std::uint32_t kbps = 0;            // kbit/s of a stream's messages, mean of ten seconds
  std::chrono::seconds session{0};   // how long a publication may last

  // As the configuration, the API and tokens call them.
  static constexpr std::array<std::string_view, 3> names{"at_once", "kbps", "session_s"};
  // Of one of those names. Not empty: what is wrong with the value, to be said behind the name.
  std::string_view set(std::string_view name, std::int64_t value);
  [[nodiscard]] std::int64_t get(std::string_view name) const;
  [[nodiscard]] bool any() const { return *this != allowance{}; }
  friend bool operator==(const allowance&, const allowance&) = default;
};

// Whether a stream stays within its bit rate: a group of pictures or a backlog may come at once, but not for long. Any thread.
class rate_meter {
 public:
  explicit rate_meter(std::uint32_t kbps) : bytes_per_second_(kbps * 125.0) {}
  // False: more came than may.
  bool take(std::size_t bytes, base::instant at);
  // What came before stays counted.
  void allow(std::uint32_t kbps);
  // Nothing of what came counts any more: as good as new.
  [[nodiscard]] bool drained(base::instant at) const;

 private:
  static constexpr double burst_seconds = 10;
  [[nodiscard]] double used_at(base::instant at) const;
  mutable std::mutex lock_;
  double bytes_per_second_, used_ = 0;
  base::instant last_{};
};

// Who publishes what with which key. Any thread; a lock held for a look. Outlives its seats.
class allowance_register {
 public:
  class seat {
   public:
    seat() = default;
    seat(seat&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), holder_(std::move(other.holder_)), stream_(std::move(other.stream_)), rate_(std::move(other.rate_)) {}
    seat& operator=(seat&& other) noexcept;
    ~seat() { leave(); }
    // As of rate_meter: of all that the stream's seats took, also of those that were left just now. Without a limit it is true.
    [[nodiscard]] bool spend(std::size_t bytes, base::instant at) const { return !rate_ || rate_->take(bytes, at); }

   private:
    friend class allowance_register;
    seat(allowance_register& of, std::string holder, std::string stream, std::shared_ptr<rate_meter> rate)
        : of_(&of), holder_(std::move(holder)), stream_(std::move(stream)), rate_(std::move(rate)) {}
    void leave();
    allowance_register* of_ = nullptr;
    std::string holder_, stream_;
    std::shared_ptr<rate_meter> rate_;  // null: no limit
  };

  // `holder` tells the key or token from all others. Error (kind limit), to be said behind its name: it is in use as often as it may be, or rests.
  base::result<seat> take(const std::string& holder, const std::string& stream, const allowance& allows, base::instant now);
  // The stream used up what it may: whoever comes back at once is refused for a minute.
  void rest(const std::string& holder, const std::string& stream, base::instant now);

 private:
  static constexpr std::chrono::seconds rest_time{60};
  struct use {
    std::size_t seats = 0;
    base::instant rests_until{};
    std::shared_ptr<rate_meter> rate = nullptr;  // stays until it is drained, or a stream that begins anew would have another burst each time
  };
  using uses = std::map<std::string, use>;  // by stream
  void forget_spent(base::instant now);
  std::mutex lock_;
  std::map<std::string, uses> holders_;
};

}  // namespace millrace::server
