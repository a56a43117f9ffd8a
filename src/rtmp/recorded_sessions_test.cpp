// What real clients sent (test/data/sessions, and README.md there), replayed into server_session: whole, byte by byte, and cut off
// anywhere. The recorded C2 answers another server's S1, so every one of them is also a client that does not echo ours (H5).
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;

// The counts were taken from the files by a script that shares no code with the chunk reader.
struct expectation {
  const char* file;
  const char* flash_ver;
  bool digest;  // of the handshake (H6); librtmp can, but does it for SWF verification only
  bool publishes;
  std::size_t audio, video, key, config, data;  // messages
  std::int64_t last_ms;                         // the latest timestamp
  bool deletes_stream;                          // says so before it closes the connection
};
void PrintTo(const expectation& e, std::ostream* out) { *out << e.file; }

constexpr auto lavf = "FMLE/3.0 (compatible; Lavf59.27.100)";
constexpr expectation recordings[] = {
    {"P12_obs", "FMLE/3.0 (compatible; FMSc/1.0)", false, true, 145, 85, 4, 2, 1, 3320, true},
    {"P13_ffmpeg_publish", lavf, true, true, 175, 102, 4, 2, 1, 4017, true},
    {"P13_ffmpeg_publish_audio", lavf, true, true, 175, 0, 0, 1, 1, 4017, true},
    {"P13_ffmpeg_publish_b_frames", lavf, true, true, 175, 102, 4, 2, 1, 4074, true},
    {"P14_rtmpsink", "", false, true, 174, 102, 4, 2, 23, 3994, true},
    {"P14_rtmp2sink", "LNX 10,0,32,18", false, true, 174, 102, 4, 2, 23, 3994, true},
    {"P15_vlc_publish", lavf, true, true, 173, 102, 4, 2, 1, 3983, true},
    {"T3_ffmpeg_publish_past_24_bits", lavf, true, true, 175, 102, 4, 2, 1, 16779232, true},
    {"T4_rtmpsink_past_24_bits", "", false, true, 89, 52, 2, 2, 1, 16783309, true},
    {"L1_ffmpeg_play", "LNX 9,0,124,2", true, false, 0, 0, 0, 0, 0, 0, true},
    {"L1_rtmpdump", "LNX 10,0,32,18", false, false, 0, 0, 0, 0, 0, 0, true},
    {"L1_rtmpsrc", "", false, false, 0, 0, 0, 0, 0, 0, true},
    {"L1_rtmp2src", "LNX 10,0,32,18", false, false, 0, 0, 0, 0, 0, 0, false},
    {"L1_vlc_play", "LNX 9,0,124,2", true, false, 0, 0, 0, 0, 0, 0, false},
    {"L1_mpv", "LNX 9,0,124,2", true, false, 0, 0, 0, 0, 0, 0, false},
};

