// A stream of the hub by operations: publishers that come, yield and are followed, viewers that read, stall, pause, pick tracks; configurations,
// metadata, times that jump. A viewer never sees time run backwards, a frame twice, a gap that does not end at a key frame, or a frame without the
// configuration that it needs; memory stays within its limits, and what is lost is counted.
#include <memory>
#include <optional>

#include "hub/directory.hpp"
#include "hub/hub_fixture.hpp"
#include "operations.hpp"

namespace {

using namespace millrace;
using namespace hub::testing;
using fuzz::operations;
using fuzz::require;
using media::frame_kind;

// At the end of every payload: the frame's number in the run, its number among its kind's media, and the configuration that it needs.
struct numbers {
  std::uint32_t frame = 0, media = 0, config = 0;
};
numbers numbers_of(const media::frame& f) {
  base::byte_reader in(f.payload.view().last(12));
  return {*in.u32(), *in.u32(), *in.u32()};
}

struct counts {
  std::uint32_t frames = 0, marks = 0;
};

class publisher {
 public:
  publisher(std::unique_ptr<hub::publication> to, counts& all) : to_(std::move(to)), all_(all) {
    for (auto& track : tracks_) track.media = 1'000'000 * ++all_.marks;  // nothing of it goes on where another one was
  }
  [[nodiscard]] hub::publication& to() { return *to_; }
  void config(frame_kind kind, bool change, std::int64_t dts, std::int64_t now) {
    auto& track = of(kind);
    if (change || track.config == 0) track.config = ++all_.marks;
    base::byte_writer out;
    if (kind == frame_kind::video) out.u8(0x17).u8(0).u24(0); else out.u8(0xaf).u8(0);
    send(kind, std::move(out), {0, 0, track.config}, dts, now);
  }
  void metadata(bool clear, bool change, std::int64_t dts, std::int64_t now) {
    if (change || meta_ == 0) meta_ = ++all_.marks;
    base::byte_writer out;
    if (clear) out.u8(2).u16(15).text("@clearDataFrame");
    out.u8(2).u16(10).text("onMetaData");
    send(frame_kind::data, std::move(out), {0, 0, meta_}, dts, now);
  }
  void media(frame_kind kind, bool key, std::size_t size, std::int64_t dts, std::int64_t now) {
    auto& track = of(kind);
    base::byte_writer out;
    if (kind == frame_kind::video) out.u8(key ? 0x17 : 0x27).u8(1).u24(0); else out.u8(0xaf).u8(1);
    out.bytes(std::vector<std::uint8_t>(size));
    send(kind, std::move(out), {++all_.frames, ++track.media, track.config}, dts, now);
  }
  bool followed = false;

 private:
  struct track {
    std::uint32_t media = 0, config = 0;
  };
  track& of(frame_kind kind) { return tracks_[kind == frame_kind::video]; }
  void send(frame_kind kind, base::byte_writer out, const numbers& n, std::int64_t dts, std::int64_t now) {
    out.u32(n.frame).u32(n.media).u32(n.config);
    to_->append(make(kind, dts, now, std::move(out).take()));
  }
  std::unique_ptr<hub::publication> to_;
  counts& all_;
  track tracks_[2];
  std::uint32_t meta_ = 0;
};

class watcher final : public hub::viewer {
 public:
  watcher(const std::shared_ptr<hub::stream>& s, const hub::cursor_policy& policy) : place_(s, *this, policy) {}
  void on_frames() override {
    require(dry_ && !paused_);
    dry_ = false;
  }
  void on_publisher_gone() override { require(std::exchange(published_, false) || !told_); told_ = true; }
  void on_publisher_back() override { require(!std::exchange(published_, true) || !told_); told_ = true; }
  void read(std::int64_t now_ms, std::size_t most) {
    while (most-- > 0) {
      const auto got = place_.next(at_ms(now_ms));
      if (!got) {
        if (!paused_) dry_ = true;
        return;
      }
      require(!paused_ && got->item && got->publication > 0);
      ++count_;
      check(*got);
    }
  }
  void pause(bool paused) {
    if (paused_ && !paused) dry_ = true;
    paused_ = paused;
    place_.set_paused(paused);
  }
  void tracks(bool audio, bool video) {
    may_repeat_[0] = may_repeat_[0] || (audio && !wanted_[0]);
    may_repeat_[1] = may_repeat_[1] || (video && !wanted_[1]);
    wanted_[0] = audio, wanted_[1] = video;
    place_.set_tracks(audio, video);
  }
  void check_counts() const {
    require(place_.stats().delivered == count_);
    require(place_.stats().dropped_slow() <= place_.stats().lost[0] + place_.stats().lost[1] + place_.stats().lost[2]);
  }
  [[nodiscard]] std::uint32_t last_frame() const { return last_frame_; }

