#include "record/index.hpp"

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "record/record_fixture.hpp"

namespace millrace::record {
namespace {

using namespace testing;

using index_test = record_test;

void put(const std::filesystem::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}
std::filesystem::path line_of(const std::filesystem::path& folder, const recording_facts& r) { return folder / ".millrace" / (r.id + ".json"); }

TEST(index_lines, there_and_back) {
  recording_facts r{"0123456789abcdef", "live/\xff\"<x>", epoch, 1234, 5678, "live/a b.flv", format::flv, recording_state::recovered};
  const auto text = to_json(r);
  EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
  const auto back = parse_recording(text);
  ASSERT_TRUE(back) << text;
  EXPECT_EQ(back->stream, r.stream);
  EXPECT_EQ(back->start, r.start);
  EXPECT_EQ(back->duration_ms, 1234);
  EXPECT_EQ(back->bytes, 5678U);
  EXPECT_EQ(back->file, r.file);
  EXPECT_EQ(back->as, format::flv);
  EXPECT_EQ(back->state, recording_state::recovered);
}

TEST(index_lines, what_is_damaged_or_leads_outside_is_refused) {
  const recording_facts good{"0123456789abcdef", "live/a", epoch, 1, 2, "live/a.flv", format::flv, recording_state::complete};
  const auto text = to_json(good);
  for (std::size_t size = 0; size + 1 < text.size(); ++size) EXPECT_FALSE(parse_recording(text.substr(0, size)).has_value()) << size;
  for (const auto* file : {"/etc/passwd", "../x.flv", "live/../../x.flv", "", ".millrace/x.flv", "live//x.flv", "live/"}) {
    auto bad = good;
    bad.file = file;
    EXPECT_EQ(parse_recording(to_json(bad)).has_value(), std::string_view(file) == "live//x.flv") << file;
  }
  auto bad = good;
  bad.id = "../../../../x";
  EXPECT_FALSE(parse_recording(to_json(bad)));
}

TEST_F(index_test, survives_a_restart_and_is_made_anew_when_it_is_lost_or_damaged) {
  set.rules.push_back({"flv/*", format::flv, {}, 0ms, 0, false});
  open();
  {
    shard_of_one shard(*home);
    begin(shard, "live/a/<b>");
    stream_for(shard, 5s, "live/a/<b>");
    begin(shard, "flv/x");
    stream_for(shard, 5s, "flv/x");
  }
  home.reset();
  open();
  const auto before = home->recordings();
  ASSERT_EQ(before.size(), 2U);
  EXPECT_TRUE(home->facts().list_complete);
  home.reset();

  // One line damaged, one gone, and what is none of ours beside them.
  put(line_of(folder.path, before[0]), "{\"id\":");
  std::filesystem::remove(line_of(folder.path, before[1]));
  put(folder.path / "notes.txt", "x");
  put(folder.path / "empty.mp4", "");
  put(folder.path / "no.flv", "no FLV at all");
  std::filesystem::create_symlink("/etc/passwd", folder.path / "link.mp4");
  open();
  EXPECT_FALSE(home->facts().list_complete);
  while (home->turn()) {}
  EXPECT_TRUE(home->facts().list_complete);
  const auto after = home->recordings();
  ASSERT_EQ(after.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after[i].state, recording_state::recovered);
    EXPECT_EQ(after[i].id, before[i].id) << "links go on working";
    EXPECT_EQ(after[i].stream, before[i].stream);
    EXPECT_EQ(after[i].start, before[i].start);
    EXPECT_EQ(after[i].bytes, before[i].bytes);
    EXPECT_NEAR(static_cast<double>(after[i].duration_ms), static_cast<double>(before[i].duration_ms), 41);
  }
  EXPECT_TRUE(std::filesystem::exists(folder.path / "no.flv")) << "what is not ours stays";
  home.reset();
  std::filesystem::remove(folder.path / "empty.mp4");
  std::filesystem::remove(folder.path / "no.flv");
  open();
  EXPECT_TRUE(home->facts().list_complete) << "the lines are there again";
  EXPECT_EQ(home->recordings().size(), 2U);
}

TEST_F(index_test, a_file_that_somebody_took_away_is_not_listed) {
  open();
  {
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 3s);
  }
  home.reset();
  std::filesystem::remove_all(folder.path / "live");
  open();
  EXPECT_TRUE(home->recordings().empty());
}

