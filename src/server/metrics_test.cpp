#include "server/metrics.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>

#include "server/api_json.hpp"

namespace millrace::server {
namespace {

snapshot two_shards() {
  snapshot all;
  all.shards.resize(2);
  all.shards[1].index = 1;
  all.shards[0].viewers.window = std::chrono::milliseconds(25);
  all.shards[0].protocols["rtmp"] = {1, 10};
  all.shards[1].protocols["rtmp"] = {0, 5};
  all.shards[1].protocols["wss-flv"] = {0, 2};
  auto& own = all.shards[0].streams["live/\"a\"\n\\\xFF"];
  own.owned = true;
  own.hub.viewers = 10;
  own.hub.video_codec = "H.264";
  own.seconds.push_back({100, 800, 30, 5, 20, 0, 10, 3, 0});
  all.shards[1].streams["live/\"a\"\n\\\xFF"].hub.viewers = 7;
  all.shards[1].streams["live/waited-for"].hub.viewers = 1;
  return all;
}

std::string text() {
  reason_log reasons;
  reasons.note("live/a", reason::viewer_too_slow, 1, "192.0.2.1:1", {});
  capacity left;
  left.viewers_left = 100;
  record::service_facts recordings;
  recordings.room = record::disk::room{};
  return metrics_text(two_shards(), {}, left, reasons, recordings);
}

std::set<std::string> found(const std::string& in, const std::string& pattern) {
  std::set<std::string> out;
  const std::regex names(pattern);
  for (auto at = std::sregex_iterator(in.begin(), in.end(), names); at != std::sregex_iterator(); ++at) out.insert((*at)[1]);
  return out;
}

std::string file(const std::string& path) {
  std::ifstream in(MILLRACE_DOC "/" + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Of each sample: its second, how late media came, viewers.
stream_sample sample(std::int64_t at, float backlog_ms, float viewers) {
  stream_sample out;
  out.at = at;
  out.backlog_ms = backlog_ms;
  out.viewers = viewers;
  return out;
}

// The publisher is on shard 0. Its seconds are over a little later, or a little earlier, than those of shard 1.
TEST(metrics, a_stream_is_now_as_in_the_last_second_that_is_over_on_every_shard) {
  snapshot all;
  all.shards.resize(3);
  auto& own = all.shards[0].streams["live/a"];
  own.owned = true;
  own.seconds = {sample(99, 400, 10), sample(100, 500, 10)};
  auto& other = all.shards[1].streams["live/a"].seconds;
  other = {sample(100, 0, 7), sample(101, 0, 7)};
  const auto now = [&all] { return merged_history(all, "live/a", 1).back(); };
  EXPECT_EQ(now().backlog_ms, 500);
  EXPECT_EQ(now().viewers, 17);
  other = {sample(98, 0, 7), sample(99, 0, 7)};
  EXPECT_EQ(now().backlog_ms, 400);
  EXPECT_EQ(now().viewers, 17);
  other.pop_back();
  EXPECT_EQ(now().backlog_ms, 500) << "its viewers have left";
  EXPECT_EQ(now().viewers, 10);
}

TEST(metrics, add_up_what_the_shards_say) {
  const auto all = text();
  for (const auto* const line : {"\nmillrace_publishers{protocol=\"rtmp\"} 1\n", "\nmillrace_viewers{protocol=\"rtmp\"} 15\n", "\nmillrace_viewers{protocol=\"wss-flv\"} 2\n",
                                 "\nmillrace_viewers{protocol=\"rtmpq\"} 0\n", "\nmillrace_streams 1\n", "\nmillrace_gather_window_seconds{shard=\"0\"} 0.025\n",
                                 "\nmillrace_events_total{reason=\"viewer_too_slow\"} 1\n", "\nmillrace_events_total{reason=\"kicked\"} 0\n", "\nmillrace_viewers_left 100\n"}) {
    EXPECT_NE(all.find(line), std::string::npos) << line << all;
  }
}

TEST(metrics, escape_the_names_of_streams) {
  const auto all = text();
  EXPECT_NE(all.find("millrace_stream_viewers{stream=\"live/\\\"a\\\"\\n\\\\\xEF\xBF\xBD\"} 17\n"), std::string::npos) << all;
  EXPECT_NE(all.find("millrace_stream_has_video{stream=\"live/\\\"a\\\"\\n\\\\\xEF\xBF\xBD\"} 1\n"), std::string::npos) << all;
  EXPECT_NE(all.find("millrace_stream_received_bytes_per_second{stream=\"live/\\\"a\\\"\\n\\\\\xEF\xBF\xBD\"} 100000\n"), std::string::npos) << all;
}

TEST(metrics, come_once_each_with_their_help) {
  const auto all = text();
  std::set<std::string> listed;
  for (const auto& one : metrics()) listed.insert(std::string(one.name));
  EXPECT_EQ(found(all, "# HELP (\\S+) \\S"), listed);
  EXPECT_EQ(found(all, "# TYPE (\\S+) (?:gauge|counter)\n"), listed);
  for (const auto& one : metrics()) {
    const auto head = "# HELP " + std::string(one.name) + " ";
    EXPECT_EQ(all.find(head, all.find(head) + 1), std::string::npos) << one.name;
    EXPECT_EQ(one.type == "counter", one.name.ends_with("_total")) << one.name;
  }
}

TEST(metrics, are_all_in_the_guide_and_nothing_else_is) {
  std::set<std::string> listed;
  for (const auto& one : metrics()) listed.insert(std::string(one.name));
  EXPECT_EQ(found(file("guide/metrics.md"), "\n\\| `(millrace_\\w+)` \\|"), listed);
}

TEST(reasons, are_all_in_the_guide_with_their_sentences) {
  const auto guide = file("guide/reasons.md");
  std::set<std::string> listed;
  for (std::size_t i = 0; i < static_cast<std::size_t>(reason::count); ++i) {
    const auto r = static_cast<reason>(i);
    listed.insert(std::string(code(r)));
    EXPECT_NE(guide.find("| `" + std::string(code(r)) + "` | " + std::string(sentence(r)) + " |"), std::string::npos) << code(r);
  }
  EXPECT_EQ(listed.size(), static_cast<std::size_t>(reason::count));
  EXPECT_EQ(found(guide, "\n\\| `(\\w+)` \\|"), listed);
}

TEST(reasons, keep_the_last_of_each_stream) {
  reason_log log;
  for (int i = 0; i < 250; ++i) log.note("live/a", reason::play_began, static_cast<std::uint64_t>(i), "192.0.2.1:1", "over \xFF");
  log.note("live/b", reason::publish_began, 7, "192.0.2.1:2", {});
  const auto events = log.of("live/a");
  ASSERT_EQ(events.size(), reason_log::events_max);
  EXPECT_EQ(events.front().connection, 50u);
  EXPECT_EQ(events.back().connection, 249u);
  EXPECT_EQ(events.back().detail, "over \xEF\xBF\xBD");
  EXPECT_EQ(log.of("live/b").size(), 1u);
  EXPECT_TRUE(log.of("live/c").empty());
  EXPECT_EQ(log.counts()[static_cast<std::size_t>(reason::play_began)], 250u);
}

TEST(reasons, keep_less_of_each_of_many_streams) {
  reason_log log;
  const auto note_all = [&](std::size_t streams, int times) {
    for (int i = 0; i < times; ++i) {
      for (std::size_t s = 0; s < streams; ++s) log.note("live/" + std::to_string(s), reason::play_began, 1, "", {});
    }
  };
  note_all(1'000, 60);
  EXPECT_EQ(log.of("live/7").size(), reason_log::events_total / 1'000);
  note_all(reason_log::streams_max, 60);
  EXPECT_EQ(log.of("live/7").size(), reason_log::events_total / reason_log::streams_max);
}

TEST(reasons, cut_a_long_detail) {
  reason_log log;
  log.note("live/a", reason::publish_refused, 1, "", std::string(reason_log::detail_max - 1, 'x') + "\xC3\xA4 and more");
  EXPECT_EQ(log.of("live/a").front().detail, std::string(reason_log::detail_max - 1, 'x') + "\xEF\xBF\xBD");  // half a letter is none
}

TEST(reasons, forget_the_stream_with_the_oldest_news) {
  reason_log log;
  for (std::size_t i = 0; i < reason_log::streams_max; ++i) log.note("live/" + std::to_string(i), reason::play_began, 1, "", {});
  log.note("live/0", reason::play_ended, 1, "", {});
  log.note("live/new", reason::play_began, 1, "", {});
  EXPECT_EQ(log.of("live/0").size(), 2u);
  EXPECT_TRUE(log.of("live/1").empty());
  EXPECT_EQ(log.of("live/new").size(), 1u);
}

TEST(capacity, is_told_by_the_busiest_shard_or_by_descriptors) {
  auto all = two_shards();
  process_facts process;
  process.descriptors_max = 10'000;
  process.descriptors_open = 50;
  all.shards[0].busy = 0.1;
  all.shards[1].busy = 0.05;
  auto left = capacity_left(all, process);
  EXPECT_EQ(left.viewers_left, 136u);  // 17 viewers take a tenth, nine tenths are to be had
  EXPECT_EQ(left.bound_by, "cpu");
  process.descriptors_max = 100;
  left = capacity_left(all, process);
  EXPECT_EQ(left.viewers_left, 18u);  // 32 stay for other things
  EXPECT_EQ(left.bound_by, "descriptors");
  all.shards[0].protocols.clear();
  all.shards[1].protocols.clear();
  process.descriptors_max = 0;
  EXPECT_FALSE(capacity_left(all, process).viewers_left);
}

}  // namespace
}  // namespace millrace::server
