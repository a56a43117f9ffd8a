// The receiving side of the live profile: the group streams of a peer to the messages of its flows, each flow in order (live profile,
// "Receiver", "Order across the streams of one flow", "End of a group"). Pure.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "base/fifo.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "rtmp/configs_in_effect.hpp"
#include "rtmp/id_ranges.hpp"
#include "rtmp/message.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::rtmp {

struct group_receiver_config {
  base::shared_limits limits;
  // How long a message that could begin the next group waits for what stands before it. Nothing: the profile `reliable`, where
  // nothing is skipped and a bound that is passed is an error.
  std::optional<std::chrono::milliseconds> hold;
  std::size_t bytes_max = 16u << 20;  // all that is held, half-read frames and group_receiver::message_cost included
  std::size_t config_bytes_max = 64u << 10;  // configurations remembered, of all flows together; real ones have some hundred bytes each
  std::chrono::milliseconds age_max{4'000};
  // Group streams that are not over, those included of which nothing came yet. More than the transport allows at once, because one that
  // ended there may still wait here.
  std::size_t streams_max = 256;
  std::uint64_t first_stream = 2;  // the peer's first unidirectional QUIC stream: 2 of a client, 3 of a server (RFC 9000 section 2.1)
};

enum class group_skip : std::uint8_t { hold, bytes, age };
inline constexpr std::size_t group_skips = 3;

struct group_receiver_counters {
  std::array<std::uint64_t, group_skips> skipped{};  // group streams given up before they were over, by reason
  std::uint64_t resets = 0;                          // group streams that the peer gave up
  std::uint64_t messages_cut = 0;                    // half-read messages thrown away with either
  std::uint64_t configs_swallowed = 0;               // repeated at the head of a group
  [[nodiscard]] std::uint64_t of(group_skip why) const { return skipped[static_cast<std::size_t>(why)]; }
};

// A whole message is never thrown away: of a group that is given up, what came whole is released before the next group begins. A group
// begins only when no lower stream is left whose flow is unknown, because that might be an earlier group of the same flow; one that has
// begun waits for nobody. Driver: after anything that happened, take the messages and the stops and arm one timer.
class group_receiver {
 public:
  // What a held message costs beside its payload, so that many small ones are bounded as well.
  static constexpr std::size_t message_cost = 128;

  explicit group_receiver(const group_receiver_config& config) : config_(config) {}

  [[nodiscard]] std::size_t bytes_held() const noexcept { return held_; }  // without what waits for poll_message()
  [[nodiscard]] std::uint64_t streams_open() const noexcept { return top_ - done_.count(); }  // also those of which nothing came yet
  [[nodiscard]] const group_receiver_counters& counters() const noexcept { return counters_; }

  // max(600 ms, 2 RTT + 200 ms), as the round trip changes; arm the timer afterwards. Without effect in the profile `reliable`.
  void set_hold(std::chrono::milliseconds hold);
  // From the next receive or timer on.
  void set_bytes_max(std::size_t bytes) { config_.bytes_max = bytes; }

  // An error of any of these is final and closes the connection: kind `limit` for a bound, otherwise FRAME_ENCODING_ERROR, also for a
  // stream that ends inside a frame.
  base::result<void> receive(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin);
  base::result<void> on_reset(base::instant now, std::int64_t stream);
  base::result<void> on_timer(base::instant now);

  // A new publication begins on this message stream: a configuration at the head of a group is no repetition of what was before.
  void forget(std::uint32_t msid);

  std::optional<message> poll_message();
  // STOP_SENDING(FRAME_CANCELLED). A stream is named again for every piece that still comes of it, because a transport may be unable to
  // stop one of which it has seen nothing.
  std::optional<stream_stop> poll_stop();
  [[nodiscard]] std::optional<base::instant> poll_timeout() const;

 private:
  struct held_message {
    base::instant arrival;
    message m;
  };
  struct flow {
    explicit flow(media::frame_kind kind) : configs(kind) {}
    std::set<std::uint64_t> groups;  // that are not done
    configs_in_effect configs;
  };
  // Streams are counted from 0 inside.
  struct group {
    explicit group(const base::shared_limits& limits) : reader(limits) {}
    roqr_reader reader;
    std::uint64_t flow_id = session_flow;
    rtmp::group_receiver::flow* of = nullptr;  // null: unknown yet
    base::fifo<held_message> messages;         // whole, and not its turn yet
    bool begun = false;
    bool ended = false;                        // nothing more comes, or is wanted
    bool at_head = true;                       // nothing but configurations was released
  };
  struct waiting {
    std::uint64_t index;
    base::instant since;
  };

  base::result<std::uint64_t> index_of(std::int64_t stream);
  base::result<void> read(base::instant now, std::uint64_t index, base::bytes_view bytes, bool fin);
  base::result<void> join_flow(std::uint64_t index, group& g, std::uint64_t id);
  void release();
  void release(flow& f);
  void pass(group& g, message m);
  base::result<void> settle(base::instant now);
  base::result<void> hold_bounds(base::instant now);
  bool skip_for_bytes();
  void skip_before(std::uint64_t index, group_skip why);
  void give_up(std::uint64_t index, group_skip why);
  void end(std::uint64_t index);
  void finish(std::uint64_t index);
  base::result<void> fail(base::error e);

  [[nodiscard]] std::int64_t stream_of(std::uint64_t index) const;
  [[nodiscard]] std::chrono::milliseconds patience() const;
  [[nodiscard]] std::optional<waiting> longest_waiting() const;
  [[nodiscard]] std::size_t config_bytes() const;
  std::uint64_t first_unknown();

  group_receiver_config config_;
  std::optional<base::error> failed_;
  std::map<std::uint64_t, flow> flows_;    // by flow id
  std::map<std::uint64_t, group> groups_;  // those of which something came and that are not done
  id_ranges done_;
  std::uint64_t top_ = 0;            // every stream below it exists
  std::uint64_t first_unknown_ = 0;  // no stream below it has an unknown flow
  std::size_t held_ = 0;
  base::fifo<message> released_;
  std::set<std::uint64_t> stops_;
  group_receiver_counters counters_;
};

}  // namespace millrace::rtmp
