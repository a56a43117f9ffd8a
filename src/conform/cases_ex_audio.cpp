// Section 15, the enhanced header of audio messages (E-RTMP v2 "Enhanced Audio").
#include "base/written_bytes.hpp"
#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "media/ex_body.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace cases = media::ex_cases;
namespace codecs = media::codecs;
using rtmp::message_type;

asio::awaitable<void> packet_types(context& c) {
  std::vector<av> sent{start_of(codecs::opus), audio(0, "94 'Opus' 01 02 00000003"), frame_of(codecs::opus, true, 0, 1)};
  for (const char* reserved : {"93", "96", "98", "9a", "9f"}) sent.push_back(odd(audio(20, std::string(reserved) + " 'Opus' 01020304")));
  for (const char* cut : {"90", "91 'Opu'", "94 'Opus'"}) sent.push_back(odd(audio(20, cut)));
  sent.push_back(frame_of(codecs::opus, true, 20, 2));
  sent.push_back(audio(40, "92 'Opus'"));
  sent.push_back(start_of(codecs::opus, 60));
  sent.push_back(frame_of(codecs::opus, true, 60, 3));
  const auto from = co_await publish_enhanced(c, c.name());
  const auto viewer = co_await watch(c, from.name);
  send(from, sent);
  if (!co_await survived(from)) {
    c.note("a reserved packet type ends the publication");
    sent.resize(3);
    co_await pass_through(c, c.name("valid"), sent);
    co_return;
  }
  check_arrived(sent, co_await until(viewer, sent.back().payload));
}

asio::awaitable<void> every_codec(context& c) {
  for (const auto codec : cases::audio_codecs) {
    const auto name = rtmp::fourcc_text(codec);
    const bool has_start = !cases::sample_record(codec).empty();  // AC-3, E-AC-3 and MP3 have none
    const auto from = co_await publish_enhanced(c, c.name(name));
    const auto viewer = co_await watch(c, from.name);
    std::vector<av> all;
    if (has_start) all.push_back(start_of(codec));
    for (std::uint8_t i = 1; i <= 3; ++i) all.push_back(frame_of(codec, true, i * 20U, i));
    send(from, all);
    co_await taken(from);
    check_arrived(all, co_await until(viewer, all.back().payload));
    const auto got = co_await join(c, from, frame_of(codec, true, 100, 5));
    if (has_start) check_begins(got, start_of(codec), "a late listener of " + name);
  }
}

asio::awaitable<void> opus_headers(context& c) {
  // Two streams in one packet: the first self-delimited (RFC 6716 appendix B), the last not.
  const auto multistream = [](std::uint32_t time, std::uint8_t mark) {
    const bytes last{0xF8, 0x02, mark};
    return audio(time, "91 'Opus' fc 02 0101", last);
  };
  const auto with_header = audio(0, "90 'Opus' 'OpusHead' 01 04 3801 80bb0000 0000 01 02 02 00010203");
  const auto from = co_await publish_enhanced(c, c.name("header"));
  const auto listener = co_await watch(c, from.name);
  const std::vector<av> all{with_header, multistream(0, 1), multistream(20, 2)};
  send(from, all);
  co_await taken(from);
  check_arrived(all, co_await until(listener, all.back().payload));
  check_begins(co_await join(c, from, multistream(40, 3)), with_header, "the ID header for a late listener");

  // Without a header the channel layout speaks for it, and without that it is mono or stereo as each packet says.
  const auto empty = audio(0, "90 'Opus'");
  const auto layout = audio(0, "94 'Opus' 01 04 00000033");
  const auto bare = co_await publish_enhanced(c, c.name("layout"));
  const auto early = co_await watch(c, bare.name);
  const std::vector<av> second{odd(empty), layout, multistream(0, 1)};
  send(bare, second);
  co_await taken(bare);
  check_arrived(second, co_await until(early, second.back().payload));
  const auto got = co_await join(c, bare, multistream(20, 2));
  for (const auto& m : got) {
    if (m.payload == layout.payload) co_return;
    check(m.payload == empty.payload, "a late listener gets " + hex(m.payload) + " before the channel layout");
  }
}

asio::awaitable<void> flac_stream_info(context& c) {
  const auto from = co_await publish_enhanced(c, c.name());
  const auto listener = co_await watch(c, from.name);
  // STREAMINFO first, then a comment block: all of it is the configuration.
  auto start = start_of(codecs::flac);
  start.payload[5 + 4] &= 0x7F;  // not the last block
  append(start.payload, base::bytes_of("84 000008 00000000 00000000"));
  const std::vector<av> all{start, frame_of(codecs::flac, true, 0, 1), frame_of(codecs::flac, true, 20, 2)};
  send(from, all);
  co_await taken(from);
  check_arrived(all, co_await until(listener, all.back().payload));
  check_begins(co_await join(c, from, frame_of(codecs::flac, true, 40, 3)), start, "STREAMINFO for a late listener");
}

