// Sections 13 to 16 and 18 of doc/protocol/conformance.md for the client.
#include "base/written_bytes.hpp"
#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "media/ex_header_cases.hpp"
#include "media/tag_header.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace cases = media::ex_cases;
namespace codecs = media::codecs;
using rtmp::client_role;
using rtmp::message_type;
using test::client_case;
using test::client_script;

void start_over(client_script& s, client_role role) {
  if (s.link) s.link->close();
  s.started.reset();
  s.frames.clear();
  s.start(role);
}

media::frame_kind kind_of(const av& m) { return m.type == message_type::audio ? media::frame_kind::audio : media::frame_kind::video; }

// A playing client hands out what it was sent, byte by byte and in order. `roles` has a letter for each message: c a configuration, k a key
// frame, . neither.
asio::awaitable<void> plays(client_script& s, std::vector<av> all, std::string roles) {
  start_over(s, client_role::play);
  const auto at = co_await s.accept_until_started();
  for (const auto& m : all) at->send_media(m.type, 1, m.time, m.payload);
  co_await s.until([&] { return s.frames.size() >= all.size() || s.down; }, "every message");
  check(!s.down, "the client ended the connection");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& f = s.frames[i];
    const auto which = "message " + std::to_string(i) + " (" + hex(all[i].payload, 8) + ")";
    check(f.kind == kind_of(all[i]), which + " changed its kind");
    check_equal(all[i].payload, f.payload, which);
    check(f.config == (roles[i] == 'c'), which + (f.config ? " is taken for a configuration" : " is no configuration for the client"));
    check(f.key == (roles[i] == 'k'), which + (f.key ? " is taken for a key frame" : " is no key frame for the client"));
    check(static_cast<std::uint32_t>(f.dts_ms) - static_cast<std::uint32_t>(s.frames[0].dts_ms) == all[i].time - all[0].time,
          which + " changed its time");
  }
}

// A publishing client sends what it was given, byte by byte and in order.
asio::awaitable<void> publishes(client_script& s, std::vector<av> all) {
  start_over(s, client_role::publish);
  const auto at = co_await s.accept_until_started();
  for (const auto& m : all) {
    media::frame f;
    f.kind = kind_of(m);
    f.dts_ms = m.time;
    f.payload = base::slice::copy_of(m.payload);
    media::classify(f);
    s.link->send(f);
  }
  s.link->flush();
  std::vector<av> got;
  while (got.size() < all.size()) {
    const auto m = co_await at->wait_media();
    const base::bytes_view payload = m.payload;
    got.push_back({m.type, m.timestamp, {payload.begin(), payload.end()}});
    const auto& sent = all[got.size() - 1];
    check(m.timestamp - got[0].time == sent.time - all[0].time, "message " + std::to_string(got.size() - 1) + " changed its time");
  }
  check_arrived(all, got);
}

asio::awaitable<void> both_ways(client_script& s, std::vector<av> all, std::string roles) {
  co_await plays(s, all, std::move(roles));
  co_await publishes(s, std::move(all));
}

// ---- connect ----------------------------------------------------------------------------------------------------

asio::awaitable<void> announces_and_lives_without(client_script& s) {
  const std::vector<client_role> roles{client_role::publish, client_role::play};
  for (const auto role : roles) {
    start_over(s, role);
    auto c = co_await s.accept_connect_command();
    rtmp::peer_capabilities said;
    rtmp::read_capabilities(c.connect.object, said);
    for (const char* key : {"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"}) {
      check(c.connect.object.find(key) != nullptr, std::string("connect has no ") + key);
    }
    for (const auto codec : {codecs::hevc, codecs::av1})
      check(said.takes(media::frame_kind::video, codec), "connect does not announce video codecs");
    for (const auto codec : {codecs::opus, codecs::flac})
      check(said.takes(media::frame_kind::audio, codec), "connect does not announce audio codecs");
    check(said.reconnect(), "connect does not announce Reconnect");
    check((said.video_function != 0) == (role == client_role::play), "videoFunction is a player's property");
    client_script::answer_connect(*c.at, c.connect.transaction);  // which says nothing of E-RTMP
    co_await client_script::accept_stream(c.at);
    co_await s.until([&s] { return s.started.has_value(); }, "the start at a server without E-RTMP");
  }
  start_over(s, client_role::publish);
  auto c = co_await s.accept_connect_command();
  const rtmp::amf0::object properties{everything()};
  const rtmp::status ok{"status", "NetConnection.Connect.Success", "ok"};
  c.at->send(rtmp::make_command(0, "_result", c.connect.transaction, properties, {rtmp::information(ok, everything(65535.0))}));
  co_await client_script::accept_stream(c.at);
  co_await s.until([&s] { return s.started.has_value(); }, "the start at a server with E-RTMP");
}

