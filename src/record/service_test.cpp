// A service with its disk thread turned by hand: streams of the hub become files.
#include "record/service.hpp"

#include "record/record_fixture.hpp"

namespace millrace::record {
namespace {

using namespace testing;

using service_test = record_test;

file_facts scan(const std::filesystem::path& file) {
  const auto bytes = content(file);
  return (file.extension() == ".flv" ? scan_flv : scan_mp4)(reader_of(bytes), bytes.size());
}

TEST_F(service_test, a_published_stream_that_a_rule_names_is_recorded) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  begin(shard, "other/a");
  EXPECT_EQ(shard.recorders.viewers_of("live/a"), 1U);
  EXPECT_EQ(shard.recorders.viewers_of("other/a"), 0U);
  stream_for(shard, 10s);
  const auto facts = home->facts();
  ASSERT_EQ(facts.active.size(), 1U);
  EXPECT_EQ(facts.active[0].stream, "live/a");
  EXPECT_EQ(facts.active[0].file, "live/a-2026-01-31-00-00-00.mp4");
  EXPECT_GE(facts.active[0].duration_ms, 8'000);
  EXPECT_TRUE(facts.active[0].failure.empty());
  auto list = home->recordings();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].state, recording_state::writing);
  EXPECT_EQ(list[0].bytes, facts.active[0].bytes);

  shard.leave();
  times->now += set.linger - 1ms;
  home->turn();
  EXPECT_EQ(home->facts().active.size(), 1U);
  times->now += 1ms;
  home->turn();
  shard.run_posted();
  EXPECT_TRUE(home->facts().active.empty());
  EXPECT_EQ(shard.recorders.viewers_of("live/a"), 0U);
  list = home->recordings();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].state, recording_state::complete);
  EXPECT_EQ(list[0].start, epoch);
  const auto file = scan(folder.path / list[0].file);
  EXPECT_NEAR(static_cast<double>(file.duration_ms), 10'000, 60);
  EXPECT_EQ(file.duration_ms, list[0].duration_ms);
  EXPECT_EQ(std::filesystem::file_size(folder.path / list[0].file), list[0].bytes);
  EXPECT_EQ(home->facts().files, 1U);
}

TEST_F(service_test, files_follow_one_another_at_key_frames_with_configurations_and_metadata) {
  for (const auto as : {format::flv, format::mp4}) {
    set.rules[0].as = as;
    set.rules[0].rotate_after = 3'500ms;
    set.rules[0].file = *name_template::parse(std::string(extension(as)) + "/{stream}.{n}.{ext}");
    open();
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 10s);
    home.reset();
    double total = 0;
    for (const auto* n : {"1", "2", "3"}) {
      const auto file = folder.path / std::string(extension(as)) / ("a." + std::string(n) + "." + std::string(extension(as)));
      ASSERT_TRUE(std::filesystem::exists(file)) << file;
      total += static_cast<double>(scan(file).duration_ms);
      if (as == format::mp4) {
        EXPECT_EQ(mux::testing::runs(content(file)).front().begin, 0U);
        continue;
      }
      const auto frames = frames_of_flv(content(file));
      ASSERT_GT(frames.size(), 4U);
      EXPECT_NE(base::as_text(frames[0].payload).find("x264"), std::string_view::npos);
      EXPECT_TRUE(frames[1].config && frames[2].config);
      EXPECT_TRUE(frames[3].key);
      EXPECT_EQ(frames[3].dts_ms, 0);
    }
    // 4 + 4 + 2 seconds: nothing is lost between them, and nothing double but sound's last frame.
    EXPECT_NEAR(total, 10'000, 120) << extension(as);
  }
}

TEST_F(service_test, and_by_size) {
  set.rules[0].as = format::flv;
  set.rules[0].rotate_bytes = 60'000;
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 60s);
  home.reset();
  std::size_t files = 0;
  for (const auto& each : std::filesystem::directory_iterator(folder.path / "live")) {
    ++files;
    EXPECT_LT(each.file_size(), 66'000U);
  }
  EXPECT_GT(files, 2U);
}

TEST_F(service_test, a_publisher_that_comes_back_in_time_goes_on_in_the_same_file) {
  for (const auto as : {format::flv, format::mp4}) {
    set.rules[0].as = as;
    open();
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 4s);
    shard.leave();
    home->turn();
    times->now += 5s;
    home->turn();
    shard.run_posted();
    EXPECT_FALSE(home->facts().active.at(0).publisher);
    begin(shard);
    stream_for(shard, 4s);
    EXPECT_TRUE(home->facts().active.at(0).publisher);
    home.reset();
    std::size_t files = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder.path / "live")) {
      if (each.path().extension() != "." + std::string(extension(as))) continue;
      ++files;
      EXPECT_NEAR(static_cast<double>(scan(each.path()).duration_ms), 13'000, 100) << each.path();
    }
    EXPECT_EQ(files, 1U);
  }
}