// `expected` is what holds for the samples at the end of `got`. A server may let a listener begin a little in the past, with what held
// then.
void check_layout(const std::vector<av>& got, const av& expected) {
  bytes newest;
  for (const auto& m : got) {
    const auto layout = m.type == message_type::audio && m.payload.size() > 5 && m.payload[0] == 0x94
                            ? base::bytes_view(m.payload).subspan(5)
                            : base::bytes_view();
    if (media::decode_channel_layout(layout)) newest = m.payload;
  }
  check_equal(expected.payload, newest, "the newest layout that a late listener has");
}

asio::awaitable<void> channel_layouts(context& c) {
  const auto unspecified = audio(0, "94 'mp4a' 00 08");
  const auto native = audio(20, "94 'mp4a' 01 06 0000003f");
  const auto custom = audio(40, "94 'mp4a' 02 05 00 01 fe ff 03");
  const auto from = co_await publish_enhanced(c, c.name());
  const auto listener = co_await watch(c, from.name);
  std::vector<av> all{start_of(codecs::aac)};
  std::uint8_t number = 1;
  const std::vector<av> layouts{unspecified, native, custom};
  for (const auto& layout : layouts) {
    all.push_back(layout);
    all.push_back(frame_of(codecs::aac, true, layout.time, number++));
    send(from, std::vector<av>(all.end() - (number == 2 ? 3 : 2), all.end()));
    co_await taken(from);
    const auto mark = frame_of(codecs::aac, true, layout.time + 10, number++);
    all.push_back(mark);
    const auto got = co_await join(c, from, mark);
    check_begins(got, start_of(codecs::aac), "the configuration of a late listener");
    check_layout(got, layout);
  }
  // A layout that is cut short, or of an order that does not exist, is no news.
  const std::vector<av> broken{odd(audio(60, "94 'mp4a' 01 06 0000")), odd(audio(60, "94 'mp4a' 02 05 0001")),
                               odd(audio(60, "94 'mp4a' 03 02"))};
  send(from, broken);
  if (!co_await survived(from)) {
    c.note("a broken channel layout ends the publication");
    co_return;
  }
  all.insert(all.end(), broken.begin(), broken.end());
  const auto mark = frame_of(codecs::aac, true, 80, number);
  all.push_back(mark);
  const auto got = co_await join(c, from, mark);
  check_begins(got, start_of(codecs::aac), "the configuration of a late listener");
  check_layout(got, custom);
  check_arrived(all, co_await until(listener, mark.payload));
}

asio::awaitable<void> aac_in_both_forms(context& c) {
  const auto record = base::bytes_of("1210");
  const auto samples = base::bytes_of("211004608c1c");
  struct form {
    const char *name, *start, *frame;
  };
  const std::vector<form> forms{{"legacy", "af 00", "af 01"}, {"mp4a", "90 'mp4a'", "91 'mp4a'"}};
  for (const auto& f : forms) {
    const auto from = co_await publish_enhanced(c, c.name(f.name));
    const auto listener = co_await watch(c, from.name);
    const std::vector<av> all{audio(0, f.start, record), audio(0, f.frame, samples), audio(23, f.frame, samples),
                              audio(46, "92 'mp4a'"),    audio(46, f.start, record), audio(46, std::string(f.frame) + " 01")};
    const bool legacy = f.name[0] == 'l';
    auto sent = all;
    if (legacy) sent.erase(sent.begin() + 3, sent.begin() + 5);  // no sequence end there, and a repeated configuration is no news
    send(from, sent);
    co_await taken(from);
    check_arrived(sent, co_await until(listener, sent.back().payload));
    const auto got = co_await join(c, from, audio(70, std::string(f.frame) + " 02"));
    check_begins(got, audio(0, f.start, record), std::string("a late listener of ") + f.name);
  }
}

}  // namespace

std::vector<test_case> ex_audio_cases() {
  return {
      {"X1", "every packet type is relayed, reserved ones are survived", packet_types},
      {"X2", "Opus fLaC ac-3 ec-3 .mp3 mp4a are relayed, with their configuration for late listeners", every_codec},
      {"X3", "Opus: ID header, empty start with a channel layout, multi-stream packets", opus_headers},
      {"X4", "FLAC: fLaC, STREAMINFO and more blocks stay whole", flac_stream_info},
      {"X5", "channel layouts of all three orders; the newest goes to late listeners", channel_layouts},
      {"X6", "legacy AAC and mp4a are treated alike", aac_in_both_forms},
  };
}

}  // namespace millrace::conform
