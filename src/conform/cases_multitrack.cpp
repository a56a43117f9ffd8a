// Section 16, several tracks in one stream (E-RTMP v2 "Multitrack Streaming").
#include <algorithm>
#include <iterator>

#include "base/written_bytes.hpp"
#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using base::bytes_of;
using rtmp::message_type;

// Track 0 is AV1, track 1 VP9, track 2 HEVC; audio is Opus and AAC.
const std::string_view av1_record = "81050c000a010000", vp9_record = "001f820202020000";

std::string written(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const auto part : parts) out += std::string(part) + " ";
  return out;
}

// A publication and the two kinds of viewer: one that announced Multitrack, and one that did not.
struct two_viewers {
  on_stream from, capable, plain;
};

asio::awaitable<two_viewers> two_views(context& c, std::string name) {
  two_viewers v;
  v.from = co_await publish_enhanced(c, std::move(name), rtmp::caps_multitrack);
  v.capable = co_await watch(c, v.from.name);
  v.plain = co_await watch(c, v.from.name, 0);
  co_return v;
}

asio::awaitable<void> multitrack_types(context& c) {
  const std::vector<av> good{
      video(0, written({"96 00 'av01' 00", av1_record})),
      video(0, "96 01 'av01' 00 120001"),
      video(40, "a6 11 'av01' 00 000003 120002 01 000003 120002"),
      video(80, "a6 21 'av01' 00 000003 120003 'vp09' 01 000003 820003"),
      audio(80, "95 01 'Opus' 00 f803"),
      audio(100, "95 11 'Opus' 00 000002 f804 01 000002 f804"),
      audio(120, "95 21 'Opus' 00 000002 f805 'mp4a' 01 000002 2105"),
      video(120, "a6 03 'av01' 00 120004"),
  };
  co_await pass_through(c, c.name("good"), good, rtmp::caps_multitrack);
  // Reserved types, an inner packet that is Multitrack again, and one that is reserved.
  const auto from = co_await publish_enhanced(c, c.name("odd"), rtmp::caps_multitrack);
  const auto viewer = co_await watch(c, from.name);
  std::vector<av> all(good.begin(), good.begin() + 2);
  for (const char* one : {"96 31 'av01' 00 1200", "96 f1 'av01' 00 000002 1200", "96 06 'av01' 00 1200", "96 16 'av01' 00 000002 1200",
                          "96 09 'av01' 00 01"}) {
    all.push_back(odd(video(40, one)));
  }
  for (const char* one : {"95 31 'Opus' 00 f8", "95 05 'Opus' 00 f8", "95 13 'Opus' 00 000001 f8"}) all.push_back(odd(audio(40, one)));
  all.push_back(good.back());
  send(from, all);
  if (!co_await survived(from)) {
    c.note("a reserved multitrack type ends the publication");
    co_return;
  }
  check_arrived(all, co_await until(viewer, all.back().payload));
}

asio::awaitable<void> order_of_fields(context& c) {
  // What a viewer without Multitrack gets shows how the message was read: the FourCC once, or ahead of each track id; the size only where
  // there may be more tracks.
  const std::vector<av> sent{
      video(0, written({"96 20 'vp09' 01 000008", vp9_record, "'av01' 00 000008", av1_record})),
      video(0, "96 01 'av01' 00 120001"),
      video(40, "a6 11 'av01' 01 000002 ffff 00 000003 120002"),
      video(80, "a6 21 'hvc1' 02 000005 0000280908 'av01' 00 000003 120003"),
      audio(80, "95 01 'Opus' 00 f803"),
      audio(100, "95 21 'mp4a' 07 000002 2104 'Opus' 00 000002 f804"),
      video(120, "a6 21 'av01' 00 000003 120004 'hvc1' 02 000005 0000280908"),
  };
  const std::vector<av> read{
      video(0, written({"90 'av01'", av1_record})),
      video(0, "91 'av01' 120001"),
      video(40, "a1 'av01' 120002"),
      video(80, "a1 'av01' 120003"),
      audio(80, "91 'Opus' f803"),
      audio(100, "91 'Opus' f804"),
      video(120, "a1 'av01' 120004"),
  };
  const auto v = co_await two_views(c, c.name());
  send(v.from, sent);
  co_await taken(v.from);
  check_arrived(read, co_await until(v.plain, read.back().payload));
  check_arrived(sent, co_await until(v.capable, sent.back().payload));
}

