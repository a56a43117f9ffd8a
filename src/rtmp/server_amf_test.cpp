// What the server role makes of AMF in its messages (conformance section 6). The decision: millrace speaks AMF0. The message types of AMF3
// (15, 16, 17) are understood as far as they hold AMF0, objectEncoding 3 is answered with 0, and a value that switches to AMF3
// (marker 0x11) is refused by name: in a command it ends the session, in data the message is dropped.
#include <gmock/gmock.h>

#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::scripted_client;
using ::testing::HasSubstr;
using object = amf0::object;

message as_amf3_type(message m, bool selector) {
  m.type = m.type == message_type::data_amf0 ? message_type::data_amf3 : message_type::command_amf3;
  test::bytes body(m.payload.view().begin(), m.payload.view().end());
  if (selector) body.insert(body.begin(), 0);
  m.payload = base::slice(body);
  return m;
}

TEST(server_amf, F9_F10_commands_of_type_17_are_understood_either_way) {
  for (const bool selector : {true, false}) {
    for (const double encoding : {0.0, 3.0}) {
      scripted_client c;
      c.send(as_amf3_type(make_command(0, "connect", 1, object{{{"app", "live"}, {"objectEncoding", encoding}}}), selector));
      EXPECT_TRUE(c.server.connected());
      EXPECT_EQ(*c.got.command("_result")->arg(0)->find("objectEncoding")->number(), 0) << "whatever was asked";
      c.send(as_amf3_type(make_command(0, "createStream", 2, amf0::null{}), selector));
      c.send(as_amf3_type(make_command(1, "publish", 3, amf0::null{}, {"a", "live"}), selector));
      EXPECT_EQ(c.all<publish_requested>().size(), 1U);
      // And type 20 on the same connection.
      c.call("createStream", 4);
      EXPECT_EQ(c.got.commands().back().transaction, 4);
    }
  }
}

TEST(server_amf, F9_data_of_type_15_becomes_what_type_18_would_be) {
  for (const bool selector : {true, false}) {
    scripted_client c;
    c.connect();
    c.publish();
    c.send(as_amf3_type(make_data(1, {"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 640.0}}}}), selector));
    c.send(make_data(1, {"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 640.0}}}}));
    const auto frames = c.all<frame_received>();
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(base::as_text(frames[0].frame.payload), base::as_text(frames[1].frame.payload));
  }
}

TEST(server_amf, F9_F11_an_amf3_value_in_data_drops_the_message_and_names_the_byte_once) {
  scripted_client c;
  c.connect();
  c.publish();
  auto m = make_data(1, {"onMetaData"});
  test::bytes body(m.payload.view().begin(), m.payload.view().end());
  body.insert(body.begin(), 0);
  body.insert(body.end(), {0x11, 0x0A, 0x0B, 0x01, 0x01});  // an empty AMF3 object
  m.type = message_type::data_amf3;
  m.payload = base::slice(body);
  c.send(m);
  c.send(m);
  EXPECT_TRUE(c.all<frame_received>().empty());
  EXPECT_EQ(c.server.media_dropped(), 2U);
  ASSERT_EQ(c.all<noticed>().size(), 1U);
  EXPECT_THAT(c.all<noticed>()[0].text, HasSubstr("0x11"));
  EXPECT_FALSE(c.server.is_closed()) << "the publication is worth more than its metadata";
}

TEST(server_amf, F9_other_selectors_are_refused_by_number) {
  scripted_client c;
  auto m = make_command(0, "connect", 1, object{});
  m.type = message_type::command_amf3;
  m.payload = base::slice(test::bytes{3, 6, 1});
  c.send(m);
  ASSERT_TRUE(c.closed_by());
  EXPECT_THAT(c.closed_by()->text, HasSubstr("format selector 3"));
}

TEST(server_amf, F4_F11_broken_commands_close_with_the_reason) {
  const auto closed_by = [](test::bytes body) {
    scripted_client c;
    message m;
    m.payload = base::slice(std::move(body));
    c.send(m);
    return c.closed_by() ? c.closed_by()->text : std::string("still open");
  };
  EXPECT_THAT(closed_by({}), HasSubstr("command"));
  EXPECT_THAT(closed_by({0x05}), HasSubstr("command without a name"));
  EXPECT_THAT(closed_by({0x02, 0, 1, 'x', 0x11, 1}), HasSubstr("0x11"));
  EXPECT_THAT(closed_by({0x02, 0, 1, 'x', 0x7F}), HasSubstr("0x7f"));
  EXPECT_THAT(closed_by({0x02, 0, 1, 'x', 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x03, 0, 1, 'a', 0x05}), HasSubstr("command"));  // no object end
}

TEST(server_amf, F11_an_amf3_value_in_a_command_of_type_17_names_the_byte) {
  scripted_client c;
  message m;
  m.type = message_type::command_amf3;
  m.payload = base::slice(
      test::bytes{0, 0x02, 0, 7, 'c', 'o', 'n', 'n', 'e', 'c', 't', 0x00, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0x11, 0x0A, 0x0B, 1, 1});
  c.send(m);
  ASSERT_TRUE(c.closed_by());
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::protocol);
  EXPECT_THAT(c.closed_by()->text, HasSubstr("0x11"));
}

TEST(server_amf, F12_shared_objects_are_ignored_with_one_notice_and_unknown_types_without) {
  scripted_client c;
  c.connect();
  for (int round = 0; round < 2; ++round) {
    for (int type : {0, 7, 16, 19, 21, 23, 200}) {
      message m;
      m.type = static_cast<message_type>(type);
      m.payload = base::slice(test::bytes{1, 2, 3});
      c.send(m);
    }
  }
  EXPECT_FALSE(c.server.is_closed());
  ASSERT_EQ(c.all<noticed>().size(), 1U);
  EXPECT_THAT(c.all<noticed>()[0].text, HasSubstr("shared object"));
}

}  // namespace
}  // namespace millrace::rtmp