// ---- video ------------------------------------------------------------------------------------------------------

asio::awaitable<void> video_header(client_script& s) {
  std::vector<av> all{start_of(codecs::av1), video(0, "91 'av01' 1200 01"), video(40, "a3 'av01' 1200 02"), video(80, "b1 'av01' 1200 03"),
                      video(120, "c3 'av01' 1200 04")};
  co_await both_ways(s, all, "ck..k");
  std::vector<av> legacy{{message_type::video, 0, avc_config()},
                         {message_type::video, 0, avc_frame(true)},
                         {message_type::video, 40, avc_frame(false)},
                         video(80, "37 01 000000 00000002 0101")};
  co_await both_ways(s, legacy, "ck..");
}

asio::awaitable<void> video_packet_types(client_script& s) {
  std::vector<av> all{start_of(codecs::hevc),
                      video(0, "94 'hvc1'", cases::hdr_metadata()),
                      frame_of(codecs::hevc, true, 0, 1),
                      video(40, "a3 'hvc1'", body_of(codecs::hevc, false, 2)),
                      video(80, "92 'hvc1'"),
                      video(80, "95 'av01' 80040081"),
                      video(80, "96 01 'av01' 00 1200"),
                      video(80, "97 00 01 11 'av01' 1200")};
  std::string roles = "cck..ckk";
  for (const char* reserved : {"98", "9b", "9f", "a8"}) {
    all.push_back(video(120, std::string(reserved) + " 'hvc1' 01020304"));
    roles += '.';
  }
  all.push_back(frame_of(codecs::hevc, true, 160, 3));
  co_await both_ways(s, all, roles + 'k');
}

asio::awaitable<void> composition_time(client_script& s) {
  for (const auto codec : cases::video_codecs) {
    std::vector<av> all{start_of(codec), frame_of(codec, true, 0, 1, 80), frame_of(codec, false, 40, 2, -40),
                        frame_of(codec, false, 80, 3, -0x800000), video(120, "a3 '" + rtmp::fourcc_text(codec) + "' 000028 09")};
    co_await plays(s, all, "ck...");
    const bool has = media::has_composition_time(codec);
    const std::int32_t expected[] = {0, has ? 80 : 0, has ? -40 : 0, has ? -0x800000 : 0, 0};
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto ms = media::inspect_video(s.frames[i].payload).composition_ms;
      check(ms == expected[i],
            "message " + std::to_string(i) + " of " + rtmp::fourcc_text(codec) + " has a composition time of " + std::to_string(ms));
    }
    co_await publishes(s, all);
  }
}

asio::awaitable<void> video_codecs(client_script& s) {
  for (const auto codec : cases::video_codecs) {
    std::vector<av> all{start_of(codec), frame_of(codec, true, 0, 1), frame_of(codec, false, 40, 2)};
    co_await both_ways(s, all, "ck.");
  }
}

asio::awaitable<void> seek_commands(client_script& s) {
  std::vector<av> all{start_of(codecs::av1), frame_of(codecs::av1, true, 0, 1),  video(40, "d0 00"), video(40, "d1 01"),
                      video(40, "d3 01"),    frame_of(codecs::av1, false, 40, 2)};
  co_await both_ways(s, all, "ck....");
}

asio::awaitable<void> hdr_metadata(client_script& s) {
  std::vector<av> all{start_of(codecs::hevc), video(0, "94 'hvc1'", cases::hdr_metadata()), frame_of(codecs::hevc, true, 0, 1),
                      video(40, "d4 'hvc1'", cases::undefined_metadata()), frame_of(codecs::hevc, false, 40, 2)};
  co_await both_ways(s, all, "cckc.");
}

// ---- audio ------------------------------------------------------------------------------------------------------

asio::awaitable<void> audio_packet_types(client_script& s) {
  std::vector<av> all{start_of(codecs::opus), audio(0, "94 'Opus' 01 02 00000003"), frame_of(codecs::opus, true, 0, 1),
                      audio(20, "92 'Opus'"), audio(20, "95 01 'Opus' 00 f8"),      audio(20, "97 00 01 11 'Opus' f8")};
  std::string roles = "cc....";
  for (const char* reserved : {"93", "96", "98", "9f"}) {
    all.push_back(audio(40, std::string(reserved) + " 'Opus' 01020304"));
    roles += '.';
  }
  co_await both_ways(s, all, roles);
}

