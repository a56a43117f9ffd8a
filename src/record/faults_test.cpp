// Disks that are full, slow, gone or odd. What the hub's other viewers get is not looked at: nothing here ever waits for the disk.
#include "record/record_fixture.hpp"

namespace millrace::record {
namespace {

using namespace testing;

using faults_test = record_test;

TEST_F(faults_test, short_writes_and_interrupted_calls_change_nothing) {
  for (const auto as : {format::flv, format::mp4}) {
    const bool flv = as == format::flv;
    set.rules[0].as = as;
    on->interrupted = true;
    on->write_max = 1'000;
    open();
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 5s);
    home.reset();
    on->interrupted = false;
    on->write_max = static_cast<std::size_t>(-1);
    open();
    const auto r = home->recordings().at(0);
    EXPECT_EQ(r.state, recording_state::complete);
    const auto bytes = content(folder.path / r.file);
    const auto facts = (flv ? scan_flv : scan_mp4)(reader_of(bytes), bytes.size());
    EXPECT_EQ(facts.whole_bytes, bytes.size());
    EXPECT_NEAR(static_cast<double>(facts.duration_ms), 5'000, 60);
    home.reset();
    std::filesystem::remove_all(folder.path);
  }
}

TEST_F(faults_test, a_full_disk_ends_the_file_well_formed_and_recording_goes_on_when_there_is_room) {
  for (const auto as : {format::flv, format::mp4}) {
    const noted_log log;
    set.rules[0].as = as;
    times->now = 0ms;
    on->room_left = 60'000;
    on->claimed_room = std::uint64_t{1} << 40;
    open();
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 20s);
    on->claimed_room = 0;
    stream_for(shard, 40s);
    ASSERT_EQ(log.count("not recorded any more"), 1U) << log.all();
    EXPECT_EQ(log.count("free some space"), 1U);
    auto facts = home->facts();
    ASSERT_EQ(facts.active.size(), 1U);
    EXPECT_NE(facts.active[0].failure.find("free some space"), std::string::npos);
    EXPECT_GT(facts.active[0].lost[static_cast<std::size_t>(loss::disk_failed)], 100U);
    ASSERT_EQ(home->recordings().size(), 1U);
    const auto first = home->recordings()[0];
    EXPECT_EQ(first.state, recording_state::complete);
    const auto bytes = content(folder.path / first.file);
    const auto seen = (as == format::flv ? scan_flv : scan_mp4)(reader_of(bytes), bytes.size());
    EXPECT_EQ(seen.whole_bytes, bytes.size()) << "no half fragment at the end";
    EXPECT_GT(seen.duration_ms, 2'000);
    EXPECT_EQ(bytes.size(), first.bytes);
    if (as == format::flv) {
      EXPECT_FALSE(frames_of_flv(bytes).empty());
      EXPECT_NEAR(static_cast<double>(first.duration_ms), static_cast<double>(seen.duration_ms), 41);
    }

    on->room_left = on->claimed_room = std::uint64_t{1} << 40;
    stream_for(shard, 30s);
    EXPECT_EQ(home->recordings().size(), 2U);
    EXPECT_TRUE(home->facts().active[0].failure.empty());
    home.reset();
    std::filesystem::remove_all(folder.path);
  }
}

TEST_F(faults_test, recording_stops_before_the_disk_is_full) {
  const noted_log log;
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 7s);
  on->claimed_room = set.free_bytes_min - 1;
  stream_for(shard, 20s);
  EXPECT_EQ(log.count("record.free_bytes_min"), 1U) << log.all();
  ASSERT_EQ(home->recordings().size(), 1U);
  EXPECT_EQ(home->recordings()[0].state, recording_state::complete);
  // A little more than the least is not enough to begin again.
  on->claimed_room = set.free_bytes_min + 1000;
  stream_for(shard, 30s);
  EXPECT_EQ(home->recordings().size(), 1U);
  on->claimed_room = set.free_bytes_min * 2;
  stream_for(shard, 12s);
  EXPECT_EQ(home->recordings().size(), 2U);
}

TEST_F(faults_test, what_may_not_be_written_is_tried_again_at_the_next_publication_and_on_demand) {
  const noted_log log;
  open();
  on->open_error = EACCES;
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 30s);
  EXPECT_EQ(log.count("make the directory writable"), 1U) << log.all();
  EXPECT_TRUE(home->recordings().empty());
  on->open_error = 0;
  stream_for(shard, 30s);
  EXPECT_TRUE(home->recordings().empty());
  ASSERT_TRUE(home->start("live/a"));
  stream_for(shard, 3s);
  EXPECT_EQ(home->recordings().size(), 1U);

