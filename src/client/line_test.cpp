// What a line does with the server's wishes: Reconnect Request (Q4, Q6), redirect (N7), user and password (N10), refusals (P16).
#include "client/line.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <optional>

#include "base/base64.hpp"
#include "base/log.hpp"
#include "client/sessions_fixture.hpp"
#include "net/listener.hpp"
#include "net/md5.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::client {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;

struct lines : test::sessions_fixture {
  static std::string tc_url(std::uint16_t port) { return "rtmp://127.0.0.1:" + std::to_string(port) + "/live"; }
  static std::vector<std::int64_t> video_times(const std::vector<media::frame>& frames) {
    std::vector<std::int64_t> out;
    for (const auto& f : frames) {
      if (f.kind == media::frame_kind::video && !f.config) out.push_back(f.dts_ms);
    }
    return out;
  }
  static void expect_begins_like_a_session(const std::vector<media::frame>& f) {
    ASSERT_GE(f.size(), 4U);
    EXPECT_EQ(f[0].kind, media::frame_kind::data);
    EXPECT_TRUE(f[1].config && f[2].config);
    EXPECT_TRUE(f[3].key);
  }
  push_options looping(std::uint16_t port) {
    auto o = test::push_of(write_file("a.flv", test::flv_of(test::clip(1000))), url(port, "/live/show"));
    o.realtime = true;
    return o;
  }
  std::optional<base::result<void>> outcome;
  std::function<void(base::result<void>)> note = [this](base::result<void> r) { outcome = std::move(r); };
};

TEST_F(lines, Q4_push_opens_the_new_link_first_and_moves_at_a_key_frame_without_losing_a_frame) {
  test::server old(io_, {}), fresh(io_, {});
  push p(io_, looping(old.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return old.frames.size() > 12; }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return fresh.frames.size() > 20; }));
  expect_begins_like_a_session(fresh.frames);
  auto all = video_times(old.frames);
  const auto behind = video_times(fresh.frames);
  all.insert(all.end(), behind.begin(), behind.end());
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i], all[i - 1] + 40) << i;
  EXPECT_THAT(old.log, Contains("unpublish"));
  EXPECT_EQ(p.report().reconnects, 0U) << "nothing was lost";
  EXPECT_EQ(p.report().frames_dropped, 0U);
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value());
}

TEST_F(lines, Q4_without_a_target_the_same_server_is_meant) {
  test::server server(io_, {});
  push p(io_, looping(server.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 12; }));
  server.request_reconnect("");
  ASSERT_TRUE(
      run_until([&] { return std::count(server.log.begin(), server.log.end(), "publish live/show") == 2 && server.frames.size() > 40; }));
  EXPECT_THAT(server.log, Contains("unpublish"));
}

TEST_F(lines, Q6_a_request_that_comes_before_publish_is_remembered) {
  test::server old(io_, {}), fresh(io_, {});
  old.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    peer.session.request_reconnect(tc_url(fresh.port()), "early");
    peer.session.accept_connect();
    return true;
  };
  push p(io_, looping(old.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return fresh.frames.size() > 12; }));
  expect_begins_like_a_session(fresh.frames);
}

TEST_F(lines, Q4_a_target_that_is_not_there_leaves_the_old_link_in_use) {
  std::uint16_t nobody = 0;
  {
    test::server gone(io_, {});
    nobody = gone.port();
  }
  test::server old(io_, {});
  push p(io_, looping(old.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return old.frames.size() > 12; }));
  old.request_reconnect(tc_url(nobody));
  const auto before = old.frames.size();
  ASSERT_TRUE(run_until([&] { return old.frames.size() > before + 30; }));
  EXPECT_EQ(p.report().state, link_state::live);
  test::server late(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = {}, .port = nobody});
  ASSERT_TRUE(run_until([&] { return late.frames.size() > 12; })) << "it is tried again";
}

TEST_F(lines, Q4_a_server_that_lets_nobody_publish_twice_gets_the_end_first) {
  test::server old(io_, {});
  test::server fresh(io_, {.refuse_publish = rtmp::status{"error", "NetStream.Publish.BadName", "live/show is being published already"},
                           .refuse_play = {},
                           .for_players = {}});
  old.on_unpublish = [&] { fresh.refuse_publish(std::nullopt); };
  push p(io_, looping(old.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return old.frames.size() > 12; }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return fresh.frames.size() > 12; }));
  expect_begins_like_a_session(fresh.frames);
  EXPECT_THAT(old.log, Contains("unpublish"));
}

