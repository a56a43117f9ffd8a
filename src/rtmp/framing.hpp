// What a session knows of how its messages travel: messages out of bytes, messages into a chain, and liveness.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/group_source.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "media/frame.hpp"
#include "rtmp/message.hpp"
#include "rtmp/roqr_frame.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {

class group_receiver;
class group_sender;

struct group_choice {
  bool reliable = false;           // nothing is given up for being late
  std::uint64_t first_stream = 2;  // the peer's unidirectional streams: 2, 6, 10 … of a client, 3, 7 … of a server (RFC 9000 section 2.1)
};

// Two implementations: chunk_framing (RTMP's own byte stream) and roqr_framing (whole messages in frames on QUIC streams). One of them
// belongs to one session.
class framing {
 public:
  virtual ~framing() = default;

  [[nodiscard]] virtual bool ready() const = 0;  // messages may be written
  [[nodiscard]] virtual bool digest_handshake() const { return false; }
  [[nodiscard]] virtual std::uint64_t bytes_received() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_acknowledged() const = 0;
  // Bytes written as replies since the last take_output.
  [[nodiscard]] virtual std::size_t reply_bytes() const = 0;
  // How write_media wants its images encoded.
  [[nodiscard]] virtual wire_format media_format() const = 0;

  virtual void set_partial_limit(std::size_t bytes) = 0;

  // New bytes are there: counts them. Then call next() until it yields nothing, then acknowledge().
  virtual void begin_receive(base::instant now, std::size_t count) = 0;
  // The next whole message. What concerns only the framing is dealt with and not passed on. What was dealt with but is answered (a ping,
  // Set Peer Bandwidth) is passed on, to be counted.
  virtual base::result<std::optional<message>> next(base::instant now, base::bytes_view& bytes) = 0;
  virtual void acknowledge() {}
  // So many bytes came that nobody looks at: counted and acknowledged, so that the peer knows us to be alive. Nothing can be read after that.
  virtual void skip_received(base::instant now, std::size_t count) { begin_receive(now, count); }

  // Only a framing on many streams has these; the others are never asked.
  // Bytes of another stream of the peer; what becomes whole comes out of next(). An error closes the connection.
  virtual base::result<void> receive_stream(base::instant /*now*/, std::int64_t /*stream*/, base::bytes_view /*bytes*/, bool /*fin*/) { return {}; }
  virtual void on_stream_reset(base::instant /*now*/, std::int64_t /*stream*/) {}
  // The message that next() gave last may have overtaken a command that was sent before it.
  [[nodiscard]] virtual bool may_have_overtaken() const { return false; }
  // The message that next() gave last belongs to nothing that the session knows: no more of its stream, if it has one of its own.
  virtual void refuse_flow() {}
  virtual std::optional<stream_stop> poll_stop() { return std::nullopt; }
  // Whether media travels in groups from here on (live profile); said once, before any media is written. Until it is said, bytes of the
  // peer's other streams wait.
  virtual void decide_groups(const std::optional<group_choice>& /*how*/) {}
  // The sending side, once there are groups: what the transport pulls from.
  [[nodiscard]] virtual group_sender* groups() { return nullptr; }
  [[nodiscard]] virtual const group_receiver* group_reception() const { return nullptr; }
  // What the peer sends for this message stream from now on has nothing to do with what it sent before.
  virtual void begin_publication(std::uint32_t /*msid*/) {}
  // Live profile: how long the receiving side waits for what is missing.
  virtual void set_round_trip(std::chrono::microseconds /*smoothed*/) {}
  // Every group that was closed so far has reached the peer, or never will.
  virtual void on_groups_flushed() {}

  // Pings after that much silence, and calls the peer dead after three times as much.
  virtual void enable_pings(base::instant now, std::chrono::milliseconds after) = 0;
  // Nothing was read meanwhile: the peer may have said something.
  virtual void excuse_silence(base::instant now) = 0;
  // False: the peer is dead.
  virtual bool on_timer(base::instant now) = 0;
  [[nodiscard]] virtual std::optional<base::instant> poll_timeout() const = 0;

  virtual void write(const message& m) = 0;  // a reply or command
  // A frame for message stream `msid`, of which the age counts from `made`. `wire` is its shared image in media_format() for wire_msid, or
  // null: then it is encoded here.
  virtual void write_media(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made, const base::shared_chain& wire) = 0;
  // A message that must not overtake the media of `msid` written so far: an unpublish, the notice that the publisher left.
  virtual void write_behind_media(std::uint32_t /*msid*/, const message& m) { write(m); }
  // Messages that wait for that; and the wish that they wait no longer, because the connection is about to close.
  [[nodiscard]] virtual std::size_t waiting_behind_media() const { return 0; }
  virtual void release_behind_media() {}
  // There is something that only a pull of the transport moves. Pulling without that would call back at once, for ever.
  [[nodiscard]] virtual bool wants_pull() const { return false; }
  virtual void set_window(std::uint32_t bytes) = 0;  // tells the peer our Window Acknowledgement Size
  virtual void announce_chunk_size(std::uint32_t size) = 0;

  // What is to be sent goes behind what `into` has. Reuses its memory: no allocation once both have had their largest load.
  virtual void take_output(base::send_chain& into) = 0;
};

struct server_config;
struct client_config;
std::unique_ptr<framing> make_framing(const server_config& config, base::instant now, std::uint64_t seed);
std::unique_ptr<framing> make_framing(const client_config& config, base::instant now, std::uint64_t seed);

}  // namespace millrace::rtmp
