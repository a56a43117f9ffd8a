// Section 12, media payload: what a server has to know of it, and what it has to leave alone.
#include <algorithm>

#include "base/bytes.hpp"
#include "base/escape.hpp"
#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::message_type;

// The viewer says that it takes everything.
asio::awaitable<on_stream> open_minded_viewer(context& c, std::string name) {
  const amf0::object all{{{"*", 7.0}}};
  std::vector<amf0::member> said{
      {"fourCcList", amf0::strict_array{{amf0::value("*")}}}, {"videoFourCcInfoMap", all}, {"audioFourCcInfoMap", all}};
  auto at = co_await c.connected_with(std::move(said));
  co_return co_await c.play_on(std::move(at), std::move(name));
}

// The publisher was sent away: that is an answer too, if it has words.
void check_told(const on_stream& out, const std::string& about) {
  if (!out.at->closed()) return;
  check(!out.at->codes().empty(), about + ": the publisher is closed without a word");
  throw refusal{about + ": " + base::escaped(out.at->codes().back())};
}

asio::awaitable<void> configurations(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  begin_media(out);
  co_await out.at->barrier();
  const auto in = co_await c.playing(name);
  co_await wait_payload(in.at, avc_frame(true, 100, 1), "the key frame");
  check(count_passed(*in.at, avc_config()) == 1, "the video configuration did not come once ahead of the key frame");
  check(count_passed(*in.at, aac_config()) == 1, "the audio configuration did not come once ahead of the key frame");

  const auto broken_name = c.name("broken");
  const auto broken = co_await c.publishing(broken_name);
  const bytes empty_config{0x17, 0, 0, 0, 0};
  send_video(broken, 0, empty_config);
  send_audio(broken, 0, aac_config());
  send_audio(broken, 0, aac_frame(30, 1));
  try {
    co_await broken.at->barrier();
  } catch (const failure&) {
    check_told(broken, "an empty video configuration");
    throw;
  }
  const auto listener = co_await c.playing(broken_name);
  send_audio(broken, 23, aac_frame(30, 2));
  co_await wait_payload(listener.at, aac_frame(30, 2), "audio, although the video configuration is broken");
  check(count_passed(*listener.at, empty_config) == 0, "an empty configuration was kept for a later viewer");
}

asio::awaitable<void> changes_midway(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  begin_media(out);
  co_await wait_payload(in.at, avc_frame(true, 100, 1), "the first key frame");
  // The same configuration again, ahead of each key frame as some encoders do it.
  send_video(out, 40, avc_config());
  send_video(out, 40, avc_frame(true, 100, 2));
  co_await wait_payload(in.at, avc_frame(true, 100, 2), "the key frame behind a repeated configuration");
  // Another resolution.
  auto other = avc_config();
  other[8] = 0x1E;
  send_video(out, 80, other);
  send_video(out, 80, avc_frame(true, 100, 3));
  co_await wait_payload(in.at, other, "the changed configuration");
  co_await wait_payload(in.at, avc_frame(true, 100, 3), "the key frame behind the changed configuration");
  // The end of the sequence, then the same configuration anew.
  send_video(out, 120, bytes{0x17, 2, 0, 0, 0});
  send_video(out, 160, other);
  send_video(out, 160, avc_frame(true, 100, 4));
  in.at->passed.clear();
  co_await wait_payload(in.at, avc_frame(true, 100, 4), "the key frame behind the end of the sequence");
  check(count_passed(*in.at, other) == 1, "after an end of sequence the configuration did not come again");
  co_await out.at->barrier();
  const auto late = co_await c.playing(name);
  const auto first = co_await wait_video(late.at);
  check_equal(other, first.payload, "the configuration that a later viewer gets");
}

asio::awaitable<void> command_frames(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  const bytes seek_start{0x57, 0}, seek_end{0x57, 1};
  begin_media(out);
  send_video(out, 0, seek_start);
  send_video(out, 0, seek_end);
  send_video(out, 40, avc_frame(true, 100, 2));
  co_await wait_payload(in.at, seek_start, "the command frame that starts a seek");
  co_await wait_payload(in.at, seek_end, "the command frame that ends a seek");
  co_await wait_payload(in.at, avc_frame(true, 100, 2), "the key frame behind the command frames");
  co_await out.at->barrier();
  const auto late = co_await c.playing(name);
  co_await wait_payload(late.at, avc_frame(true, 100, 2), "the newest key frame");
  check(count_passed(*late.at, seek_start) + count_passed(*late.at, seek_end) == 0, "a command frame was kept for a later viewer");
}

