// Bytes of one direction of a connection to whole messages (RTMP 1.0 section 5.3).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/slice_buffer.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

// Takes the bytes in any splitting. Set Chunk Size and Abort Message are acted on here, because the very next byte may
// depend on them, and are not passed on. Memory follows the bytes received, whatever length a header announces: a payload
// buffer grows geometrically and never beyond the message.
class chunk_reader {
 public:
  // Whether this peer repeats the extended timestamp in format 3 chunks (section 5.3.1.3 says so; old senders do not).
  enum class extended_habit : std::uint8_t { unknown, repeats, omits };

  // `partial_limit` is how many bytes of unfinished messages the peer may make us hold, all chunk streams together.
  chunk_reader(const base::shared_limits& limits, std::size_t partial_limit);

  [[nodiscard]] std::uint32_t chunk_size() const noexcept { return chunk_size_; }
  [[nodiscard]] std::size_t partial_bytes() const noexcept { return partial_bytes_; }
  [[nodiscard]] std::size_t chunk_streams() const noexcept { return streams_.size(); }
  [[nodiscard]] extended_habit habit() const noexcept { return habit_; }

  void set_partial_limit(std::size_t bytes) noexcept { partial_limit_ = bytes; }

  // Reads from the front of `bytes`, which is advanced, up to the end of the first message that becomes whole. Nothing means that
  // all bytes are used up and more are needed. An error is final: the connection has lost its synchronisation.
  base::result<std::optional<message>> next(base::bytes_view& bytes);

 private:
  struct chunk_stream {
    std::uint32_t csid = 0;
    std::uint32_t field = 0;      // timestamp field of the last format 0, 1 or 2 header, extended or not
    std::uint32_t timestamp = 0;  // of the message that is being read, or of the last one
    std::uint32_t length = 0;
    std::uint32_t msid = 0;
    std::uint32_t have = 0;  // bytes of the message that have come
    std::uint8_t type = 0;
    bool extended = false;    // the last header had the extended field
    bool in_message = false;  // begun and not whole
    base::slice_buffer payload;
  };
  enum class stage : std::uint8_t { basic_header, message_header, extended_time, repeated_time, payload };
  using step_result = base::result<std::optional<message>>;

  bool collect(base::bytes_view& in, std::size_t count);
  step_result step(base::bytes_view& in);
  step_result on_basic_header();
  step_result on_message_header();
  step_result on_repeated_time(base::bytes_view& in);
  step_result begin_chunk();
  step_result on_payload(base::bytes_view& in);
  step_result finish_message();
  base::result<void> apply_set_chunk_size(base::bytes_view body);
  base::result<void> apply_abort(base::bytes_view body);
  base::error failure(base::error_kind kind, std::string_view text) const;
  [[nodiscard]] std::size_t message_limit(std::uint8_t type) const;
  [[nodiscard]] std::size_t kept_of(const chunk_stream& s) const;  // bytes of its message

  base::shared_limits limits_;
  std::size_t partial_limit_;
  std::size_t partial_bytes_ = 0;
  std::uint32_t chunk_size_ = 128;  // section 5.4.1: until the peer says otherwise
  extended_habit habit_ = extended_habit::unknown;
  std::optional<base::error> failed_;

  // The chunk that is being read.
  stage stage_ = stage::basic_header;
  std::uint8_t format_ = 0;
  std::uint32_t csid_ = 0;
  std::size_t current_ = 0;                // index in streams_
  std::uint32_t chunk_left_ = 0;           // payload bytes of this chunk still to come
  std::array<std::uint8_t, 11> header_{};  // the part of a header that has come so far; 11 is the longest part
  std::size_t header_have_ = 0;
  // Bytes that were taken for a repeated timestamp and turned out to be payload: read again before anything else.
  std::array<std::uint8_t, 4> replay_{};
  std::size_t replay_at_ = 0;
  std::size_t replay_end_ = 0;

  // At most limits_->chunk_streams entries, real peers use up to 8: a linear search beats a map.
  std::vector<chunk_stream> streams_;
};

}  // namespace millrace::rtmp
