#include "conform/enhanced.hpp"

#include <algorithm>
#include <optional>

#include "base/escape.hpp"
#include "base/written_bytes.hpp"
#include "media/codec.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::conform {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
namespace codecs = media::codecs;
using base::bytes_of;
using rtmp::message_type;

namespace {

av written_message(message_type type, std::uint32_t time, std::string_view written, base::bytes_view more) {
  av m{type, time, bytes_of(written)};
  append(m.payload, more);
  return m;
}

}  // namespace

av video(std::uint32_t time, std::string_view written, base::bytes_view more) {
  return written_message(message_type::video, time, written, more);
}
av audio(std::uint32_t time, std::string_view written, base::bytes_view more) {
  return written_message(message_type::audio, time, written, more);
}
av odd(av m) {
  m.may_vanish = true;
  return m;
}

bool is_video(std::uint32_t codec) {
  const auto& all = media::ex_cases::video_codecs;
  return std::find(std::begin(all), std::end(all), codec) != std::end(all);
}

av start_of(std::uint32_t codec, std::uint32_t time) {
  const auto head = "90 '" + rtmp::fourcc_text(codec) + "'";
  const auto record = media::ex_cases::sample_record(codec);
  return is_video(codec) ? video(time, head, record) : audio(time, head, record);
}

bytes body_of(std::uint32_t codec, bool key, std::uint8_t mark) {
  const auto written = [&]() -> std::string_view {
    switch (codec) {
      case codecs::avc: return key ? "00000005 65888010" : "00000005 419a8010";  // one NAL unit with its length
      case codecs::hevc: return key ? "00000006 2601af0840" : "00000006 0201d00940";
      case codecs::vvc: return key ? "00000005 00390102" : "00000005 00010102";
      case codecs::av1: return key ? "1200 3204 10000c" : "1200 3204 30000c";  // temporal delimiter, frame
      case codecs::vp8: return key ? "1002009d012a4001f000" : "310200";        // frame tag, start code, size
      case codecs::vp9: return key ? "824983420013f00ef0" : "860040";
      case codecs::opus: return "fcfffe";
      case codecs::flac: return "fff8c9180000";
      case codecs::ac3: return "0b770000004040";
      case codecs::eac3: return "0b7700ff3f8600";
      case codecs::mp3: return "fffb9064000000";
      default: return "211004";
    }
  }();
  auto out = bytes_of(written);
  out.push_back(mark);
  return out;
}

av frame_of(std::uint32_t codec, bool key, std::uint32_t time, std::uint8_t mark, std::int32_t composition_ms) {
  const auto name = " '" + rtmp::fourcc_text(codec) + "'";
  const auto body = body_of(codec, key, mark);
  if (!is_video(codec)) return audio(time, "91" + name, body);
  auto m = video(time, (key ? "91" : "a1") + name);
  if (media::has_composition_time(codec)) {
    for (int shift = 16; shift >= 0; shift -= 8) m.payload.push_back(static_cast<std::uint8_t>(composition_ms >> shift));
  }
  append(m.payload, body);
  return m;
}

// ---- peers ------------------------------------------------------------------------------------------------------

std::vector<amf0::member> everything(double caps_ex) {
  const amf0::object all{{{"*", 1.0}}};
  return {{"videoFunction", 7.0},
          {"fourCcList", amf0::strict_array{{amf0::value("*")}}},
          {"videoFourCcInfoMap", all},
          {"audioFourCcInfoMap", all},
          {"capsEx", caps_ex}};
}

rtmp::peer_capabilities capabilities_in(const rtmp::command& answer) {
  rtmp::peer_capabilities out;
  rtmp::read_capabilities(answer.object, out);
  if (const auto* info = answer.arg(0)) rtmp::read_capabilities(*info, out);
  return out;
}

asio::awaitable<peer_ptr> capable(context& c, std::uint32_t needed) {
  auto made = co_await c.handshaken();
  made->set_chunk_size(4096);
  made->call("connect", 1, {}, 0, c.connect_object(everything()));
  const auto answer = co_await made->wait_command("_result", 1);
  const auto lacks = needed & ~capabilities_in(answer).caps_ex;
  if (lacks & rtmp::caps_multitrack) throw refusal{"the server does not announce Multitrack"};
  if (lacks & rtmp::caps_mod_ex) throw refusal{"the server does not announce ModEx"};
  if (lacks & rtmp::caps_timestamp_nano_offset) throw refusal{"the server does not announce TimestampNanoOffset"};
  if (lacks & rtmp::caps_reconnect) throw refusal{"the server does not announce Reconnect"};
  co_return made;
}

asio::awaitable<on_stream> publish_enhanced(context& c, std::string name, std::uint32_t needed) {
  auto at = co_await capable(c, needed);
  co_return co_await c.publish_on(std::move(at), std::move(name));
}