asio::awaitable<void> audio_codecs(client_script& s) {
  for (const auto codec : cases::audio_codecs) {
    const bool has_start = !cases::sample_record(codec).empty();
    std::vector<av> all;
    if (has_start) all.push_back(start_of(codec));
    all.push_back(frame_of(codec, true, 20, 1));
    all.push_back(frame_of(codec, true, 40, 2));
    co_await both_ways(s, all, has_start ? "c.." : "..");
  }
}

asio::awaitable<void> opus_headers(client_script& s) {
  std::vector<av> all{audio(0, "90 'Opus' 'OpusHead' 01 04 3801 80bb0000 0000 01 02 02 00010203"), audio(0, "91 'Opus' fc 02 0101 f802 01"),
                      audio(20, "90 'Opus'"), audio(20, "94 'Opus' 01 04 00000033"), audio(20, "91 'Opus' fc 02 0101 f802 02")};
  co_await both_ways(s, all, "c.cc.");
}

asio::awaitable<void> flac_stream_info(client_script& s) {
  std::vector<av> all{start_of(codecs::flac), frame_of(codecs::flac, true, 0, 1)};
  co_await both_ways(s, all, "c.");
  const auto& start = all.front().payload;
  check(start.size() == 5 + 4 + 4 + 34 && contains(start, base::bytes_of("'fLaC' 80 000022")), "the sample has no STREAMINFO");
}

asio::awaitable<void> channel_layouts(client_script& s) {
  std::vector<av> all{start_of(codecs::aac),
                      audio(0, "94 'mp4a' 00 08"),
                      audio(0, "94 'mp4a' 01 06 0000003f"),
                      audio(0, "94 'mp4a' 02 05 00 01 fe ff 03"),
                      frame_of(codecs::aac, true, 0, 1),
                      audio(20, "94 'mp4a' 03 02"),
                      audio(20, "94 'mp4a' 02 05 0001"),
                      frame_of(codecs::aac, true, 20, 2)};
  co_await both_ways(s, all, "cccc....");
}

asio::awaitable<void> aac_in_both_forms(client_script& s) {
  std::vector<av> legacy{audio(0, "af 00 1210"), audio(0, "af 01 211004608c1c"), audio(23, "af 01 211004608c1d")};
  std::vector<av> enhanced{audio(0, "90 'mp4a' 1210"), audio(0, "91 'mp4a' 211004608c1c"), audio(23, "91 'mp4a' 211004608c1d")};
  co_await both_ways(s, legacy, "c..");
  co_await both_ways(s, enhanced, "c..");
  const auto codec = [](const av& m) { return media::codec_of(media::frame_kind::audio, media::inspect_audio(m.payload)); };
  check(codec(legacy[0]) == codec(enhanced[0]), "the two forms of AAC are two codecs for the client");
}

// ---- multitrack, ModEx ------------------------------------------------------------------------------------------

asio::awaitable<void> multitrack_types(client_script& s) {
  std::vector<av> all{video(0, "96 00 'av01' 00 81050c000a010000"),
                      video(0, "96 01 'av01' 00 120001"),
                      video(40, "a6 11 'av01' 00 000003 120002 01 000003 120002"),
                      video(80, "96 21 'av01' 00 000003 120003 'vp09' 01 000003 820003"),
                      audio(80, "95 21 'Opus' 00 000002 f805 'mp4a' 01 000002 2105"),
                      video(120, "96 31 'av01' 00 1200"),
                      video(120, "96 06 'av01' 00 1200"),
                      audio(120, "95 05 'Opus' 00 f8")};
  co_await both_ways(s, all, "ck.k....");
}

asio::awaitable<void> order_of_fields(client_script& s) {
  std::vector<av> all{video(0, "96 20 'vp09' 01 000008 001f820202020000 'av01' 00 000008 81050c000a010000"),
                      video(0, "96 21 'hvc1' 02 000005 0000280908 'av01' 03 000003 120003")};
  co_await both_ways(s, all, "ck");
  media::ex_walk walk(media::frame_kind::video, all[1].payload);
  const auto* track = walk.next();
  check(track && track->id == 2 && track->codec == codecs::hevc && track->composition_ms == 40,
        "the first track is not read as it is written");
  track = walk.next();
  check(track && track->id == 3 && track->codec == codecs::av1 && track->body.size() == 3, "the second track is not read as it is written");
}