TEST_F(lines, Q5_a_server_that_asks_in_a_circle_is_followed_four_times) {
  test::server server(io_, {});
  push p(io_, looping(server.port()), note);
  std::size_t publishes = 0;
  server.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    peer.session.request_reconnect("", "round and round");
    peer.session.accept_connect();
    ++publishes;
    return true;
  };
  p.start();
  ASSERT_TRUE(run_until([&] { return publishes == 5; }));
  const auto before = server.frames.size();
  ASSERT_TRUE(run_until([&] { return server.frames.size() > before + 60; }));
  EXPECT_EQ(publishes, 5U);
}

TEST_F(lines, Q4_pull_goes_on_frame_by_frame_where_both_servers_have_the_same_stream) {
  const auto clip = test::clip(20);
  auto begun = clip;
  begun.resize(3 + 2 * 17);
  test::server old(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = begun});
  // A player that comes now gets the newest group of pictures.
  std::vector<media::frame> late(clip.begin(), clip.begin() + 3);
  late.insert(late.end(), clip.begin() + 3 + 2 * 15, clip.end());
  test::server fresh(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = late});
  const auto path = (directory_ / "out.flv").string();
  pull p(io_, test::pull_of(path, url(old.port(), "/live/show")), note);
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= begun.size(); }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return p.report().frames >= clip.size(); }));
  EXPECT_TRUE(run_until([&] { return std::find(old.log.begin(), old.log.end(), "stop") != old.log.end(); }));
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  const auto got = frames_of(read_file(path));
  ASSERT_EQ(got.size(), clip.size());
  for (std::size_t i = 0; i < clip.size(); ++i) {
    EXPECT_EQ(base::as_text(got[i].payload), base::as_text(clip[i].payload)) << i;
    if (!clip[i].config) {
      EXPECT_EQ(got[i].dts_ms, clip[i].dts_ms) << i;
    }
  }
}

TEST_F(lines, Q4_pull_moves_to_another_timeline_at_its_key_frame) {
  test::server old(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(17)});
  test::server fresh(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(10, 5, 900'000)});
  const auto path = (directory_ / "out.flv").string();
  pull p(io_, test::pull_of(path, url(old.port(), "/live/show")), note);
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(17).size(); }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(17).size() + test::clip(10).size(); }));
  EXPECT_EQ(p.report().reconnects, 0U);
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  const auto times = video_times(frames_of(read_file(path)));
  ASSERT_EQ(times.size(), 27U);
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GT(times[i], times[i - 1]);
    EXPECT_LE(times[i], times[i - 1] + 80) << "no hole";
  }
}

TEST_F(lines, Q4_the_end_of_the_old_stream_is_no_end_while_the_player_moves) {
  test::server old(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(10)});
  test::server fresh(io_, {});
  const auto path = (directory_ / "out.flv").string();
  pull p(io_, test::pull_of(path, url(old.port(), "/live/show")), note);
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(10).size(); }));
  old.request_reconnect(tc_url(fresh.port()));
  old.each([&](test::server::peer& peer) { peer.session.notify_unpublish(old.play_msid); });
  ASSERT_TRUE(run_until([&] { return fresh.play_msid != 0; }));
  fresh.each([&](test::server::peer& peer) {
    for (const auto& f : test::clip(10)) peer.session.send(std::chrono::steady_clock::now(), fresh.play_msid, f, nullptr);
  });
  ASSERT_TRUE(run_until([&] { return p.report().frames >= 12 * 2 + test::clip(10).size() - 4; }));
  EXPECT_FALSE(outcome.has_value());
}

