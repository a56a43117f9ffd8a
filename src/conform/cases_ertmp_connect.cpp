// Section 13, what connect says of Enhanced RTMP (E-RTMP v2 "Enhancing NetConnection connect Command").
#include <algorithm>
#include <limits>

#include "conform/enhanced.hpp"
#include "media/codec.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
namespace codecs = media::codecs;
using amf0::member;
using amf0::object;
using rtmp::message_type;

amf0::value list_of(std::initializer_list<const char*> names) {
  amf0::strict_array list;
  for (const char* name : names) list.items.emplace_back(name);
  return list;
}

// The answer to a connect with these members, accepted.
asio::awaitable<rtmp::command> answer_to(context& c, std::vector<member> extra) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object(std::move(extra)));
  auto answer = co_await at->wait_command("_result", 1);
  const auto code = rtmp::read_status(answer.arg(0)).code;
  check(code == "NetConnection.Connect.Success", "connect was answered with code '" + code + "'");
  co_return answer;
}

const amf0::value* said(const rtmp::command& answer, std::string_view key) {
  if (const auto* found = answer.object.find(key)) return found;
  const auto* info = answer.arg(0);
  return info ? info->find(key) : nullptr;
}

// A publication of HEVC, and the number of its next picture.
struct hevc_stream {
  on_stream from;
  std::uint8_t next = 0;
  av key() {
    const auto number = next++;
    return frame_of(codecs::hevc, true, number * 40U, number);
  }
};

asio::awaitable<hevc_stream> hevc_publication(context& c) {
  hevc_stream s;
  s.from = co_await publish_enhanced(c, c.name());
  send(s.from, start_of(codecs::hevc));
  send(s.from, s.key());
  co_await taken(s.from);
  co_return s;
}

// A player that announces these members gets the pictures.
asio::awaitable<void> gets_hevc(context& c, hevc_stream& s, std::vector<member> announced) {
  auto at = co_await c.connected_with(std::move(announced));
  const auto viewer = co_await c.play_on(std::move(at), s.from.name);
  const auto key = s.key();
  send(s.from, key);
  check_begins(co_await until(viewer, key.payload), start_of(codecs::hevc), "what the viewer gets first");
}

asio::awaitable<void> lists_and_maps(context& c) {
  const object map{{{"av01", 1.0}, {"hvc1", 1.0}}}, forwards{{{"hvc1", 4.0}}}, nothing_else{};
  const std::vector<std::vector<member>> ways{
      {{"fourCcList", list_of({"av01", "hvc1"})}},
      {{"fourCcList", list_of({"*"})}},
      {{"videoFourCcInfoMap", map}},
      {{"videoFourCcInfoMap", amf0::ecma_array{map.members}}, {"audioFourCcInfoMap", nothing_else}},
      {{"videoFourCcInfoMap", forwards}},
      {{"videoFourCcInfoMap", object{{{"*", 1.0}}}}},
      {{"fourCcList", list_of({"hvc1"})}, {"videoFourCcInfoMap", map}},
  };
  auto s = co_await hevc_publication(c);
  for (const auto& way : ways) co_await gets_hevc(c, s, way);
  // Of other types they say nothing, and connect goes on.
  std::vector<member> nonsense{{"fourCcList", "hvc1"}, {"videoFourCcInfoMap", 1.0}, {"audioFourCcInfoMap", amf0::null{}}, {"capsEx", "15"}};
  co_await answer_to(c, nonsense);
  nonsense = {{"fourCcList", amf0::strict_array{{amf0::value(1.0), amf0::value("far too long")}}},
              {"videoFourCcInfoMap", object{{{"hvc1", "1"}}}}};
  co_await answer_to(c, nonsense);
}

asio::awaitable<void> wildcard_overrides(context& c) {
  auto s = co_await hevc_publication(c);
  // Can encode HEVC only; but "*" says that everything is decoded.
  const std::vector<object> maps{object{{{"hvc1", 2.0}, {"*", 1.0}}}, object{{{"*", 5.0}, {"hvc1", 0.0}}}};
  for (const auto& map : maps) {
    std::vector<member> announced{{"videoFourCcInfoMap", map}};
    co_await gets_hevc(c, s, std::move(announced));
  }
}

