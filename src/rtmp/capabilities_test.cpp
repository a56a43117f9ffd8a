// Conformance E1 to E8: what connect says of E-RTMP, in both directions.
#include <gmock/gmock.h>

#include <limits>

#include "rtmp/amf0.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using media::frame_kind;
using test::scripted_client;
using test::scripted_server;
using object = amf0::object;

constexpr std::uint32_t hvc1 = 0x68766331, av01 = 0x61763031, opus = 0x4F707573;

peer_capabilities read(std::vector<amf0::member> members) {
  peer_capabilities out;
  read_capabilities(object{std::move(members)}, out);
  return out;
}

TEST(capabilities, E1_lists_and_maps) {
  const auto list =
      read({{"fourCcList", amf0::strict_array{{amf0::value("hvc1"), amf0::value(7.0), amf0::value("toolong"), amf0::value("av01")}}}});
  EXPECT_TRUE(list.can_decode(frame_kind::video, hvc1));
  EXPECT_TRUE(list.takes(frame_kind::video, av01));
  EXPECT_FALSE(list.takes(frame_kind::audio, opus));
  EXPECT_TRUE(list.takes(frame_kind::data, 0));

  const auto map = read({{"videoFourCcInfoMap", object{{{"hvc1", 1.0}, {"av01", 2.0}, {"vp09", 4.0}}}}});
  EXPECT_TRUE(map.can_decode(frame_kind::video, hvc1));
  EXPECT_FALSE(map.takes(frame_kind::video, av01)) << "to encode a codec is not to take it";
  EXPECT_FALSE(map.can_decode(frame_kind::video, 0x76703039));
  EXPECT_TRUE(map.takes(frame_kind::video, 0x76703039)) << "a forwarder takes what it forwards";
  EXPECT_TRUE(map.takes(frame_kind::audio, opus)) << "of audio nothing was said";

  const auto ecma = read({{"fourCcList", amf0::ecma_array{{{"0", "hvc1"}}}}, {"audioFourCcInfoMap", amf0::ecma_array{{{"opus", 1.0}}}}});
  EXPECT_TRUE(ecma.can_decode(frame_kind::video, hvc1));
  EXPECT_TRUE(ecma.can_decode(frame_kind::audio, opus)) << "letters of either case";
}

TEST(capabilities, E1_nonsense_says_nothing_and_an_empty_list_says_none) {
  const auto nonsense = read({{"fourCcList", "hvc1"}, {"videoFourCcInfoMap", 5.0}, {"capsEx", "15"}, {"videoFunction", -1.0}});
  EXPECT_FALSE(nonsense.takes(frame_kind::video, hvc1));
  EXPECT_EQ(nonsense.caps_ex, 0U);
  EXPECT_EQ(nonsense.video_function, 0U);
  EXPECT_EQ(read({{"capsEx", std::numeric_limits<double>::quiet_NaN()}}).caps_ex, 0U);
  EXPECT_EQ(read({{"capsEx", 1e300}}).caps_ex, 0U);
  EXPECT_FALSE(read({{"fourCcList", amf0::strict_array{}}}).takes(frame_kind::video, hvc1));
  EXPECT_TRUE(read({}).takes(frame_kind::video, hvc1)) << "E5: who announces nothing gets everything";
  EXPECT_FALSE(read({}).enhanced());
}

TEST(capabilities, E2_the_wildcard_overrides_single_codecs) {
  const auto all = read({{"videoFourCcInfoMap", object{{{"hvc1", 2.0}, {"*", 4.0}, {"av01", 1.0}}}}});
  EXPECT_TRUE(all.takes(frame_kind::video, hvc1));
  EXPECT_FALSE(all.can_decode(frame_kind::video, av01));
  EXPECT_TRUE(all.takes(frame_kind::video, 0x41424344));
  const auto none = read({{"videoFourCcInfoMap", object{{{"hvc1", 1.0}, {"*", 2.0}}}}});
  EXPECT_FALSE(none.takes(frame_kind::video, hvc1));
  EXPECT_TRUE(read({{"fourCcList", amf0::strict_array{{amf0::value("*")}}}}).takes(frame_kind::audio, opus));
}

TEST(capabilities, E4_E8_bits_are_read_and_unknown_ones_ignored) {
  const auto c = read({{"capsEx", 0xF5 * 1.0}, {"videoFunction", 2.0}});
  EXPECT_TRUE(c.reconnect());
  EXPECT_FALSE(c.multitrack());
  EXPECT_TRUE(c.mod_ex());
  EXPECT_FALSE(c.timestamp_nano_offset());
  EXPECT_TRUE(c.video_metadata());
  EXPECT_TRUE(read({{"videoFunction", 4.0}}).video_metadata());
  EXPECT_FALSE(read({{"videoFunction", 9.0}}).video_metadata());
}

TEST(capabilities, a_name_is_kept_as_it_was_spelled) {
  codec_table table;
  for (const auto* name : {"Opus", ".mp3", "*", "toolong", "abc", ""}) table.add(name, can_decode_flag);
  table.add(std::string_view("\0\0\0\0", 4), can_decode_flag);
  EXPECT_EQ(table.entries.size(), 3U);
  peer_capabilities peer;
  peer.list = table;
  std::vector<amf0::member> members;
  append_capabilities(members, peer, false);
  const auto& list = std::get<amf0::strict_array>(members.at(0).val.get());
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(*list.items[0].text(), "Opus");
  EXPECT_EQ(*list.items[1].text(), ".mp3");
  EXPECT_EQ(*list.items[2].text(), "*");
}

