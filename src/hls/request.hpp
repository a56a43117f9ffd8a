// What an HTTP request asks of a stream: its path behind the stream's name, and the delivery directives of its query. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "mux/muxer.hpp"

namespace millrace::hls {

struct request {
  enum class type : unsigned char { multivariant, playlist, init, segment, part };
  type of = type::playlist;
  mux::container container = mux::container::fmp4;
  std::uint64_t number = 0;  // of an init, segment, or the segment of a part
  std::uint64_t part = 0;
  // Delivery directives (draft section 6.2.5): what the playlist is to contain, and whether a delta update will do.
  std::optional<std::uint64_t> wanted_msn, wanted_part;
  bool skip = false;

  // Playlists start a packager; what they refer to is there already or gone.
  [[nodiscard]] bool starts() const { return of == type::multivariant || of == type::playlist; }
};

// ".m3u8", "/index.m3u8", "/ts.m3u8", "/init-N.mp4", "/seg-N.m4s", "/seg-N.ts", "/part-N-M.m4s". Error kind not_found for another path,
// protocol for a query that is wrong: a number that is none, one given twice, _HLS_part without _HLS_msn (section 6.2.5.2). Other
// directives and other parameters are for others.
base::result<request> parse_request(std::string_view rest, std::string_view query);

}  // namespace millrace::hls
