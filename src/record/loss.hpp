// Why a frame is in no file although its stream is recorded.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::record {

enum class loss : unsigned char {
  disk_too_slow,    // the queue was full: pictures are left out up to the next key frame, or the newest, by the rules of hub::cursor
  disk_failed,      // full, not writable, gone: nothing is written until it is tried again
  until_key_frame,  // a file begins with a key frame
  not_carried,      // a codec or track that the format cannot carry
  count,
};
constexpr std::string_view name(loss reason) {
  switch (reason) {
    case loss::disk_too_slow: return "disk_too_slow";
    case loss::disk_failed: return "disk_failed";
    case loss::until_key_frame: return "until_key_frame";
    case loss::not_carried: return "not_carried";
    case loss::count: break;
  }
  return "unknown";
}
using losses = std::array<std::uint64_t, static_cast<std::size_t>(loss::count)>;

}  // namespace millrace::record
