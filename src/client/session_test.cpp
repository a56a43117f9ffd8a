// push, pull and bridge against a real server over real sockets on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/sessions_fixture.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/control.hpp"

namespace millrace::client {
namespace {
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using test::bridge_to;
using test::pull_of;
using test::push_of;

using sessions = test::sessions_fixture;

TEST_F(sessions, push_delivers_every_frame_bit_for_bit_and_ends_in_order) {
  test::server server(io_, {});
  const auto clip = test::clip(50, 5, 3'600'000);
  const auto file = write_file("a.flv", test::flv_of(clip));
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(file, url(server.port(), "/live/show?key=a%20b")), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value()) << outcome->error().text;
  const auto port = std::to_string(server.port());
  EXPECT_THAT(server.log, ElementsAre("connect live rtmp://127.0.0.1:" + port + "/live", "publish live/show?key=a%20b", "unpublish"));
  ASSERT_EQ(server.frames.size(), clip.size());
  for (std::size_t i = 0; i < clip.size(); ++i) {
    EXPECT_EQ(base::as_text(server.frames[i].payload), base::as_text(clip[i].payload)) << i;
    if (clip[i].dts_ms > 0) {
      EXPECT_EQ(server.frames[i].dts_ms, clip[i].dts_ms - clip[3].dts_ms + server.frames[3].dts_ms) << i;
    }
  }
}

TEST_F(sessions, push_plays_in_real_time_and_loops_with_times_that_go_on) {
  test::server server(io_, {});
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(server.port(), "/live/show"));
  o.realtime = true;
  o.input.loop = true;
  std::optional<base::result<void>> outcome;
  const auto begin = std::chrono::steady_clock::now();
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  std::vector<std::int64_t> video;
  server.on_frame = [&](const media::frame& f) {
    if (f.kind == media::frame_kind::video && !f.config) video.push_back(f.dts_ms);
  };
  ASSERT_TRUE(run_until([&] { return video.size() >= 16; }));
  const auto took = std::chrono::steady_clock::now() - begin;
  // A pass is as long as its longest track, and the sound ends 5 ms behind the picture.
  for (std::size_t i = 1; i < video.size(); ++i) EXPECT_EQ(video[i] - video[i - 1], i % 5 == 0 ? 45 : 40) << i;
  EXPECT_GE(took, milliseconds(590)) << "15 intervals of 40 ms";
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
  EXPECT_THAT(server.log, testing::Contains("unpublish"));
}

TEST_F(sessions, push_reports_a_missing_file_and_bad_media_without_touching_the_server) {
  test::server server(io_, {});
  for (const auto& path : {(directory_ / "none.mp4").string(), write_file("text.mp4", "this is no media"), write_file("empty.flv", ""),
                           write_file("only-header.flv", test::flv_of({})), directory_.string()}) {
    std::optional<base::result<void>> outcome;
    push p(io_, push_of(path, url(server.port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
    p.start();
    ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
    ASSERT_FALSE(outcome->has_value()) << path;
    EXPECT_EQ(outcome->error().kind, base::error_kind::input) << path;
    EXPECT_THAT(outcome->error().text, HasSubstr(path));
  }
  EXPECT_TRUE(server.log.empty());
}

TEST_F(sessions, P16_push_stops_when_denied_with_the_servers_words) {
  test::server server(io_, {.refuse_publish = rtmp::status{"error", "NetStream.Publish.Denied", "the key is wrong"}, .refuse_play = {}, .for_players = {}});
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(server.port(), "/live/show"));
  o.keep_trying = true;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }, milliseconds(900))) << "denied is not retried";
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, base::error_kind::denied);
  EXPECT_THAT(outcome->error().text, HasSubstr("the key is wrong"));
}