asio::awaitable<void> answers_with_its_own(context& c) {
  const object map{{{"*", 1.0}}};
  const std::vector<std::vector<member>> ways{
      {{"videoFourCcInfoMap", map}, {"audioFourCcInfoMap", map}, {"capsEx", 1.0}},
      {{"fourCcList", list_of({"hvc1", "av01"})}},
  };
  bool any = false;
  for (const auto& way : ways) {
    const auto answer = co_await answer_to(c, way);
    const bool list_sent = way.front().name == "fourCcList";
    const auto* list = said(answer, "fourCcList");
    check(list_sent || !list, "fourCcList in the answer to a client that sent none");
    for (const char* name : {"videoFourCcInfoMap", "audioFourCcInfoMap"}) {
      const auto* own = said(answer, name);
      if (!own) continue;
      any = true;
      check(own->members() != nullptr, std::string(name) + " of the answer is no object");
      for (const auto& one : *own->members()) {
        const auto* flags = one.val.number();
        check(flags && *flags >= 0 && *flags <= 7, std::string(name) + " of the answer has a value that is no flags of FourCcInfoMask");
        check(one.name == "*" || one.name.size() == 4, std::string(name) + " of the answer has the name '" + one.name + "'");
      }
    }
    if (const auto* caps = said(answer, "capsEx")) {
      any = true;
      check(caps->number() != nullptr, "capsEx of the answer is no number");
    }
    any = any || list;
  }
  if (!any) throw refusal{"the server says nothing of E-RTMP"};
}

asio::awaitable<void> caps_bits(context& c) {
  // Bits of later versions, and values that are no bits at all.
  for (const double caps : {0.0, 15.0, 65520.0, 4294967295.0, -1.0, 0.5, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    std::vector<member> extra{{"capsEx", caps}};
    const auto answer = co_await answer_to(c, std::move(extra));
    const auto own = capabilities_in(answer).caps_ex;
    check((own & ~15U) == 0, "the server claims bits of capsEx that E-RTMP v2 does not have: " + std::to_string(own));
  }
  // What it claims is tried by the scripts of sections 14 to 17.
  const auto answer = co_await answer_to(c, everything());
  c.note("capsEx " + std::to_string(capabilities_in(answer).caps_ex));
}

asio::awaitable<void> payload_without_announcement(context& c) {
  const auto from = co_await c.publishing(c.name());  // as OBS does it
  send(from, start_of(codecs::hevc));
  send(from, frame_of(codecs::hevc, true, 0, 1));
  co_await taken(from);
  const auto got = co_await join(c, from, frame_of(codecs::hevc, true, 40, 2));
  check_begins(got, start_of(codecs::hevc), "what a capable viewer gets first");

  // A viewer that says which codecs it takes, and HEVC is none of them: told so, or left without; never sent what it cannot read.
  std::vector<member> others{{"fourCcList", list_of({"vp09"})}, {"videoFourCcInfoMap", object{{{"vp09", 1.0}}}}};
  const auto at = co_await c.connected_with(std::move(others));
  const auto msid = co_await at->barrier();
  at->call("play", at->next_transaction(), {from.name}, msid);
  // The picture, then audio that everybody can take: whoever gets that was not given the picture before.
  const auto sound = audio(80, "af 01 2110 04");
  std::string words;
  peer::wanted is = [&](const rtmp::message& m) {
    if (m.type == message_type::audio) return base::bytes_view(m.payload).size() == sound.payload.size();
    const auto s = m.type == message_type::command_amf0 ? rtmp::parse_command(m, {}) : base::result<rtmp::command>(base::error{});
    if (!s || s->name != "onStatus") return false;
    const auto status = rtmp::read_status(s->arg(0));
    if (status.code == "NetStream.Play.Start") {
      send(from, frame_of(codecs::hevc, true, 80, 3));
      send(from, sound);
    }
    if (status.level == "error") words = status.description;
    return status.level == "error";
  };
  co_await at->wait(std::move(is), "a refusal that names the codec, or the audio that follows the picture");
  for (const auto& m : at->passed) check(m.type != message_type::video, "a viewer that announced vp09 alone was sent HEVC");
  if (words.empty()) {
    c.note("the viewer gets the rest of the stream without a word about the codec");
  } else {
    const auto names = {"HEVC", "hvc1", "H.265", "codec"};
    check(std::any_of(names.begin(), names.end(), [&words](const char* n) { return words.find(n) != std::string::npos; }),
          "the refusal does not name the codec: " + words);
  }
}

asio::awaitable<void> multitrack_to_whom_it_concerns(context& c) {
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_multitrack);
  const auto capable_viewer = co_await watch(c, from.name);
  const auto plain_viewer = co_await watch(c, from.name, 0);
  const std::vector<av> sent{
      video(0, "96 10 'av01' 00 000008 81050c000a010000 01 000004 81050c00"),
      video(0, "96 11 'av01' 00 000003 120032 01 000004 12003201"),
      audio(0, "95 21 'Opus' 00 000002 f8ff 'mp4a' 01 000001 21"),
      video(40, "a6 11 'av01' 00 000004 12003203 01 000002 1200"),
  };
  const std::vector<av> single{
      video(0, "90 'av01' 81050c000a010000"),
      video(0, "91 'av01' 120032"),
      audio(0, "91 'Opus' f8ff"),
      video(40, "a1 'av01' 12003203"),
  };
  send(from, sent);
  co_await taken(from);
  check_arrived(sent, co_await until(capable_viewer, sent.back().payload));
  check_arrived(single, co_await until(plain_viewer, single.back().payload));
}