TEST(capabilities, what_is_written_reads_the_same) {
  for (const bool function : {true, false}) {
    std::vector<amf0::member> members;
    append_capabilities(members, own_capabilities(), function);
    const auto back = read(members);
    EXPECT_EQ(back.caps_ex, 15U);
    EXPECT_EQ(back.video_function, function ? 7U : 0U);
    EXPECT_TRUE(back.takes(frame_kind::video, hvc1) && back.takes(frame_kind::audio, opus));
    EXPECT_EQ(back.list.entries.size(), own_capabilities().list.entries.size());
  }
  std::vector<amf0::member> nothing;
  append_capabilities(nothing, {}, true);
  EXPECT_TRUE(nothing.empty());
}

TEST(capabilities, E3_the_server_answers_with_maps_and_caps_and_a_list_only_to_a_list) {
  struct row {
    std::vector<amf0::member> sent;
    bool list, enhanced;
  };
  const amf0::strict_array codecs{{amf0::value("hvc1"), amf0::value("av01")}};
  for (const auto& r : std::vector<row>{{{}, false, false},
                                        {{{"videoFunction", 1.0}}, false, false},
                                        {{{"fourCcList", codecs}}, true, true},
                                        {{{"videoFourCcInfoMap", object{{{"*", 1.0}}}}}, false, true},
                                        {{{"audioFourCcInfoMap", object{}}}, false, true},
                                        {{{"capsEx", 1.0}}, false, true}}) {
    scripted_client c;
    c.connect("live", r.sent);
    const auto result = c.got.command("_result").value();
    const auto* list = result.object.find("fourCcList");
    EXPECT_EQ(list != nullptr, r.list);
    for (const auto* map : {"videoFourCcInfoMap", "audioFourCcInfoMap"}) {
      ASSERT_EQ(result.object.find(map) != nullptr, r.enhanced);
      if (r.enhanced) {
        EXPECT_EQ(*result.object.find(map)->find("*")->number(), 4);
      }
    }
    ASSERT_EQ(result.object.find("capsEx") != nullptr, r.enhanced);
    if (r.enhanced) {
      EXPECT_EQ(*result.object.find("capsEx")->number(), 15);
    }
    EXPECT_EQ(result.object.find("videoFunction"), nullptr);
    if (list) {
      EXPECT_EQ(*std::get<amf0::strict_array>(list->get()).items.at(0).text(), "*");
    }
  }
}

TEST(capabilities, E1_the_driver_hears_them_with_connect_and_can_ask_later) {
  scripted_client c;
  EXPECT_FALSE(c.server.peer().enhanced());
  c.connect("live", {{"capsEx", 3.0}, {"videoFunction", 4.0}, {"audioFourCcInfoMap", object{{{"Opus", 1.0}}}}});
  EXPECT_TRUE(c.all<connect_requested>().at(0).capabilities.multitrack());
  EXPECT_TRUE(c.server.peer().reconnect());
  EXPECT_TRUE(c.server.peer().can_decode(frame_kind::audio, opus));
}

client_config config_for(client_role role) {
  client_config c;
  c.role = role;
  c.app = "live";
  c.tc_url = "rtmp://host/live";
  c.stream_name = "a";
  return c;
}

TEST(capabilities, E7_the_client_announces_maps_caps_and_the_older_list) {
  for (const auto role : {client_role::publish, client_role::play}) {
    scripted_server s(config_for(role));
    const auto connect = s.got.command("connect").value();
    EXPECT_EQ(*connect.object.find("capsEx")->number(), 15);
    EXPECT_EQ(*connect.object.find("videoFourCcInfoMap")->find("*")->number(), 4);
    EXPECT_EQ(*connect.object.find("audioFourCcInfoMap")->find("*")->number(), 4);
    EXPECT_NE(connect.object.find("fourCcList"), nullptr);
    EXPECT_EQ(connect.object.find("videoFunction") != nullptr, role == client_role::play);
  }
}

TEST(capabilities, E7_the_client_reads_the_answer_wherever_it_stands_and_lives_without) {
  scripted_server silent(config_for(client_role::publish));
  silent.accept_connect();
  EXPECT_EQ(silent.all<connected>().size(), 1U);
  EXPECT_FALSE(silent.client.server().enhanced());

  scripted_server in_properties(config_for(client_role::publish));
  in_properties.send(make_command(0, "_result", 1, object{{{"fmsVer", "x"}, {"capsEx", 3.0}}},
                                  {information({"status", "NetConnection.Connect.Success", "ok"})}));
  EXPECT_TRUE(in_properties.client.server().multitrack());

  scripted_server in_information(config_for(client_role::publish));
  in_information.result(1,
                        information({"status", "NetConnection.Connect.Success", "ok"}, {{"videoFourCcInfoMap", object{{{"hvc1", 1.0}}}}}));
  EXPECT_TRUE(in_information.client.server().takes(frame_kind::video, hvc1));
  EXPECT_FALSE(in_information.client.server().takes(frame_kind::video, av01));
}

TEST(capabilities, both_sessions_agree) {
  test::session_pair p(config_for(client_role::play));
  p.settle();
  EXPECT_TRUE(p.server.peer().multitrack() && p.server.peer().mod_ex() && p.server.peer().reconnect());
  EXPECT_TRUE(p.client.server().multitrack() && p.client.server().takes(frame_kind::video, hvc1));
}

}  // namespace
}  // namespace millrace::rtmp
