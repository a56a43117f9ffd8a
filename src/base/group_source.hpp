// What a transport with many streams may pull from while it builds a packet (live profile, "Sender schedule").
#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "base/send_chain.hpp"
#include "base/time.hpp"

namespace millrace::base {

using shared_chain = std::shared_ptr<const send_chain>;

// What a packet may carry next: a whole message of one group, or a group's end. A group becomes one QUIC stream.
struct group_piece {
  std::uint64_t group = 0;  // counted from 0 in the order in which groups are first handed out, which is the order of their stream ids
  unsigned urgency = 0;     // lower goes first; 0 is the session's own stream and never comes from here
  shared_chain bytes;       // null: nothing but the end
  bool end = false;         // the group ends behind it
};

// The transport asks for the next message only when a packet has room for it, so that everything else can still be given up for free.
// Called on the transport's thread, also from inside the building of a packet: an implementation takes notes and calls nothing back.
class group_source {
 public:
  virtual ~group_source() = default;
  // The most urgent message among those with an urgency below `limit`: who is in the middle of a video message asks for what may overtake it.
  virtual std::optional<group_piece> next(instant now, unsigned limit) = 0;
  // So many bytes of the group are in packets by now, all in all.
  virtual void on_sent(std::uint64_t group, std::uint64_t bytes) = 0;
  // The peer wants no more of it.
  virtual void on_stopped(std::uint64_t group) = 0;
  // It has reached the peer whole, or was given up by one side: nothing of it is under way any more. Once for each group.
  virtual void on_closed(std::uint64_t group) = 0;
  // A group to reset, because a message of it is stuck half sent.
  virtual std::optional<std::uint64_t> poll_reset() = 0;
};

}  // namespace millrace::base
