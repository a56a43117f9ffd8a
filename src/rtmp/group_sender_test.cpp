#include "rtmp/group_sender.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "rtmp/flows.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::rtmp {
namespace {

using std::chrono::milliseconds;
using media::frame_kind;

// Messages by name: C, K, P, B (disposable) of video, A and c (configuration) of audio, D of data. A digit of its own tells them apart.
struct bench {
  explicit bench(group_limits limits = {}) : sender(limits) {}
  void at(int ms) { now = base::instant{} + std::chrono::seconds(100) + milliseconds(ms), time_ms = ms; }
  void push(const std::string& name, std::uint32_t msid = 1) {
    media::frame f;
    const char type = name[0];
    f.kind = type == 'A' || type == 'c' ? frame_kind::audio : type == 'D' ? frame_kind::data : frame_kind::video;
    f.key = type == 'K';
    f.config = type == 'C' || type == 'c';
    f.disposable = type == 'B';
    f.dts_ms = time_ms;
    f.arrival = now;
    std::vector<std::uint8_t> body;
    if (type == 'c') body = {0xaf, 0x00};
    else if (type == 'A') body = {0xaf, 0x01};
    else if (type == 'D') body = {2, 0, 1};
    else body = {std::uint8_t(f.key || f.config ? 0x17 : 0x27), std::uint8_t(f.config ? 0 : 1), 0, 0, 0};
    body.insert(body.end(), name.begin(), name.end());
    f.payload = base::slice(body);
    message m;
    m.type = static_cast<message_type>(f.kind);
    m.msid = msid;
    m.csid = 4;
    m.timestamp = static_cast<std::uint32_t>(time_ms);
    m.payload = f.payload;
    auto wire = std::make_shared<const base::send_chain>(encode_roqr(flow_of(msid, f.kind), m));
    const std::string text = std::string(base::as_text(m.payload)).substr(m.payload.size() - name.size());
    names[wire.get()] = text;
    kept.push_back(wire);
    sender.push(now, msid, f, now, wire);
  }
  // "0:K1 0:P1. 1:." with a dot for the end; `all` is in packets at once unless `sends` is false.
  std::string one(unsigned limit = 4, bool sends = true) {
    const auto piece = sender.next(now, limit);
    if (!piece) return "";
    auto text = std::to_string(piece->group) + ":";
    if (piece->bytes) {
      text += names.at(piece->bytes.get());
      handed[piece->group] += piece->bytes->size();
    }
    if (piece->end) text += ".";
    if (sends) sender.on_sent(piece->group, handed[piece->group]);
    return text;
  }
  std::string all() {
    std::string out;
    for (auto text = one(); !text.empty(); text = one()) out += (out.empty() ? "" : " ") + text;
    return out;
  }
  std::uint64_t lost(group_loss why) { return sender.counters().of(why).messages; }