asio::awaitable<void> hostile_sizes(context& c) {
  const std::vector<av> good{video(0, written({"96 00 'av01' 00", av1_record})), video(0, "96 01 'av01' 00 120001"),
                             video(80, "96 01 'av01' 00 120002")};
  std::vector<av> hostile;
  for (const char* one :
       {"96 11 'av01' 00 ffffff 1200", "96 11 'av01' 00 000003 1200", "96 11 'av01' 00 000002 1200 01 000001",
        "96 11 'av01' 00 000000 01 000002 1200", "96 11 'av01' 00 000000", "96 11 'av01' 00 0000", "96 21 'av", "96 11 'av01'",
        "96 11 'av01' 05 000001 01 05 000001 02", "96 01 'hvc1' 00 0000", "96", "a6 11 'av01' 00 000002 1200 01"}) {
    std::string text = one;
    if (std::count(text.begin(), text.end(), '\'') % 2 == 1) text += "'";
    hostile.push_back(odd(video(40, text)));
  }
  for (const char* one : {"95", "95 11 'Opus' 00 ffffff f8", "95 11 'Opus' 00 000001", "95 21 'Opus' 00 000000 'mp4a'"}) {
    hostile.push_back(odd(audio(40, one)));
  }
  auto all_tracks = video(40, "a6 11 'av01'");
  for (unsigned id = 0; id < 256; ++id) append(all_tracks.payload, bytes{static_cast<std::uint8_t>(id), 0, 0, 1, 9});
  hostile.push_back(odd(all_tracks));

  const auto v = co_await two_views(c, c.name());
  std::vector<av> all{good[0], good[1]};
  all.insert(all.end(), hostile.begin(), hostile.end());
  all.push_back(good[2]);
  send(v.from, all);
  if (!co_await survived(v.from)) {
    c.note("a broken multitrack message ends the publication");
    co_await pass_through(c, c.name("next"), good, rtmp::caps_multitrack);  // and nothing but the publication
    co_return;
  }
  check_arrived(all, co_await until(v.capable, good[2].payload));
  co_await until(v.plain, bytes_of("91 'av01' 120002"));
}

asio::awaitable<void> default_track(context& c) {
  const std::vector<av> sent{
      video(0, written({"96 20 'vp09' c8 000008", vp9_record, "'av01' 00 000008", av1_record})),
      video(0, "96 21 'vp09' c8 000003 820001 'av01' 00 000003 120001"),
      video(40, "a6 01 'vp09' c8 820002"),                                 // nothing of track 0
      video(80, "a6 21 'vp09' c8 000003 820003 'vp09' 01 000003 820004"),  // nor here
      video(120, "a6 21 'vp09' 01 000003 820005 'av01' 00 000003 120005"),
  };
  const std::vector<av> single{video(0, written({"90 'av01'", av1_record})), video(0, "91 'av01' 120001"), video(120, "a1 'av01' 120005")};
  const auto v = co_await two_views(c, c.name());
  send(v.from, sent);
  co_await taken(v.from);
  check_arrived(single, co_await until(v.plain, single.back().payload));
  check_arrived(sent, co_await until(v.capable, sent.back().payload));
}

// Three messages of the tracks 0 and 1, audio and video, as a viewer gets them that has only track `id`.
std::vector<av> only_track(int id, std::uint32_t time, std::string_view mark, bool key) {
  const std::string codec = id == 0 ? "'av01'" : "'vp09'", body = id == 0 ? "1200" : "8200";
  return {video(time, written({key ? "91" : "a1", codec, body, mark})),
          audio(time, written({"91", id == 0 ? "'Opus' f8" : "'mp4a' 21", mark}))};
}
std::vector<av> both_tracks(std::uint32_t time, std::string_view mark, bool key) {
  return {video(time, written({key ? "96" : "a6", "21 'av01' 00 000003 1200", mark, "'vp09' 01 000003 8200", mark})),
          audio(time, written({"95 21 'Opus' 00 000002 f8", mark, "'mp4a' 01 000002 21", mark}))};
}

