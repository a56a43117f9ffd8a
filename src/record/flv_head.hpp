// The beginning of a recorded FLV file: header and onMetaData, which grows into its final form when the file ends without moving a byte. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"

namespace millrace::record {

struct flv_facts {
  bool has_audio = true, has_video = true;
  std::int64_t duration_ms = 0;
  std::uint64_t file_bytes = 0;
  struct key {
    std::int64_t ms = 0;
    std::uint64_t at = 0;  // offset of its tag
  };
  std::vector<key> keys;
};

// How many key frames the index has room for; who has more leaves out every second one.
constexpr std::size_t flv_index_max = 2048;

// `publisher`: the stream's own onMetaData message, of which what this file says itself is left out; may be empty. The text is plain ASCII.
base::slice make_flv_head(base::bytes_view publisher, std::string_view stream, std::string_view start);
// The same head with these facts, and as long. Nothing if `head` was not made here.
std::optional<base::slice> with_facts(base::bytes_view head, const flv_facts& facts);

struct flv_head_mark {
  std::string stream, start;
  std::size_t bytes = 0;        // of the head
  std::int64_t duration_ms = 0;  // 0: not written yet
};
// What the head at the begin of `file` says; nothing if it is none of ours, or not all there.
std::optional<flv_head_mark> read_flv_head(base::bytes_view file);
// How long a head is at most.
constexpr std::size_t flv_head_bytes_max = 128u << 10;

}  // namespace millrace::record
