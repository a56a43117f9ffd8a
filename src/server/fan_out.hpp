// When the viewers of a shard are told of new frames; and while these are gathered, when publishers over TCP are read.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

#include "hub/stream.hpp"
#include "net/receive_rounds.hpp"
#include "server/fan_out_pace.hpp"

namespace millrace::server {

struct fan_out_facts {
  base::duration window{0};   // for which frames are gathered now
  std::uint64_t rounds = 0;
};

// One per shard, on its thread: streams with new frames wait here for the next round, all of them together. A round first reads what publishers have sent
// meanwhile, so that a frame waits for one round and not for two.
class fan_out {
 public:
  fan_out(boost::asio::io_context& io, fan_out_pace::settings settings, std::size_t shard = 0);
  ~fan_out() { publishers_.gather(false); }
  fan_out(const fan_out&) = delete;
  fan_out& operator=(const fan_out&) = delete;

  // The stream has something new: now, or in the next round.
  void announce(const std::shared_ptr<hub::stream>& stream);
  [[nodiscard]] fan_out_facts facts() const { return {pace_.window(), rounds_}; }

 private:
  void arm(base::instant due);
  void round(base::instant now);
  void tell_operator(base::instant now);

  fan_out_pace pace_;
  const std::size_t shard_;
  std::uint64_t rounds_ = 0;  // that had something for a viewer
  base::instant told_{};
  bool told_gathering_ = false;
  boost::asio::steady_timer timer_;
  net::receive_rounds& publishers_;
  bool armed_ = false, in_round_ = false;
  std::vector<std::shared_ptr<hub::stream>> waiting_, going_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // an expiry may be under way when its timer goes
};

}  // namespace millrace::server
