#include "rtmp/group_receiver.hpp"

#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>

#include "media/ex_header.hpp"
#include "rtmp/group_receiver_model.hpp"

namespace millrace::rtmp {
namespace {

using std::chrono::milliseconds;

// Messages by name: C (configuration), K and V of video, c (configuration) and A of audio, D of data, each with a digit that tells it
// apart and stands at the end of its payload.
message named(const std::string& name) {
  const char type = name.front();
  std::vector<std::uint8_t> body;
  auto kind = message_type::video;
  if (type == 'D') {
    kind = message_type::data_amf0;
  } else if (type == 'A' || type == 'c') {
    kind = message_type::audio;
    body = {0xaf, std::uint8_t(type == 'c' ? 0 : 1)};
  } else {
    body = {std::uint8_t(type == 'V' ? 0x27 : 0x17), std::uint8_t(type == 'C' ? 0 : 1), 0, 0, 0};
  }
  body.insert(body.end(), name.begin(), name.end());
  return {kind, 1, 4, 7, base::slice(std::move(body))};
}

std::vector<std::uint8_t> frame_of(const std::string& name) {
  const auto m = named(name);
  const auto kind = m.type == message_type::data_amf0 ? media::frame_kind::data : static_cast<media::frame_kind>(m.type);
  return encode_roqr(flow_of(m.msid, kind), m).flatten();
}

group_receiver_config live() {
  group_receiver_config config;
  config.hold = milliseconds(600);
  return config;
}

// Plays a script and writes down what comes out. Words of a script: "@600" the time is 600 ms and the timer runs, "2:K1" a message on
// stream 2, "2:K1<" the first half of it, "2:K1>" the rest, "2." FIN, "2!" RESET, "2~" bytes that nobody wants any more. The log: messages,
// "stop2", "@600" in front of what happened at a time, "error".
class player {
 public:
  explicit player(const group_receiver_config& config, bool bytewise = false) : receiver(config), bytewise_(bytewise) {}

  std::string play(const std::string& script) {
    std::istringstream words(script);
    for (std::string word; words >> word;) {
      if (word.front() == '@') {
        now = base::instant{} + milliseconds(std::stol(word.substr(1)));
        log_time_ = word;
        note(receiver.on_timer(now));
        continue;
      }
      std::size_t used = 0;
      const auto stream = std::stoll(word, &used);
      const auto what = word[used];
      if (what == '.') note(receiver.receive(now, stream, {}, true));
      if (what == '!') note(receiver.on_reset(now, stream));
      if (what == '~') note(receiver.receive(now, stream, std::vector<std::uint8_t>(100, 0xff), false));
      if (what == ':') message_on(stream, word.substr(used + 1));
    }
    return log_;
  }

  group_receiver receiver;
  base::instant now{};

 private:
  void message_on(std::int64_t stream, std::string name) {
    const auto part = name.back();
    if (part == '<' || part == '>') name.pop_back();
    const auto frame = frame_of(name);
    base::bytes_view bytes = frame;
    if (part == '<') bytes = bytes.first(frame.size() / 2 + 1);
    if (part == '>') bytes = bytes.subspan(frame.size() / 2 + 1);
    const auto step = bytewise_ ? 1 : bytes.size();
    for (; !bytes.empty(); bytes = bytes.subspan(step)) note(receiver.receive(now, stream, bytes.first(step), false));
  }

  void note(const base::result<void>& outcome) {
    while (const auto m = receiver.poll_message()) {
      const auto text = base::as_text(m->payload);
      write(std::string(text.substr(text.size() - 2)));
    }
    while (const auto stop = receiver.poll_stop()) write("stop" + std::to_string(stop->stream));
    if (!outcome) write("error");
  }

  void write(const std::string& what) {
    if (!log_time_.empty()) log_ += (log_.empty() ? "" : " ") + log_time_;
    log_time_.clear();
    log_ += (log_.empty() ? "" : " ") + what;
  }

