// What a file says of its length, read header by header: for recordings that nobody ended, and for a list of them that is lost. Pure.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"

namespace millrace::record {

// At most `count` bytes at `at`; fewer at the end of the file. Nothing if they cannot be read.
using read_at = std::function<std::optional<std::vector<std::uint8_t>>(std::uint64_t at, std::size_t count)>;

struct file_facts {
  bool readable = false;         // a file of this kind with something in it
  std::int64_t duration_ms = 0;
  std::uint64_t whole_bytes = 0;  // up to the end of the last fragment or tag that is all there
  // What this server wrote into it; empty in others.
  std::string stream, start;
};

// A file of hours has a hundred thousand headers. Whoever has other things to do meanwhile goes from one to the next.
class file_scan {
 public:
  virtual ~file_scan() = default;
  // Past the next box or tag, with a few reads. False: there is no further one that is whole.
  virtual bool step() = 0;
  // Of what lies before.
  [[nodiscard]] virtual file_facts facts() const = 0;
};

// Fragmented or not. Reads headers only: what it takes grows with the number of fragments, not with the bytes between.
std::unique_ptr<file_scan> begin_mp4_scan(read_at read, std::uint64_t size);
std::unique_ptr<file_scan> begin_flv_scan(read_at read, std::uint64_t size);

// All of it at once.
file_facts scan_mp4(read_at read, std::uint64_t size);
file_facts scan_flv(read_at read, std::uint64_t size);

// A box that players step over, with what the file says of itself.
base::slice make_mark_box(std::string_view stream, std::string_view start);

}  // namespace millrace::record
