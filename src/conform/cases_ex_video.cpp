// Section 14, the enhanced header of video messages (E-RTMP v2 "Enhanced Video", "Metadata Frame").
#include <algorithm>
#include <iterator>

#include "base/written_bytes.hpp"
#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace cases = media::ex_cases;
namespace codecs = media::codecs;

asio::awaitable<void> header_bits(context& c) {
  // The first byte of each message in the top bit, three bits of frame type, four bits of packet type; and the same without the top bit.
  std::vector<av> enhanced{start_of(codecs::av1),          video(0, "91 'av01' 1200 01"),        video(40, "a3 'av01' 1200 02"),
                           video(80, "b1 'av01' 1200 03"), odd(video(120, "c3 'av01' 1200 04")), video(160, "a1 'av01' 1200 05")};
  co_await pass_through(c, c.name("ex"), enhanced);
  std::vector<av> legacy{{rtmp::message_type::video, 0, avc_config()},
                         {rtmp::message_type::video, 0, avc_frame(true)},
                         {rtmp::message_type::video, 40, avc_frame(false)},
                         video(80, "37 01 000000 00000002 0101"),
                         {rtmp::message_type::video, 120, avc_frame(false, 50)}};
  co_await pass_through(c, c.name("legacy"), legacy);
}

asio::awaitable<void> packet_types(context& c) {
  std::vector<av> all{start_of(codecs::hevc),
                      video(0, "94 'hvc1'", cases::hdr_metadata()),
                      frame_of(codecs::hevc, true, 0, 1),
                      video(40, "a3 'hvc1'", body_of(codecs::hevc, false, 2)),
                      video(80, "92 'hvc1'"),
                      start_of(codecs::hevc, 120),
                      frame_of(codecs::hevc, true, 120, 3)};
  co_await pass_through(c, c.name("all"), all);
  std::vector<av> transport_stream{video(0, "95 'av01' 80040081"), frame_of(codecs::av1, true, 0, 1), frame_of(codecs::av1, false, 40, 2)};
  co_await pass_through(c, c.name("ts"), transport_stream);

  const auto from = co_await publish_enhanced(c, c.name("reserved"));
  const auto viewer = co_await watch(c, from.name);
  std::vector<av> sent{start_of(codecs::hevc), frame_of(codecs::hevc, true, 0, 1)};
  for (const char* reserved : {"98", "99", "9a", "9b", "9c", "9d", "9e", "9f", "af"}) {
    sent.push_back(odd(video(40, std::string(reserved) + " 'hvc1' 01020304")));
  }
  for (const char* cut : {"90", "91 'hvc'", "91 'hvc1' 0000"}) sent.push_back(odd(video(40, cut)));
  sent.push_back(frame_of(codecs::hevc, true, 80, 2));
  send(from, sent);
  if (!co_await survived(from)) {
    c.note("a reserved packet type ends the publication");
    co_return;
  }
  check_arrived(sent, co_await until(viewer, sent.back().payload));
  // Nothing of it may stand in the place of the configuration.
  check_begins(co_await join(c, from, frame_of(codecs::hevc, true, 120, 3)), start_of(codecs::hevc), "after reserved packet types");
}

asio::awaitable<void> composition_time(context& c) {
  for (const auto codec : cases::video_codecs) {
    // Forward, backward, the ends of the range; then a picture without, which is one byte longer than nothing.
    std::vector<av> all{start_of(codec)};
    std::uint8_t mark = 0;
    for (const std::int32_t ms : {0, 80, -40, 0x7FFFFF, -0x800000}) {
      all.push_back(frame_of(codec, mark == 0, mark * 40U, mark, ms));
      ++mark;
    }
    all.push_back(video(mark * 40U, "a3 '" + rtmp::fourcc_text(codec) + "' 07"));
    co_await pass_through(c, c.name(rtmp::fourcc_text(codec)), all);
  }
  // Where there is no composition time, a picture of one byte is a picture, and a viewer starts on it.
  for (const auto codec : {codecs::av1, codecs::vp9, codecs::vp8}) {
    const auto name = rtmp::fourcc_text(codec);
    const auto from = co_await publish_enhanced(c, c.name(name + "-short"));
    send(from, start_of(codec));
    co_await taken(from);
    check_begins(co_await join(c, from, video(0, "91 '" + name + "' 09")), start_of(codec), "a picture of one byte in " + name);
  }
}

asio::awaitable<void> every_codec(context& c) {
  for (const auto codec : cases::video_codecs) {
    const auto name = rtmp::fourcc_text(codec);
    const auto from = co_await publish_enhanced(c, c.name(name));
    const auto viewer = co_await watch(c, from.name);
    const std::vector<av> all{start_of(codec), frame_of(codec, true, 0, 1), frame_of(codec, false, 40, 2), frame_of(codec, false, 80, 3)};
    send(from, all);
    co_await taken(from);
    check_arrived(all, co_await until(viewer, all.back().payload));
    check_begins(co_await join(c, from, frame_of(codec, true, 120, 4)), start_of(codec), "a late viewer of " + name);
  }
}

