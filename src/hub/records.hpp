// What a stream keeps for late viewers beside its ring: codec configurations and named data messages.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "hub/stream.hpp"
#include "media/tag_header.hpp"

namespace millrace::hub {

struct record {
  media::frame_kind kind = media::frame_kind::data;
  // Orders the records as viewers get them: data first, then video, then audio; within a kind the sequence start before
  // what refers to it, then by track. Configurations with the same rank replace each other.
  std::uint32_t rank = 0;
  std::uint8_t track = 0;     // of a configuration; each track has records of its own, whatever message they came in
  bool multitrack = false;    // `item` has the multitrack header
  std::uint32_t codec = 0;    // media::codec_of
  bool ended = false;         // an end of sequence came after it: the same record again is news
  std::uint64_t sequence = 0;  // its place in the ring: tells whether a viewer has passed it
  entry_ptr item;             // what it is called, if it is a data message: data_name of its payload
};

// Immutable: every ring slot holds the set in effect ahead of it, so that a viewer can start anywhere with exactly the
// configuration that holds there. A change makes a new set; sets are small and changes mostly rare. What each costs: cost_of_change.
struct record_set {
  std::vector<record> records;
};
using record_set_ptr = std::shared_ptr<const record_set>;

// AMF0 name of a data message, the string it starts with (AMF0 section 2.4); empty if it starts with anything else.
std::string_view data_name(base::bytes_view payload);

enum class record_effect : unsigned char {
  pass,    // an ordinary frame
  repeat,  // a configuration that is in effect already: viewers have it
  consume,  // meant for the hub, not for viewers
};

// Changes `set` for an incoming frame. `sequence` is the place that the frame will have in the ring.
record_effect update_records(record_set_ptr& set, const entry_ptr& item, const media::tag_info& info, std::uint64_t sequence,
                             const base::hub_limits& limits);

// Bytes of memory that `item`, the frame with this `sequence`, took beside its payload by making `set`: the set, and what was copied out of
// the frame for it.
std::size_t cost_of_change(const record_set& set, const entry_ptr& item, std::uint64_t sequence);

}  // namespace millrace::hub