TEST_F(sessions, push_fails_at_once_when_nobody_listens) {
  std::uint16_t port = 0;
  {
    test::server gone(io_, {});
    port = gone.port();
  }
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(port, "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, base::error_kind::unreachable) << outcome->error().text;
}

TEST_F(sessions, push_comes_back_after_the_server_was_killed_with_configuration_and_a_key_frame) {
  auto server = std::make_unique<test::server>(io_, test::server::settings{});
  const auto port = server->port();
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(100))), url(port, "/live/show"));
  o.realtime = true;
  o.input.loop = true;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server->frames.size() > 12; }));
  const auto last = server->frames.back().dts_ms;
  server->kill();
  server = std::make_unique<test::server>(io_, test::server::settings{.refuse_publish = {}, .refuse_play = {}, .for_players = {}, .port = port});
  ASSERT_TRUE(run_until([&] { return server->frames.size() > 12; }));
  const auto& f = server->frames;
  EXPECT_EQ(f[0].kind, media::frame_kind::data);
  EXPECT_TRUE(f[1].config && f[1].kind == media::frame_kind::video);
  EXPECT_TRUE(f[2].config && f[2].kind == media::frame_kind::audio);
  EXPECT_TRUE(f[3].key);
  EXPECT_GE(f[3].dts_ms, last) << "times go on";
  EXPECT_LE(f[3].dts_ms, last + 5 * 40 + 40) << "and a file waits: at most one group of pictures is skipped";
  EXPECT_EQ(p.report().reconnects, 1U);
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
}

TEST_F(sessions, push_leaves_a_server_that_takes_nothing_and_comes_back) {
  test::server server(io_, {});
  auto frames = std::vector<media::frame>{test::metadata(), test::video_config()};
  for (int i = 0; i < 200; ++i) frames.push_back(test::video(i * 40, i % 5 == 0, 400'000));  // 80 Mb/s
  auto o = push_of(write_file("a.flv", test::flv_of(frames)), url(server.port(), "/live/show"));
  o.realtime = true;
  o.input.loop = true;
  o.link.limits.send_stall = milliseconds(300);
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 3; }));
  server.pause_reading(true);
  ASSERT_TRUE(run_until([&] { return p.report().state == link_state::waiting_to_retry; }));
  EXPECT_EQ(p.report().last_error, "the server takes no data");
  server.pause_reading(false);
  ASSERT_TRUE(run_until([&] { return p.report().reconnects == 1; }));
  const auto before = server.frames.size();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > before + 20; }));
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
}

TEST_F(sessions, a_server_that_pings_and_does_not_read_takes_no_memory_and_ends_no_push) {
  test::server server(io_, {});
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(2000))), url(server.port(), "/live/show"));
  o.realtime = true;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 3; }));
  server.pause_reading(true);
  // Replies to these fill every buffer of the kernel's many times.
  const auto ping = rtmp::encode_chunks(rtmp::make_user_control(rtmp::user_event::ping_request, 1), 128).flatten();
  std::vector<std::uint8_t> pings;
  for (int i = 0; i < 50'000; ++i) pings.insert(pings.end(), ping.begin(), ping.end());
  std::uint64_t most = 0;
  std::size_t bursts = 0;
  const auto flood = [&] {
    server.each([&](test::server::peer& peer) {
      if (peer.writing) return;
      peer.pending.append(base::send_chain(base::slice(pings)));
      ++bursts;
    });
    most = std::max(most, p.report().queue_bytes);
    return outcome.has_value() || bursts > 40;
  };
  EXPECT_FALSE(run_until(flood, milliseconds(3000))) << "the server is not read from for ever";
  EXPECT_LT(most, 1U << 20);
  EXPECT_FALSE(outcome.has_value());
  server.pause_reading(false);
  const auto before = server.frames.size();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > before + 20; })) << "and all goes on once it reads";
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

