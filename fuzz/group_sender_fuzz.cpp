// group_sender by operations: frames of several message streams, a transport that pulls when it likes, sends, stops, resets; time. Then what came
// out goes through roqr_reader and group_receiver: nothing twice, nothing out of order, nothing lost that was not counted.
#include <map>

#include "rtmp/flows.hpp"
#include "rtmp/group_receiver.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/wire_image.hpp"
#include "session_moves.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

class run {
 public:
  explicit run(operations& in) : in_(in), reliable_(in.chance()), sender_(limits_of(reliable_)), receiver_(config_of(reliable_)) {}

  void all() {
    while (in_.more()) {
      step();
      check();
    }
    // In the end everything goes that still can.
    while (const auto piece = sender_.next(now_, 4)) take(*piece);
    check();
    std::vector<std::uint64_t> open;
    for (const auto& [id, g] : groups_) open.push_back(id);
    for (const auto id : open) {
      deliver(id, 1u << 30);
      if (!groups_.at(id).ended && !groups_.at(id).over) sender_.on_stopped(id), reset(id);
    }
    check();
    require(sender_.queued_bytes() == 0);
    if (!reliable_) return;
    // Nothing was given up but at the peer's own wish.
    require(sender_.messages_lost() == sender_.counters().of(rtmp::group_loss::stopped).messages + sender_.counters().of(rtmp::group_loss::empty).messages);
    if (!stopped_) require(received_ == pushed_);
  }

 private:
  static rtmp::group_limits limits_of(bool reliable) {
    rtmp::group_limits limits;
    limits.expires = !reliable;
    limits.bytes_max = bytes_max;
    return limits;
  }
  static rtmp::group_receiver_config config_of(bool reliable) {
    rtmp::group_receiver_config c;
    if (!reliable) c.hold = 600ms;
    c.age_max = reliable ? 10'000'000ms : 4'000ms;
    c.streams_max = 1'000'000;
    return c;
  }
  struct group {
    std::vector<std::uint8_t> wire;  // handed out
    std::size_t sent = 0;
    bool ended = false;  // handed out to its end
    bool over = false;   // delivered whole, or reset
  };

  void step() {
    switch (in_(8)) {
      case 0:
        now_ += std::chrono::milliseconds(10 * in_(64));
        sender_.on_timer(now_);
        require(receiver_.on_timer(now_).has_value());
        return receive();
      case 1:
      case 2:
      case 3: return push();
      case 4:
      case 5:
        if (const auto limit = static_cast<unsigned>(1 + in_(4)); const auto piece = sender_.next(now_, limit)) {
          require(piece->urgency >= 1 && piece->urgency < limit);
          take(*piece);
        }
        return;
      case 6:
        if (!groups_.empty()) deliver(in_(groups_.size()), in_(64));
        return;
      default:
        switch (in_(8)) {
          case 0: return sender_.finish(msid());
          case 1: return sender_.close_groups(msid());
          case 2:
            if (groups_.empty()) return;
            if (const auto id = in_(groups_.size()); !groups_.at(id).over) {
              stopped_ = true;
              sender_.on_stopped(id);
              reset(id);
            }
            return;
          default: return;
        }
    }
  }
  std::uint32_t msid() { return static_cast<std::uint32_t>(1 + in_(2)); }