asio::awaitable<void> video_function(context& c) {
  const auto from = co_await publish_enhanced(c, c.name());
  const auto hdr = video(0, "94 'hvc1' 02 0009 'colorInfo' 03 0006 'hdrCll' 03 0006 'maxCLL' 00 408f400000000000 0000 09 0000 09");
  send(from, {start_of(codecs::hevc), hdr, frame_of(codecs::hevc, true, 0, 1)});
  co_await taken(from);
  std::uint8_t number = 2;
  for (const double function : {7.0, 4.0, 2.0, 0.0, 4096.0}) {
    auto extra = everything();
    for (auto& one : extra) {
      if (one.name == "videoFunction") one.val = function;
    }
    auto at = co_await c.connected_with(std::move(extra));
    const auto viewer = co_await c.play_on(std::move(at), from.name);
    const auto mark = frame_of(codecs::hevc, true, number * 40U, number);
    ++number;
    send(from, mark);
    const auto got = co_await until(viewer, mark.payload);
    const bool has = std::any_of(got.begin(), got.end(), [&hdr](const av& m) { return m.payload == hdr.payload; });
    const bool wants = function == 7.0 || function == 4.0 || function == 2.0;
    check(has || !wants, "a viewer with videoFunction " + std::to_string(static_cast<int>(function)) + " did not get the Metadata packet");
    if (has && !wants && function == 0.0) c.note("Metadata packets go to every viewer");
  }
}

}  // namespace

std::vector<test_case> ertmp_connect_cases() {
  return {
      {"E1", "fourCcList and FourCC maps are read, in every form", lists_and_maps},
      {"E2", "\"*\" overrides the flags of single codecs", wildcard_overrides},
      {"E3", "the answer has the server's own maps and capsEx, a list only to a list", answers_with_its_own},
      {"E4", "unknown bits of capsEx are ignored and none are claimed", caps_bits},
      {"E5", "payload without announcement is relayed, but not to who cannot take it", payload_without_announcement},
      {"E6", "Multitrack goes to who announced it, the default track alone to others", multitrack_to_whom_it_concerns},
      {"E8", "Metadata packets reach who asked for them with videoFunction", video_function},
  };
}

}  // namespace millrace::conform