  on->sync_error = EIO;
  stream_for(shard, 10s);
  EXPECT_EQ(log.count("disk's health"), 1U) << log.all();
  on->sync_error = 0;
  stream_for(shard, 10s);
  EXPECT_EQ(home->recordings().size(), 1U);
  shard.leave();
  begin(shard);
  stream_for(shard, 3s);
  EXPECT_EQ(home->recordings().size(), 2U);
}

TEST_F(faults_test, and_when_the_next_file_would_be_due) {
  set.rules[0].rotate_after = 20s;
  open();
  on->open_error = EACCES;
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 10s);
  on->open_error = 0;
  stream_for(shard, 5s);
  EXPECT_TRUE(home->recordings().empty());
  stream_for(shard, 10s);
  EXPECT_EQ(home->recordings().size(), 1U);
}

TEST_F(faults_test, a_directory_that_vanished_is_noticed_and_made_again) {
  const noted_log log;
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 6s);
  std::filesystem::remove_all(folder.path);
  stream_for(shard, 10s);
  EXPECT_EQ(log.count("make the directory again"), 1U) << log.all();
  EXPECT_TRUE(home->recordings().empty());
  shard.leave();
  begin(shard);
  stream_for(shard, 5s);
  EXPECT_EQ(home->recordings().size(), 1U);
}

// The disk thread stands still for half a minute amid a write; the shard goes on, the queue fills, and the hub leaves out whole groups of pictures.
TEST_F(faults_test, a_slow_disk_costs_groups_of_pictures_and_never_waits) {
  set.rules[0].as = format::flv;
  set.queue_age = 5s;
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 4s);
  base::duration age{0};
  bool stood = false;
  on->on_write = [&] {
    if (std::exchange(stood, true)) return;
    const auto end = times->now + 30s;
    while (times->now < end) {
      times->now += 40ms;
      const auto ms = times->now.count();
      shard.send({ms % 1000 == 0 ? key(ms) : inter(ms)});
      age = std::max(age, home->facts().active.at(0).queue_age);
    }
  };
  stream_for(shard, 1s);
  on->on_write = nullptr;
  EXPECT_GE(age, 25s) << "seen from outside";
  shard.run_posted();
  stream_for(shard, 5s);
  const auto facts = home->facts();
  EXPECT_GT(facts.active.at(0).lost[static_cast<std::size_t>(loss::disk_too_slow)], 500U);
  EXPECT_EQ(facts.active.at(0).queue_age, 0s);
  home.reset();
  const auto frames = frames_of_flv(content(folder.path / "live/a-2026-01-31-00-00-00.flv"));
  ASSERT_FALSE(frames.empty());
  // Where pictures are missing, a key frame is next.
  std::int64_t before = 0;
  int gaps = 0;
  for (const auto& f : frames) {
    if (f.kind != media::frame_kind::video || f.config) continue;
    if (f.dts_ms - before > 41) {
      ++gaps;
      EXPECT_TRUE(f.key) << f.dts_ms;
    }
    before = f.dts_ms;
  }
  EXPECT_EQ(gaps, 1);
  EXPECT_GT(before, 38'000);
}

TEST_F(faults_test, a_queue_is_bounded_by_bytes) {
  set.queue_bytes = 100'000;
  open();
  shard_of_one shard(*home);
  begin(shard);
  for (; times->now < 20s; times->now += 40ms) {
    auto f = times->now.count() % 1000 == 0 ? key(times->now.count()) : inter(times->now.count());
    std::vector<std::uint8_t> large(f.payload.data(), f.payload.data() + f.payload.size());
    large.resize(10'000);
    f.payload = base::slice(std::move(large));
    shard.send({f});
    EXPECT_LT(home->facts().active.at(0).queue_bytes, 120'000U);
  }
  home->turn();
  shard.run_posted();
  home->turn();
  EXPECT_GT(home->facts().active.at(0).lost[static_cast<std::size_t>(loss::disk_too_slow)], 300U);
}

}  // namespace
}  // namespace millrace::record
