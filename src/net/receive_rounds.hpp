// Reading in rounds: what many publishers send is fetched together and not as each message comes, while a shard is busy.
#pragma once
#include <boost/asio/execution_context.hpp>
#include <vector>

namespace millrace::net {

// One per io_context, on its thread. A connection that is read whenever something comes costs a turn of the event loop per message, and its memory has
// to come into the cache for each; in a round both are for everything since the round before. When rounds are is their user's matter, who has to go on with them until
// gather(false). Transports that nobody asked (transport::receive_in_rounds) are not affected.
class receive_rounds final : public boost::asio::execution_context::service {
 public:
  class reader {
   public:
    // Wait for rounds, but not with more than the kernel can take; or read as it comes, as before.
    virtual void gather(bool on) = 0;
    virtual void read_round() = 0;

   protected:
    ~reader() = default;
  };

  using key_type = receive_rounds;
  static boost::asio::execution_context::id id;
  explicit receive_rounds(boost::asio::execution_context& context) : service(context) {}
  static receive_rounds& of(boost::asio::execution_context& context);

  // The reader leaves before it goes; it may do so in a round.
  void join(reader& one);
  void leave(reader& one);
  void gather(bool on);
  [[nodiscard]] bool gathering() const noexcept { return gathering_; }
  void round();

 private:
  void shutdown() noexcept override { readers_.clear(); }

  bool gathering_ = false, in_round_ = false;
  std::vector<reader*> readers_;  // null: left during this round
};

}  // namespace millrace::net