// The file is over and what is left is under way; who stops it then still wants it there.
TEST_F(sessions, push_that_is_stopped_in_its_end_still_delivers_it) {
  test::server server(io_, {});
  auto frames = std::vector<media::frame>{test::metadata(), test::video_config(), test::video(0, true, 1000)};
  frames.push_back(test::video(40, true, 12'000'000));  // far more than the kernel takes of what nobody reads
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(write_file("a.flv", test::flv_of(frames)), url(server.port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  server.on_frame = [&](const media::frame& f) {
    if (!f.config && f.kind == media::frame_kind::video) server.pause_reading(true);
  };
  p.start();
  ASSERT_TRUE(run_until([&] { return p.report().state == link_state::ending; }));
  p.stop();
  EXPECT_FALSE(outcome.has_value());
  server.on_frame = nullptr;
  server.pause_reading(false);
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
  // Done is who has handed the last byte to the kernel; the peer reads it a moment later.
  ASSERT_TRUE(run_until([&] { return !server.frames.empty() && server.frames.back().dts_ms == 40; }));
  EXPECT_EQ(server.frames.back().payload.size(), 12'000'000U);
}

TEST_F(sessions, push_drops_to_a_key_frame_when_the_network_stands_still) {
  test::server server(io_, {});
  auto frames = std::vector<media::frame>{test::metadata(), test::video_config()};
  for (int i = 0; i < 200; ++i) frames.push_back(test::video(i * 40, i % 5 == 0, 400'000));  // 80 Mb/s
  auto o = push_of(write_file("a.flv", test::flv_of(frames)), url(server.port(), "/live/show"));
  o.realtime = true;
  o.queue.age_max = milliseconds(500);
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 3; }));
  server.pause_reading(true);
  ASSERT_TRUE(run_until([&] { return p.report().frames_dropped > 10; }));
  EXPECT_LT(p.report().queue_bytes, 40U << 20);
  server.pause_reading(false);
  const auto before = server.frames.size();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > before + 60; }));
  // Decodable throughout: whatever follows a gap is a key frame.
  std::int64_t last = -40;
  bool gap = false;
  for (const auto& f : server.frames) {
    if (f.config || f.kind != media::frame_kind::video) continue;
    if (f.dts_ms != last + 40) {
      EXPECT_TRUE(f.key) << f.dts_ms;
      gap = true;
    }
    last = f.dts_ms;
  }
  EXPECT_TRUE(gap);
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

TEST_F(sessions, pull_writes_what_the_server_sends_and_ends_with_the_publisher) {
  const auto clip = test::clip(20);
  test::server server(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = clip});
  const auto path = (directory_ / "out.flv").string();
  std::optional<base::result<void>> outcome;
  pull p(io_, pull_of(path, url(server.port(), "/live/show?x=1")), [&](base::result<void> r) { outcome = std::move(r); });
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= clip.size(); }));
  server.each([&](test::server::peer& peer) { peer.session.notify_unpublish(server.play_msid); });
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value()) << outcome->error().text;
  EXPECT_EQ(server.log.at(1), "play live/show?x=1");
  const auto flv = read_file(path);
  EXPECT_EQ(flv.substr(0, 5), std::string("FLV\x01\x05", 5)) << "audio and video are announced";
  const auto got = frames_of(flv);
  ASSERT_EQ(got.size(), clip.size());
  for (std::size_t i = 0; i < clip.size(); ++i) EXPECT_EQ(base::as_text(got[i].payload), base::as_text(clip[i].payload)) << i;
}

