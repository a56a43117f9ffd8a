// What one end sent and the other got, message by message, and what must hold between them.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/group_source.hpp"
#include "media/frame.hpp"
#include "rtmp/roqr_frame.hpp"
#include "sim/world.hpp"

namespace millrace::sim {

// One hop of the way, in one direction.
class ledger {
 public:
  explicit ledger(std::string name) : name_(std::move(name)) {}

  struct item {
    media::frame frame;
    unsigned config = 0;
    bool received = false;
    std::optional<std::uint64_t> group;  // live profile: it was handed to the transport in this one
  };

  // --- the sending end
  void sent(const media::frame& f, unsigned config) {
    by_payload_.emplace(base::as_text(f.payload), items_.size());
    items_.push_back({f, config, false, std::nullopt});
  }
  void handed_out(const base::group_piece& piece) {
    if (!piece.bytes) return;
    const auto flat = piece.bytes->flatten();
    base::bytes_view bytes = flat;
    rtmp::roqr_reader reader{base::rtmp_limits{}};
    const auto frame = reader.next(bytes);
    if (!frame || !*frame || !bytes.empty()) return fault("a piece that is not one message");
    // The numbers of groups are the order of their streams, which is the order that a receiver goes by.
    if (!handed_.empty() && piece.group > handed_.back() + 1) fault("a group number was left out");
    if (handed_.empty() || piece.group > handed_.back()) handed_.push_back(piece.group);
    const auto found = find((*frame)->message.payload);
    if (found == items_.size()) return fault("something was handed out that nobody sent");
    auto& it = items_[found];
    if (it.group && !it.frame.config) return fault("handed out twice: " + text(it));
    it.group = piece.group;
  }
  void given_up(std::uint64_t group) { lost_groups_.insert(group); }
  void closed(std::uint64_t group) {
    if (!closed_groups_.insert(group).second) fault("group " + std::to_string(group) + " was closed twice");
  }

  // --- the receiving end
  // Bytes of a group's stream, before the session gets them.
  void arrived(quic_time now, std::uint64_t group, base::bytes_view bytes) {
    auto& s = streams_.try_emplace(group).first->second;
    while (true) {
      const auto frame = s.reader.next(bytes);
      if (!frame) return fault("a group stream that is no sequence of messages: " + frame.error().text);
      if (!*frame) break;
      const auto found = find((*frame)->message.payload);
      if (found == items_.size()) return fault("something arrived that nobody sent");
      arrivals_.try_emplace(found, arrival{now, group});
    }
  }
  void stopped(std::uint64_t group) { lost_groups_.insert(group); }
  void received(quic_time now, const media::frame& f) {
    const auto found = find(f.payload);
    if (found == items_.size()) return fault("a message of " + std::to_string(f.payload.size()) + " bytes that was never sent");
    auto& it = items_[found];
    if (it.received && !it.frame.config) fault("received twice: " + text(it));
    it.received = true;
    if (it.frame.kind != f.kind || it.frame.dts_ms != f.dts_ms || it.frame.key != f.key || it.frame.config != f.config) {
      fault("received as something else: " + text(it));
    }
    auto& t = tracks_[track_of(f.kind)];
    if (!f.config) {
      if (t.last && found <= *t.last) fault("out of order: " + text(it) + " behind " + text(items_[*t.last]));
      if (f.dts_ms < t.dts_ms) fault("time runs back: " + text(it));
      t.last = found;
      t.dts_ms = f.dts_ms;
      if (f.kind != media::frame_kind::data && t.config != it.config) {
        fault(text(it) + " needs configuration " + std::to_string(it.config) + ", in effect is " + std::to_string(t.config));
      }
      if (f.kind == media::frame_kind::video && t.broken(it.frame.key, previous(found))) broken_pictures_++;
    } else {
      t.config = it.config;
    }
    // Of a configuration, which several groups may carry, nobody can say which copy this is.
    const auto when = arrivals_.find(found);
    if (when != arrivals_.end() && !f.config) {
      const auto waited = now - when->second.at;
      t.waited_most = std::max(t.waited_most, waited);
      auto& s = streams_.at(when->second.group);
      if (waited > 0 && s.begun && *s.begun < when->second.at) fault(text(it) + " waited although its group had begun");
      if (!s.begun) s.begun = now;
    }
    ++received_;
  }

  [[nodiscard]] unsigned config_of(const media::frame& f) const {
    const auto found = find(f.payload);
    return found == items_.size() ? 0 : items_[found].config;
  }

