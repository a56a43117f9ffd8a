// Playlists as text: RFC 8216, and draft-pantos-hls-rfc8216bis for Low-Latency HLS. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mux/muxer.hpp"

namespace millrace::hls {

struct part_entry {
  std::int64_t duration_ms = 0;
  bool independent = false;  // a player can start with it
};

struct segment_entry {
  std::uint64_t msn = 0;
  std::uint64_t init = 0;      // number of its initialization section
  bool discontinuity = false;  // from the segment before
  bool complete = false;
  std::int64_t wall_ms = 0;      // of its first frame, since 1970
  std::int64_t duration_ms = 0;  // the sum of its parts, whether they are listed or not
  std::vector<part_entry> parts;
  [[nodiscard]] bool independent() const { return !parts.empty() && parts.front().independent; }
};

struct media_playlist {
  mux::container container = mux::container::fmp4;  // MPEG-TS has no parts and no initialization sections
  std::int64_t target_s = 2;
  std::int64_t part_target_ms = 0;
  std::uint64_t discontinuity_sequence = 0;
  std::vector<const segment_entry*> segments;  // rising, without a gap; only the last may be incomplete
  bool ended = false;

  [[nodiscard]] bool low_latency() const { return container == mux::container::fmp4; }
  [[nodiscard]] std::int64_t duration_ms() const;
  // CAN-SKIP-UNTIL: six target durations, the least that the draft allows (section 4.4.3.8).
  [[nodiscard]] std::int64_t skip_until_ms() const { return 6 * target_s * 1000; }
  // Segments at the front that a delta update leaves out (section 6.2.5.1).
  [[nodiscard]] std::size_t skippable() const;
};

// `delta`: as an answer to _HLS_skip; the same as without where nothing can be skipped.
std::string text_of(const media_playlist& p, bool delta = false);

struct variant {
  std::string uri;
  std::int64_t bandwidth = 0, average_bandwidth = 0;  // bits a second: of the largest segment, of all
  std::vector<mux::track_facts> tracks;
};
std::string text_of(const variant& v);

// Names of what a playlist refers to, relative to it.
std::string init_name(std::uint64_t number);
std::string segment_name(mux::container c, std::uint64_t msn);
std::string part_name(std::uint64_t msn, std::size_t part);

// A URI's path segment: what is not unreserved (RFC 3986 section 2.3) is percent-encoded.
std::string uri_segment(std::string_view name);

}  // namespace millrace::hls
