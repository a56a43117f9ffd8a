#include "client/progress.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace millrace::client {
namespace {
using std::chrono::milliseconds;

progress live() {
  progress p;
  p.state = link_state::live;
  p.position = milliseconds(83'400);
  p.bits_per_second = 2'449'600;
  p.rtt = std::chrono::microseconds(12'340);
  p.loss_percent = 0.04;
  p.transport = "quic";
  p.why = "QUIC as asked";
  return p;
}

TEST(progress, a_live_line_says_what_matters) {
  EXPECT_EQ(progress_line(live(), 0), "00:01:23  2.45 Mb/s  rtt 12.3 ms  loss 0.0 %  queue 0 ms  quic (QUIC as asked)");
}

TEST(progress, packets_that_were_sent_twice_are_shown_once_there_are_any) {
  auto p = live();
  p.repeats_sent = 0;
  p.repeats_useful = 0;
  EXPECT_EQ(progress_line(p, 0), progress_line(live(), 0));
  p.repeats_sent = 412;
  p.repeats_useful = 7;
  EXPECT_EQ(progress_line(p, 0), "00:01:23  2.45 Mb/s  rtt 12.3 ms  loss 0.0 %  repeated 412  queue 0 ms  quic (QUIC as asked)");
  const auto back = boost::json::parse(progress_json(p)).as_object();
  EXPECT_EQ(back.at("repeats_sent").to_number<int>(), 412);
  EXPECT_EQ(back.at("repeats_useful").to_number<int>(), 7);
  EXPECT_TRUE(back.at("repeats_received").is_null());
}

TEST(progress, what_a_transport_does_not_know_is_left_out) {
  auto p = live();
  p.loss_percent.reset();
  p.rtt.reset();
  p.transport = "tcp";
  p.why.clear();
  p.bits_per_second = 64'200;
  p.frames_dropped = 17;
  p.reconnects = 2;
  EXPECT_EQ(progress_line(p, 0), "00:01:23  64 kb/s  queue 0 ms  dropped 17  reconnects 2  tcp");
}

TEST(progress, waiting_says_for_what) {
  progress p;
  p.state = link_state::waiting_to_retry;
  p.retry_in = milliseconds(3100);
  p.last_error = "connection refused";
  EXPECT_EQ(progress_line(p, 0), "00:00:00  reconnecting in 4 s (connection refused)");
}

TEST(progress, a_stream_that_brings_nothing_is_not_shown_as_one_of_0_kilobits) {
  auto p = live();
  p.state = link_state::waiting_for_media;
  p.position = milliseconds(0);
  EXPECT_EQ(progress_line(p, 0), "00:00:00  waiting for media (perhaps nobody publishes it yet)  quic (QUIC as asked)");
  EXPECT_EQ(boost::json::parse(progress_json(p)).as_object().at("state").as_string(), "waiting for media");
}

TEST(progress, never_wider_than_the_terminal_and_never_half_a_character) {
  auto p = live();
  p.why = "zurück";
  const auto whole = progress_line(p, 0);
  EXPECT_EQ(progress_line(p, 20), "00:01:23  2.45 Mb/s ");
  const auto at = whole.find("\xc3");
  EXPECT_EQ(progress_line(p, at + 1), whole.substr(0, at + 2)) << "ü is one column and two bytes";
  EXPECT_EQ(progress_line(p, at), whole.substr(0, at));
}

TEST(progress, json_is_one_line_and_reads_back) {
  auto p = live();
  p.why = "line\nbreak \"quoted\"";
  const auto text = progress_json(p);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto back = boost::json::parse(text).as_object();
  EXPECT_EQ(back.at("state").as_string(), "live");
  EXPECT_EQ(back.at("position_ms").to_number<int>(), 83'400);
  EXPECT_EQ(back.at("bits_per_second").to_number<int>(), 2'449'600);
  EXPECT_DOUBLE_EQ(back.at("rtt_ms").as_double(), 12.34);
  EXPECT_EQ(back.at("why").as_string(), "line\nbreak \"quoted\"");
  p.last_error = p.why = std::string(5000, '\\');
  EXPECT_LT(progress_json(p).size(), 4096U) << "a pipe takes it whole";
  progress empty;
  EXPECT_TRUE(boost::json::parse(progress_json(empty)).as_object().at("rtt_ms").is_null());
}

TEST(rate_meter, counts_between_readings_and_survives_a_restart) {
  const base::instant t0 = base::instant{} + std::chrono::hours(1);
  rate_meter m;
  EXPECT_EQ(m.update(5000, t0), 0);
  EXPECT_EQ(m.update(6000, t0 + milliseconds(500)), 2000);
  EXPECT_EQ(m.update(6000, t0 + milliseconds(1500)), 0);
  EXPECT_EQ(m.update(300, t0 + milliseconds(2500)), 300);
  EXPECT_EQ(m.update(400, t0 + milliseconds(2500)), 0) << "no time passed: no division by it";
}

TEST(loss_meter, percent_of_the_interval) {
  loss_meter m;
  EXPECT_EQ(m.update(std::nullopt, std::nullopt), std::nullopt);
  EXPECT_DOUBLE_EQ(m.update(100, 1).value(), 1.0);
  EXPECT_DOUBLE_EQ(m.update(200, 11).value(), 10.0);
  EXPECT_EQ(m.update(200, 11), std::nullopt);
  EXPECT_DOUBLE_EQ(m.update(201, 20).value(), 100.0);
  EXPECT_DOUBLE_EQ(m.update(10, 0).value(), 0.0) << "a new connection counts from 0";
}

}  // namespace
}  // namespace millrace::client