 private:
  void check(const hub::delivery& d) {
    const auto& f = *d.item->frame();
    const auto n = numbers_of(f);
    auto& last_dts = last_dts_[f.kind == frame_kind::data ? 0 : f.kind == frame_kind::video ? 1 : 2];
    // What goes ahead of a frame has that frame's time, which may be of another track, and of a publisher whose tracks are apart.
    if (!d.prelude) {
      require(!last_dts || f.dts_ms >= *last_dts);
      last_dts = f.dts_ms;
    }
    require(d.publication >= publication_);
    publication_ = d.publication;
    if (f.kind == frame_kind::data) return;
    const bool video = f.kind == frame_kind::video;
    require(wanted_[video]);
    if (f.config) {
      require(may_repeat_[video] || n.config != config_[video]);
      may_repeat_[video] = false;
      config_[video] = n.config;
      return;
    }
    require(!d.prelude && n.frame > last_frame_);
    last_frame_ = n.frame;
    require(n.config == 0 || n.config == config_[video]);
    if (!video) return;
    require(f.key || n.media == last_video_ + 1);
    last_video_ = n.media;
  }
  bool dry_ = true, paused_ = false, published_ = false, told_ = false;
  bool wanted_[2] = {true, true}, may_repeat_[2] = {false, false};
  std::uint32_t config_[2] = {0, 0};
  std::uint32_t last_frame_ = 0, last_video_ = 0, publication_ = 0;
  std::optional<std::int64_t> last_dts_[3];  // by kind: a catch-up squeezes video and not sound
  std::uint64_t count_ = 0;
  hub::cursor place_;  // last: its end calls nobody, but it must not outlive what on_frames uses
};

class run {
 public:
  explicit run(operations& in) : in_(in), limits_(limits_of(in)), names_(limits_), stream_(names_.open("live/a")) {}

  void all() {
    while (in_.more()) {
      step();
      const auto facts = stream_->facts();
      // (The count does not bound the newest group of pictures.)
      require(facts.ring_bytes <= limits_.ring_bytes && facts.viewers == viewers_.size());
      require(stream_->published() == (active_ != nullptr) && names_.find("live/a") == stream_);
      for (const auto& v : viewers_) v->check_counts();
    }
    finish();
    // The directory keeps nothing alive.
    viewers_.clear();
    active_.reset();
    successor_.reset();
    stream_.reset();
    require(!names_.find("live/a") && names_.all().empty());
  }

 private:
  static base::hub_limits limits_of(operations& in) {
    base::hub_limits limits;
    limits.ring_frames = 8 + in(64);
    limits.ring_bytes = 1'000 + 100 * in(256);
    limits.ring_age = std::chrono::milliseconds(200 + 20 * in(256));
    return limits;
  }