asio::awaitable<void> viewer_picks(context& c) {
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_multitrack);
  send(from, video(0, written({"96 20 'av01' 00 000008", av1_record, "'vp09' 01 000008", vp9_record})));
  send(from, both_tracks(0, "01", true));
  co_await taken(from);
  std::uint32_t time = 40;
  for (const int id : {1, 0}) {
    const auto query = "?video_track=" + std::to_string(id) + "&audio_track=" + std::to_string(id);
    const auto viewer = co_await c.playing(from.name + query);
    const auto mark = id == 1 ? "02" : "03";
    send(from, both_tracks(time, mark, true));
    const auto expected = only_track(id, time, mark, true);
    const auto other = only_track(0, time, mark, true);
    std::vector<av> got;
    try {
      got = co_await until(viewer, expected.back().payload);
    } catch (const failure&) {
      const auto same = [&other](const rtmp::message& m) {
        return bytes(base::bytes_view(m.payload).begin(), base::bytes_view(m.payload).end()) == other.back().payload;
      };
      if (id == 0 || std::none_of(viewer.at->passed.begin(), viewer.at->passed.end(), same)) throw;
      throw refusal{"tracks cannot be picked by video_track and audio_track"};
    }
    const auto start = id == 0 ? video(0, written({"90 'av01'", av1_record})) : video(0, written({"90 'vp09'", vp9_record}));
    check_begins(got, start, "the configuration of track " + std::to_string(id));
    check(got.size() >= 2, "a message is missing");
    check_arrived(expected, std::vector<av>(got.end() - 2, got.end()));
    time += 40;
  }
}

asio::awaitable<void> tracks_start_on_their_own(context& c) {
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_multitrack);
  const std::vector<av> before{
      video(0, written({"96 00 'av01' 00", av1_record})),
      video(0, written({"96 00 'vp09' 01", vp9_record})),
      video(0, "96 01 'av01' 00 120001"),
      video(0, "96 01 'vp09' 01 820001"),
      video(40, "a6 01 'vp09' 01 820002"),
      video(40, "96 01 'av01' 00 120002"),  // a key frame of track 0 alone
      video(80, "a6 01 'vp09' 01 820003"),
  };
  send(from, before);
  co_await taken(from);
  const auto picked = co_await c.playing(from.name + "?video_track=1");
  const auto all = co_await watch(c, from.name);
  send(from, {video(120, "a6 01 'vp09' 01 820004"), video(160, "96 01 'vp09' 01 820005"), video(160, "96 01 'av01' 00 120005")});

  // Whoever has track 1 alone starts with its configuration and its own key frame, and then has every picture of it.
  const auto got = co_await until(picked, bytes_of("91 'vp09' 820005"));
  check_begins(got, video(0, written({"90 'vp09'", vp9_record})), "the configuration of the picked track");
  int last = 0;
  for (const auto& m : got) {
    if (m.type != message_type::video || (byte_of(m, 0) & 15) == 0) continue;
    const int number = m.payload.back();
    check(last != 0 || (byte_of(m, 0) & 0x70) == 0x10, "the picked track starts with " + hex(m.payload) + ", which is no key frame");
    check(last == 0 || number == last + 1, "the picked track goes from picture " + std::to_string(last) + " to " + std::to_string(number));
    last = number;
  }
  // Whoever has all of them has both configurations before the first picture of each track.
  bool configured[2] = {};
  for (const auto& m : co_await until(all, bytes_of("96 01 'av01' 00 120005"))) {
    if (m.type != message_type::video) continue;
    for (const int id : {0, 1}) configured[id] = configured[id] || contains(m.payload, bytes_of(id == 0 ? av1_record : vp9_record));
    if ((byte_of(m, 1) & 15) != 1) continue;
    check(configured[byte_of(m, 6) & 1], "a picture of track " + std::to_string(byte_of(m, 6)) + " before its configuration");
  }
}

}  // namespace

std::vector<test_case> multitrack_cases() {
  return {
      {"R1", "OneTrack, ManyTracks and ManyTracksManyCodecs are relayed, other types survived", multitrack_types},
      {"R2", "types, FourCC, track id and size are read in their order", order_of_fields},
      {"R3", "sizes beyond the message, empty and repeated tracks, 256 tracks are survived", hostile_sizes},
      {"R4", "track 0 is the default, wherever it stands", default_track},
      {"R5", "a viewer gets the tracks that it picks, as single-track messages", viewer_picks},
      {"R6", "configuration and key frame are those of the track", tracks_start_on_their_own},
  };
}

}  // namespace millrace::conform