  group_sender sender;
  base::instant now{};
  int time_ms = 0;
  std::map<const base::send_chain*, std::string> names;
  std::map<std::uint64_t, std::uint64_t> handed;
  std::vector<base::shared_chain> kept;
};

struct row {
  const char* name;
  const char* pushed;  // names; a number is a time
  const char* out;
};
const row rows[] = {
    {"schedule", "0 C1 K1 P1 D1 A1 A2", "0:D1 1:A1 1:A2 2:C1 2:K1 2:P1"},
    {"oldest video first", "0 C1 K1 P1 K2 P2", "0:C1 0:K1 0:P1. 1:C1 1:K2 1:P2"},
    {"new configuration", "0 C1 K1 C2 K2", "0:C1 0:K1 0:C2. 1:C2 1:K2"},
    {"decode order and disposable", "0 K1 P3 B1 B2 P6 B4", "0:K1 0:P3 0:B1 0:B2 0:P6 0:B4"},
    {"audio follows video", "0 c1 C1 K1 A1 A2 K2 A3", "0:c1 0:A1 0:A2. 1:c1 1:A3 2:C1 2:K1. 3:C1 3:K2"},
    {"seconds", "0 c1 A1 500 A2 999 A3 1000 A4", "0:c1 0:A2 0:A3. 1:c1 1:A4"},
    {"configurations behind each other", "0 C1 C2 K1", "0:C1 0:C2 0:K1"},
};

TEST(GroupSender, Tables) {
  for (const auto& r : rows) {
    bench b;
    b.at(0);
    std::string word;
    for (const char* p = r.pushed;; ++p) {
      if (*p && *p != ' ') {
        word += *p;
        continue;
      }
      if (std::isdigit(static_cast<unsigned char>(word[0]))) b.at(std::stoi(word));
      else b.push(word);
      word.clear();
      if (!*p) break;
    }
    EXPECT_EQ(b.all(), r.out) << r.name;
    EXPECT_EQ(b.sender.queued_bytes(), 0u) << r.name;
  }
}

TEST(GroupSender, AudioOvertakesVideoBetweenItsMessages) {
  bench b;
  b.at(0);
  b.push("K1"), b.push("P1");
  EXPECT_EQ(b.one(4, false), "0:K1");
  EXPECT_EQ(b.one(3), "");
  b.push("A1"), b.push("D1");
  EXPECT_EQ(b.one(2), "1:D1");
  EXPECT_EQ(b.one(2), "");
  EXPECT_EQ(b.one(3), "2:A1");
  EXPECT_EQ(b.all(), "0:P1");
}

TEST(GroupSender, AudioExpiresAlone) {
  bench b;
  b.at(0);
  b.push("K0"), b.push("c1"), b.push("A1");
  b.at(1), b.push("A2");
  EXPECT_EQ(b.sender.poll_timeout(), base::instant{} + milliseconds(101'000));
  b.at(999), b.sender.on_timer(b.now);
  EXPECT_EQ(b.lost(group_loss::audio_old), 0u);
  EXPECT_EQ(b.sender.queue_age(b.now), milliseconds(999));
  b.at(1000), b.sender.on_timer(b.now);
  EXPECT_EQ(b.lost(group_loss::audio_old), 1u);
  EXPECT_EQ(b.all(), "0:c1 0:A2 1:K0");
}

TEST(GroupSender, VideoExpiresWithTheRestOfItsGroup) {
  for (const int late : {0, 1}) {
    bench b;
    b.at(0), b.push("C1"), b.push("K1"), b.push("P1");
    EXPECT_EQ(b.one(), "0:C1");
    EXPECT_EQ(b.one(), "0:K1");
    b.at(1100), b.push("B2");
    b.at(1199 + late);
    EXPECT_EQ(b.all(), late ? "0:." : "0:P1 0:B2");
    EXPECT_EQ(b.lost(group_loss::video_old), late ? 2u : 0u);
    EXPECT_EQ(b.sender.wants_key(), late == 1);
    EXPECT_EQ(b.sender.counters().groups_cut, late ? 1u : 0u);
    b.push("P3");
    EXPECT_EQ(b.all(), late ? "" : "0:P3");
    b.push("K2");
    EXPECT_FALSE(b.sender.wants_key());
    EXPECT_EQ(b.all(), late ? "1:C1 1:K2" : "0:. 1:C1 1:K2");
  }
}

TEST(GroupSender, AKeyFrameThatExpiresTakesItsGroupAlong) {
  for (const int late : {0, 1}) {
    bench b;
    b.at(0), b.push("C1"), b.push("K1");
    b.at(1500), b.push("P1");
    b.at(1999 + late), b.sender.on_timer(b.now);
    EXPECT_EQ(b.lost(group_loss::key_old), late ? 2u : 0u);
    b.push("C2");
    b.push("K2");
    EXPECT_EQ(b.all(), late ? "0:C2 0:K2" : "0:C1 0:K1 0:P1 0:C2. 1:C2 1:K2");  // no number for what vanished
  }
}

TEST(GroupSender, AnOlderGroupIsCut) {
  for (const int late : {0, 1}) {
    bench b;
    b.at(0), b.push("K1"), b.push("P1"), b.one();
    b.at(100), b.push("K2");
    b.at(300), b.push("P2");
    EXPECT_EQ(b.sender.poll_timeout(), base::instant{} + milliseconds(100'600));
    b.at(599 + late);
    EXPECT_EQ(b.all(), late ? "0:. 1:K2 1:P2" : "0:P1. 1:K2 1:P2");
    EXPECT_EQ(b.lost(group_loss::cut), late ? 1u : 0u);
    EXPECT_FALSE(b.sender.wants_key());
  }
}

TEST(GroupSender, WhatIsHalfSentGetsALittleMoreThenAReset) {
  bench b;
  b.at(0), b.push("K1"), b.one();
  b.push("P1"), b.one(4, false), b.sender.on_sent(0, b.handed[0] - 1);
  b.at(1000), b.push("P2");
  b.at(1299), b.sender.on_timer(b.now);
  EXPECT_FALSE(b.sender.poll_reset());
  EXPECT_EQ(b.sender.poll_timeout(), base::instant{} + milliseconds(101'300));
  b.at(1300), b.sender.on_timer(b.now);
  EXPECT_EQ(b.sender.poll_reset(), 0u);
  EXPECT_FALSE(b.sender.poll_reset());
  EXPECT_EQ(b.lost(group_loss::reset), 1u);
  EXPECT_TRUE(b.sender.wants_key());
  b.push("P3"), b.push("K2");
  EXPECT_EQ(b.lost(group_loss::reset), 2u);
  EXPECT_EQ(b.all(), "1:K2");
  // A cut counts from the cut.
  bench c;
  c.at(0), c.push("K1"), c.one(4, false);
  c.push("K2");
  c.at(500), c.sender.on_timer(c.now);
  c.at(599), c.sender.on_timer(c.now);
  EXPECT_FALSE(c.sender.poll_reset());
  c.at(600), c.sender.on_timer(c.now);
  EXPECT_EQ(c.sender.poll_reset(), 0u);
}

TEST(GroupSender, StoppedGroups) {
  bench b;
  b.at(0), b.push("C1"), b.push("K1"), b.push("P1"), b.one();
  b.sender.on_stopped(0);
  EXPECT_EQ(b.lost(group_loss::stopped), 2u);
  EXPECT_TRUE(b.sender.wants_key());
  EXPECT_EQ(b.all(), "");
  b.push("K2"), b.push("A1");
  EXPECT_EQ(b.all(), "1:A1 2:C1 2:K2");
  b.sender.on_stopped(1), b.sender.on_stopped(77), b.sender.on_sent(0, 9);
  b.push("A2");
  EXPECT_EQ(b.all(), "3:A2");
}

TEST(GroupSender, ReliableGivesNothingUp) {
  group_limits limits;
  limits.expires = false;
  limits.bytes_max = 1;
  bench b(limits);
  b.at(0), b.push("K1"), b.push("P1"), b.push("A1"), b.one(4, false), b.push("K2");
  EXPECT_FALSE(b.sender.poll_timeout());
  b.at(100'000), b.sender.on_timer(b.now);
  EXPECT_EQ(b.all(), "0:. 1:K1 1:P1. 2:K2");  // audio ends its group with that of video
  EXPECT_FALSE(b.sender.poll_reset());
}

TEST(GroupSender, MessageStreamsSideBySideAndFinish) {
  bench b;
  b.at(0), b.push("C1", 1), b.push("K1", 1), b.push("C2", 2), b.push("K2", 2), b.push("A2", 2), b.push("A1", 1), b.push("P1", 1);
  EXPECT_EQ(b.all(), "0:A2 1:A1 2:C1 2:K1 2:P1 3:C2 3:K2");
  b.push("P2", 1), b.sender.finish(1), b.sender.finish(9);
  EXPECT_EQ(b.all(), "1:. 2:P2.");
  b.push("K5", 1), b.push("K6", 2);  // no configuration of the former publication
  EXPECT_EQ(b.all(), "0:. 3:. 4:K5 5:C2 5:K6");
}

TEST(GroupSender, MemoryIsBounded) {
  group_limits limits;
  limits.bytes_max = 60;
  bench b(limits);
  b.at(0);
  for (int i = 0; i < 50; ++i) {
    b.push("A" + std::to_string(i));
    EXPECT_LE(b.sender.queued_bytes(), 60u);
  }
  for (int i = 0; i < 50; ++i) {
    b.push((i % 5 ? "P" : "K") + std::to_string(i));
    EXPECT_LE(b.sender.queued_bytes(), 60u);
  }
  EXPECT_GT(b.lost(group_loss::cut), 80u);
  b.sender.push(b.now, 1, {}, b.now, nullptr);
  EXPECT_EQ(b.lost(group_loss::empty), 1u);
}

// Any course of events: order is kept within a kind, every message goes out once or is counted, and video groups begin decodable.
TEST(GroupSender, Model) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    group_limits limits;
    if (seed % 5 == 0) limits.bytes_max = 500;
    if (seed % 7 == 0) limits.expires = false;
    bench b(limits);
    int ms = 0, serial = 0;
    std::uint64_t pushed = 0, out = 0, numbers = 0;
    std::map<std::uint64_t, std::string> heads;
    std::map<char, int> last;
    std::map<std::uint64_t, std::size_t> unsent;
    std::set<std::uint64_t> ended, gone;
    b.at(0), b.push("C0"), b.push("c0"), b.push("K1"), serial = 2, pushed = 1;
    const auto pull = [&] {
      const auto text = b.one(1 + random() % 4, random() % 4 != 0);
      if (text.empty()) return;
      const auto colon = text.find(':');
      const std::uint64_t id = std::stoul(text);
      EXPECT_LE(id, numbers) << seed;
      if (id == numbers) numbers++;
      EXPECT_FALSE(ended.count(id) || gone.count(id)) << seed << " " << text;
      if (text.back() == '.') ended.insert(id);
      auto name = text.substr(colon + 1);
      if (name.empty() || name == ".") return;
      heads[id] += name[0];
      if (name[0] == 'C' || name[0] == 'c') return;
      out++;
      const char kind = name[0] == 'A' || name[0] == 'D' ? name[0] : 'V';
      EXPECT_GT(std::stoi(name.substr(1)), last[kind]) << seed;
      last[kind] = std::stoi(name.substr(1));
    };
    const auto resets = [&] {
      while (const auto id = b.sender.poll_reset()) {
        EXPECT_TRUE(gone.insert(*id).second) << seed;
        EXPECT_LT(*id, numbers);
      }
    };
    for (int step = 0; step < 600; ++step) {
      b.at(ms += static_cast<int>(random() % 60));
      const auto what = random() % 100;
      const auto kind = what < 8 ? "K" : what < 40 ? "P" : what < 45 ? "B" : what < 60 ? "A" : what < 63 ? "D" : what < 65 ? "C" : "";
      if (*kind) b.push(kind + std::to_string(serial++)), pushed += *kind != 'C';
      else if (what < 66 && numbers && b.handed.size()) { b.sender.on_stopped(numbers - 1), gone.insert(numbers - 1); }
      else if (what < 72) b.sender.on_timer(b.now);
      else pull();
      resets();
      const auto due = b.sender.poll_timeout();
      if (due && *due <= b.now) {
        b.sender.on_timer(b.now);
        const auto later = b.sender.poll_timeout();
        EXPECT_TRUE(!later || *later > b.now) << seed;
        resets();
      }
    }
    b.sender.finish(1);
    for (int i = 0; i < 3000; ++i) pull(), resets();
    std::uint64_t lost = 0;
    for (const auto& l : b.sender.counters().by_loss) lost += l.messages;
    EXPECT_EQ(out + lost, pushed) << seed;
    EXPECT_EQ(b.sender.queued_bytes(), 0u) << seed;
    for (const auto& [id, text] : heads) {
      if (text.find_first_of("KPB") == std::string::npos) continue;
      const auto first = text.find_first_not_of('C');
      EXPECT_TRUE(first > 0 && text[first] == 'K') << seed << " " << text;
    }
  }
}

}  // namespace
}  // namespace millrace::rtmp