TEST_F(index_test, the_newest_recording_of_a_stream) {
  index list(*on, folder.path);
  ASSERT_TRUE(list.lock());
  const auto listed = [&list](const char* stream, std::chrono::seconds start, const char* file) {
    recording_facts r{"", stream, epoch + start, 0, 0, file, format::mp4, recording_state::writing};
    std::optional<disk_file> to;
    EXPECT_EQ(list.create(r, to), 0);
    return r;
  };
  EXPECT_FALSE(list.newest("live/a"));
  const auto second = listed("live/a", 20s, "a2.mp4");
  const auto first = listed("live/a", 10s, "a1.mp4");
  auto other = listed("live/b", 30s, "b.mp4");
  EXPECT_EQ(list.newest("live/a")->id, second.id);
  EXPECT_EQ(list.newest("live/b")->id, other.id);
  EXPECT_FALSE(list.newest("live/"));

  other.duration_ms = 5'000;
  other.state = recording_state::complete;
  list.update(other, true);
  EXPECT_EQ(list.newest("live/b")->duration_ms, 5'000) << "as it was changed";
  list.drop(second, true);
  EXPECT_EQ(list.newest("live/a")->id, first.id);
  list.drop(first, true);
  EXPECT_FALSE(list.newest("live/a"));

  index again(*on, folder.path);
  again.read();
  EXPECT_EQ(again.newest("live/b")->id, other.id);
  EXPECT_FALSE(again.newest("live/a"));
}

TEST_F(index_test, a_name_that_is_taken_gets_a_number) {
  set.rules[0].file = *name_template::parse("{app}/{stream}.{ext}");
  for (int i = 0; i < 3; ++i) {
    open();
    shard_of_one shard(*home);
    begin(shard);
    stream_for(shard, 2s);
  }
  home.reset();
  for (const auto* file : {"live/a.mp4", "live/a-2.mp4", "live/a-3.mp4"}) EXPECT_TRUE(std::filesystem::exists(folder.path / file)) << file;
}

// As a template without a date makes them, once an hour for months.
TEST_F(index_test, and_there_may_be_thousands_of_them) {
  set.rules[0].file = *name_template::parse("{app}/{stream}.{ext}");
  std::filesystem::create_directories(folder.path / "live");
  put(folder.path / "live/a.mp4", "x");
  for (unsigned number = 2; number <= 2500; ++number) put(folder.path / numbered("live/a.mp4", number), "x");
  open();
  shard_of_one shard(*home);
  begin(shard);
  stream_for(shard, 2s);
  const auto facts = home->facts();
  ASSERT_EQ(facts.active.size(), 1u);
  EXPECT_EQ(facts.active[0].file, "live/a-2501.mp4") << facts.active[0].failure;
}

constexpr std::uint32_t long_tags = 2'000;
// Hours in one file, with holes for bodies.
void put_long_flv(const std::filesystem::path& to) {
  constexpr std::uint32_t body_bytes = 200'000;
  std::filesystem::create_directories(to.parent_path());
  std::ofstream out(to, std::ios::binary);
  base::byte_writer head;
  head.text("FLV").u8(1).u8(5).u32(9).u32(0);
  for (std::uint32_t i = 0; i < long_tags; ++i) {
    head.u8(9).u24(body_bytes).u24(i * 40).u8(0).u24(0);
    const auto bytes = std::move(head).take_slice();
    out.write(reinterpret_cast<const char*>(bytes.view().data()), static_cast<std::streamsize>(bytes.size()));
    out.seekp(body_bytes, std::ios::cur);
    head = base::byte_writer();
    head.u32(11 + body_bytes);
  }
  const auto bytes = std::move(head).take_slice();
  out.write(reinterpret_cast<const char*>(bytes.view().data()), static_cast<std::streamsize>(bytes.size()));
}

// After a crash: one file of hours that nobody ended, and streams that are published again at once.
TEST_F(index_test, a_long_file_is_read_bit_by_bit_and_recording_does_not_wait) {
  put_long_flv(folder.path / "live/long.flv");
  open();
  shard_of_one shard(*home);
  begin(shard);
  std::size_t turns = 0;
  for (bool more = true; more; ++turns) {
    stream_for(shard, 120ms);
    const auto before = on->reads;
    more = home->turn();
    EXPECT_LE(on->reads - before, 64u);
    const auto facts = home->facts();
    ASSERT_EQ(facts.active.size(), 1u);
    EXPECT_EQ(facts.active[0].queue_bytes, 0u) << "what came since the last turn is on its way to the disk";
  }
  EXPECT_GT(turns, 10u);
  const auto all = home->recordings();
  const auto found = std::ranges::find(all, "live/long.flv", &recording_facts::file);
  ASSERT_NE(found, all.end());
  EXPECT_EQ(found->duration_ms, long_tags * 40);
  EXPECT_EQ(found->state, recording_state::recovered);
}

// Its name is free, and the new one has the same id.
TEST_F(index_test, a_file_that_is_taken_away_while_it_is_read_does_not_take_its_name_along) {
  put_long_flv(folder.path / "live/long.flv");
  put_long_flv(folder.path / "live/other.flv");
  index list(*on, folder.path);
  const auto taken = list.lock();
  ASSERT_TRUE(taken && *taken);
  list.read();
  ASSERT_TRUE(list.repair());
  std::filesystem::remove_all(folder.path / "live");
  recording_facts r;
  r.stream = "live/long";
  r.file = "live/long.flv";
  r.as = format::flv;
  std::optional<disk_file> file;
  ASSERT_EQ(list.create(r, file), 0);
  while (list.repair()) {}
  const auto all = list.all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].file, "live/long.flv");
  EXPECT_EQ(all[0].state, recording_state::writing);
}

