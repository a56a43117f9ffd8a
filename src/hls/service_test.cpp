#include "hls/service.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "hls/hls_fixture.hpp"

namespace millrace::hls {
namespace {

using namespace testing;

// A server of one thread: its streams are those of the directory in here.
struct served {
  explicit served(settings settings_of = {}) : how(settings_of) {}

  settings how;
  std::int64_t now_ms = 0;
  int attached = 0;
  bool refuse = false, forget = false;
  std::shared_ptr<hub::stream> stream = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  std::unique_ptr<hub::publication> publisher;
  packager_set packagers;
  service hls{how,
              [this](std::shared_ptr<presentation> p) {
                ++attached;
                if (forget) return;
                if (refuse) return p->close(404, "nobody publishes this stream");
                packagers.add(
                    stream, std::move(p),
                    {[this] { return at_ms(now_ms); }, at_ms(0), std::chrono::system_clock::time_point(std::chrono::seconds(1000 + epoch))});
              },
              [this] { return at_ms(now_ms); },
              [this] { return std::chrono::system_clock::time_point(std::chrono::seconds(1000 + epoch) + std::chrono::milliseconds(now_ms)); }};
  int epoch = 0;

  // A request and what became of it.
  std::shared_ptr<std::optional<answer>> get(std::string_view rest, std::string_view query = "", std::string_view name = "live/a") {
    auto got = std::make_shared<std::optional<answer>>();
    hls.get(name, rest, query, [got](answer a) {
      EXPECT_FALSE(*got) << "answered twice";
      *got = std::move(a);
    });
    return got;
  }
  void publish() {
    publisher = std::move(stream->publish()).value();
    push(video_config(next_ms));
  }
  void push(media::frame f) {
    now_ms = std::max(now_ms, f.dts_ms);
    f.arrival = at_ms(now_ms);
    publisher->append(std::move(f));
    publisher->flush();
  }
  void play(int pictures) {
    for (int i = 0; i < pictures; ++i, next_ms += 40) push(next_ms % 2000 == 0 ? key(next_ms) : inter(next_ms));
  }
  void pass(std::int64_t ms) {
    for (const auto end = now_ms + ms; now_ms < end;) {
      now_ms = std::min(now_ms + 100, end);
      packagers.on_timer(at_ms(now_ms));
      hls.on_timer();
    }
  }
  std::int64_t next_ms = 0;
};

TEST(service, the_first_request_starts_a_packager_and_waits_for_a_segment) {
  served s;
  s.publish();
  s.play(1);
  const auto first = s.get("/index.m3u8");
  const auto other = s.get(".m3u8");
  EXPECT_EQ(s.attached, 1);
  EXPECT_EQ(s.packagers.size(), 1u);
  s.play(49);
  EXPECT_FALSE(*first);
  s.play(1);
  ASSERT_TRUE(*first && *other);
  EXPECT_EQ((*first)->status, 200u);
  EXPECT_EQ((*first)->content_type, "application/vnd.apple.mpegurl");
  EXPECT_EQ((*first)->cache_control, "no-cache");
  EXPECT_NE(text_of(**first).find("seg-1000.m4s"), std::string::npos);
  EXPECT_NE(text_of(**other).find("\na/index.m3u8\n"), std::string::npos);
  EXPECT_TRUE(*s.get("/index.m3u8"));
  EXPECT_EQ(s.attached, 1);
}

TEST(service, both_containers_are_packaged_beside_each_other) {
  served s;
  s.publish();
  s.get("/index.m3u8");
  s.get("/ts.m3u8");
  EXPECT_EQ(s.attached, 2);
  s.play(51);
  EXPECT_EQ((*s.get("/seg-1000.ts"))->content_type, "video/mp2t");
  EXPECT_EQ((*s.get("/seg-1000.m4s"))->content_type, "video/mp4");
  EXPECT_EQ((*s.get("/seg-1000.m4s"))->cache_control, "public, max-age=3600, immutable");
}

TEST(service, a_stream_that_nobody_publishes_is_not_found) {
  served s;
  s.refuse = true;
  const auto a = s.get("/index.m3u8");
  ASSERT_TRUE(*a);
  EXPECT_EQ((*a)->status, 404u);
  EXPECT_EQ((*a)->why, "nobody publishes this stream");
  s.refuse = false;
  s.publish();
  s.get("/index.m3u8");
  EXPECT_EQ(s.attached, 2) << "it may be published the next time";
}

TEST(service, what_is_wrong_starts_nothing) {
  served s;
  const auto status = [&](std::string_view rest, std::string_view query = "") {
    const auto a = s.get(rest, query);
    return *a ? (*a)->status : 0;
  };
  EXPECT_EQ(status("/nothing"), 404u);
  EXPECT_EQ(status("/index.m3u8", "_HLS_msn=x"), 400u);
  EXPECT_EQ(status("/index.m3u8", "_HLS_part=1"), 400u);
  EXPECT_EQ(status("/seg-1.m4s"), 404u);
  EXPECT_EQ(status("/part-1-1.m4s"), 404u);
  EXPECT_EQ(status("/init-1.mp4"), 404u);
  EXPECT_EQ(s.attached, 0);
}

TEST(service, a_packager_that_never_comes_leaves_nobody_waiting) {
  served s;
  s.forget = true;
  const auto a = s.get("/index.m3u8");
  s.pass(14'900);
  EXPECT_FALSE(*a);
  s.pass(200);
  ASSERT_TRUE(*a);
  EXPECT_EQ((*a)->status, 503u);
  s.pass(30'000);
  EXPECT_EQ(s.hls.size(), 0u);
}

TEST(service, a_packager_ends_when_nobody_asks_and_numbers_go_on_above) {
  served s;
  s.publish();
  s.get("/index.m3u8");
  s.play(25 * 8);
  EXPECT_EQ(read(text_of(**s.get("/index.m3u8"))).first_msn, 1000u);
  s.pass(31'000);
  EXPECT_EQ(s.packagers.size(), 0u);
  EXPECT_EQ(s.hls.size(), 0u);
  s.next_ms += 32'000;
  const auto again = s.get("/index.m3u8");
  s.play(25 * 4);
  ASSERT_TRUE(*again);
  const auto p = read(text_of(**again));
  EXPECT_GE(p.first_msn, 1004u) << "no number is given twice";
}

TEST(service, numbers_go_on_above_also_where_the_clock_stepped_back) {
  served s;
  s.publish();
  auto first = s.get("/index.m3u8");
  s.play(200);
  ASSERT_TRUE(*first);
  const auto before = read(text_of(**s.get("/index.m3u8"))).segments.back().msn;
  s.now_ms += 31'000;
  s.packagers.on_timer(at_ms(s.now_ms));
  s.epoch = -900;
  auto second = s.get("/index.m3u8");
  s.play(200);
  ASSERT_TRUE(*second);
  EXPECT_GT(read(text_of(**second)).first_msn, before);
}

TEST(service, numbers_that_ran_ahead_of_the_clock_move_no_other_stream) {
  served s;
  s.publish();
  s.epoch = 900;  // as after segments shorter than a second, for long
  s.get("/index.m3u8");
  s.play(200);
  const auto ahead = read(text_of(**s.get("/index.m3u8"))).segments.back().msn;
  EXPECT_GE(ahead, 1900u);
  s.epoch = 0;
  s.now_ms += 31'000;
  s.packagers.on_timer(at_ms(s.now_ms));
  s.hls.on_timer();
  s.packagers.on_timer(at_ms(s.now_ms));
  s.hls.on_timer();
  ASSERT_EQ(s.hls.size(), 0u);
  s.next_ms += 40'000;
  auto same = s.get("/index.m3u8"), other = s.get("/index.m3u8", "", "live/b");
  s.play(200);
  ASSERT_TRUE(*same && *other);
  EXPECT_GT(read(text_of(**same)).first_msn, ahead) << "no number is given twice";
  EXPECT_LT(read(text_of(**other)).first_msn, 1100u);
}

struct blocking : ::testing::Test {
  blocking() {
    s.publish();
    s.get("/index.m3u8");
    s.play(50 * 3 + 14);  // three segments, and two parts of the fourth: 1003
    const auto p = read(text_of(**s.get("/index.m3u8")));
    EXPECT_EQ(p.segments.back().msn, 1003u);
    EXPECT_EQ(p.segments.back().parts.size(), 2u);
    EXPECT_EQ(p.hint, "part-1003-2.m4s");
  }
  served s;
};

TEST_F(blocking, a_playlist_waits_for_the_part_that_is_wanted) {
  const auto there = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=1");
  const auto next = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=2");
  const auto after = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=3");
  const auto segment = s.get("/index.m3u8", "_HLS_msn=1003");
  const auto old = s.get("/index.m3u8", "_HLS_msn=3");
  EXPECT_TRUE(*there && *old);
  EXPECT_FALSE(*next || *after || *segment);
  s.play(6);
  ASSERT_TRUE(*next);
  EXPECT_NE(text_of(**next).find("part-1003-2.m4s\"\n#EXT-X-PRELOAD-HINT"), std::string::npos);
  EXPECT_FALSE(*after || *segment);
  s.play(6);
  EXPECT_TRUE(*after);
  EXPECT_FALSE(*segment);
  s.play(25);
  ASSERT_TRUE(*segment);
  EXPECT_NE(text_of(**segment).find("seg-1003.m4s"), std::string::npos);
}

TEST_F(blocking, a_part_that_the_segment_does_not_get_is_the_first_of_the_next) {
  const auto a = s.get("/index.m3u8", "_HLS_msn=1002&_HLS_part=9");  // 1002 has nine: 0 to 8
  EXPECT_TRUE(*a) << "1003-0 is there";
  const auto b = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=9");
  s.play(50 - 14 + 1);
  EXPECT_FALSE(*b) << "1003 is complete with nine parts, and 1004 has none yet";
  s.play(6);
  ASSERT_TRUE(*b);
  EXPECT_NE(text_of(**b).find("part-1004-0.m4s\",INDEPENDENT"), std::string::npos);
}

TEST_F(blocking, too_far_ahead_is_a_bad_request) {
  const auto status = [&](std::string_view query) {
    const auto a = s.get("/index.m3u8", query);
    return *a ? (*a)->status : 0;
  };
  EXPECT_EQ(status("_HLS_msn=1004"), 0u);  // the last segment is 1002
  EXPECT_EQ(status("_HLS_msn=1005"), 400u);
  EXPECT_EQ(status("_HLS_msn=18446744073709551615"), 400u);
  // Parts of 0.242 s: the advance part limit is 13. The last one is 1.
  EXPECT_EQ(status("_HLS_msn=1003&_HLS_part=14"), 0u);
  EXPECT_EQ(status("_HLS_msn=1003&_HLS_part=15"), 400u);
}

TEST_F(blocking, nothing_new_for_three_target_durations_is_unavailable) {
  const auto a = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=2");
  s.pass(5'900);
  EXPECT_FALSE(*a);
  s.pass(200);
  ASSERT_TRUE(*a);
  EXPECT_EQ((*a)->status, 503u);
}

TEST_F(blocking, the_part_of_the_hint_is_waited_for) {
  const auto hinted = s.get("/part-1003-2.m4s");
  EXPECT_FALSE(*hinted);
  EXPECT_EQ((*s.get("/part-1003-3.m4s"))->status, 404u) << "only that one";
  EXPECT_EQ((*s.get("/part-1004-0.m4s"))->status, 404u);
  s.play(6);
  ASSERT_TRUE(*hinted);
  EXPECT_EQ((*hinted)->status, 200u);
  EXPECT_EQ((*hinted)->content_type, "video/mp4");
}

TEST(service, a_hint_that_comes_to_nothing_is_not_found) {
  presentation p("live/a", mux::container::fmp4, {});
  p.begin(10, at_ms(0));
  p.set_part_target(250);
  p.add_init(base::slice::copy_of(base::as_bytes("init")), {});
  const auto part = [&] { p.add_part(base::slice::copy_of(base::as_bytes("part")), 250, true); };
  p.begin_segment(false, 0);
  part();
  p.end_segment(1);
  p.begin_segment(false, 0);
  part();
  std::optional<answer> hinted, playlist;
  p.get(parse_request("/part-11-1.m4s", "").value(), at_ms(0), [&](answer a) { hinted = std::move(a); });
  p.get(parse_request("/index.m3u8", "_HLS_msn=11&_HLS_part=1").value(), at_ms(0), [&](answer a) { playlist = std::move(a); });
  EXPECT_FALSE(hinted || playlist);
  p.end_segment(1);  // as a hole in the times does it
  ASSERT_TRUE(hinted);
  EXPECT_EQ(hinted->status, 404u);
  EXPECT_FALSE(playlist) << "it is the first part of the next segment now";
  p.begin_segment(true, 0);
  part();
  ASSERT_TRUE(playlist);
  EXPECT_EQ(playlist->status, 200u);
}

TEST_F(blocking, an_open_segment_is_given_once_it_is_complete) {
  const auto open = s.get("/seg-1003.m4s");
  EXPECT_FALSE(*open);
  EXPECT_EQ((*s.get("/seg-1004.m4s"))->status, 404u);
  s.play(50);
  ASSERT_TRUE(*open);
  EXPECT_EQ((*open)->status, 200u);
}

TEST_F(blocking, bodies_are_shared) {
  const auto a = s.get("/seg-1001.m4s"), b = s.get("/seg-1001.m4s");
  ASSERT_EQ((*a)->body.parts().size(), 9u);
  EXPECT_EQ((*a)->body.parts()[0].data(), (*b)->body.parts()[0].data());
  EXPECT_EQ((*s.get("/part-1001-0.m4s"))->body.parts()[0].data(), (*a)->body.parts()[0].data());
  EXPECT_EQ((*s.get("/index.m3u8"))->body.parts()[0].data(), (*s.get("/index.m3u8"))->body.parts()[0].data());
}

TEST_F(blocking, the_end_of_the_server_answers_who_waits) {
  const auto a = s.get("/index.m3u8", "_HLS_msn=1003&_HLS_part=2");
  s.packagers.close();
  ASSERT_TRUE(*a);
  EXPECT_EQ((*a)->status, 503u);
}

TEST(service, a_delta_update_is_a_shorter_playlist) {
  settings how;
  how.window = 20;
  served s{how};
  s.publish();
  s.get("/index.m3u8");
  s.play(50 * 20 + 14);
  const auto whole = read(text_of(**s.get("/index.m3u8"))), delta = read(text_of(**s.get("/index.m3u8", "_HLS_skip=YES")));
  ASSERT_GT(delta.skipped, 5u);
  EXPECT_EQ(delta.skipped + delta.segments.size(), whole.segments.size());
  EXPECT_EQ(delta.segments.front().uri, whole.segments[static_cast<std::size_t>(delta.skipped)].uri);
  const auto waited = s.get("/index.m3u8", "_HLS_msn=1020&_HLS_part=2&_HLS_skip=YES");
  s.play(6);
  ASSERT_TRUE(*waited);
  EXPECT_GT(read(text_of(**waited)).skipped, 5u);
}

TEST(service, limits_hold) {
  settings how;
  how.limits.streams = 2;
  how.limits.waits = 3;
  served s{how};
  s.publish();
  for (int i = 0; i < 3; ++i) s.get("/index.m3u8");
  const auto one_more = s.get("/index.m3u8");
  ASSERT_TRUE(*one_more);
  EXPECT_EQ((*one_more)->status, 503u);
  s.get("/index.m3u8", "", "live/b");
  const auto third = s.get("/index.m3u8", "", "live/c");
  ASSERT_TRUE(*third);
  EXPECT_EQ((*third)->status, 503u);
}

// For the thread sanitizer, and for a lost answer: one thread packages, others ask.
TEST(service, requests_come_from_any_thread) {
  auto stream = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  std::mutex arrivals_mutex;
  std::vector<std::shared_ptr<presentation>> arrivals;
  std::atomic<std::int64_t> now{0};
  service hls(
      {},
      [&](std::shared_ptr<presentation> p) {
        const std::lock_guard lock(arrivals_mutex);
        arrivals.push_back(std::move(p));
      },
      [&] { return at_ms(now); });
  std::atomic<int> asked{0}, answered{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&, i] {
      std::uint64_t msn = 1000;
      while (!stop) {
        for (const auto& [rest, query] : {std::pair<std::string, std::string>{"/index.m3u8", "_HLS_msn=" + std::to_string(msn)},
                                          {"/seg-" + std::to_string(msn) + ".m4s", ""},
                                          {i == 0 ? "/ts.m3u8" : ".m3u8", ""}}) {
          ++asked;
          hls.get("live/a", rest, query, [&](answer a) {
            ++answered;
            EXPECT_TRUE(a.status == 200 || a.body.empty());
          });
        }
        if (asked % 7 == 0) ++msn;
        while (asked - answered > 50 && !stop) std::this_thread::yield();
      }
    });
  }
  {
    auto publisher = std::move(stream->publish()).value();
    packager_set packagers;
    publisher->append(video_config(0));
    for (std::int64_t v = 0; v < 60'000; v += 40) {
      now = v;
      {
        const std::lock_guard lock(arrivals_mutex);
        for (auto& p : arrivals)
          packagers.add(stream, std::move(p),
                        {[&] { return at_ms(now); }, at_ms(0), std::chrono::system_clock::time_point(std::chrono::seconds(1000))});
        arrivals.clear();
      }
      auto f = v % 2000 == 0 ? key(v) : inter(v);
      f.arrival = at_ms(v);
      publisher->append(std::move(f));
      publisher->flush();
      packagers.on_timer(at_ms(v));
      hls.on_timer();
    }
    stop = true;
    for (auto& c : clients) c.join();
    // Who came last is answered when everything goes.
    const std::lock_guard lock(arrivals_mutex);
    for (auto& p : arrivals) p->close(503, "the end");
    packagers.close();
  }
  EXPECT_EQ(asked, answered);
  EXPECT_GT(answered, 100);
}

}  // namespace
}  // namespace millrace::hls
