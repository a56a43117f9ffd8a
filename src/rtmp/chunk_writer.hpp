// Whole messages to chunks (RTMP 1.0 section 5.3), the sending half of chunk_reader.
#pragma once
#include <cstdint>

#include "base/send_chain.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

// The chunk streams that we send on. 2 is required for protocol control (section 5.4); one for each kind of media keeps a large video
// message from standing before audio at peers that read by chunk stream, and 3 to 6 are what Adobe's own encoder uses.
namespace chunk_streams {
inline constexpr std::uint32_t control = 2;
inline constexpr std::uint32_t command = 3;
inline constexpr std::uint32_t audio = 4;
inline constexpr std::uint32_t data = 5;
inline constexpr std::uint32_t video = 6;
}  // namespace chunk_streams

// Format 0 and then format 3, extended timestamp repeated in every chunk. No state of the connection but the chunk size enters, so
// the result may be sent at any place between two messages. The payload is shared, the headers lie in one buffer.
// `m.csid` is 2 to 65599; the payload is at most 0xFFFFFF bytes, what is longer yields an empty chain, since no receiver could read it.
// `head`, not longer than the payload, is sent in the place of its first bytes (media::frame::head).
base::send_chain encode_chunks(const message& m, std::uint32_t chunk_size, const base::slice& head = {});

// The chunk size that the peer was told, together with the telling.
class chunk_writer {
 public:
  [[nodiscard]] std::uint32_t chunk_size() const noexcept { return chunk_size_; }
  [[nodiscard]] base::send_chain encode(const message& m) const { return encode_chunks(m, chunk_size_); }
  // Set Chunk Size, which holds from the next message on.
  base::send_chain announce_chunk_size(std::uint32_t size);

 private:
  std::uint32_t chunk_size_ = 128;
};

}  // namespace millrace::rtmp