asio::awaitable<void> forked_codec_numbers(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const bytes record{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x5D, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 0};
  bytes config{0x1C, 0, 0, 0, 0}, frame{0x1C, 1, 0, 0, 0, 0, 0, 0, 4, 0x26, 1, 0xAF, 0x08};
  append(config, record);
  send_video(out, 0, config);
  send_video(out, 0, frame);
  try {
    co_await out.at->barrier();
  } catch (const failure&) {
    check_told(out, "HEVC as codec 12");
    throw;
  }
  const auto in = co_await open_minded_viewer(c, name);
  const auto first = co_await wait_video(in.at);
  const auto view = first.payload.view();
  check(!view.empty(), "an empty video message came");
  if ((view[0] & 0x80) == 0) {
    check_equal(config, view, "the HEVC configuration of codec 12");
    co_await wait_payload(in.at, frame, "the HEVC key frame of codec 12");
    co_return;
  }
  const bytes enhanced{0x90, 'h', 'v', 'c', '1'};
  check_equal(enhanced, view.first(std::min<std::size_t>(view.size(), 5)), "the header that stands for codec 12");
  c.note("rewritten to the form of E-RTMP");
}

asio::awaitable<void> one_track_or_late(context& c) {
  const auto radio = co_await c.publishing(c.name("audio"));
  const auto listener = co_await c.playing(radio.name);
  send_audio(radio, 0, aac_config());
  send_audio(radio, 0, aac_frame(30, 1));
  co_await wait_payload(listener.at, aac_config(), "the configuration of an audio-only publisher");
  co_await wait_payload(listener.at, aac_frame(30, 1), "a frame of an audio-only publisher");
  // Its picture comes later.
  send_video(radio, 40, avc_config());
  send_video(radio, 40, avc_frame(true, 100, 1));
  co_await wait_payload(listener.at, avc_config(), "the configuration of video that comes late");
  co_await wait_payload(listener.at, avc_frame(true, 100, 1), "the key frame of video that comes late");

  const auto silent = co_await c.publishing(c.name("video"));
  const auto spectator = co_await c.playing(silent.name);
  send_video(silent, 0, avc_config());
  send_video(silent, 0, avc_frame(true, 100, 1));
  co_await wait_payload(spectator.at, avc_frame(true, 100, 1), "a frame of a video-only publisher");
  send_audio(silent, 40, aac_config());
  send_audio(silent, 40, aac_frame(30, 1));
  co_await wait_payload(spectator.at, aac_config(), "the configuration of audio that comes late");
  co_await wait_payload(spectator.at, aac_frame(30, 1), "a frame of audio that comes late");
}

asio::awaitable<void> unknown_codecs(context& c) {
  const std::vector<std::pair<message_type, bytes>> strange{
      {message_type::video, {0x1F, 1, 2, 3, 4, 5}},                         // codec 15
      {message_type::audio, {0xCF, 1, 2, 3}},                               // format 12, reserved
      {message_type::video, {0x91, 'z', 'z', 'z', 'z', 0, 0, 0, 1, 0x65}},  // an enhanced key frame
      {message_type::audio, {0x91, 'z', 'z', 'z', 'z', 1, 2, 3}}};          // enhanced audio
  for (std::size_t i = 0; i < strange.size(); ++i) {
    const auto name = c.name(std::to_string(i));
    const auto out = co_await c.publishing(name);
    const auto in = co_await open_minded_viewer(c, name);
    out.at->send_media(strange[i].first, out.msid, 0, strange[i].second);
    try {
      co_await out.at->barrier();
      co_await wait_payload(in.at, strange[i].second, "media of an unknown codec (" + hex(strange[i].second, 6) + ")");
    } catch (const failure&) {
      check_told(out, "media of an unknown codec");
      throw;
    }
  }
}

bytes aggregate_part(message_type type, std::uint32_t time, const bytes& body) {
  base::byte_writer to;
  to.u8(static_cast<std::uint8_t>(type))
      .u24(static_cast<std::uint32_t>(body.size()))
      .u24(time & 0xFFFFFF)
      .u8(static_cast<std::uint8_t>(time >> 24))
      .u24(0);
  to.bytes(body).u32(static_cast<std::uint32_t>(11 + body.size()));
  return std::move(to).take();
}

