// The sending side of the live profile: which media message a packet carries next, and what is given up because it is too late for it
// (live profile, "Sender schedule" and "Expiry"). Pure.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fifo.hpp"
#include "base/group_source.hpp"
#include "base/time.hpp"
#include "media/frame.hpp"
#include "media/track.hpp"

namespace millrace::rtmp {

// Live profile, "Expiry". A message is too old once it has reached its limit.
struct group_limits {
  std::chrono::milliseconds audio{1'000}, key{2'000}, video{1'200};  // to be handed out by then
  // A group older than a key frame is cut so long after that key frame was queued.
  std::chrono::milliseconds cut_after_key{500};
  std::chrono::milliseconds begun{100};  // what is half sent gets so much more than its limit
  // A bound on memory, not on delay, and like the others only of the live profile: then the oldest video group goes.
  std::size_t bytes_max = 16U << 20;
  bool expires = true;  // false: profile `reliable`, where nothing is given up and the owner watches queued_bytes()
};

enum class group_loss : std::uint8_t {
  audio_old,
  key_old,    // also the rest of its group
  video_old,  // also the rest of its group
  cut,        // a newer key frame is waiting, or memory is full
  reset,      // behind a message that was stuck half sent
  stopped,    // the peer wants no more of the group
  empty,      // a message without payload, which RoQR cannot carry
};
inline constexpr std::size_t group_losses = 7;

// Configurations are never among them: those in effect stand at the head of the next group.
struct group_counters {
  struct lost {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;  // as encoded
  };
  std::array<lost, group_losses> by_loss{};
  std::uint64_t groups_cut = 0;    // groups of video whose rest was given up, for whatever reason
  std::uint64_t groups_reset = 0;  // of all kinds
  [[nodiscard]] const lost& of(group_loss why) const { return by_loss[static_cast<std::size_t>(why)]; }
};

// Holds what no packet has room for yet. One per connection and direction; messages are shared with all other viewers. The order of the
// groups of a flow is the order of their numbers. Driver: after anything that happened, poll_reset() and poll_timeout().
class group_sender final : public base::group_source {
 public:
  explicit group_sender(group_limits limits = {}) : limits_(limits) {}

  [[nodiscard]] std::size_t queued_bytes() const noexcept { return bytes_; }  // not handed out yet
  [[nodiscard]] base::duration queue_age(base::instant now) const;            // of the oldest message that was not handed out
  [[nodiscard]] const group_counters& counters() const noexcept { return counters_; }
  // The rest of a group of video was given up and nothing replaces it: the encoder should make a key frame. Over with the next one.
  [[nodiscard]] bool wants_key() const;
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }  // in packets, as the transport told
  [[nodiscard]] std::uint64_t messages_lost() const noexcept;
  // Nothing is queued, and every group that was handed out is over for the peer as well.
  [[nodiscard]] bool idle() const noexcept;

  void on_sent(std::uint64_t group, std::uint64_t bytes) override;
  void on_stopped(std::uint64_t group) override;
  void on_closed(std::uint64_t group) override;
  void on_timer(base::instant now);

  // `wire` is the frame as encode_roqr() made it, with flow_of(msid, frame.kind).
  // Its age counts from `made`.
  void push(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made, base::shared_chain wire);
  // The open groups end behind what they hold; what comes next begins others, with the configurations in effect.
  void close_groups(std::uint32_t msid);
  // Unpublish: the groups end behind what they hold, and the message stream begins anew with whatever comes next.
  void finish(std::uint32_t msid);

  std::optional<base::group_piece> next(base::instant now, unsigned limit) override;
  std::optional<std::uint64_t> poll_reset() override;
  [[nodiscard]] std::optional<base::instant> poll_timeout() const;

 private:
  struct item {
    base::shared_chain wire;
    base::instant made{};
    std::uint64_t order = 0;  // of all pushes: which of two message streams is the turn of
    bool key = false;
    bool config = false;
  };
  struct group {
    std::uint64_t order = 0;          // of all groups and items
    std::optional<std::uint64_t> id;  // once something of it was handed out
    base::fifo<item, true> items;
    std::int64_t dts_begin_ms = 0;
    bool only_configs = true;  // so far, whether handed out or not
    bool closed = false;       // nothing will be added
    bool lost = false;         // something of it was given up
    bool end_handed = false;
    bool done = false;  // nothing is left to do for it
    std::uint64_t handed = 0, sent = 0;  // bytes
    std::optional<base::instant> cut_at;    // a newer key frame waits
    std::optional<base::instant> stuck_at;  // until then what was handed out must be sent
  };
  // A configuration in effect.
  struct config {
    unsigned part = 0;  // 0: sequence start; 1: what refers to it. The former go first.
    media::track_set tracks;
    std::uint32_t codec = 0;
    base::shared_chain wire;
  };
  struct flow {
    media::frame_kind kind = media::frame_kind::data;
    base::fifo<group> groups;  // oldest first; those with a number are in front
    std::vector<config> configs;
    bool wait_for_key = false;  // the present group was given up …
    group_loss why = group_loss::cut;  // … for this
    [[nodiscard]] group* open() { return groups.empty() || groups.back().closed ? nullptr : &groups.back(); }
  };
  struct stream {
    std::uint32_t msid = 0;
    bool has_video = false;
    bool finished = false;
    std::array<flow, 3> flows;  // by urgency
  };

  stream& stream_of(std::uint32_t msid);
  void push_video(base::instant now, stream& s, const media::frame& frame, base::instant made, base::shared_chain wire);
  void push_other(base::instant now, stream& s, flow& f, const media::frame& frame, base::instant made, base::shared_chain wire);
  group& begin(base::instant now, flow& f, const media::frame& frame, const config* kept_out);
  void add(group& g, item one);
  static const config* keep(flow& f, const media::frame& frame, const base::shared_chain& wire);
  void hold_bytes();
  bool drop_oldest_other();

  void expire(base::instant now);
  void expire_audio(base::instant now, group& g);
  void expire_video(base::instant now, flow& f, group& g);
  void reset(flow& f, group& g);
  void give_up(flow& f, group& g, std::size_t from, group_loss why);
  void count(const item& one, group_loss why);
  void drop(group& g, std::size_t at, group_loss why);
  static void sweep(flow& f);

  [[nodiscard]] std::optional<base::instant> limit_of(const flow& f, const item& one) const;
  static group* sendable(flow& f);
  base::group_piece hand_out(flow& f, group& g);
  template <class Do>
  void with_group(std::uint64_t id, Do&& act);

  group_limits limits_;
  std::vector<stream> streams_;
  std::size_t bytes_ = 0;
  std::uint64_t orders_ = 0;
  std::uint64_t groups_ = 0;
  std::uint64_t groups_closed_ = 0;
  std::uint64_t bytes_sent_ = 0;
  base::fifo<std::uint64_t> resets_;
  group_counters counters_;
};

}  // namespace millrace::rtmp
