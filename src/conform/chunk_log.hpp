// What a peer sent, chunk by chunk and by the letter of RTMP 1.0 section 5.3: beside the reader that makes messages of it and forgives.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "conform/chunk.hpp"

namespace millrace::conform {

struct seen_chunk {
  unsigned format = 0;
  std::uint32_t csid = 0;
  int basic_header_bytes = 1;
  bool starts = false;          // a message, rather than continuing one
  std::uint32_t field = 0;      // formats 0 to 2: the timestamp field, read from the extended one where that was there
  bool extended = false;        // the extended field was there
  std::uint32_t timestamp = 0;  // of the message, modulo 2^32
  std::uint32_t length = 0;     // of the message
  rtmp::message_type type = rtmp::message_type::command_amf0;
  std::uint32_t msid = 0;
};

// Takes the bytes behind the handshake in any pieces. What breaks the letter becomes `fault`, and from there on nothing is logged.
class chunk_log {
 public:
  void feed(base::bytes_view some);
  [[nodiscard]] const std::vector<seen_chunk>& chunks() const noexcept { return chunks_; }
  [[nodiscard]] const std::string& fault() const noexcept { return fault_; }
  [[nodiscard]] std::uint32_t chunk_size() const noexcept { return chunk_size_; }

 private:
  struct state {
    std::uint32_t csid = 0;
    seen_chunk last;         // headers as they hold now
    std::uint32_t left = 0;  // payload of the unfinished message
  };
  void on_header();
  void on_chunk(seen_chunk c, std::uint32_t extended_field);
  void on_payload_end();
  state* find(std::uint32_t csid);
  void fail(std::uint32_t csid, const std::string& what);

  std::vector<seen_chunk> chunks_;
  std::vector<state> streams_;
  std::string fault_;
  std::uint32_t chunk_size_ = 128;
  bytes header_;            // as far as it came
  std::uint32_t left_ = 0;  // payload of the chunk under way
  std::uint32_t csid_ = 0;  // of it
  bytes control_;           // payload of Set Chunk Size and Abort, which this log has to obey
};

}  // namespace millrace::conform
