// Random publishers, viewers, pauses and stalls on manual time, checked against what a viewer must never see.
#include <gtest/gtest.h>

#include <random>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::frame_kind;

// Every payload ends with: number of the frame in all of the run, number of the frame among its kind's media frames,
// and the mark of the configuration that it needs.
struct numbers {
  std::uint32_t frame = 0, media = 0, config = 0;
};
void put(base::byte_writer& out, const numbers& n) { out.u32(n.frame).u32(n.media).u32(n.config); }
numbers numbers_of(const media::frame& f) {
  base::byte_reader in(f.payload.view().last(12));
  return {*in.u32(), *in.u32(), *in.u32()};
}

class model_publisher {
 public:
  explicit model_publisher(std::shared_ptr<stream> s) : stream_(std::move(s)) {}

  void start(std::int64_t first_dts_ms) {
    if (!publication_) publication_ = std::move(*stream_->publish());
    for (auto& track : tracks_) {
      track.config = 0;
      ++track.media;  // a gap: nothing of this publisher continues what was before
    }
    meta_ = 0;
    base_ms_ = now_ms - first_dts_ms;
  }
  void stop() { publication_.reset(); }
  [[nodiscard]] bool running() const { return publication_ != nullptr; }
  void flush() { publication_->flush(); }

  void config(frame_kind kind, bool change) {
    auto& track = tracks_[kind == frame_kind::video];
    if (change || track.config == 0) track.config = ++marks_;
    base::byte_writer out;
    if (kind == frame_kind::video) out.u8(0x17).u8(0).u24(0); else out.u8(0xaf).u8(0);
    // A repeat is equal to the byte, so it carries no number of its own.
    put(out, {0, 0, track.config});
    send(kind, std::move(out).take());
  }
  void metadata(bool change) {
    if (change || meta_ == 0) meta_ = ++marks_;
    base::byte_writer out;
    out.u8(2).u16(10).text("onMetaData");
    put(out, {0, 0, meta_});
    send(frame_kind::data, std::move(out).take());
  }
  void media(frame_kind kind, bool key) {
    auto& track = tracks_[kind == frame_kind::video];
    base::byte_writer out;
    if (kind == frame_kind::video) out.u8(key ? 0x17 : 0x27).u8(1).u24(0); else out.u8(0xaf).u8(1);
    put(out, {++frames_, ++track.media, track.config});
    send(kind, std::move(out).take());
  }

  std::int64_t now_ms = 1000;

 private:
  void send(frame_kind kind, std::vector<std::uint8_t> payload) {
    publication_->append(make(kind, now_ms - base_ms_, now_ms, std::move(payload)));
  }
  struct track_state {
    std::uint32_t media = 0, config = 0;
  };
  std::shared_ptr<stream> stream_;
  std::unique_ptr<publication> publication_;
  track_state tracks_[2];
  std::uint32_t frames_ = 0, marks_ = 0, meta_ = 0;
  std::int64_t base_ms_ = 0;
};

class model_viewer : public viewer {
 public:
  model_viewer(const std::shared_ptr<stream>& s, const cursor_policy& policy) : place_(s, *this, policy) {}

  void on_frames() override {
    EXPECT_TRUE(dry_) << "told without having run dry";
    EXPECT_FALSE(paused_);
    dry_ = false;
  }
  void on_publisher_gone() override {}
  void on_publisher_back() override {}