// What the new connection has said about the stream is said once.
TEST_F(lines, Q4_a_player_whose_old_connection_is_lost_before_the_key_frame_has_the_configuration_of_the_new_one) {
  const auto other = test::frame_of(media::frame_kind::video, 0, test::with_tail({0x17, 0, 0, 0, 0}, 99, 60));
  test::server old(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(10)});
  test::server fresh(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = {test::metadata(), other}});
  const auto path = (directory_ / "out.flv").string();
  pull p(io_, test::pull_of(path, url(old.port(), "/live/show")), note);
  ASSERT_TRUE(p.start().has_value());
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(10).size(); }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return fresh.play_msid != 0; }));
  for (int i = 0; i < 1000; ++i) io_.poll();  // what is on loopback arrives
  old.kill();
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(10).size() + 2; }));
  fresh.each([&](test::server::peer& peer) {
    peer.session.send(std::chrono::steady_clock::now(), fresh.play_msid, test::video(0, true), nullptr);
  });
  ASSERT_TRUE(run_until([&] { return p.report().frames >= test::clip(10).size() + 3; }));
  p.stop();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  const auto got = frames_of(read_file(path));
  EXPECT_TRUE(std::any_of(got.begin(), got.end(), [&](const auto& f) { return f.config && base::as_text(f.payload) == base::as_text(other.payload); }));
}

TEST_F(lines, Q4_bridge_moves_and_the_encoder_notices_nothing) {
  test::server old(io_, {}), fresh(io_, {});
  const auto b = test::bridge_to(io_, old.port());
  auto o = looping(b->port());
  o.reconnect = false;
  push p(io_, std::move(o), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return old.frames.size() > 12; }));
  old.request_reconnect(tc_url(fresh.port()));
  ASSERT_TRUE(run_until([&] { return fresh.frames.size() > 12; }));
  expect_begins_like_a_session(fresh.frames);
  auto all = video_times(old.frames);
  const auto behind = video_times(fresh.frames);
  all.insert(all.end(), behind.begin(), behind.end());
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i], all[i - 1] + 40) << i;
  EXPECT_FALSE(outcome.has_value());
}

TEST_F(lines, N7_push_and_pull_follow_a_redirect) {
  test::server first(io_, {});
  test::server second(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(10)});
  first.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    peer.session.reject_connect({"error", "NetConnection.Connect.Rejected", "moved"}, tc_url(second.port()) + "/sub?vhost=v");
    return true;
  };
  push p(io_, test::push_of(write_file("a.flv", test::flv_of(test::clip(10))), url(first.port(), "/live/show?key=1")), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value()) << outcome->error().text;
  EXPECT_THAT(second.log, Contains("publish live/sub/show?key=1"));
  EXPECT_THAT(second.log, Contains(HasSubstr("connect live/sub?vhost=v")));
  pull q(io_, test::pull_of((directory_ / "out.flv").string(), url(first.port(), "/live/show")), note);
  ASSERT_TRUE(q.start().has_value());
  EXPECT_TRUE(run_until([&] { return q.report().frames >= test::clip(10).size(); }));
}

TEST_F(lines, N7_redirects_in_a_circle_end_after_four) {
  test::server server(io_, {});
  int connects = 0;
  server.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    ++connects;
    peer.session.reject_connect({"error", "NetConnection.Connect.Rejected", "moved"}, tc_url(server.port()));
    return true;
  };
  push p(io_, looping(server.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(connects, 5);
  EXPECT_THAT(outcome->error().text, HasSubstr("more than 4 redirects"));
}

// What was logged while this lives.
struct log_lines {
  log_lines() {
    all.clear();
    base::log::set_sink([](base::log::level, std::string_view text) { all.emplace_back(text); }, base::log::level::debug);
  }
  ~log_lines() { base::log::set_sink(nullptr, base::log::level::error); }
  static std::string text() {
    std::string out;
    for (const auto& line : all) out += line + '\n';
    return out;
  }
  static inline std::vector<std::string> all;
};

TEST_F(lines, a_redirects_key_is_neither_logged_nor_kept_as_an_error) {
  const log_lines log;
  test::server first(io_, {}), second(io_, {});
  first.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    peer.session.reject_connect({"error", "NetConnection.Connect.Rejected", "moved"},
                                tc_url(second.port()) + "/SECRETKEY?token=SECRETTOKEN");
    return true;
  };
  push p(io_, looping(first.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return second.frames.size() > 5; }));
  EXPECT_THAT(second.log, Contains(HasSubstr("SECRETTOKEN"))) << "it was followed";
  EXPECT_EQ(p.report().last_error, "") << "and is no failure";
  second.request_reconnect(tc_url(first.port()) + "/SECRETKEY?token=SECRETTOKEN");
  ASSERT_TRUE(run_until([&] { return log_lines::text().find("asks to reconnect") != std::string::npos; }));
  EXPECT_THAT(log_lines::text(), HasSubstr("asks to reconnect to rtmp://127.0.0.1:" + std::to_string(first.port()) + "/live/***"));
  EXPECT_THAT(log_lines::text(), HasSubstr("redirected to rtmp://127.0.0.1:" + std::to_string(second.port()) + "/live/***"));
  EXPECT_THAT(log_lines::text(), testing::Not(HasSubstr("SECRET")));
}

