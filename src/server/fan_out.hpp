// When the viewers of a shard are told of new frames.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

#include "hub/stream.hpp"
#include "server/fan_out_pace.hpp"

namespace millrace::server {

struct fan_out_facts {
  base::duration window{0};   // for which frames are gathered now
  std::uint64_t rounds = 0;
};

// One per shard, on its thread: streams with new frames wait here for the next round, all of them together.
class fan_out {
 public:
  fan_out(boost::asio::io_context& io, fan_out_pace::settings settings, std::size_t shard = 0) : pace_(settings), shard_(shard), timer_(io) {}

  // The stream has something new: now, or in the next round.
  void announce(const std::shared_ptr<hub::stream>& stream);
  [[nodiscard]] fan_out_facts facts() const { return {pace_.window(), pace_.rounds()}; }

 private:
  void round(base::instant now);
  void tell_operator(base::instant now);

  fan_out_pace pace_;
  const std::size_t shard_;
  base::instant told_{};
  bool told_gathering_ = false;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  std::vector<std::shared_ptr<hub::stream>> waiting_, going_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // an expiry may be under way when its timer goes
};

}  // namespace millrace::server