asio::awaitable<void> seek_commands(context& c) {
  // Frame type 5: one byte follows and no FourCC. Not a picture, not a configuration; a viewer may see it or not.
  std::vector<av> all{start_of(codecs::av1),   frame_of(codecs::av1, true, 0, 1), odd(video(40, "d0 00")),
                      odd(video(40, "d1 01")), odd(video(40, "d3 01")),           frame_of(codecs::av1, false, 40, 2)};
  const auto from = co_await publish_enhanced(c, c.name());
  const auto viewer = co_await watch(c, from.name);
  send(from, all);
  co_await taken(from);
  check_arrived(all, co_await until(viewer, all.back().payload));
  check_begins(co_await join(c, from, frame_of(codecs::av1, true, 80, 3)), start_of(codecs::av1), "after seek commands");
}

asio::awaitable<void> hdr_metadata(context& c) {
  const auto first = video(0, "94 'hvc1'", cases::hdr_metadata());
  const auto second =
      video(80, "d4 'hvc1' 02 0009 'colorInfo' 03 000b 'colorConfig' 03 0008 'bitDepth' 00 4020000000000000 0000 09 0000 09");
  const auto reset = video(160, "94 'hvc1'", cases::undefined_metadata());
  const auto from = co_await publish_enhanced(c, c.name());
  const auto viewer = co_await watch(c, from.name);
  const auto is_metadata = [](const av& m) { return m.type == rtmp::message_type::video && (byte_of(m, 0) & 0x8F) == 0x84; };
  // What holds for the picture `got` ends with.
  const auto in_effect = [&](const std::vector<av>& got) {
    const auto last = std::find_if(got.rbegin(), got.rend(), is_metadata);
    return last == got.rend() ? bytes{} : last->payload;
  };
  std::vector<av> all{start_of(codecs::hevc), first, frame_of(codecs::hevc, true, 0, 1)};
  send(from, all);
  co_await taken(from);
  const auto early = co_await join(c, from, frame_of(codecs::hevc, true, 40, 2));
  check_begins(early, start_of(codecs::hevc), first, "configuration and HDR metadata of a late viewer");

  send(from, {second, frame_of(codecs::hevc, true, 80, 3)});
  co_await taken(from);
  check_equal(second.payload, in_effect(co_await join(c, from, frame_of(codecs::hevc, true, 120, 4))), "newer metadata replaces older");

  send(from, {reset, frame_of(codecs::hevc, true, 160, 5)});
  co_await taken(from);
  const auto after = in_effect(co_await join(c, from, frame_of(codecs::hevc, true, 200, 6)));
  check(after.empty() || after == reset.payload, "colorInfo was reset, but a late viewer still gets " + hex(after, 40));

  const std::vector<av> lived{start_of(codecs::hevc),
                              first,
                              frame_of(codecs::hevc, true, 0, 1),
                              frame_of(codecs::hevc, true, 40, 2),
                              second,
                              frame_of(codecs::hevc, true, 80, 3),
                              frame_of(codecs::hevc, true, 120, 4),
                              reset,
                              frame_of(codecs::hevc, true, 160, 5),
                              frame_of(codecs::hevc, true, 200, 6)};
  check_arrived(lived, co_await until(viewer, lived.back().payload));
}

asio::awaitable<void> several_in_one_message(context& c) {
  const auto hevc = cases::sample_record(codecs::hevc);
  const auto av1 = cases::sample_record(codecs::av1);
  const auto starts = cases::multitrack(media::frame_kind::video, media::ex_form::many_tracks_many_codecs, media::ex_packet::sequence_start,
                                        {{0, codecs::hevc, hevc}, {1, codecs::av1, av1}});
  const auto written = media::encode(starts);
  const base::bytes_view start = written;
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_multitrack);
  const auto frames = [](std::uint32_t time, std::string_view mark) {
    return video(time, "96 21 'hvc1' 00 000006 000000 0000" + std::string(mark) + " 'av01' 01 000003 1200" + std::string(mark));
  };
  send(from, {{rtmp::message_type::video, 0, {start.begin(), start.end()}}, frames(0, "01")});
  // A sequence end with bytes behind it, of a track that nobody has: odd, and no reason to lose what comes after.
  send(from, odd(video(20, "96 02 'vp09' 07 010203")));
  if (!co_await survived(from)) throw refusal{"trailing bytes end the publication"};
  const auto mark = frames(40, "02");
  const auto got = co_await join(c, from, mark);
  bool has_hevc = false, has_av1 = false;
  for (const auto& m : got) {
    has_hevc = has_hevc || contains(m.payload, hevc);
    has_av1 = has_av1 || contains(m.payload, av1);
    if ((byte_of(m, 0) & 0x8F) == 0x86 && (byte_of(m, 1) & 15) == 1) break;  // coded frames
  }
  check(has_hevc, "a late viewer did not get the configuration of the first track before the first picture");
  check(has_av1, "a late viewer did not get the configuration of the second track before the first picture");
}

}  // namespace

std::vector<test_case> ex_video_cases() {
  return {
      {"V1", "frame type, packet type and FourCC are read; legacy video stays as it was", header_bits},
      {"V2", "every packet type is relayed, reserved ones are survived", packet_types},
      {"V3", "a composition time is in CodedFrames of avc1, hvc1 and vvc1 alone", composition_time},
      {"V4", "vp08 vp09 av01 avc1 hvc1 vvc1 are relayed, with their configuration for late viewers", every_codec},
      {"V5", "seek commands have no body and are no pictures", seek_commands},
      {"V6", "HDR metadata comes before the first picture, the newest counts, a reset holds", hdr_metadata},
      {"V7", "all that is in one message counts; trailing bytes are survived", several_in_one_message},
  };
}

}  // namespace millrace::conform
