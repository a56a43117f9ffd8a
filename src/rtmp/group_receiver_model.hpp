// A publisher's group streams that arrive in any order and with any loss, and what group_receiver must make of them, worked out afresh from
// everything that arrived. The unit test chooses by a seed, the fuzzer by its input. Not part of any library: only tests include this.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <vector>

#include "rtmp/flows.hpp"
#include "rtmp/group_receiver.hpp"

namespace millrace::rtmp {

template <class Choose>  // choose(n): a number below n
class group_receiver_model {
 public:
  group_receiver_model(Choose choose, bool reliable) : choose_(std::move(choose)), reliable_(reliable), receiver_(config(reliable)) {}

  // As many operations as `choose` likes; then everything still under way arrives, and all must be told.
  void run(std::size_t operations) {
    while (operations-- > 0) step();
    for (auto& [id, g] : groups_) {
      while (!g.over() && !failed_) deliver(id, g, g.wire.size() - g.at);
    }
    for (int turn = 0; turn < 1000 && !failed_; ++turn) {
      const auto at = receiver_.poll_timeout();
      if (!at) break;
      now_ = std::max(now_, *at);
      happened(receiver_.on_timer(now_));
    }
    const bool over = !receiver_.poll_timeout() && receiver_.bytes_held() == 0 && receiver_.streams_open() == 0;
    require(failed_ || over, "everything is over at the end");
  }
  [[nodiscard]] const group_receiver_counters& counters() const { return receiver_.counters(); }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  struct sent_group {
    std::uint64_t flow = 0;
    std::vector<std::uint8_t> wire;
    std::vector<std::size_t> ends;      // of its frames in `wire`
    std::vector<std::uint64_t> numbers;  // of its messages in their flow; 0 for a repeated configuration
    std::size_t header = 0;              // of the first frame: known from then on
    std::size_t at = 0;                  // so much arrived while it was wanted
    bool fin = false, reset = false, stopped = false;
    [[nodiscard]] bool over() const { return fin || reset || stopped; }
  };

  static group_receiver_config config(bool reliable) {
    group_receiver_config c;
    if (!reliable) c.hold = std::chrono::milliseconds(600);
    c.bytes_max = 3000;
    c.age_max = std::chrono::milliseconds(reliable ? 1'000'000 : 4'000);
    if (reliable) c.bytes_max = 16u << 20;
    c.streams_max = streams_max;
    return c;
  }

  static void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
  }

  void step() {
    if (failed_) return;
    const auto what = choose_(12);
    if (what < 2 || groups_.empty()) return begin_group();
    if (what == 2) {
      now_ += std::chrono::milliseconds(choose_(400));
      return happened(receiver_.on_timer(now_));
    }
    // One of the younger ones, mostly: otherwise hardly anything would ever end.
    auto at = groups_.rbegin();
    for (auto back = choose_(8); back > 0 && std::next(at) != groups_.rend(); --back) ++at;
    auto& [id, g] = *at;
    if (g.stopped && !g.fin && !g.reset) return late(id, g);
    if (g.over()) return;
    if (what == 3 && choose_(8) == 0) {
      g.reset = true;
      saw(id);
      return happened(receiver_.on_reset(now_, id));
    }
    deliver(id, g, choose_(4) == 0 ? g.wire.size() - g.at : choose_(60));
  }

  void begin_group() {
    if (receiver_.streams_open() + (streams_ - seen_) >= streams_max) return;
    const auto id = static_cast<std::int64_t>(2 + 4 * streams_++);
    auto& g = groups_[id];
    const auto kind = std::array{media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data}[choose_(3)];
    g.flow = flow_of(1, kind);
    auto& numbers = sent_[g.flow];
    if (kind == media::frame_kind::video) append(g, kind, numbers == 0 ? ++numbers : 0, true);
    for (auto count = choose_(5); count > 0; --count) append(g, kind, ++numbers, false);
  }