TEST_F(service_test, the_same_on_another_shard_whose_time_begins_anew) {
  set.rules[0].as = format::flv;
  open();
  shard_of_one first(*home), second(*home);
  begin(first);
  stream_for(first, 4s);
  first.leave();
  home->turn();
  times->now += 2s;
  // Times of the second shard's stream have nothing to do with the first's.
  second.publish();
  const auto send = [&](media::frame f, std::int64_t ms) {
    f.dts_ms = ms;
    f.arrival = times->steady();
    second.send({f});
  };
  send(video_config(0), 100'000);
  for (int i = 0; i < 50; ++i, times->now += 40ms) send(i % 25 == 0 ? key(0) : inter(0), 100'000 + i * 40);
  home->turn();
  home->turn();
  first.run_posted();
  EXPECT_EQ(first.recorders.viewers_of("live/a"), 0U);
  EXPECT_EQ(second.recorders.viewers_of("live/a"), 1U);
  home.reset();
  const auto list = content(folder.path / "live/a-2026-01-31-00-00-00.flv");
  const auto frames = frames_of_flv(list);
  ASSERT_FALSE(frames.empty());
  EXPECT_NEAR(static_cast<double>(frames.back().dts_ms), 4'000 + 2'000 + 1'960, 60);
  std::int64_t before = 0;
  for (const auto& f : frames) {
    EXPECT_GE(f.dts_ms, before - 40);
    EXPECT_LE(f.dts_ms, before + 2'100);
    before = f.dts_ms;
  }
}

// Relays send metadata and configurations with time 0, and media with times that run on.
TEST_F(service_test, heads_on_another_shard_do_not_decide_where_its_time_begins) {
  set.rules[0].as = format::flv;
  open();
  shard_of_one first(*home), second(*home);
  begin(first);
  stream_for(first, 4s);
  first.leave();
  home->turn();
  times->now += 2s;
  second.publish();
  const auto send = [&](media::frame f, std::int64_t ms) {
    f.dts_ms = ms;
    f.arrival = times->steady();
    second.send({f});
  };
  send(metadata(0), 0);
  send(video_config(0), 0);
  for (int i = 0; i < 50; ++i, times->now += 40ms) send(i % 25 == 0 ? key(0) : inter(0), 7'200'000 + i * 40);
  home->turn();
  home->turn();
  home.reset();
  const auto frames = frames_of_flv(content(folder.path / "live/a-2026-01-31-00-00-00.flv"));
  ASSERT_FALSE(frames.empty());
  EXPECT_NEAR(static_cast<double>(frames.back().dts_ms), 4'000 + 2'000 + 1'960, 60);
}

TEST_F(service_test, after_the_linger_a_new_file) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 3s);
  shard.leave();
  home->turn();
  times->now += set.linger;
  home->turn();  // and before the shard has heard of it, the publisher is back
  begin(shard);
  shard.run_posted();
  stream_for(shard, 3s);
  EXPECT_EQ(home->recordings().size(), 2U);
  EXPECT_EQ(home->facts().active.size(), 1U);
}

TEST_F(service_test, on_demand) {
  set.rules[0].on_demand = true;
  set.rules[0].as = format::flv;
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 1s);
  EXPECT_TRUE(home->recordings().empty());
  ASSERT_TRUE(home->start("live/a"));
  ASSERT_TRUE(home->start("no/rule"));
  shard.run_posted();
  stream_for(shard, 2s);
  ASSERT_EQ(home->recordings().size(), 1U);
  EXPECT_EQ(home->recordings()[0].as, format::flv) << "as the rule says";
  EXPECT_EQ(home->facts().demanded.size(), 2U);
  ASSERT_TRUE(home->stop("live/a"));
  home->turn();
  shard.run_posted();
  EXPECT_EQ(home->recordings()[0].state, recording_state::complete);
  stream_for(shard, 2s);
  EXPECT_TRUE(home->facts().active.empty());
  EXPECT_EQ(home->stop("live/a").error().kind, base::error_kind::not_found);
  EXPECT_EQ(home->start("").error().kind, base::error_kind::usage);
  // What is asked for before it is published.
  begin(shard, "no/rule");
  stream_for(shard, 2s, "no/rule");
  ASSERT_EQ(home->recordings().size(), 2U);
  EXPECT_EQ(home->recordings()[0].as, format::mp4);
  // Stopped and wanted again before anybody has done anything.
  ASSERT_TRUE(home->stop("no/rule"));
  ASSERT_TRUE(home->start("no/rule"));
  shard.run_posted();
  home->turn();
  shard.run_posted();
  stream_for(shard, 2s, "no/rule");
  EXPECT_EQ(home->recordings().size(), 3U);
}

TEST_F(service_test, stopped_by_hand_a_rule_holds_again_from_the_next_publication_on) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 2s);
  ASSERT_TRUE(home->stop("live/a"));
  shard.leave();
  begin(shard);  // before the disk thread has come round
  home->turn();
  shard.run_posted();
  stream_for(shard, 2s);
  EXPECT_EQ(home->recordings().size(), 2U);
  ASSERT_TRUE(home->stop("live/a"));
  home->turn();
  shard.run_posted();
  stream_for(shard, 2s);
  EXPECT_EQ(home->recordings().size(), 2U);
}