test::bytes read_recording(const std::string& name) {
  std::ifstream file(std::string(MILLRACE_TEST_DATA) + "/sessions/" + name + ".rtmp", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What the session made of it. Frames are counted and let go of, as a driver does.
struct understood {
  std::optional<connect_requested> connect;
  std::size_t publishes = 0, plays = 0, publish_ends = 0, play_ends = 0, closes = 0;
  std::string name;
  std::size_t audio = 0, video = 0, key = 0, config = 0, data = 0, bytes = 0;
  std::int64_t last_ms = 0;
  bool backwards = false;  // the video's time
  std::optional<base::error> reason;

  void add(const frame_received& f) {
    audio += f.frame.kind == media::frame_kind::audio;
    video += f.frame.kind == media::frame_kind::video;
    data += f.frame.kind == media::frame_kind::data;
    key += f.frame.key;
    config += f.frame.config;
    bytes += f.frame.payload.size();
    last_ms = std::max(last_ms, f.frame.dts_ms);
    if (f.frame.kind == media::frame_kind::video && !f.frame.config) {
      // FLV's end-of-sequence message repeats an older time in librtmp's writer; pictures do not go back.
      const bool picture = f.frame.payload.size() > 1 && f.frame.payload.view()[1] == 1;
      backwards |= picture && f.frame.dts_ms < picture_ms_;
      if (picture) picture_ms_ = f.frame.dts_ms;
    }
  }

 private:
  std::int64_t picture_ms_ = 0;
};

class replay {
 public:
  void feed(base::bytes_view bytes, std::size_t piece) {
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
      session_.receive(test::at(0ms), bytes.subspan(i, std::min(piece, bytes.size() - i)));
      settle();
    }
  }
  // The connection ends: in order, or by a fault on the way.
  void hang_up(base::error_kind kind) {
    session_.on_transport_closed({kind, "the peer closed the connection"});
    settle();
  }
  [[nodiscard]] const server_session& session() const { return session_; }
  understood got;

 private:
  void settle() {
    while (auto event = session_.poll_event()) {
      if (auto* e = std::get_if<connect_requested>(&*event)) {
        got.connect = *e;
        session_.accept_connect();
      } else if (auto* p = std::get_if<publish_requested>(&*event)) {
        ++got.publishes;
        got.name = p->name;
        session_.accept_publish(p->msid);
      } else if (auto* v = std::get_if<play_requested>(&*event)) {
        ++got.plays;
        got.name = v->name;
        session_.accept_play(v->msid);
      } else if (auto* f = std::get_if<frame_received>(&*event)) {
        got.add(*f);
      } else if (std::holds_alternative<publish_ended>(*event)) {
        ++got.publish_ends;
      } else if (std::holds_alternative<play_ended>(*event)) {
        ++got.play_ends;
      } else if (auto* c = std::get_if<closed>(&*event)) {
        ++got.closes;
        got.reason = c->reason;
      }
    }
    (void)session_.poll_output();
  }

  server_session session_{server_config{}, test::at(0ms), 7};
};

void expect_all_of(const understood& got, const expectation& want) {
  ASSERT_TRUE(got.connect);
  EXPECT_EQ(got.connect->app, "live");
  EXPECT_EQ(got.connect->flash_ver, want.flash_ver);
  EXPECT_EQ(got.connect->digest_handshake, want.digest);
  EXPECT_EQ(got.name, "a");
  EXPECT_EQ(got.publishes, want.publishes ? 1u : 0u);
  EXPECT_EQ(got.plays, want.publishes ? 0u : 1u);
  EXPECT_EQ(got.audio, want.audio);
  EXPECT_EQ(got.video, want.video);
  EXPECT_EQ(got.key, want.key);
  EXPECT_EQ(got.config, want.config);
  EXPECT_EQ(got.data, want.data);
  EXPECT_EQ(got.last_ms, want.last_ms);
  EXPECT_FALSE(got.backwards);
}

class recorded : public testing::TestWithParam<expectation> {};

TEST_P(recorded, whole) {
  const auto bytes = read_recording(GetParam().file);
  ASSERT_GT(bytes.size(), 3'000u);
  replay r;
  r.feed(bytes, bytes.size());
  expect_all_of(r.got, GetParam());
  EXPECT_FALSE(r.session().is_closed()) << r.got.reason->text;
  EXPECT_EQ(r.session().media_dropped(), 0u);
  // P9: those that say goodbye are done before the connection is.
  EXPECT_EQ(r.got.publish_ends + r.got.play_ends, GetParam().deletes_stream ? 1u : 0u);
  r.hang_up(base::error_kind::closed);
  EXPECT_EQ(r.got.publish_ends, r.got.publishes);
  EXPECT_EQ(r.got.play_ends, r.got.plays);
  EXPECT_EQ(r.got.closes, 1u);
  EXPECT_EQ(r.got.reason->kind, base::error_kind::closed);
}

TEST_P(recorded, H4_byte_by_byte) {
  const auto bytes = read_recording(GetParam().file);
  replay whole, pieces;
  whole.feed(bytes, bytes.size());
  pieces.feed(bytes, 1);
  expect_all_of(pieces.got, GetParam());
  EXPECT_EQ(pieces.got.bytes, whole.got.bytes);
  EXPECT_FALSE(pieces.session().is_closed());
}

// Everything before the first media, byte by byte; a step that meets every position of a chunk after that.
TEST_P(recorded, K15_cut_off_anywhere) {
  const auto bytes = read_recording(GetParam().file);
  std::size_t audio = 0, video = 0;
  for (std::size_t cut = 0; cut < bytes.size(); cut += cut < 4096 ? 1 : 997) {
    replay r;
    r.feed(base::bytes_view(bytes).first(cut), bytes.size());
    ASSERT_FALSE(r.session().is_closed()) << "cut at " << cut << ": " << r.got.reason->text;
    r.hang_up(base::error_kind::unreachable);
    ASSERT_TRUE(r.session().is_closed());
    ASSERT_EQ(r.got.closes, 1u) << "cut at " << cut;
    ASSERT_EQ(r.got.publish_ends, r.got.publishes) << "cut at " << cut;
    ASSERT_EQ(r.got.play_ends, r.got.plays) << "cut at " << cut;
    // More bytes never mean less.
    ASSERT_GE(r.got.audio, audio);
    ASSERT_GE(r.got.video, video);
    audio = r.got.audio;
    video = r.got.video;
  }
}

INSTANTIATE_TEST_SUITE_P(, recorded, testing::ValuesIn(recordings), [](const auto& which) { return std::string(which.param.file); });

}  // namespace
}  // namespace millrace::rtmp
