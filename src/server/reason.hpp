// Why a stream, a publisher or a viewer stopped or stuttered: a code for machines and a sentence for people.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hub/loss.hpp"

namespace millrace::server {

enum class reason : unsigned char {
  publish_began,
  publish_ended,
  publish_refused,
  publish_taken_over,
  publish_resumed,
  publisher_lost,
  publisher_silent,
  publisher_fault,
  allowance_spent,
  play_began,
  play_ended,
  play_refused,
  viewer_lost,
  viewer_too_slow,
  viewer_stuck,
  viewer_video_wait,
  viewer_overrun,
  publisher_missing,
  codec_refused,
  path_changed,
  fell_back,
  kicked,
  memory_short,
  shutting_down,
  count,
};

std::string_view code(reason r);      // "viewer_too_slow"
std::string_view sentence(reason r);  // what happened and what can be done, one sentence
// Nothing for what a viewer wished itself (a pause, a late start).
std::optional<reason> reason_of(hub::loss why);

struct reason_event {
  std::uint64_t number = 0;  // of all events of this process, from 1
  std::chrono::system_clock::time_point at;
  reason why = reason::count;
  std::uint64_t connection = 0;
  std::string remote;
  std::string detail;        // peer text is in it as it came, but valid UTF-8
};

}  // namespace millrace::server