TEST_F(service_test, without_a_directory_nothing_is_recorded) {
  set.directory.clear();
  open();
  shard_of_one shard(*home);
  begin(shard);
  EXPECT_EQ(shard.recorders.viewers_of("live/a"), 0U);
  EXPECT_EQ(home->start("live/a").error().kind, base::error_kind::unsupported);
  bool refused = false;
  home->open_recording("0000000000000000", [&](auto got) { refused = !got; });
  EXPECT_TRUE(refused);
}

TEST_F(service_test, reading_by_id_with_ranges_and_erasing) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 5s);
  const auto id = home->recordings().at(0).id;
  base::error_kind why{};
  home->erase(id, [&](auto done) { why = done.error().kind; });
  home->turn();
  EXPECT_EQ(why, base::error_kind::busy);
  home->open_recording("../../etc/passwd", [&](auto got) { why = got.error().kind; });
  home->turn();
  EXPECT_EQ(why, base::error_kind::not_found);
  ASSERT_TRUE(home->stop("live/a"));
  home->turn();

  std::shared_ptr<file_reader> file;
  home->open_recording(id, [&](auto got) { file = std::move(*got); });
  home->turn();
  ASSERT_TRUE(file);
  EXPECT_EQ(file->content_type(), "video/mp4");
  const auto path = folder.path / file->facts().file;
  const auto all = content(path);
  ASSERT_EQ(file->size(), all.size());
  const auto read = [&](std::uint64_t at, std::size_t count) {
    std::vector<std::uint8_t> out;
    file->read(at, count, [&](auto got) { out.assign(got->data(), got->data() + got->size()); });
    home->turn();
    return out;
  };
  EXPECT_EQ(read(0, all.size()), all);
  EXPECT_EQ(read(10, 5), std::vector<std::uint8_t>(all.begin() + 10, all.begin() + 15));
  EXPECT_EQ(read(all.size() - 3, 100).size(), 3U);
  EXPECT_TRUE(read(all.size(), 1).empty());
  EXPECT_TRUE(read(static_cast<std::uint64_t>(-1), 1).empty());

  bool erased = false;
  home->erase(id, [&](auto done) { erased = done.has_value(); });
  home->turn();
  EXPECT_TRUE(erased);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(folder.path / "live")) << "the folder went with its last file";
  EXPECT_TRUE(home->recordings().empty());
  EXPECT_EQ(read(10, 5).size(), 5U) << "who reads it goes on";
  home.reset();
  base::error_kind late{};
  file->read(0, 1, [&](auto got) { late = got.error().kind; });
  EXPECT_EQ(late, base::error_kind::closed);
}