  // --- at the end
  [[nodiscard]] quic_time waited_most(media::frame_kind kind) const { return tracks_[track_of(kind)].waited_most; }
  [[nodiscard]] std::size_t sent_count() const noexcept { return items_.size(); }
  [[nodiscard]] std::size_t received_count() const noexcept { return received_; }
  [[nodiscard]] std::size_t missing() const {
    return missing(media::frame_kind::audio) + missing(media::frame_kind::video) + missing(media::frame_kind::data);
  }
  [[nodiscard]] std::size_t missing(media::frame_kind kind) const {
    return static_cast<std::size_t>(std::count_if(items_.begin(), items_.end(), [kind](const item& it) {
      return !it.received && !it.frame.config && it.frame.kind == kind;
    }));
  }
  [[nodiscard]] std::size_t broken_pictures() const noexcept { return broken_pictures_; }
  void expect_everything() {
    for (const auto& it : items_) {
      if (!it.received) fault("lost: " + text(it));
    }
  }
  // Live profile: what is missing was given up by the sender before any packet had room for it, which the sender counted, or its group was
  // reset by the one side or stopped by the other.
  void expect_losses_accounted_for(std::uint64_t counted_by_sender) {
    std::uint64_t never_handed = 0;
    for (const auto& it : items_) {
      if (it.frame.config) continue;
      if (!it.group) ++never_handed;
      if (!it.group && it.received) fault("received, but never handed out: " + text(it));
      if (it.group && !it.received && !lost_groups_.contains(*it.group)) {
        fault("lost in group " + std::to_string(*it.group) + ", which nobody gave up: " + text(it));
      }
    }
    if (never_handed != counted_by_sender) {
      fault(std::to_string(never_handed) + " messages never left, the sender counted " + std::to_string(counted_by_sender));
    }
  }
  void expect_groups_closed() {
    for (const auto group : handed_) {
      if (!closed_groups_.contains(group)) fault("group " + std::to_string(group) + " never came to an end");
    }
  }
  [[nodiscard]] std::size_t groups() const noexcept { return handed_.size(); }
  [[nodiscard]] std::size_t groups_lost() const noexcept { return lost_groups_.size(); }
  // What was wrong; a few are as telling as all.
  [[nodiscard]] const std::vector<std::string>& faults() const noexcept { return faults_; }
  void fault(std::string what) {
    if (faults_.size() < 8) faults_.push_back(name_ + ": " + std::move(what));
  }

 private:
  struct arrival {
    quic_time at;
    std::uint64_t group;
  };
  struct stream {
    rtmp::roqr_reader reader{base::rtmp_limits{}};
    std::optional<quic_time> begun;  // something of it was received
  };
  struct track {
    std::optional<std::size_t> last;
    std::int64_t dts_ms = 0;
    unsigned config = 0;
    bool whole = false;  // every picture since the last key frame came
    quic_time waited_most = 0;
    bool broken(bool key, bool previous_came) {
      whole = key || (whole && previous_came);
      return !whole;
    }
  };
  static std::size_t track_of(media::frame_kind kind) {
    return kind == media::frame_kind::audio ? 0 : kind == media::frame_kind::video ? 1 : 2;
  }

  // items_.size(): nothing like it was sent. A publisher's metadata travels with a mark in front (@setDataFrame, 16 bytes).
  [[nodiscard]] std::size_t find(base::bytes_view payload) const {
    auto found = by_payload_.find(std::string(base::as_text(payload)));
    if (found == by_payload_.end() && payload.size() > 16) found = by_payload_.find(std::string(base::as_text(payload.subspan(16))));
    return found == by_payload_.end() ? items_.size() : found->second;
  }
  // Whether the picture before this one was received.
  [[nodiscard]] bool previous(std::size_t at) const {
    while (at-- > 0) {
      if (items_[at].frame.kind == media::frame_kind::video && !items_[at].frame.config) return items_[at].received;
    }
    return false;
  }
  [[nodiscard]] static std::string text(const item& it) {
    constexpr const char* kinds[] = {"audio", "video", "data"};
    const char* const what = it.frame.key ? " key" : it.frame.config ? " config" : "";
    return std::string(kinds[track_of(it.frame.kind)]) + what + " of " + std::to_string(it.frame.dts_ms) + " ms";
  }

  std::string name_;
  std::vector<item> items_;
  std::unordered_map<std::string, std::size_t> by_payload_;
  std::vector<std::uint64_t> handed_;  // groups, in order
  std::set<std::uint64_t> lost_groups_, closed_groups_;
  std::map<std::uint64_t, stream> streams_;
  std::map<std::size_t, arrival> arrivals_;
  std::array<track, 3> tracks_;
  std::size_t received_ = 0, broken_pictures_ = 0;
  std::vector<std::string> faults_;
};

// Stands between a session's groups and the transport, and writes down what passes.
class tapped_source final : public base::group_source {
 public:
  tapped_source(base::group_source& inner, ledger& into) : inner_(inner), ledger_(into) {}
  std::optional<base::group_piece> next(base::instant now, unsigned limit) override {
    auto piece = inner_.next(now, limit);
    if (piece) {
      if (piece->urgency == 0 || piece->urgency >= limit) ledger_.fault("a piece of an urgency that was not asked for");
      ledger_.handed_out(*piece);
    }
    return piece;
  }
  void on_sent(std::uint64_t group, std::uint64_t bytes) override { inner_.on_sent(group, bytes); }
  void on_stopped(std::uint64_t group) override {
    ledger_.given_up(group);
    inner_.on_stopped(group);
  }
  void on_closed(std::uint64_t group) override {
    ledger_.closed(group);
    inner_.on_closed(group);
  }
  std::optional<std::uint64_t> poll_reset() override {
    const auto group = inner_.poll_reset();
    if (group) ledger_.given_up(*group);
    return group;
  }

 private:
  base::group_source& inner_;
  ledger& ledger_;
};

}  // namespace millrace::sim