  void step() {
    switch (in_(16)) {
      case 0: return begin();
      case 1:
        if (in_(4) == 0) active_.reset(), promote();
        return;
      case 2: now_ += static_cast<std::int64_t>(in_(256) * (1 + 9 * in_(2))); return;
      case 3:
        // A clock that steps, wraps or starts anew. What comes out of RTMP begins with no time below 0.
        shift_ = static_cast<std::int64_t>(in_(3) == 0 ? in_.number(4) : 40 * in_.number(1));
        return;
      case 4:
        if (viewers_.size() < 5) watch();
        return;
      case 5:
        if (auto* v = any()) v->pause(in_.chance());
        return;
      case 6:
        if (auto* v = any()) {
          const auto which = in_(4);
          v->tracks(which & 1, which & 2);
        }
        return;
      case 7:
        if (!viewers_.empty() && in_(8) == 0) viewers_.erase(viewers_.begin() + static_cast<std::ptrdiff_t>(in_(viewers_.size())));
        return;
      case 8:
      case 9:
        if (auto* v = any()) v->read(now_, 1 + in_(20));
        return;
      default: return publish();
    }
  }
  watcher* any() { return viewers_.empty() ? nullptr : viewers_[in_(viewers_.size())].get(); }
  void watch() {
    hub::cursor_policy policy;
    policy.age_max = std::chrono::milliseconds(100 + 10 * in_(100));
    if (in_.chance()) policy.wanted_delay = std::chrono::milliseconds(4 * in_(100));
    viewers_.push_back(std::make_unique<watcher>(stream_, policy));
  }
  void begin() {
    auto got = stream_->publish();
    const bool may = !active_ || (yields_ && !successor_);
    require(got.has_value() == may);
    if (!got) return require(got.error().kind == base::error_kind::busy);
    auto& slot = active_ ? successor_ : active_;
    require((*got)->waiting() == (active_ != nullptr));
    slot = std::make_unique<publisher>(std::move(*got), counts_);
    if (&slot == &active_) begun();
  }
  void begun() {
    yields_ = in_.chance();
    if (yields_) active_->to().yield([one = active_.get()] { one->followed = true; });
  }
  // The one that waited has taken over.
  void promote() {
    if (!successor_ || successor_->to().waiting()) return;
    require(!active_ || (active_->followed && active_->to().over()));
    active_ = std::move(successor_);
    begun();
  }
  void publish() {
    auto* p = successor_ && in_.chance() ? successor_.get() : active_.get();
    if (!p) return;
    const auto kind = in_.chance() ? frame_kind::video : frame_kind::audio;
    const auto dts = now_ + shift_;
    switch (in_(8)) {
      case 0: p->config(kind, in_.chance(), dts, now_); break;
      case 1:
        p->metadata(in_(4) == 0, in_.chance(), dts, now_);
        break;
      case 2: p->media(frame_kind::video, true, in_(256), dts, now_); break;
      default:
        for (auto count = 1 + in_(6); count > 0; --count) {
          now_ += static_cast<std::int64_t>(in_(24));
          p->media(in_.chance() ? kind : frame_kind::audio, false, in_(64), now_ + shift_, now_);
        }
    }
    promote();
    if (in_.chance()) active_->to().flush();
  }

  // In the end everybody gets the newest key frame and what follows.
  void finish() {
    successor_.reset();
    if (!active_) begin();
    for (auto& v : viewers_) v->pause(false), v->tracks(true, true);
    active_->media(frame_kind::video, true, 1, now_ + shift_, now_);
    active_->to().flush();
    for (auto& v : viewers_) v->read(now_, 100'000);
    active_->media(frame_kind::video, false, 1, now_ + shift_, now_);
    active_->to().flush();
    for (auto& v : viewers_) v->read(now_, 100'000), require(v->last_frame() == counts_.frames);
  }

  operations& in_;
  const base::hub_limits limits_;
  hub::directory names_;
  std::shared_ptr<hub::stream> stream_;
  counts counts_;
  std::unique_ptr<publisher> active_, successor_;
  std::vector<std::unique_ptr<watcher>> viewers_;
  std::int64_t now_ = 1'000, shift_ = 0;
  bool yields_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
