// What players get over real sockets: a start near the live edge, the track they pick, and the truth when they are too slow.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "media/tag_header.hpp"
#include "support/peer.hpp"
#include "support/running_server.hpp"

namespace millrace::server {
namespace {

using media::frame_kind;
using rtmp::client_role;
using test::peer;
using test::run_until;
using test::running_server;

media::frame make_frame(frame_kind kind, std::int64_t dts_ms, std::vector<std::uint8_t> payload) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  media::classify(f);
  return f;
}
media::frame video(bool key, std::int64_t dts_ms, std::uint8_t composition_ms, std::size_t size) {
  std::vector<std::uint8_t> payload(size, static_cast<std::uint8_t>(dts_ms / 40));
  payload[0] = key ? 0x17 : 0x27;
  payload[1] = 1;
  payload[2] = payload[3] = 0;
  payload[4] = composition_ms;
  return make_frame(frame_kind::video, dts_ms, std::move(payload));
}
media::frame sound(std::int64_t dts_ms) { return make_frame(frame_kind::audio, dts_ms, {0xaf, 1, static_cast<std::uint8_t>(dts_ms / 20)}); }

class every_viewer : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::string uri(const running_server& s, const std::string& query = {}) const {
    auto text = s.uri(GetParam(), "live/a");
    if (!query.empty()) text += (text.find('?') == std::string::npos ? "?" : "&") + query;
    return text;
  }
};
INSTANTIATE_TEST_SUITE_P(transports, every_viewer, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

const media::frame* first_video(const peer& player) {
  for (const auto& f : player.what().frames) {
    if (f.kind == frame_kind::video && !media::inspect_video(f.payload).config) return &f;
  }
  return nullptr;
}

TEST_P(every_viewer, L1_T12_a_late_player_starts_near_the_live_edge_unless_it_wants_the_original_times) {
  running_server s;
  peer publisher(s.io, client_role::publish, uri(s));
  publisher.groups = false;  // seconds of sound at once would overtake the pictures
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  publisher.send(make_frame(frame_kind::video, 0, {0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0}));
  constexpr std::int64_t live = 2'520;
  for (std::int64_t ms = 0; ms <= live; ms += 40) {
    publisher.send(video(ms == 0, ms, 80, 4'000));
    publisher.send(sound(ms));
  }
  const auto stream = [&s] { return s.instance->stream("live/a").value(); };
  ASSERT_TRUE(run_until(s.io, [&] { return stream().frames >= 129; }));
  peer near(s.io, client_role::play, uri(s)), wished(s.io, client_role::play, uri(s, "delay=1000")),
      original(s.io, client_role::play, uri(s, "catch_up=no"));
  const auto has_live = [](const peer& p) {
    bool sound = false, picture = false;  // over RoQR each has a stream of its own, so either may come last
    for (const auto& f : p.what().frames) {
      if (f.dts_ms >= live) (f.kind == frame_kind::audio ? sound : picture) = true;
    }
    return sound && picture;
  };
  ASSERT_TRUE(run_until(s.io, [&] { return has_live(near) && has_live(wished) && has_live(original); }));

  for (const auto* player : {&near, &wished, &original}) {
    ASSERT_NE(first_video(*player), nullptr);
    EXPECT_TRUE(media::inspect_video(first_video(*player)->payload).key);
  }
  EXPECT_EQ(first_video(near)->dts_ms, live - 200);
  EXPECT_EQ(first_video(wished)->dts_ms, live - 1'000);
  EXPECT_EQ(first_video(original)->dts_ms, 0);

  std::int64_t decoded = -1, shown = -1;
  int pictures = 0;
  for (const auto& f : near.what().frames) {
    EXPECT_GE(f.dts_ms, live - 200);
    const auto info = media::inspect_video(f.payload);
    if (f.kind != frame_kind::video || info.config) continue;
    EXPECT_GT(f.dts_ms, decoded);
    EXPECT_GT(f.dts_ms + info.composition_ms, shown);
    decoded = f.dts_ms;
    shown = f.dts_ms + info.composition_ms;
    ASSERT_EQ(f.payload.size(), 4'000u);
    EXPECT_EQ(f.payload.view()[5], pictures) << "the rest of the payload is what was published";
    EXPECT_EQ(f.payload.view()[3'999], pictures++);
  }
  EXPECT_EQ(pictures, 64);
  EXPECT_EQ(shown, live + 80) << "the live edge has its own times";
}

TEST_P(every_viewer, L2_fifty_players_that_join_at_once_amid_a_long_gop_all_start_on_its_key_frame) {
  using clock = std::chrono::steady_clock;
  running_server s;
  peer publisher(s.io, client_role::publish, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  publisher.send(make_frame(frame_kind::video, 0, {0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0}));
  for (std::int64_t ms = 0; ms < 2'000; ms += 40) publisher.send(video(ms == 0, ms, 0, 4'000));
  const auto stream = [&s] { return s.instance->stream("live/a"); };
  ASSERT_TRUE(run_until(s.io, [&] { return stream() && stream()->frames == 51; }));
  std::vector<std::unique_ptr<peer>> players;
  for (int i = 0; i < 50; ++i) players.push_back(std::make_unique<peer>(s.io, client_role::play, uri(s)));
  std::vector<std::optional<clock::time_point>> accepted(50), begun(50);
  ASSERT_TRUE(run_until(s.io, [&] {
    bool all = true;
    for (std::size_t i = 0; i < players.size(); ++i) {
      if (!accepted[i] && players[i]->what().started) accepted[i] = clock::now();
      if (!begun[i] && first_video(*players[i]) != nullptr) begun[i] = clock::now();
      all = all && begun[i];
    }
    return all;
  }));
  auto slowest = clock::duration::zero();
  for (std::size_t i = 0; i < players.size(); ++i) {
    const auto* first = first_video(*players[i]);
    EXPECT_TRUE(media::inspect_video(first->payload).key) << i;
    EXPECT_EQ(first->payload.view()[5], 0) << i << ": the key frame of this GOP";
    slowest = std::max(slowest, *begun[i] - *accepted[i]);
  }
  // From Play.Start to the first picture; how long that may take is for benchmarks to say.
  RecordProperty("slowest_ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count()));
}

TEST_P(every_viewer, R5_a_player_gets_the_track_it_picks_and_else_track_0) {
  running_server s;
  peer publisher(s.io, client_role::publish, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  // ManyTracks of AV1: a sequence start and a key frame for tracks 0 and 1.
  publisher.send(make_frame(frame_kind::video, 0, {0x96, 0x10, 'a', 'v', '0', '1', 0, 0, 0, 1, 10, 1, 0, 0, 1, 11}));
  publisher.send(make_frame(frame_kind::video, 0, {0x96, 0x11, 'a', 'v', '0', '1', 0, 0, 0, 1, 20, 1, 0, 0, 2, 21, 21}));
  const rtmp::peer_capabilities ordinary;  // announces nothing
  peer plain(s.io, client_role::play, uri(s), ordinary), second(s.io, client_role::play, uri(s, "video_track=1"), ordinary),
      all(s.io, client_role::play, uri(s, "video_track=all"), ordinary);
  const auto payloads = [](const peer& player) {
    std::vector<std::vector<std::uint8_t>> out;
    for (const auto& f : player.what().frames) {
      if (f.kind == frame_kind::video) out.emplace_back(f.payload.view().begin(), f.payload.view().end());
    }
    return out;
  };
  ASSERT_TRUE(run_until(s.io, [&] { return payloads(plain).size() == 2 && payloads(second).size() == 2 && payloads(all).size() == 3; }));
  using bytes = std::vector<std::uint8_t>;
  EXPECT_EQ(payloads(plain), (std::vector<bytes>{{0x90, 'a', 'v', '0', '1', 10}, {0x91, 'a', 'v', '0', '1', 20}}));
  EXPECT_EQ(payloads(second), (std::vector<bytes>{{0x90, 'a', 'v', '0', '1', 11}, {0x91, 'a', 'v', '0', '1', 21, 21}}));
  EXPECT_EQ(payloads(all)[2].size(), 17u) << "as it was published, behind a configuration for each track";
}

TEST_P(every_viewer, L3_a_recording_is_not_waited_for_but_a_running_stream_is_played) {
  running_server s;
  peer early(s.io, client_role::play, uri(s), rtmp::own_capabilities(), 0);
  ASSERT_TRUE(run_until(s.io, [&] { return early.what().rejected.has_value(); }));
  EXPECT_EQ(early.what().rejected->info.code, "NetStream.Play.StreamNotFound");
  EXPECT_FALSE(s.instance->stream("live/a")) << "no stream was made for it";
  peer publisher(s.io, client_role::publish, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  publisher.send(video(true, 0, 0, 100));
  peer late(s.io, client_role::play, uri(s), rtmp::own_capabilities(), 0);
  EXPECT_TRUE(run_until(s.io, [&] { return first_video(late) != nullptr; }));
}

TEST_P(every_viewer, L3_the_wait_for_a_publisher_may_have_an_end) {
  running_server s(true, [](config& c) { c.viewers.publisher_wait = std::chrono::milliseconds(50); });
  peer player(s.io, client_role::play, uri(s));
  const auto refused = [&] {
    return player.what().rejected           ? player.what().rejected->info.code
           : player.what().statuses.empty() ? ""
                                            : player.what().statuses.back().code;
  };
  ASSERT_TRUE(run_until(s.io, [&] { return refused() == "NetStream.Play.StreamNotFound"; })) << refused();
  EXPECT_TRUE(run_until(s.io, [&] { return !s.instance->stream("live/a"); }));
}

// The player stops reading while 60 MB are published, more than any socket buffer or window holds.
TEST_P(every_viewer, L10_a_slow_player_loses_whole_gops_and_is_told) {
  running_server s(true, [](config& c) {
    c.hub.viewer_age = std::chrono::milliseconds(100);
    c.viewers.progress = std::chrono::minutes(10);  // 60 MB take long on a busy machine, and the player stands still for all of it
  });
  peer publisher(s.io, client_role::publish, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  peer player(s.io, client_role::play, uri(s)), quick(s.io, client_role::play, uri(s, "catch_up=no"));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().started.has_value() && quick.what().started.has_value(); }));
  player.transport()->pause_receive(true);
  const auto stream = [&s] { return s.instance->stream("live/a").value(); };
  int count = 0;
  const auto publish = [&] {
    publisher.send(video(count % 10 == 0, count * 40, 0, 100'000));
    ++count;
    return run_until(s.io, [&] { return stream().frames >= static_cast<std::uint64_t>(count); });
  };
  while (count < 600) ASSERT_TRUE(publish());
  // On a busy machine the quick one may be late too; who has missed pictures goes on at the next key frame, so that one has to come.
  const auto at_the_end = [&](const peer& who) { return !who.what().frames.empty() && who.what().frames.back().dts_ms >= (count - 10) * 40; };
  const auto goes_on = [&](const peer& who) {
    while (count < 1'200 && !run_until(s.io, [&] { return at_the_end(who); }, std::chrono::seconds(1))) {
      for (int i = 0; i < 10; ++i) {
        if (!publish()) return false;
      }
    }
    return at_the_end(who);
  };
  ASSERT_TRUE(goes_on(quick));
  EXPECT_TRUE(player.what().frames.size() < quick.what().frames.size()) << "one slow player is nobody else's concern";
  player.transport()->pause_receive(false);
  ASSERT_TRUE(goes_on(player));

  EXPECT_LT(player.what().frames.size(), static_cast<std::size_t>(count));
  for (const auto* who : {&player, &quick}) {
    std::int64_t last = -40;
    for (const auto& f : who->what().frames) {
      ASSERT_EQ(f.payload.size(), 100'000u) << "whole messages only";
      EXPECT_TRUE(f.dts_ms == last + 40 || media::inspect_video(f.payload).key) << "a gap that does not end at a key frame";
      last = f.dts_ms;
    }
  }
  const auto notice = [&player] {
    const auto& all = player.what().statuses;
    const auto found = std::find_if(all.begin(), all.end(), [](const rtmp::status& one) { return one.code == "NetStream.Play.InsufficientBW"; });
    return found == all.end() ? nullptr : &*found;
  };
  // It follows the frames of its turn.
  ASSERT_TRUE(run_until(s.io, [&] { return notice() != nullptr; }));
  const auto* const told = notice();
  EXPECT_EQ(told->level, "warning");
  EXPECT_NE(told->description.find(" not sent: "), std::string::npos) << told->description;
}

TEST_P(every_viewer, L10_who_takes_nothing_at_all_is_closed) {
  running_server s(true, [](config& c) { c.viewers.progress = std::chrono::milliseconds(500); });
  peer publisher(s.io, client_role::publish, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  peer player(s.io, client_role::play, uri(s));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().started.has_value(); }));
  player.transport()->pause_receive(true);
  const auto stream = [&s] { return s.instance->stream("live/a").value(); };
  for (int i = 0; i < 600 && stream().viewers > 0; ++i) {
    publisher.send(video(true, i * 40, 0, 100'000));
    ASSERT_TRUE(run_until(s.io, [&] { return stream().frames > static_cast<std::uint64_t>(i); }));
  }
  EXPECT_TRUE(run_until(s.io, [&] { return stream().viewers == 0; }));
  EXPECT_FALSE(publisher.what().closed);
}

}  // namespace
}  // namespace millrace::server