  bool bytewise_;
  std::string log_, log_time_;
};

struct scene {
  const char* name;
  const char* script;
  const char* expected;
};

const scene scenes[] = {
    {"in order", "2:C1 2:K1 2:V1 2. 6:C1 6:K2 6.", "C1 K1 V1 K2"},
    {"out of order", "6:C1 6:K2 6. 2:C1 2:K1 2.", "C1 K1 K2"},
    {"the current group is not held back", "2:K1 6:K2 2:V1 2:V2 2.", "K1 V1 V2 K2"},
    {"a message in two parts", "2:K1< 2:K1> 2.", "K1"},
    {"hold counts from the first whole message", "2:K1 @100 6:K2< @300 6:K2> @899 @900", "K1 @900 K2 stop2"},
    {"hold, and FIN in time", "2:K1 @100 6:K2 @699 2:V1 2. @2000", "K1 @699 V1 K2"},
    {"late bytes are ignored", "2:K1 6:K2 @600 2~ 2~ 2! 6:V3", "K1 @600 K2 stop2 stop2 stop2 V3"},
    {"FIN of a stopped stream", "2:K1 6:K2 @600 2. 2. 6. 10:K3", "K1 @600 K2 stop2 K3"},
    {"lost first packet of a lower stream", "6:A1 @599 2:K1 @600", "@599 A1 K1"},
    {"lost first packet, never found", "6:A1 @599 @600 2~", "@600 A1 stop2 stop2"},
    {"half a header tells no flow", "10:A1 6! @599 @600", "@600 A1 stop2"},
    {"several unknown streams", "14:A1 @600", "@600 A1 stop2 stop6 stop10"},
    {"an unknown lower stream does not hold back a begun group", "2:A1 10:K1 2:A2 6:A3 2. 6.", "A1 A2 K1 A3"},
    {"a group whose begin was lost is skipped with the current one", "2:K1 6:K2< 10:K3 @600", "K1 @600 K3 stop2 stop6"},
    {"what came whole of a skipped group is released", "2:K1 @0 10:K3 @10 6:K2 6:V2 @600", "K1 @600 K2 V2 K3 stop2 stop6"},
    {"a whole group in between is not stopped", "2:K1 10:K3 @10 6:K2 6. @600", "K1 @600 K2 K3 stop2"},
    {"each next group has its own time", "2:K1 @100 6:K2 @200 10:K3 @699 @700 @799 @800", "K1 @700 K2 stop2 @800 K3 stop6"},
    {"reset in the middle of a message", "2:K1 2:V1< 6:K2 2!", "K1 K2"},
    {"reset before the first byte", "6:A1 2!", "A1"},
    {"what was whole before a reset is kept", "6:K2 6:V2< 6! 2:K1 2.", "K1 K2"},
    {"audio does not wait for video", "2:K1 6:A1 10:K2< 6. 14:A2 14. 18:A3", "K1 A1 A2 A3"},
    {"the flows skip apart", "2:K1 6:A1 10:K2 14:A2 6. @600", "K1 A1 A2 @600 K2 stop2"},
    {"data is a flow like the others", "2:D1 6:D2 2. 6.", "D1 D2"},
    {"an empty group", "2. 6:K1", "K1"},
    {"FIN inside a frame", "2:K1 2:V1< 2.", "K1 error"},
    {"an error is final", "2:V1< 2. 6:K1 @10 2!", "error error @10 error error"},
    {"video behind audio on a stream", "2:A1 2:K1", "A1 error"},
    {"not a group stream", "3:A1", "error"},
    {"not a group stream, lower", "0:A1", "error"},

    {"repeated configuration", "2:C1 2:K1 2. 6:C1 6:K2 6. 10:C1 10:K3", "C1 K1 K2 K3"},
    {"new configuration at the head", "2:C1 2:K1 2. 6:C2 6:K2 6. 10:C2 10:K3", "C1 K1 C2 K2 K3"},
    {"back to the former", "2:C1 2:K1 2. 6:C2 6:K2 6. 10:C1 10:K3", "C1 K1 C2 K2 C1 K3"},
    {"the same inside a group", "2:C1 2:K1 2:C1 2:V1 2. 6:C1 6:K2 6:C1", "C1 K1 C1 V1 K2 C1"},
    {"configuration of audio", "2:c1 2:A1 2. 6:c1 6:A2 6:c1 6:A3", "c1 A1 A2 c1 A3"},
    {"the first configuration was lost", "2:C1< 6:C1 6:K2 @600", "@600 C1 K2 stop2"},
};

TEST(GroupReceiver, PlaysEveryScene) {
  for (const auto& s : scenes) {
    for (const bool bytewise : {false, true}) {
      if (bytewise && std::string(s.expected).find("error") != std::string::npos) continue;  // every byte behind one is another
      player p(live(), bytewise);
      EXPECT_EQ(p.play(s.script), s.expected) << s.name;
    }
  }
}

TEST(GroupReceiver, BytesMayBeSplitAnywhere) {
  std::vector<std::uint8_t> stream;
  for (const char* name : {"C1", "K1", "V1"}) {
    const auto frame = frame_of(name);
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    group_receiver r(live());
    const base::bytes_view bytes = stream;
    ASSERT_TRUE(r.receive({}, 2, bytes.first(cut), false));
    ASSERT_TRUE(r.receive({}, 2, bytes.subspan(cut), true));
    for (const char* name : {"C1", "K1", "V1"}) {
      const auto m = r.poll_message();
      ASSERT_TRUE(m) << cut;
      EXPECT_EQ(base::as_text(m->payload), base::as_text(named(name).payload));
      EXPECT_EQ(m->timestamp, 7u);
    }
    EXPECT_FALSE(r.poll_message());
    EXPECT_EQ(r.bytes_held(), 0u);
    EXPECT_EQ(r.streams_open(), 0u);
  }
}

TEST(GroupReceiver, RefusesFramesThatAreOfNoMediaFlow) {
  const struct {
    std::uint64_t flow;
    unsigned type;
    std::uint32_t msid;
    bool good;
  } rows[] = {
      {5, 8, 1, true},  {6, 9, 1, true},   {7, 18, 1, true}, {7, 15, 1, true},  {4 * 9 + 1, 8, 9, true},
      {0, 20, 0, false}, {0, 9, 1, false}, {4, 9, 1, false}, {5, 9, 1, false},  {6, 8, 1, false},
      {7, 9, 1, false}, {6, 22, 1, false}, {5, 20, 1, false}, {5, 8, 2, false}, {(std::uint64_t{1} << 34) + 1, 8, 0, false},
  };
  for (const auto& row : rows) {
    group_receiver r(live());
    const auto bytes = encode_roqr(row.flow, {static_cast<message_type>(row.type), row.msid, 4, 0, base::slice({1, 2})}).flatten();
    const auto got = r.receive({}, 2, bytes, false);
    EXPECT_EQ(got.has_value(), row.good) << "flow " << row.flow << ", type " << row.type;
    if (got) continue;
    EXPECT_EQ(got.error().kind, base::error_kind::protocol);
    EXPECT_NE(got.error().text.find("group stream 2: "), std::string::npos) << got.error().text;
  }
}

TEST(GroupReceiver, TimerIsTheHoldOfTheOldestWaitingMessage) {
  player p(live());
  p.play("2:K1");
  EXPECT_FALSE(p.receiver.poll_timeout()) << "nobody waits";
  p.play("@100 6:K2<");
  EXPECT_FALSE(p.receiver.poll_timeout()) << "not whole yet";
  p.play("@200 6:K2> @300 10:K3");
  EXPECT_EQ(p.receiver.poll_timeout(), base::instant{} + milliseconds(800));
  p.receiver.set_hold(milliseconds(1000));
  EXPECT_EQ(p.receiver.poll_timeout(), base::instant{} + milliseconds(1200));
  p.receiver.set_hold(milliseconds(10'000));
  EXPECT_EQ(p.receiver.poll_timeout(), base::instant{} + milliseconds(4200)) << "age_max";
  p.play("@4200");
  EXPECT_EQ(p.receiver.counters().of(group_skip::age), 1u);
  EXPECT_EQ(p.receiver.counters().of(group_skip::hold), 0u);
}

TEST(GroupReceiver, CountsWhatItSkips) {
  player p(live());
  p.play("2:C1 2:K1 2:V1< 6:C1 6:K2 @600 10:C1 10:K3 10:V3< 10! 6.");
  const auto& counters = p.receiver.counters();
  EXPECT_EQ(counters.of(group_skip::hold), 1u);
  EXPECT_EQ(counters.resets, 1u);
  EXPECT_EQ(counters.messages_cut, 2u);
  EXPECT_EQ(counters.configs_swallowed, 2u);
  EXPECT_EQ(p.receiver.bytes_held(), 0u);
}

TEST(GroupReceiver, ManyBytesMakeItSkipAtOnce) {
  auto config = live();
  config.bytes_max = 3 * group_receiver::message_cost;
  player p(config);
  EXPECT_EQ(p.play("2:K1 6:A1 10:K2 10:V1 14:A2 10:V3"), "K1 A1 K2 V1 stop2 V3");
  EXPECT_EQ(p.receiver.counters().of(group_skip::bytes), 1u);
  EXPECT_GT(p.receiver.bytes_held(), group_receiver::message_cost) << "A2 waits on";
}

TEST(GroupReceiver, AMessageLargerThanAllRoomIsGivenUp) {
  auto config = live();
  config.bytes_max = 1000;
  group_receiver r(config);
  auto bytes = encode_roqr(6, {message_type::video, 1, 6, 0, base::slice(std::vector<std::uint8_t>(2000))}).flatten();
  bytes.pop_back();
  ASSERT_TRUE(r.receive({}, 2, bytes, false));
  EXPECT_EQ(r.poll_stop()->stream, 2);
  EXPECT_EQ(r.bytes_held(), 0u);
  EXPECT_EQ(r.counters().messages_cut, 1u);
}

TEST(GroupReceiver, TheReliableProfileNeverSkips) {
  group_receiver_config config;
  player old(config);
  EXPECT_EQ(old.play("2:K1 6:K2 @3999 @4000"), "K1 @4000 error");
  player patient(config);
  patient.receiver.set_hold(milliseconds(600));
  EXPECT_EQ(patient.play("2:K1 6:K2 @3999 2:V1 2."), "K1 @3999 V1 K2");
  config.bytes_max = 2 * group_receiver::message_cost;
  player full(config);
  EXPECT_EQ(full.play("2:K1 6:K2 6:V2"), "K1 error");
  const auto again = full.receiver.on_timer({});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, base::error_kind::limit);
}

TEST(GroupReceiver, BoundsTheStreamsAndFlowsThatAPeerMayBegin) {
  auto config = live();
  config.streams_max = 3;
  player p(config);
  EXPECT_EQ(p.play("10:A1 6. 14:A2 18:A3"), "error");
  group_receiver far(live());
  const auto got = far.receive({}, (std::int64_t{1} << 62) - 2, {}, false);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, base::error_kind::limit);
  group_receiver flows(live());
  for (std::uint32_t msid = 0; msid <= 48; ++msid) {
    const auto bytes = encode_roqr(4 * msid + 1, {message_type::audio, msid, 4, 0, base::slice({0x2f, 1})}).flatten();
    EXPECT_EQ(flows.receive({}, 2 + 4 * msid, bytes, true).has_value(), msid < 48) << msid;
  }
}

TEST(GroupReceiver, StreamIdsPast32BitsAndMemoryOfALongLife) {
  auto config = live();
  config.first_stream = (std::uint64_t{1} << 33) + 3;  // as if everything before were over
  group_receiver r(config);
  const auto first = static_cast<std::int64_t>(config.first_stream);
  ASSERT_TRUE(r.receive({}, first + 4, frame_of("A2"), true));
  EXPECT_FALSE(r.poll_message());
  ASSERT_TRUE(r.receive({}, first, frame_of("A1"), true));
  EXPECT_TRUE(r.poll_message() && r.poll_message());

  // A video group that never ends stays open beside all the audio that passes it.
  group_receiver life(live());
  ASSERT_TRUE(life.receive({}, 2, frame_of("K1"), false));
  const auto audio = frame_of("A1");
  for (std::int64_t stream = 6; stream < 40'000; stream += 4) {
    ASSERT_TRUE(life.receive({}, stream, audio, true));
    ASSERT_EQ(life.streams_open(), 1u);
  }
}

TEST(GroupReceiver, RangesMerge) {
  id_ranges done;
  for (const std::uint64_t id : {4u, 0u, 2u, 3u, 8u, 2u}) done.add(id);
  EXPECT_EQ(done.count(), 5u);
  EXPECT_EQ(done.ranges(), 3u);
  EXPECT_EQ(done.next_missing(2), 5u);
  EXPECT_EQ(done.next_missing(1), 1u);
  done.add(1);
  EXPECT_EQ(done.ranges(), 2u);
  EXPECT_TRUE(done.contains(8) && !done.contains(9) && done.next_missing(0) == 5);
}

TEST(GroupReceiver, ConfigurationsGoWithTheTracksAndTheSequenceStart) {
  configs_in_effect configs(media::frame_kind::video);
  const base::slice avc(std::vector<std::uint8_t>{0x17, 0, 0, 0, 0, 1, 100}), other(std::vector<std::uint8_t>{0x17, 0, 0, 0, 0, 1, 77});
  media::ex_message two{media::frame_kind::video, media::ex_packet::sequence_start, media::frame_type_key, media::ex_form::many_tracks,
                        {{0, media::codecs::avc, {1, 2, 3}, 0}, {1, media::codecs::avc, {1, 2, 4}, 0}}, {}, {}, 0};
  const auto both = media::encode(two);
  ASSERT_TRUE(configs.is_config(avc) && configs.is_config(both));
  constexpr std::size_t enough = 1000;
  configs.put(both, enough);
  EXPECT_TRUE(configs.holds(both));
  configs.put(avc, enough);
  EXPECT_FALSE(configs.holds(both)) << "not of track 0 any more";
  configs.put(other, enough);
  EXPECT_TRUE(configs.holds(other) && !configs.holds(avc));
  EXPECT_EQ(configs.bytes(), other.size());
  configs.put(both, configs.bytes());
  EXPECT_FALSE(configs.holds(both)) << "no room for it";
  EXPECT_FALSE(configs.holds(other)) << "it is no longer in effect all the same";
  EXPECT_EQ(configs.bytes(), 0u);
}

TEST(GroupReceiver, AgreesWithTheModel) {
  std::uint64_t skipped = 0, cut = 0, messages = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    auto choose = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
    group_receiver_model model(choose, seed % 4 == 3);
    model.run(300);
    EXPECT_FALSE(model.failed()) << seed;
    messages += model.messages();
    cut += model.counters().messages_cut;
    for (const auto count : model.counters().skipped) skipped += count;
  }
  EXPECT_GT(skipped, 200u) << "the model sees skips";
  EXPECT_GT(cut, 50u);
  EXPECT_GT(messages, 10'000u);
}

}  // namespace
}  // namespace millrace::rtmp