TEST_F(lines, a_circle_of_redirects_is_told_without_its_key) {
  const log_lines log;
  test::server server(io_, {});
  server.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    peer.session.reject_connect({"error", "NetConnection.Connect.Rejected", "moved"},
                                tc_url(server.port()) + "/SECRETKEY?token=SECRETTOKEN");
    return true;
  };
  push p(io_, looping(server.port()), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_THAT(outcome->error().text,
              testing::AllOf(HasSubstr("more than 4 redirects"), HasSubstr("/live/***"), testing::Not(HasSubstr("SECRET"))));
  EXPECT_THAT(p.report().last_error, testing::Not(HasSubstr("SECRET")));
  EXPECT_THAT(log_lines::text(), testing::Not(HasSubstr("SECRET")));
}

TEST_F(lines, a_server_that_says_the_streams_name_does_not_get_it_logged) {
  const log_lines log;
  test::server server(
      io_, {.refuse_publish = rtmp::status{"error", "NetStream.Publish.BadName", "SECRETNAME?key=SECRETKEY is published already"},
            .refuse_play = {},
            .for_players = test::clip(5)});
  pull q(io_, test::pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/SECRETNAME?key=SECRETKEY")), note);
  ASSERT_TRUE(q.start().has_value());
  ASSERT_TRUE(run_until([&] { return q.report().frames > 5; }));
  server.each([&](test::server::peer& peer) {
    peer.session.notify_play(server.play_msid, {"status", "NetStream.Play.PublishNotify", "SECRETNAME is now published"});
  });
  ASSERT_TRUE(run_until([&] { return log_lines::text().find("PublishNotify") != std::string::npos; }));
  EXPECT_THAT(log_lines::all, Contains("server: NetStream.Play.PublishNotify *** is now published"));
  auto o = test::push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(server.port(), "/live/SECRETNAME?key=SECRETKEY"));
  o.keep_trying = true;
  push p(io_, std::move(o), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return p.report().state == link_state::waiting_to_retry; }));
  EXPECT_THAT(p.report().last_error, HasSubstr("***?key=*** is published already"));
  EXPECT_THAT(log_lines::text(), testing::Not(HasSubstr("SECRET")));
}

TEST_F(lines, what_a_quic_server_closes_with_is_said_without_the_key) {
  const log_lines log;
  net::listener_options o;
  o.address = {"127.0.0.1", 0};
  o.certificate = millrace::test::shared_identity();
  millrace::test::recording_handler heard;
  auto listening = net::listen(io_, std::move(o), [&](net::transport_ptr taken, base::instant) {
    taken->start(heard);
    taken->close(net::close_code::general_error, "publish live/SECRETNAME?key=SECRETKEY refused");
  });
  ASSERT_TRUE(listening.has_value()) << listening.error().text;
  auto to = rtmp::parse_uri("rtmpq://127.0.0.1:" + std::to_string((*listening)->port()) + "/live/SECRETNAME?key=SECRETKEY&transport=quic-only");
  ASSERT_TRUE(to.has_value());
  auto options = test::push_of(write_file("a.flv", test::flv_of(test::clip(5))), *to);
  options.link.verify.pin = millrace::test::shared_identity()->pin;
  push p(io_, std::move(options), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, base::error_kind::protocol);
  EXPECT_THAT(outcome->error().text, testing::AllOf(HasSubstr("live/***?key=*** refused"), testing::Not(HasSubstr("SECRET"))));
  EXPECT_THAT(p.report().last_error, testing::Not(HasSubstr("SECRET")));
  EXPECT_THAT(log_lines::text(), testing::Not(HasSubstr("SECRET")));
}