TEST_F(service_test, another_process_takes_over) {
  open();
  shard_of_one here(*home);
  begin(here);
  stream_for(here, 4s);
  auto made = service::open(set, {on, times, false, true});
  ASSERT_TRUE(made) << made.error().text;
  auto there = std::move(*made);
  shard_of_one next(*there);
  begin(next);  // comes there, or its publisher has moved, before the directory is free
  EXPECT_FALSE(there->wants("live/a"));
  EXPECT_TRUE(there->recordings().empty());
  ASSERT_TRUE(there->start("no/rule"));

  bool free = false;
  home->give_away([&] { free = true; });
  EXPECT_FALSE(home->wants("live/a"));
  home->turn();
  here.run_posted();
  EXPECT_TRUE(free);
  EXPECT_TRUE(home->facts().active.empty());
  ASSERT_EQ(home->recordings().size(), 1U);
  const auto first = home->recordings()[0];
  EXPECT_EQ(first.state, recording_state::complete);
  EXPECT_NEAR(static_cast<double>(first.duration_ms), 4'000, 60);
  // Whoever plays it goes on; the list is the other's.
  std::shared_ptr<file_reader> file;
  home->open_recording(first.id, [&](auto got) { file = std::move(*got); });
  base::error_kind why{};
  home->erase(first.id, [&](auto done) { why = done.error().kind; });
  home->turn();
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), first.bytes);
  EXPECT_EQ(why, base::error_kind::busy);
  EXPECT_EQ(home->start("live/a").error().kind, base::error_kind::busy);

  bool taken = false;
  there->take([&] { taken = true; });
  there->turn();
  next.run_posted();
  EXPECT_TRUE(taken);
  EXPECT_TRUE(there->wants("live/a"));
  EXPECT_TRUE(there->wants("no/rule")) << "as somebody asked before";
  EXPECT_FALSE(there->wants("no/other"));
  home.swap(there);
  stream_for(next, 3s);
  const auto list = home->recordings();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].state, recording_state::writing);
  EXPECT_EQ(list[0].start, epoch + 4s);
  EXPECT_EQ(list[1].id, first.id);
  there.reset();  // the old one goes, and takes nothing with it
  stream_for(next, 1s);
  EXPECT_GT(home->recordings()[0].duration_ms, list[0].duration_ms);
}

TEST_F(service_test, what_was_given_to_a_process_that_has_died_is_taken_back) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 4s);
  home->give_away([] {});
  home->turn();
  shard.run_posted();
  bool taken = false;
  home->take([&] { taken = true; });
  ASSERT_TRUE(home->start("no/rule"));
  shard.recorders.attach(shard.streams.at("live/a"));
  EXPECT_EQ(shard.recorders.viewers_of("live/a"), 0U) << "the directory is not ours yet";
  home->turn();
  shard.run_posted();
  EXPECT_TRUE(taken);
  EXPECT_TRUE(home->wants("no/rule"));
  stream_for(shard, 3s);
  const auto list = home->recordings();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].state, recording_state::writing);
  EXPECT_GT(list[0].start, list[1].start);
  EXPECT_GE(list[0].duration_ms, 2'900);
  EXPECT_EQ(list[1].state, recording_state::complete);
}

TEST_F(service_test, what_is_taken_back_while_its_files_are_still_closed_is_recorded_again) {
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 4s);
  home->give_away([] {});
  home->take([] {});  // the other has died before the disk thread came round
  shard.recorders.attach(shard.streams.at("live/a"));
  home->turn();
  shard.run_posted();
  stream_for(shard, 3s);
  const auto list = home->recordings();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].state, recording_state::writing);
  EXPECT_GE(list[0].duration_ms, 2'900);
  EXPECT_EQ(list[1].state, recording_state::complete);
}

TEST_F(service_test, a_directory_that_is_not_given_away_is_not_taken) {
  open();
  auto made = service::open(set, {on, times, false, true});
  ASSERT_TRUE(made) << made.error().text;
  noted_log log;
  shard_of_one shard(**made);
  begin(shard);
  (*made)->take([] {});
  (*made)->turn();
  shard.run_posted();
  EXPECT_EQ(log.count("another process records into"), 1U) << log.all();
  EXPECT_FALSE((*made)->wants("live/a"));
  EXPECT_EQ(shard.recorders.viewers_of("live/a"), 0U);
}

TEST_F(service_test, names_that_mean_harm) {
  set.rules[0].streams = "*";
  open();
  shard_of_one shard(*home);
  for (const std::string name : {"live/../../x", "../../../x", "live/<script>", "live/%00", "live/a/b", "live/..", "."}) {
    begin(shard, name);
    stream_for(shard, 2s, name);
  }
  home.reset();
  std::size_t files = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder.path)) files += each.path().extension() == ".mp4" ? 1U : 0U;
  EXPECT_EQ(files, 7U);
}

TEST_F(service_test, a_thread_of_its_own_drains_and_ends_everything) {
  auto made = service::open(set);
  ASSERT_TRUE(made);
  home = std::move(*made);
  {
    shard_of_one shard(*home);
    begin(shard);
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    for (std::int64_t ms = 0; ms < 5'000; ms += 40) {
      auto f = ms % 1000 == 0 ? key(ms) : inter(ms);
      f.arrival = base::instant(std::chrono::milliseconds(now));
      shard.send({f});
    }
  }
  home.reset();
  settings again = set;
  auto list = service::open(again, {nullptr, nullptr, false});
  ASSERT_TRUE(list);
  ASSERT_EQ((*list)->recordings().size(), 1U);
  EXPECT_EQ((*list)->recordings()[0].state, recording_state::complete);
  EXPECT_EQ((*list)->recordings()[0].duration_ms, 5'000);
}

}  // namespace
}  // namespace millrace::record