asio::awaitable<void> aggregates(context& c) {
  for (const std::uint32_t inner : {0u, 60'000u}) {  // relative times, and absolute ones as some senders write them
    const auto name = c.name(inner == 0 ? "relative" : "absolute");
    const auto out = co_await c.publishing(name);
    const auto in = co_await c.playing(name);
    begin_media(out, 60'000);
    const auto before = co_await wait_payload(in.at, avc_frame(true, 100, 1), "the key frame ahead of the aggregate");
    bytes body = aggregate_part(message_type::video, inner, avc_frame(false, 80, 0x21));
    append(body, aggregate_part(message_type::audio, inner + 10, aac_frame(30, 0x22)));
    append(body, aggregate_part(message_type::video, inner + 40, avc_frame(true, 80, 0x23)));
    rtmp::message m;
    m.type = message_type::aggregate;
    m.msid = out.msid;
    m.csid = 6;
    m.timestamp = 60'100;
    m.payload = base::slice::copy_of(body);
    out.at->send(m);
    const auto first = co_await wait_payload(in.at, avc_frame(false, 80, 0x21), "the first part of an aggregate");
    const auto second = co_await wait_payload(in.at, aac_frame(30, 0x22), "the second part of an aggregate");
    const auto third = co_await wait_payload(in.at, avc_frame(true, 80, 0x23), "the third part of an aggregate");
    const auto since = [&before](const rtmp::message& part) { return part.timestamp - before.timestamp; };
    check(since(first) == 100 && since(second) == 110 && since(third) == 140,
          "the parts are at " + std::to_string(since(first)) + ", " + std::to_string(since(second)) + " and " +
              std::to_string(since(third)) + " ms, expected 100, 110 and 140");
  }
  const auto liar = co_await c.publishing(c.name("liar"));
  bytes body = aggregate_part(message_type::video, 0, avc_frame(true));
  body[3] = 0xFF;  // the part's size runs past the message
  liar.at->send_media(message_type::aggregate, liar.msid, 0, body);
  co_await liar.at->wait_closed();
}

asio::awaitable<void> silence(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  begin_media(out);
  co_await wait_payload(in.at, avc_frame(true, 100, 1), "the key frame");
  send_audio(out, 40, {});
  bytes nothing;
  const auto mark = co_await wait_payload(in.at, std::move(nothing), "the empty audio message");
  check(mark.type == message_type::audio, "the empty audio message came as something else");
  // Video does not wait for an audio clock that stands still.
  for (std::uint8_t i = 2; i < 6; ++i) send_video(out, 40u * i, avc_frame(false, 100, i));
  co_await wait_payload(in.at, avc_frame(false, 100, 5), "video behind a mark of silence");
}

asio::awaitable<void> cut_short(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  begin_media(out);
  const std::vector<bytes> video{
      {},           {0x17},      {0x17, 0}, {0x17, 1, 0}, {0x27, 1, 0, 0}, {0x90}, {0x90, 'h', 'v'}, {0x91, 'h', 'v', 'c', '1', 0},
      {0x96, 0x00}, {0x97, 0xFF}};
  const std::vector<bytes> audio{{0xAF}, {0xAF, 0}, {0x90}, {0x90, 'O', 'p'}, {0x95, 0x10, 'O'}, {0x97, 0xFF, 0xFF}};
  for (const auto& one : video) send_video(out, 20, one);
  for (const auto& one : audio) send_audio(out, 20, one);
  const auto good = avc_frame(true, 100, 2);
  send_video(out, 40, good);
  try {
    co_await out.at->barrier();
  } catch (const failure&) {
    if (!out.at->closed()) throw;
    throw refusal{"media that is cut short ends the connection: " + base::escaped(out.at->how_closed()->reason.text)};
  }
  co_await wait_payload(in.at, good, "a good frame behind the ones that are cut short");
  const auto late = co_await c.playing(name);
  const auto first = co_await wait_video(late.at);
  check_equal(avc_config(), first.payload, "the configuration that a later viewer gets");
  co_await wait_payload(late.at, good, "the newest key frame");
}

}  // namespace

std::vector<test_case> media_cases() {
  return {
      {"M1", "configurations come first to every viewer; a broken one is ignored or refused", configurations},
      {"M2", "repeated and changed configurations, end of sequence: viewers keep playing", changes_midway},
      {"M3", "command frames pass and are not kept", command_frames},
      {"M4", "HEVC as codec 12: passed, rewritten or refused in words", forked_codec_numbers},
      {"M5", "audio only, video only, and the other track late", one_track_or_late},
      {"M6", "media of unknown codecs is passed or refused in words", unknown_codecs},
      {"M7", "aggregates are taken apart with the right times; wrong sizes close", aggregates},
      {"M8", "an empty audio message is passed and holds nothing up", silence},
      {"M9", "media cut short harms nothing", cut_short},
  };
}

}  // namespace millrace::conform
