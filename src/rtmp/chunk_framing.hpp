// The RTMP byte stream under a session: handshake, chunks, acknowledgements, pings.
#pragma once
#include <cstdint>
#include <optional>
#include <variant>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/framing.hpp"
#include "rtmp/handshake.hpp"
#include "rtmp/liveness.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

class chunk_framing final : public framing {
 public:
  struct server_role {};
  struct client_role {
    bool digest = false;
  };
  chunk_framing(server_role, const base::shared_limits& limits, base::instant now, std::uint64_t seed);
  chunk_framing(client_role role, const base::shared_limits& limits, base::instant now, std::uint64_t seed);

  [[nodiscard]] bool ready() const override;
  [[nodiscard]] bool digest_handshake() const override;
  [[nodiscard]] std::uint64_t bytes_received() const override { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_acknowledged() const override { return bytes_acknowledged_; }
  [[nodiscard]] std::size_t reply_bytes() const override { return reply_bytes_; }
  [[nodiscard]] wire_format media_format() const override { return wire_format::chunks; }

  void set_partial_limit(std::size_t bytes) override { reader_.set_partial_limit(bytes); }

  void begin_receive(base::instant now, std::size_t count) override;
  // Acknowledgement and Window Acknowledgement Size are the framing's own.
  base::result<std::optional<message>> next(base::instant now, base::bytes_view& bytes) override;
  void acknowledge() override;
  void skip_received(base::instant now, std::size_t count) override;

  void enable_pings(base::instant now, std::chrono::milliseconds after) override;
  void excuse_silence(base::instant now) override { liveness_.on_received(now); }
  bool on_timer(base::instant now) override;
  [[nodiscard]] std::optional<base::instant> poll_timeout() const override;

  void write(const message& m) override;
  void write_media(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made, const base::shared_chain& wire) override;
  void set_window(std::uint32_t bytes) override;
  void announce_chunk_size(std::uint32_t size) override;

  void take_output(base::send_chain& into) override;

 private:
  base::result<void> on_control(const message& m);
  void answer_bandwidth();
  void acknowledge_now();

  std::variant<server_handshake, client_handshake> handshake_;
  chunk_reader reader_;
  chunk_writer writer_;
  base::send_chain out_;
  std::size_t reply_bytes_ = 0;

  std::uint64_t bytes_received_ = 0;
  std::uint64_t acknowledged_to_peer_ = 0;  // bytes_received_ when the last Acknowledgement went out
  std::uint64_t bytes_acknowledged_ = 0;
  // Peers that never say a window still want to hear from us now and then; some encoders stall without.
  std::uint32_t peer_window_ = 1'000'000;
  std::uint32_t our_window_ = 0;  // the last one that we told
  std::optional<std::uint32_t> peer_hard_limit_;
  std::optional<std::uint32_t> wished_window_;  // by Set Peer Bandwidth, not answered yet

  liveness liveness_;
};

}  // namespace millrace::rtmp