asio::awaitable<on_stream> watch(context& c, std::string name, double caps_ex) {
  auto at = co_await c.connected_with(everything(caps_ex));
  co_return co_await c.play_on(std::move(at), std::move(name));
}

// ---- publishing -------------------------------------------------------------------------------------------------

void send(const on_stream& to, const av& m) { to.at->send_media(m.type, to.msid, m.time, m.payload); }

void send(const on_stream& to, const std::vector<av>& all) {
  for (const auto& m : all) send(to, m);
}

namespace {

// What the server said of level error so far, or nothing.
std::optional<std::string> complaint(const peer& at) {
  for (const auto& m : at.passed) {
    if (m.type != message_type::command_amf0) continue;
    const auto c = rtmp::parse_command(m, {});
    if (!c || c->name != "onStatus") continue;
    const auto s = rtmp::read_status(c->arg(0));
    if (s.level == "error") return base::escaped(s.code + ": " + s.description);
  }
  return std::nullopt;
}

}  // namespace

asio::awaitable<void> taken(on_stream from) {
  std::optional<failure> ended;
  try {
    co_await from.at->barrier();
  } catch (const failure& f) {
    ended = f;
  }
  if (const auto words = complaint(*from.at)) throw refusal{"the publisher is refused: " + *words};
  if (ended) throw failure{"after what was published: " + ended->text};
}

asio::awaitable<bool> survived(on_stream from) {
  try {
    co_await from.at->barrier();
  } catch (const failure&) {
    if (!from.at->closed()) throw;
  }
  co_return !from.at->closed() && !complaint(*from.at);
}

// ---- watching ---------------------------------------------------------------------------------------------------

asio::awaitable<std::vector<av>> until(on_stream viewer, bytes last) {
  std::vector<av> got;
  // True for the last one.
  peer::wanted is = [&](const rtmp::message& m) {
    if (m.type != message_type::audio && m.type != message_type::video) return false;
    const base::bytes_view payload = m.payload;
    got.push_back({m.type, m.timestamp, {payload.begin(), payload.end()}});
    return got.back().payload == last;
  };
  // What came while the script waited for something else comes first.
  auto& passed = viewer.at->passed;
  auto end = std::find_if(passed.begin(), passed.end(), is);
  if (end != passed.end()) {
    ++end;
  } else {
    co_await viewer.at->wait(is, "the media message " + hex(last, 16));
    end = passed.end();
  }
  const auto is_media = [](const rtmp::message& m) { return m.type == message_type::audio || m.type == message_type::video; };
  passed.erase(std::remove_if(passed.begin(), end, is_media), end);
  co_return got;
}

asio::awaitable<std::vector<av>> join(context& c, on_stream from, av mark) {
  const auto viewer = co_await watch(c, from.name);
  send(from, mark);
  co_return co_await until(viewer, std::move(mark.payload));
}

asio::awaitable<void> pass_through(context& c, std::string name, std::vector<av> all, std::uint32_t needed) {
  const auto from = co_await publish_enhanced(c, std::move(name), needed);
  const auto viewer = co_await watch(c, from.name);
  send(from, all);
  co_await taken(from);
  check_arrived(all, co_await until(viewer, all.back().payload));
}

void check_arrived(const std::vector<av>& sent, const std::vector<av>& got) {
  std::size_t at = 0;
  for (const auto& one : got) {
    while (at < sent.size() && sent[at].may_vanish && sent[at].payload != one.payload) ++at;
    check(at < sent.size(), "a message more than was published: " + hex(one.payload));
    check(one.type == sent[at].type, "message " + std::to_string(at) + " changed between audio and video");
    check_equal(sent[at].payload, one.payload, "message " + std::to_string(at) + " (" + hex(sent[at].payload, 6) + ")");
    ++at;
  }
  while (at < sent.size() && sent[at].may_vanish) ++at;
  check(at == sent.size(), "only " + std::to_string(at) + " of " + std::to_string(sent.size()) + " messages arrived");
}

namespace {

void check_begins_with(const std::vector<av>& got, std::vector<av> expected, const std::string& what) {
  for (const auto& one : got) {
    if (expected.empty()) return;
    if (one.type != expected.front().type) continue;
    const auto found = std::find_if(expected.begin(), expected.end(), [&one](const av& e) { return e.payload == one.payload; });
    check(found != expected.end(), what + ": expected " + hex(expected.front().payload) + " first, got " + hex(one.payload));
    expected.erase(found);
  }
  if (!expected.empty()) throw failure{what + ": " + hex(expected.front().payload) + " never came"};
}

}  // namespace

void check_begins(const std::vector<av>& got, const av& first, const std::string& what) { check_begins_with(got, {first}, what); }

void check_begins(const std::vector<av>& got, const av& one, const av& other, const std::string& what) {
  check_begins_with(got, {one, other}, what);
}

bool contains(base::bytes_view whole, base::bytes_view part) {
  return std::search(whole.begin(), whole.end(), part.begin(), part.end()) != whole.end();
}

}  // namespace millrace::conform