  void push() {
    static constexpr std::array kinds{media::frame_kind::video, media::frame_kind::audio, media::frame_kind::data};
    media::frame f;
    f.kind = kinds[in_(3)];
    const auto what = in_(16);
    f.key = f.kind == media::frame_kind::video && what < 4;
    f.config = f.kind != media::frame_kind::data && what == 15;
    f.dts_ms = static_cast<std::int64_t>(10 * ++times_);
    std::vector<std::uint8_t> payload;
    if (f.kind == media::frame_kind::video) payload = {std::uint8_t(f.key || f.config ? 0x17 : 0x27), std::uint8_t(f.config ? 0 : 1), 0, 0, 0};
    if (f.kind == media::frame_kind::audio) payload = {0xaf, std::uint8_t(f.config ? 0 : 1)};
    if (f.kind == media::frame_kind::data) payload = {2, 0, 1, 'x'};
    const auto id = msid();
    // A configuration is one of three, so that it comes again; everything else carries its number.
    const auto number = f.config ? in_(3) : ++numbers_[{id, f.kind}];
    for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<std::uint8_t>(number >> shift));
    payload.resize(payload.size() + in_(40));
    if (in_(32) == 0) payload.clear();
    if (!payload.empty()) f.payload = base::slice(std::move(payload));
    auto wire = std::make_shared<const base::send_chain>(rtmp::encode_wire(f, id, rtmp::wire_format::roqr_group));
    if (f.config) ++configs_;
    if (!f.config && !wire->empty()) ++pushed_;
    const auto made = now_ - std::chrono::milliseconds(in_(8) == 0 ? 10 * in_(256) : 0);
    sender_.push(now_, id, f, made, std::move(wire));
  }

  void take(const base::group_piece& piece) {
    require(piece.bytes || piece.end);
    require(piece.group <= groups_.size());
    auto& g = groups_[piece.group];
    require(!g.ended);
    if (piece.bytes) {
      const auto bytes = piece.bytes->flatten();
      require(!bytes.empty());
      g.wire.insert(g.wire.end(), bytes.begin(), bytes.end());
    }
    g.ended = piece.end;
  }

  void deliver(std::uint64_t id, std::size_t most) {
    auto& g = groups_.at(id);
    if (g.over) return;
    const auto part = base::bytes_view(g.wire).subspan(g.sent, std::min(most, g.wire.size() - g.sent));
    g.sent += part.size();
    g.over = g.ended && g.sent == g.wire.size();
    sender_.on_sent(id, g.sent);
    require(receiver_.receive(now_, stream_of(id), part, g.over).has_value());
    if (g.over) sender_.on_closed(id);
    receive();
  }
  void reset(std::uint64_t id) {
    auto& g = groups_.at(id);
    if (std::exchange(g.over, true)) return;
    sender_.on_closed(id);
    require(receiver_.on_reset(now_, stream_of(id)).has_value());
    receive();
  }
  static std::int64_t stream_of(std::uint64_t id) { return static_cast<std::int64_t>(2 + 4 * id); }

  void receive() {
    while (const auto m = receiver_.poll_message()) {
      const auto kind = static_cast<media::frame_kind>(m->type);
      const auto payload = m->payload.view();
      const bool config = (kind == media::frame_kind::video || kind == media::frame_kind::audio) && payload[1] == 0;
      if (config) continue;
      const std::size_t at = kind == media::frame_kind::video ? 5 : kind == media::frame_kind::audio ? 2 : 4;
      std::uint64_t number = 0;
      for (std::size_t i = 0; i < 4; ++i) number = number << 8 | payload[at + i];
      auto& last = last_[{m->msid, kind}];
      require(number > last);
      last = number;
      ++received_;
    }
    // A stream that the receiver has given up is no longer wanted.
    while (const auto stop = receiver_.poll_stop()) {
      const auto id = static_cast<std::uint64_t>(stop->stream - 2) / 4;
      require(!reliable_ && groups_.contains(id));
      if (!groups_.at(id).over) sender_.on_stopped(id), reset(id);
    }
  }

  void check() {
    while (const auto id = sender_.poll_reset()) {
      require(!reliable_ && groups_.contains(*id));
      reset(*id);
    }
    // Configurations are kept whatever the bound.
    require(reliable_ || configs_ > 0 || sender_.queued_bytes() <= bytes_max);
    require((sender_.queue_age(now_) == base::duration::zero()) || sender_.queued_bytes() > 0);
    require(received_ <= pushed_);
    if (reliable_) require(!sender_.poll_timeout());
    std::uint64_t lost = 0;
    for (const auto& each : sender_.counters().by_loss) lost += each.messages;
    require(lost == sender_.messages_lost());
  }

  static constexpr std::size_t bytes_max = 600;
  operations& in_;
  const bool reliable_;
  rtmp::group_sender sender_;
  rtmp::group_receiver receiver_;
  base::instant now_ = base::instant{} + 1h;
  std::map<std::uint64_t, group> groups_;
  std::map<std::pair<std::uint32_t, media::frame_kind>, std::uint64_t> numbers_, last_;
  std::uint64_t pushed_ = 0, received_ = 0, times_ = 0, configs_ = 0;
  bool stopped_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