TEST_F(lines, our_own_words_stay_whatever_the_stream_is_called) {
  std::uint16_t nobody = 0;
  {
    test::server gone(io_, {});
    nobody = gone.port();
  }
  push p(io_, test::push_of(write_file("a.flv", test::flv_of(test::clip(5))), url(nobody, "/live/connection?key=refused")), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_THAT(outcome->error().text, HasSubstr("connection refused"));
}

TEST_F(lines, a_server_that_talks_without_end_fills_no_log) {
  const log_lines log;
  test::server server(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(5)});
  pull q(io_, test::pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/show")), note);
  ASSERT_TRUE(q.start().has_value());
  ASSERT_TRUE(run_until([&] { return q.report().frames > 5; }));
  const auto frames = q.report().frames;
  server.each([&](test::server::peer& peer) {
    for (int i = 0; i < 3000; ++i)
      peer.session.notify_play(server.play_msid, {"status", "NetStream.X",
                                                  "\xc2\x9b"
                                                  "31m\n" +
                                                      std::string(2000, 'A')});
    for (const auto& f : test::clip(5)) peer.session.send(std::chrono::steady_clock::now(), server.play_msid, f, nullptr);
  });
  ASSERT_TRUE(run_until([&] { return q.report().frames > frames + 5; }));
  std::size_t said = 0;
  for (const auto& line : log_lines::all) {
    if (line.find("NetStream.X") == std::string::npos) continue;
    ++said;
    EXPECT_LT(line.size(), 400U);
    EXPECT_THAT(line, HasSubstr("NetStream.X \\xc2\\x9b31m\\x0aAAA"));
  }
  EXPECT_GE(said, 10U);
  EXPECT_LE(said, 30U) << "ten, and one a second for as long as this takes";
}

std::ptrdiff_t lines_with(const std::string& words) {
  return std::count_if(log_lines::all.begin(), log_lines::all.end(), [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

TEST_F(lines, a_server_that_asks_to_move_without_end_fills_no_log) {
  const log_lines log;
  test::server server(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(5)});
  pull q(io_, test::pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/show")), note);
  ASSERT_TRUE(q.start().has_value());
  ASSERT_TRUE(run_until([&] { return q.report().frames > 5; }));
  const auto frames = q.report().frames;
  server.each([&](test::server::peer& peer) {
    for (int i = 0; i < 3000; ++i) peer.session.request_reconnect("http://x", "again");
    for (const auto& f : test::clip(5)) peer.session.send(std::chrono::steady_clock::now(), server.play_msid, f, nullptr);
  });
  ASSERT_TRUE(run_until([&] { return q.report().frames > frames + 5; }));
  EXPECT_GE(lines_with("not reconnecting"), 1);
  EXPECT_LE(lines_with("reconnect"), 30) << "ten, and one a second for as long as this takes";
}

TEST_F(lines, a_publisher_that_leaves_again_and_again_is_told_once_until_media_comes) {
  const log_lines log;
  test::server server(io_, {.refuse_publish = {}, .refuse_play = {}, .for_players = test::clip(5)});
  auto o = test::pull_of((directory_ / "out.flv").string(), url(server.port(), "/live/show"));
  o.stay = true;
  pull q(io_, std::move(o), note);
  ASSERT_TRUE(q.start().has_value());
  ASSERT_TRUE(run_until([&] { return q.report().frames > 5; }));
  const auto leave_and_return = [&] {
    const auto frames = q.report().frames;
    server.each([&](test::server::peer& peer) {
      for (int i = 0; i < 100; ++i) {
        peer.session.notify_unpublish(server.play_msid);
        peer.session.notify_publish(server.play_msid);
      }
      for (const auto& f : test::clip(5)) peer.session.send(std::chrono::steady_clock::now(), server.play_msid, f, nullptr);
    });
    return run_until([&] { return q.report().frames > frames + 5; });
  };
  ASSERT_TRUE(leave_and_return());
  EXPECT_EQ(lines_with("the publisher left"), 1);
  ASSERT_TRUE(leave_and_return());
  EXPECT_EQ(lines_with("the publisher left"), 2);
}

// The server's half of Adobe's dialogue.
struct adobe_server {
  explicit adobe_server(test::server& on) {
    on.on_connect = [this](test::server::peer& peer, const rtmp::connect_requested& e) {
      ++connects;
      const auto refuse = [&](const std::string& words) {
        peer.session.reject_connect({"error", "NetConnection.Connect.Rejected", "[ AccessManager.Reject ] : [ " + words});
        return true;
      };
      if (e.query.find("authmod=adobe&user=anna") == std::string::npos) return refuse("code=403 need auth; authmod=adobe ] : ");
      const auto at = e.query.find("&challenge=");
      if (at == std::string::npos)
        return refuse("authmod=adobe ] : ?reason=needauth&user=anna&salt=c2FsdA==&challenge=Y2hhbGxlbmdl&opaque=b3BhcXVl : ");
      const auto challenge = e.query.substr(at + 11, 8);
      const auto digest = [](const std::string& text) { return base::to_base64(net::md5(base::as_bytes(text))); };
      const auto right = digest(digest("annac2FsdA==secret") + "b3BhcXVl" + challenge);
      if (e.query.find("&response=" + right + "&opaque=b3BhcXVl") == std::string::npos)
        return refuse("authmod=adobe ] : ?reason=authfailed : ");
      return false;
    };
  }
  int connects = 0;
};

TEST_F(lines, N10_user_and_password_are_shown_to_a_server_that_asks) {
  test::server server(io_, {});
  adobe_server adobe(server);
  auto o = test::push_of(write_file("a.flv", test::flv_of(test::clip(10))), url(server.port(), "/live/show"));
  o.link.login = {"anna", "secret"};
  push p(io_, std::move(o), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  EXPECT_TRUE(outcome->has_value()) << outcome->error().text;
  EXPECT_EQ(adobe.connects, 3);
  EXPECT_EQ(p.report().last_error, "") << "the steps of the dialogue are no failures, and salt and challenge nobody's business";
  EXPECT_EQ(server.frames.size(), test::clip(10).size());
}

TEST_F(lines, N10_P16_a_wrong_password_and_none_at_all_stop) {
  test::server server(io_, {});
  adobe_server adobe(server);
  for (const auto& login : {rtmp::credentials{"anna", "wrong"}, rtmp::credentials{}}) {
    outcome.reset();
    auto o = looping(server.port());
    o.keep_trying = true;
    o.link.login = login;
    push p(io_, std::move(o), note);
    p.start();
    ASSERT_TRUE(run_until([&] { return outcome.has_value(); }, milliseconds(900)));
    ASSERT_FALSE(outcome->has_value());
    EXPECT_EQ(outcome->error().kind, base::error_kind::denied);
    EXPECT_THAT(outcome->error().text, testing::Not(HasSubstr("wrong")));
  }
}

TEST_F(lines, P16_a_taken_name_is_tried_again_and_a_refused_one_is_not) {
  test::server server(
      io_,
      {.refuse_publish = rtmp::status{"error", "NetStream.Publish.BadName", "already publishing"}, .refuse_play = {}, .for_players = {}});
  auto o = looping(server.port());
  o.keep_trying = true;
  push p(io_, std::move(o), note);
  p.start();
  ASSERT_TRUE(run_until([&] { return p.report().state == link_state::waiting_to_retry; }));
  EXPECT_THAT(p.report().last_error, HasSubstr("already publishing"));
  EXPECT_GT(p.report().retry_in, milliseconds(0));
  server.refuse_publish(std::nullopt);
  ASSERT_TRUE(run_until([&] { return server.frames.size() > 5; })) << "busy: tried again";
  server.refuse_publish(rtmp::status{"error", "NetStream.Publish.Denied", "no longer"});
  server.each([](test::server::peer& peer) { peer.session.close({base::error_kind::closed, "away"}); });
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value()) << "denied: no further try";
  EXPECT_EQ(outcome->error().kind, base::error_kind::denied);
}

TEST_F(lines, P16_a_server_that_shuts_down_is_tried_again) {
  test::server server(io_, {});
  bool down = true;
  server.on_connect = [&](test::server::peer& peer, const rtmp::connect_requested&) {
    if (down) peer.session.reject_connect({"error", "NetConnection.Connect.AppShutdown", "going down"});
    return std::exchange(down, false);
  };
  auto o = looping(server.port());
  o.keep_trying = true;
  push p(io_, std::move(o), note);
  p.start();
  EXPECT_TRUE(run_until([&] { return server.frames.size() > 5; }));
}

}  // namespace
}  // namespace millrace::client