  void append(sent_group& g, media::frame_kind kind, std::uint64_t number, bool is_config) {
    std::vector<std::uint8_t> payload{std::uint8_t(is_config ? 0x17 : 0x27), std::uint8_t(is_config ? 0 : 1), 0, 0, 0};
    if (is_config) {
      payload.insert(payload.end(), {1, 100, 0, 31});
    } else {
      for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<std::uint8_t>(number >> shift));
      payload.resize(payload.size() + choose_(40));
    }
    const message m{static_cast<message_type>(kind), 1, 4, static_cast<std::uint32_t>(number), base::slice(std::move(payload))};
    const auto bytes = encode_roqr(g.flow, m).flatten();
    if (g.ends.empty()) g.header = bytes.size() - m.payload.size();
    g.wire.insert(g.wire.end(), bytes.begin(), bytes.end());
    g.ends.push_back(g.wire.size());
    g.numbers.push_back(number);
  }

  void deliver(std::int64_t id, sent_group& g, std::size_t count) {
    saw(id);
    const auto part = base::bytes_view(g.wire).subspan(g.at, std::min(count, g.wire.size() - g.at));
    g.at += part.size();
    g.fin = g.at == g.wire.size();
    happened(receiver_.receive(now_, id, part, g.fin));
  }

  void late(std::int64_t id, sent_group& g) {
    if (choose_(2) == 0) {
      g.reset = true;
      return happened(receiver_.on_reset(now_, id));
    }
    const std::vector<std::uint8_t> any(choose_(30) + 1, 0xee);  // not looked at, so it need not be right
    const auto held = receiver_.bytes_held();
    happened(receiver_.receive(now_, id, any, false));
    require(receiver_.bytes_held() <= held, "late bytes are not kept");
  }

  void saw(std::int64_t id) { seen_ = std::max(seen_, static_cast<std::uint64_t>(id + 2) / 4); }

  void happened(const base::result<void>& outcome) {
    if (!outcome) {
      require(reliable_ && outcome.error().kind == base::error_kind::limit, "only a bound of the reliable profile is an error");
      failed_ = true;
    }
    while (const auto stop = receiver_.poll_stop()) {
      require(!reliable_, "the reliable profile stops nothing");
      require(stop->code == roqr_error::frame_cancelled, "the code of a stop");
      if (stop->stream >= static_cast<std::int64_t>(2 + 4 * streams_)) require(false, "only streams that exist are stopped");
      groups_[stop->stream].stopped = true;
    }
    std::map<std::uint64_t, std::vector<std::uint64_t>> got;
    while (const auto m = receiver_.poll_message()) {
      require(m->msid == 1, "the message stream");
      got[flow_of(1, static_cast<media::frame_kind>(m->type))].push_back(m->timestamp);
      ++messages_;
    }
    for (auto& [flow, numbers] : got) released_[flow].insert(released_[flow].end(), numbers.begin(), numbers.end());
    for (auto& [flow, count] : sent_) check(flow);
    require(receiver_.bytes_held() <= config(reliable_).bytes_max + 41 * streams_max, "memory is bounded");
    require(!receiver_.poll_timeout() || failed_ || *receiver_.poll_timeout() > now_, "what is due was done");
  }

  // What must have been released of a flow by now: everything whole, group by group, up to the first that is not over or may not begin.
  void check(std::uint64_t flow) {
    std::vector<std::uint64_t> expected;
    std::int64_t next = 2;
    bool known = true, config_told = false;
    for (const auto& [id, g] : groups_) {
      known = known && id == next;  // of what was not sent yet nothing is known; in the model every stream below is sent
      next = id + 4;
      if (g.flow == flow) {
        if (!known) break;
        for (std::size_t i = 0; i < g.ends.size() && g.ends[i] <= g.at; ++i) {
          const bool config = g.flow == flow_of(1, media::frame_kind::video) && i == 0;
          if (config && config_told) continue;
          config_told = config_told || config;
          expected.push_back(g.numbers[i]);
        }
        if (!g.over()) break;
      }
      known = known && (g.over() || (g.header != 0 && g.at >= g.header));
    }
    require(expected == released_[flow], "the released messages are those that arrived, in order, each once");
  }

  static constexpr std::size_t streams_max = 24;
  Choose choose_;
  bool reliable_;
  group_receiver receiver_;
  base::instant now_{};
  bool failed_ = false;
  std::uint64_t streams_ = 0, seen_ = 0, messages_ = 0;  // begun; known to the receiver
  std::map<std::int64_t, sent_group> groups_;
  std::map<std::uint64_t, std::uint64_t> sent_;                      // messages by flow
  std::map<std::uint64_t, std::vector<std::uint64_t>> released_;     // their numbers by flow
};

}  // namespace millrace::rtmp
