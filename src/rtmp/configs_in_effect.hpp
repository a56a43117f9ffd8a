// The codec configurations in effect on one flow, as far as a receiver needs them to know a repeated one (live profile, "Group streams").
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/slice.hpp"
#include "media/frame.hpp"
#include "media/track.hpp"

namespace millrace::rtmp {

// Shares the payloads, and forgets what is past its bounds: that is then taken for new when it comes again, which harms nobody.
class configs_in_effect {
 public:
  explicit configs_in_effect(media::frame_kind kind) : kind_(kind) {}

  [[nodiscard]] bool is_config(base::bytes_view payload) const;
  // Byte for byte one of those in effect.
  [[nodiscard]] bool holds(base::bytes_view payload) const;

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }  // of those that are remembered

  // A configuration was released. It is remembered if bytes() stays within `bytes_max` with it.
  void put(const base::slice& payload, std::size_t bytes_max);

 private:
  struct config {
    bool refers = false;  // colours or a channel layout: they belong to a sequence start
    media::track_set tracks;
    base::slice payload;
  };
  media::frame_kind kind_;
  std::vector<config> configs_;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::rtmp
