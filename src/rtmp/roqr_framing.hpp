// RoQR under a session: whole messages in frames on QUIC streams (RoQR draft; live profile for the groups).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/fifo.hpp"
#include "base/limits.hpp"
#include "rtmp/framing.hpp"
#include "rtmp/group_receiver.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/liveness.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::rtmp {

// The session's own stream is the first bidirectional one, which the client opens; everything that is written without groups goes there.
// A peer may send frames on any other stream of its own as well ("QUIC Streams"), with any flow id; order is kept within a stream. Set
// Chunk Size, Abort, Acknowledgement, Window Acknowledgement Size and Set Peer Bandwidth mean nothing here: they are not sent, and ignored.
// With groups (live profile) media travels on unidirectional streams, in the order that group_sender and group_receiver keep.
class roqr_framing final : public framing {
 public:
  roqr_framing(const base::shared_limits& limits, std::size_t partial_limit, base::instant now);

  [[nodiscard]] bool ready() const override { return true; }  // no handshake of its own
  [[nodiscard]] std::uint64_t bytes_received() const override { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_acknowledged() const override { return 0; }  // QUIC knows, and nobody tells
  [[nodiscard]] std::size_t reply_bytes() const override { return reply_bytes_; }
  [[nodiscard]] wire_format media_format() const override { return sender_ ? wire_format::roqr_group : wire_format::roqr; }

  void set_partial_limit(std::size_t bytes) override;

  void begin_receive(base::instant now, std::size_t count) override;
  base::result<void> receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) override;
  void on_stream_reset(base::instant now, std::int64_t stream) override;
  base::result<std::optional<message>> next(base::instant now, base::bytes_view& bytes) override;
  [[nodiscard]] bool may_have_overtaken() const override { return overtaking_; }
  void refuse_flow() override;

  void enable_pings(base::instant now, std::chrono::milliseconds after) override { liveness_.enable(now, after); }
  void excuse_silence(base::instant now) override { liveness_.on_received(now); }
  bool on_timer(base::instant now) override;
  [[nodiscard]] std::optional<base::instant> poll_timeout() const override;

  void write(const message& m) override;
  void write_media(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made, const base::shared_chain& wire) override;
  void set_window(std::uint32_t) override {}
  void announce_chunk_size(std::uint32_t) override {}

  void take_output(base::send_chain& into) override;
  void write_behind_media(std::uint32_t msid, const message& m) override;
  [[nodiscard]] std::size_t waiting_behind_media() const override { return behind_.size(); }
  [[nodiscard]] bool wants_pull() const override { return sender_ && (!sender_->idle() || !behind_.empty()); }
  void release_behind_media() override;
  std::optional<stream_stop> poll_stop() override;
  void decide_groups(const std::optional<group_choice>& how) override;
  [[nodiscard]] group_sender* groups() override { return sender_ ? &*sender_ : nullptr; }
  [[nodiscard]] const group_receiver* group_reception() const override { return receiver_.get(); }
  void begin_publication(std::uint32_t msid) override;
  void set_round_trip(std::chrono::microseconds smoothed) override;
  void on_groups_flushed() override;

 private:
  struct whole {
    std::int64_t stream;
    message m;
  };
  struct waiting {
    std::vector<std::uint8_t> bytes;
    bool fin = false;
  };
  [[nodiscard]] std::size_t partial_bytes() const;
  base::result<void> receive_plain(std::int64_t stream, base::bytes_view bytes, bool fin);
  base::result<void> receive_undecided(std::int64_t stream, base::bytes_view bytes, bool fin);
  [[nodiscard]] bool grouped(std::int64_t stream) const;
  group_receiver& receiver();

  base::shared_limits limits_;
  std::size_t partial_limit_;
  roqr_reader control_;
  std::map<std::int64_t, roqr_reader> streams_;  // the peer's others that are not at their end
  base::fifo<whole> whole_;                      // of these, in the order in which they became whole
  std::int64_t last_stream_ = 0;                 // of the message that next() gave last
  bool overtaking_ = false;                      // that message did not come on the session's own stream
  std::set<std::int64_t> refused_;               // streams whose bytes are thrown away until they end
  base::fifo<stream_stop> stops_;

  // Live profile.
  bool decided_ = false;
  std::map<std::int64_t, waiting> undecided_;  // what came before
  std::size_t undecided_bytes_ = 0;
  std::optional<base::error> failed_;          // what came before was wrong
  std::optional<group_sender> sender_;
  std::optional<group_receiver_config> receiving_;  // grouped: how, …
  std::unique_ptr<group_receiver> receiver_;        // … and once something came
  base::fifo<message> behind_;                 // must not overtake the groups that are under way

  base::send_chain out_;
  std::size_t reply_bytes_ = 0;
  std::uint64_t bytes_received_ = 0;
  base::instant last_now_;
  liveness liveness_;
};

}  // namespace millrace::rtmp