TEST_F(sessions, pull_comes_back_after_a_kill_and_the_files_times_stay_monotonic) {
  auto server = std::make_unique<test::server>(io_, test::server::settings{.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(20, 5, 900'000)});
  const auto port = server->port();
  const auto path = (directory_ / "out.flv").string();
  std::optional<base::result<void>> outcome;
  pull p(io_, pull_of(path, url(port, "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  ASSERT_TRUE(p.start().has_value());
  const auto one = test::clip(20).size();
  ASSERT_TRUE(run_until([&] { return p.report().frames >= one; }));
  server->kill();
  server = std::make_unique<test::server>(io_, test::server::settings{.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(20, 5, 7), .port = port});
  ASSERT_TRUE(run_until([&] { return p.report().frames >= 2 * one; }));
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value()) << "stopped by the person: a normal end";
  std::int64_t last[2] = {0, 0};
  for (const auto& f : frames_of(read_file(path))) {
    if (f.kind == media::frame_kind::data) continue;
    auto& before = last[f.kind == media::frame_kind::audio ? 0 : 1];
    EXPECT_GE(f.dts_ms, before);
    before = f.dts_ms;
  }
  EXPECT_GT(last[1], 1500);
  EXPECT_LT(last[1], 1800) << "no hole for the time away, no jump by the server's clock";
}

TEST_F(sessions, pull_reports_no_such_stream) {
  test::server server(io_, {.refuse_publish = {}, .refuse_play = rtmp::status{"error", "NetStream.Play.StreamNotFound", "no stream live/show"}, .for_players = {}});
  std::optional<base::result<void>> outcome;
  pull p(io_, pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, base::error_kind::not_found) << outcome->error().text;
}

TEST_F(sessions, pull_shows_that_it_waits_until_media_comes) {
  test::server server(io_, {});
  std::optional<base::result<void>> outcome;
  pull p(io_, pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  ASSERT_TRUE(p.start().has_value());
  EXPECT_EQ(p.report().state, link_state::connecting);
  ASSERT_TRUE(run_until([&] { return p.report().state != link_state::connecting; }));
  EXPECT_EQ(p.report().state, link_state::waiting_for_media);
  server.each([&](test::server::peer& peer) {
    for (const auto& f : test::clip(5)) peer.session.send(std::chrono::steady_clock::now(), server.play_msid, f, nullptr);
  });
  ASSERT_TRUE(run_until([&] { return p.report().state == link_state::live; }));
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

TEST_F(sessions, a_file_of_somebody_elses_is_neither_written_over_nor_removed) {
  test::server server(io_, {});
  const auto notes = write_file("notes.txt", "my notes\n");
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(server.port(), "/live/show"));
  o.resume_file = notes;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
  EXPECT_EQ(read_file(notes), "my notes\n");
}

TEST_F(sessions, pull_cannot_write_there) {
  pull p(io_, pull_of((directory_ / "none" / "out.flv").string(), url(1, "/live/show")), [](base::result<void>) {});
  const auto started = p.start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().kind, base::error_kind::local);
}

TEST_F(sessions, bridge_passes_a_publication_through_bit_for_bit) {
  test::server server(io_, {});
  const auto b = bridge_to(io_, server.port());
  const auto clip = test::clip(50);
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(write_file("a.flv", test::flv_of(clip)), url(b->port(), "/live/show?key=1")), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  bool unpublished = false;
  server.on_unpublish = [&] { unpublished = true; };
  ASSERT_TRUE(run_until([&] { return outcome.has_value() && unpublished; }));
  EXPECT_TRUE(outcome->has_value()) << outcome->error().text;
  EXPECT_THAT(server.log, ElementsAre(HasSubstr("connect live"), "publish live/show?key=1", "unpublish"));
  ASSERT_EQ(server.frames.size(), clip.size());
  for (std::size_t i = 0; i < clip.size(); ++i) {
    EXPECT_EQ(base::as_text(server.frames[i].payload), base::as_text(clip[i].payload)) << i;
    EXPECT_EQ(server.frames[i].dts_ms, clip[i].dts_ms) << i;
  }
  ASSERT_TRUE(run_until([&] { return b->report().empty(); })) << "nothing is left behind";
}

TEST_F(sessions, bridge_passes_a_play_through) {
  const auto clip = test::clip(20);
  test::server server(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = clip});
  const auto b = bridge_to(io_, server.port(), "/live/fixed");
  const auto path = (directory_ / "out.flv").string();
  std::optional<base::result<void>> outcome;
  pull p(io_, pull_of(path, url(b->port(), "/any/name")), [&](base::result<void> r) { outcome = std::move(r); });
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= clip.size(); }));
  server.each([&](test::server::peer& peer) { peer.session.notify_unpublish(server.play_msid); });
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); })) << "the publisher's end reaches the local player";
  EXPECT_EQ(server.log.at(1), "play live/fixed");
  EXPECT_EQ(frames_of(read_file(path)).size(), clip.size());
}

TEST_F(sessions, bridge_hands_the_remote_refusal_to_the_encoder) {
  test::server server(io_, {.refuse_publish = rtmp::status{"error", "NetStream.Publish.BadName", "live/show is being published already"}, .refuse_play = {}, .for_players = {}});
  const auto b = bridge_to(io_, server.port());
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(b->port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, base::error_kind::busy);
  EXPECT_THAT(outcome->error().text, HasSubstr("being published already"));
}

TEST_F(sessions, bridge_says_so_when_the_remote_cannot_be_reached) {
  std::uint16_t port = 0;
  {
    test::server gone(io_, {});
    port = gone.port();
  }
  const auto b = bridge_to(io_, port);
  std::optional<base::result<void>> outcome;
  push p(io_, push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(b->port(), "/live/show")), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_FALSE(outcome->has_value());
}