// Another process may take over at any moment.
TEST_F(index_test, reading_a_long_file_can_be_broken_off) {
  std::filesystem::create_directories(folder.path / "live");
  put(folder.path / "live/long.flv", std::string("FLV\x01\x05\0\0\0\x09\0\0\0\0", 13) + std::string(10'000'000, '\0'));
  open();
  home->turn();
  home.reset();
  open();
  while (home->turn()) {}
  EXPECT_TRUE(home->facts().list_complete);
}

TEST_F(index_test, one_process_at_a_time) {
  open();
  auto second = service::open(set, {on, times, false});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("another process records into"), std::string::npos);
}

TEST_F(index_test, an_unusable_directory_is_said_at_the_start) {
  put(folder.path / "file", "x");
  set.directory = folder.path / "file";
  const auto made = service::open(set, {on, times, false});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, base::error_kind::local);
  EXPECT_NE(made.error().text.find("cannot record into"), std::string::npos);
}

// A child records and is killed amid it: kill -9 gives nobody a chance to end a file.
TEST_F(index_test, a_crash_costs_the_last_fragment_only) {
  constexpr std::int64_t at_least_ms = 20'000;
  for (const auto as : {format::mp4, format::flv}) {
    set.rules[0].as = as;
    int progress[2];
    ASSERT_EQ(::pipe(progress), 0);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(progress[0]);
      open();
      shard_of_one shard(*home);
      begin(shard);
      for (;;) {
        stream_for(shard, 1s);
        const std::int64_t sent = times->now.count();
        if (::write(progress[1], &sent, sizeof sent) != sizeof sent) ::_exit(1);
      }
    }
    ::close(progress[1]);
    std::int64_t sent = 0;
    while (sent < at_least_ms && ::read(progress[0], &sent, sizeof sent) == sizeof sent) {}
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ::close(progress[0]);
    ASSERT_GE(sent, at_least_ms);

    const auto file = folder.path / "live" / ("a-2026-01-31-00-00-00." + std::string(extension(as)));
    const auto torn = content(file);
    const auto seen = (as == format::flv ? scan_flv : scan_mp4)(reader_of(torn), torn.size());
    EXPECT_GE(seen.duration_ms, sent - 2'000);
    if (std::system("command -v ffprobe >/dev/null 2>&1") == 0) {
      const auto command = "ffprobe -v error -show_entries format=duration -of csv=p=0 '" + file.string() + "'";
      auto* const pipe = ::popen(command.c_str(), "r");
      ASSERT_NE(pipe, nullptr);
      double seconds = 0;
      EXPECT_EQ(std::fscanf(pipe, "%lf", &seconds), 1);
      EXPECT_EQ(::pclose(pipe), 0);
      EXPECT_GE(seconds * 1000, static_cast<double>(sent) - 2'000);
    }

    // Half a fragment more, as a loss of power leaves it.
    put(file, std::string(base::as_text(torn)) + std::string(1000, '\1'));
    open();
    EXPECT_EQ(home->recordings().at(0).state, recording_state::writing);
    while (home->turn()) {}
    const auto r = home->recordings().at(0);
    EXPECT_EQ(r.state, recording_state::recovered);
    EXPECT_EQ(r.stream, "live/a");
    EXPECT_GE(r.duration_ms, sent - 2'000);
    EXPECT_EQ(r.bytes, seen.whole_bytes) << "the rest is cut off";
    EXPECT_EQ(content(file).size(), seen.whole_bytes);
    home.reset();
    std::filesystem::remove_all(folder.path);
  }
}

TEST_F(index_test, a_disk_that_is_really_full) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting a file system takes root";
  const auto small = folder.path / "small";
  std::filesystem::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=512k") != 0) GTEST_SKIP() << "no tmpfs may be mounted here: " << std::strerror(errno);
  {
    const noted_log log;
    set.directory = small;
    set.rules[0].as = format::flv;
    set.free_bytes_min = 0;
    on = nullptr;
    open();
    shard_of_one shard(*home);
    begin(shard);
    for (; times->now < 60s; times->now += 40ms) {
      auto f = times->now.count() % 1000 == 0 ? key(times->now.count()) : inter(times->now.count());
      std::vector<std::uint8_t> large(f.payload.data(), f.payload.data() + f.payload.size());
      large.resize(2'000);
      f.payload = base::slice(std::move(large));
      shard.send({f});
      home->turn();
    }
    EXPECT_EQ(log.count("free some space"), 1U) << log.all();
    ASSERT_GE(home->recordings().size(), 1U);
    const auto r = home->recordings().back();
    const auto bytes = content(small / r.file);
    EXPECT_EQ(scan_flv(reader_of(bytes), bytes.size()).whole_bytes, bytes.size());
    EXPECT_GT(bytes.size(), 300'000U);
    shard.recorders.close();
    home.reset();
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

}  // namespace
}  // namespace millrace::record