  void read(std::int64_t now_ms, std::size_t most) {
    while (most-- > 0) {
      const auto got = place_.next(at_ms(now_ms));
      if (!got) {
        if (!paused_) dry_ = true;
        return;
      }
      ASSERT_FALSE(paused_);
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
    if (video && !wanted_[1]) last_video_ = 0;
    wanted_[0] = audio;
    wanted_[1] = video;
    place_.set_tracks(audio, video);
  }
  [[nodiscard]] std::uint32_t last_frame() const { return last_frame_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const cursor_stats& stats() const { return place_.stats(); }

 private:
  void check(const delivery& d) {
    const auto& f = *d.item->frame();
    const auto n = numbers_of(f);
    auto& last_dts = last_dts_[f.kind == frame_kind::data ? 0 : f.kind == frame_kind::video ? 1 : 2];
    ASSERT_GE(f.dts_ms, last_dts) << "time runs backwards";
    last_dts = f.dts_ms;
    if (f.kind == frame_kind::data) {
      ASSERT_TRUE(!d.prelude || n.config != last_meta_) << "metadata again without a change";
      last_meta_ = n.config;
      return;
    }
    const bool video = f.kind == frame_kind::video;
    ASSERT_TRUE(wanted_[video]);
    if (f.config) {
      ASSERT_TRUE(may_repeat_[video] || n.config != config_[video]) << "configuration again without a change";
      may_repeat_[video] = false;
      config_[video] = n.config;
      return;
    }
    ASSERT_FALSE(d.prelude);
    ASSERT_GT(n.frame, last_frame_) << "out of order or twice";
    last_frame_ = n.frame;
    ASSERT_TRUE(n.config == 0 || n.config == config_[video]) << "not the configuration that this frame needs";
    if (!video) return;
    ASSERT_TRUE(f.key || n.media == last_video_ + 1) << "a gap that does not end at a key frame";
    last_video_ = n.media;
  }
  bool dry_ = true, paused_ = false;
  bool wanted_[2] = {true, true}, may_repeat_[2] = {false, false};
  std::uint32_t config_[2] = {0, 0};
  std::uint32_t last_meta_ = 0, last_frame_ = 0, last_video_ = 0;
  std::int64_t last_dts_[3] = {-1, -1, -1};  // by kind: a catch-up squeezes video and not sound
  std::uint64_t count_ = 0;
  cursor place_;  // last: its end calls nobody, but it must not outlive what on_frames uses
};

struct totals {
  std::uint64_t delivered = 0, dropped = 0, jumps = 0;
};

void run(unsigned seed, totals& sum) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 engine(seed);
  const auto random = [&engine] { return static_cast<unsigned>(engine()); };
  const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
  base::hub_limits limits;
  limits.ring_frames = 20 + random() % 200;
  limits.ring_bytes = 20'000 + random() % 200'000;
  limits.ring_age = std::chrono::milliseconds(500 + random() % 5000);
  auto s = std::make_shared<stream>("live/a", limits);
  model_publisher out(s);
  std::vector<std::unique_ptr<model_viewer>> viewers;
  const bool has_video = !chance(10);
  const unsigned key_percent = 1 + random() % 20;

  for (int step = 0; step < 500 && !::testing::Test::HasFailure(); ++step) {
    if (chance(out.running() ? 1 : 30)) {
      if (out.running()) out.stop(); else out.start(random() % 100'000);
    }
    for (unsigned burst = random() % 8; out.running() && burst > 0; --burst) {
      out.now_ms += random() % 30;
      if (chance(2)) out.metadata(chance(50));
      if (chance(6) && has_video) out.config(frame_kind::video, chance(40));
      if (chance(3)) out.config(frame_kind::audio, chance(40));
      if (has_video && chance(60)) out.media(frame_kind::video, chance(key_percent)); else out.media(frame_kind::audio, false);
    }
    if (out.running() && chance(80)) out.flush();
    if (chance(3)) out.now_ms += random() % 2000;
    if (viewers.size() < 12 && chance(10)) {
      cursor_policy policy;
      policy.age_max = std::chrono::milliseconds(500);
      if (chance(50)) policy.wanted_delay = std::chrono::milliseconds(random() % 400);
      viewers.push_back(std::make_unique<model_viewer>(s, policy));
    }
    if (!viewers.empty() && chance(2)) viewers.erase(viewers.begin() + static_cast<std::ptrdiff_t>(random() % viewers.size()));
    for (std::size_t i = 0; i < viewers.size(); ++i) {
      if (chance(3)) viewers[i]->pause(chance(50));
      if (chance(3)) viewers[i]->tracks(chance(70), chance(70));
      if (chance(static_cast<unsigned>(10 + 8 * (i % 12)))) viewers[i]->read(out.now_ms, 1 + random() % 20);
    }
    const auto facts = s->facts();
    ASSERT_LE(facts.ring_bytes, limits.ring_bytes);
    ASSERT_EQ(facts.viewers, viewers.size());
  }
  // In the end everybody gets the newest key frame and what follows.
  if (!out.running()) out.start(random() % 100'000);
  for (auto& v : viewers) {
    v->pause(false);
    v->tracks(true, true);
  }
  out.media(frame_kind::video, true);
  out.flush();
  for (auto& v : viewers) v->read(out.now_ms, 100'000);
  out.media(frame_kind::video, false);
  out.flush();
  for (auto& v : viewers) {
    v->read(out.now_ms, 100'000);
    EXPECT_EQ(v->last_frame(), viewers.front()->last_frame());
    EXPECT_EQ(v->stats().delivered, v->count());
    sum.delivered += v->stats().delivered;
    sum.dropped += v->stats().dropped_slow();
    sum.jumps += v->stats().jumps;
  }
}

TEST(model, L2_L6_L9_L10_T10_random_runs_keep_the_promises) {
  totals sum;
  for (unsigned seed = 1; seed <= 300 && !HasFailure(); ++seed) run(seed, sum);
  // The runs must have exercised what they are about.
  EXPECT_GT(sum.delivered, 100'000u);
  EXPECT_GT(sum.dropped, 10'000u);
  EXPECT_GT(sum.jumps, 1'000u);
}

}  // namespace
}  // namespace millrace::hub