TEST_F(sessions, bridge_keeps_the_encoder_while_the_remote_restarts) {
  auto server = std::make_unique<test::server>(io_, test::server::settings{});
  const auto port = server->port();
  const auto b = bridge_to(io_, port);
  auto o = push_of(write_file("a.flv", test::flv_of(test::clip(500))), url(b->port(), "/live/show"));
  o.realtime = true;
  o.reconnect = false;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server->frames.size() > 12; }));
  server->kill();
  server = std::make_unique<test::server>(io_, test::server::settings{.refuse_publish = {}, .refuse_play = {}, .for_players = {}, .port = port});
  ASSERT_TRUE(run_until([&] { return server->frames.size() > 12; }));
  EXPECT_FALSE(outcome.has_value()) << "the encoder noticed nothing";
  const auto& f = server->frames;
  EXPECT_EQ(f[0].kind, media::frame_kind::data);
  EXPECT_TRUE(f[1].config && f[2].config);
  const auto first_video = std::find_if(f.begin() + 3, f.end(), [](const media::frame& x) { return x.kind == media::frame_kind::video; });
  ASSERT_NE(first_video, f.end());
  EXPECT_TRUE(first_video->key);
  const auto reports = b->report();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].reconnects, 1U);
  EXPECT_GT(reports[0].frames_dropped, 0U);
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

TEST_F(sessions, bridge_holds_the_encoder_back_when_the_network_stands_still) {
  test::server server(io_, {});
  const auto b = bridge_to(io_, server.port());
  auto frames = std::vector<media::frame>{test::metadata(), test::video_config()};
  for (int i = 0; i < 400; ++i) frames.push_back(test::video(i * 40, i % 5 == 0, 200'000));
  auto o = push_of(write_file("a.flv", test::flv_of(frames)), url(b->port(), "/live/show"));
  o.realtime = true;
  o.queue.age_max = std::chrono::seconds(60);  // an encoder that drops nothing
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 3; }));
  server.pause_reading(true);
  ASSERT_TRUE(run_until([&] {
    const auto reports = b->report();
    return !reports.empty() && reports[0].pushing_back;
  }));
  ASSERT_TRUE(run_until([&] { return p.report().queue_age > milliseconds(300); })) << "the encoder sees the congestion in its own queue";
  server.pause_reading(false);
  ASSERT_TRUE(run_until([&] {
    const auto reports = b->report();
    return !reports.empty() && !reports[0].pushing_back;
  })) << "and it ends";
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

TEST_F(sessions, bridge_takes_no_encoder_for_dead_that_it_holds_back_itself) {
  test::server server(io_, {});
  base::rtmp_limits short_of_patience;
  short_of_patience.ping_after = milliseconds(100);
  short_of_patience.publisher_silence = milliseconds(300);
  const auto b = bridge_to(io_, server.port(), "", short_of_patience);
  auto frames = std::vector<media::frame>{test::metadata(), test::video_config()};
  for (int i = 0; i < 400; ++i) frames.push_back(test::video(i * 40, i % 5 == 0, 200'000));
  auto o = push_of(write_file("a.flv", test::flv_of(frames)), url(b->port(), "/live/show"));
  o.realtime = true;
  o.reconnect = false;
  std::optional<base::result<void>> outcome;
  push p(io_, std::move(o), [&](base::result<void> r) { outcome = std::move(r); });
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 3; }));
  server.pause_reading(true);
  ASSERT_TRUE(run_until([&] {
    const auto reports = b->report();
    return !reports.empty() && reports[0].pushing_back;
  }));
  EXPECT_FALSE(run_until([&] { return outcome.has_value(); }, milliseconds(1500))) << outcome->error().text;
  server.pause_reading(false);
  const auto before = server.frames.size();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > before + 20; }));
  EXPECT_FALSE(outcome.has_value()) << "nor when it reads again";
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
}

TEST_F(sessions, bridge_serves_several_encoders_at_once) {
  test::server server(io_, {});
  const auto b = bridge_to(io_, server.port());
  const auto file = write_file("a.flv", test::flv_of(test::clip(20)));
  int done = 0;
  std::vector<std::unique_ptr<push>> encoders;
  for (int i = 0; i < 3; ++i) {
    encoders.push_back(std::make_unique<push>(io_, push_of(file, url(b->port(), "/live/s" + std::to_string(i))), [&](base::result<void> r) {
      EXPECT_TRUE(r.has_value());
      ++done;
    }));
    encoders.back()->start();
  }
  ASSERT_TRUE(run_until([&] { return done == 3 && std::count(server.log.begin(), server.log.end(), "unpublish") == 3; }));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(server.log, testing::Contains("publish live/s" + std::to_string(i)));
  EXPECT_EQ(server.frames.size(), 3 * test::clip(20).size());
  bool stopped = false;
  b->stop([&] { stopped = true; });
  ASSERT_TRUE(run_until([&] { return stopped; }));
}

}  // namespace
}  // namespace millrace::client