asio::awaitable<void> extensions(client_script& s) {
  auto wide = video(40, "a7 ff 00ff");
  wide.payload.insert(wide.payload.end(), 256, 0xA5);
  append(wide.payload, video(0, "71 'av01' 120002").payload);
  std::vector<av> all{video(0, "97 00 01 70 'av01' 81050c000a010000"),
                      video(0, "97 00 01 17 00 02 27 01 0304 31 'av01' 120001"),
                      wide,
                      video(60, "97"),
                      video(60, "97 05 0102"),
                      audio(60, "97 03 01020304 f1 'Opus' f803")};
  co_await both_ways(s, all, "ck....");
}

asio::awaitable<void> nano_offsets(client_script& s) {
  std::vector<av> all{start_of(codecs::av1, 1'000), video(1'000, "97 02 0003e8 01 'av01' 120001"),
                      video(1'016, "a7 02 0a2c2b 01 'av01' 120002"), video(1'033, "a7 02 0f4240 01 'av01' 120003"),
                      video(1'050, "a1 'av01' 120004")};
  co_await both_ways(s, all, "ck...");
}

// ---- transport --------------------------------------------------------------------------------------------------

asio::awaitable<void> abandoned_message(client_script& s) {
  start_over(s, client_role::play);
  const auto at = co_await s.accept_until_started();
  const auto first = avc_frame(true, 300), last = avc_frame(false, 500), sound = aac_frame(40, 1);
  at->send_media(message_type::video, 1, 0, avc_config());
  at->send_media(message_type::video, 1, 0, first);
  chunk begun;
  begun.csid = 6;
  begun.time = 40;
  begun.length = 20'000;
  begun.type = message_type::video;
  begun.msid = 1;
  begun.payload = avc_frame(false, at->chunk_size(), 0xEE);
  at->send_chunk(begun);
  at->send_media(message_type::audio, 1, 45, sound);
  at->send(rtmp::make_control(message_type::abort, 6));
  at->send_media(message_type::video, 1, 80, last);
  co_await s.until([&] { return s.frames.size() >= 4 || s.down; }, "four messages");
  check(!s.down, "the client ended the connection");
  check_equal(first, s.frames[1].payload, "the picture before");
  check_equal(sound, s.frames[2].payload, "the audio in between");
  check_equal(last, s.frames[3].payload, "the picture after");

  // And our own publisher never abandons what it has begun: players break on it.
  std::vector<av> all{{message_type::video, 0, avc_config()}, {message_type::video, 0, avc_frame(true, 300'000)}};
  for (std::uint32_t i = 1; i < 20; ++i)
    all.push_back({message_type::video, i * 40, avc_frame(false, 20'000, static_cast<std::uint8_t>(i))});
  co_await publishes(s, all);
}

const bool registered = test::register_client_cases({
    {"E7", "maps, list and capsEx are announced; servers that answer nothing are fine", announces_and_lives_without},
    {"V1", "frame type, packet type and FourCC are read; legacy video stays as it was", video_header},
    {"V2", "every packet type goes through, reserved ones are survived", video_packet_types},
    {"V3", "a composition time is in CodedFrames of avc1, hvc1 and vvc1 alone", composition_time},
    {"V4", "vp08 vp09 av01 avc1 hvc1 vvc1", video_codecs},
    {"V5", "seek commands have no body and are no pictures", seek_commands},
    {"V6", "HDR metadata goes through and is configuration", hdr_metadata},
    {"X1", "every packet type goes through, reserved ones are survived", audio_packet_types},
    {"X2", "Opus fLaC ac-3 ec-3 .mp3 mp4a", audio_codecs},
    {"X3", "Opus: ID header, empty start with a channel layout, multi-stream packets", opus_headers},
    {"X4", "FLAC: fLaC and STREAMINFO stay whole", flac_stream_info},
    {"X5", "channel layouts of all three orders are configuration, broken ones are not", channel_layouts},
    {"X6", "legacy AAC and mp4a are treated alike", aac_in_both_forms},
    {"R1", "OneTrack, ManyTracks and ManyTracksManyCodecs go through, other types are survived", multitrack_types},
    {"R2", "types, FourCC, track id and size are read in their order", order_of_fields},
    {"R7", "ModEx of any size and number goes through, and what it wraps is known", extensions},
    {"R8", "TimestampOffsetNano goes through and never into the RTMP time", nano_offsets},
    {"Y6", "an abandoned message leaves the others whole; the client abandons none", abandoned_message},
});

}  // namespace
}  // namespace millrace::conform
