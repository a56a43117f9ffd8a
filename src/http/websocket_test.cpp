#include "http/websocket.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

// A client's frame, masked.
std::string frame(std::uint8_t first, std::string_view payload, bool mask = true) {
  std::string out(1, static_cast<char>(first));
  const auto bit = static_cast<char>(mask ? 0x80 : 0);
  if (payload.size() < 126) {
    out += static_cast<char>(bit | static_cast<char>(payload.size()));
  } else {
    out += static_cast<char>(bit | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 255);
  }
  const std::string key = mask ? "\x12\x34\x56\x78" : "";
  out += key;
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ (mask ? key[i % 4] : 0));
  return out;
}

struct heard {
  bool open = true;
  std::string answers, why;
};

heard hear(std::string_view bytes, std::size_t step) {
  heard out;
  websocket_receiver receiver;
  base::send_chain answers;
  for (std::size_t at = 0; at < bytes.size() && out.open; at += step) {
    out.open = receiver.receive(base::as_bytes(bytes.substr(at, step)));
    receiver.take_answers(answers);
  }
  const auto flat = answers.flatten();
  out.answers.assign(flat.begin(), flat.end());
  out.why = receiver.why();
  return out;
}

TEST(websocket, accepts_as_in_the_example_of_the_rfc) { EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); }

TEST(websocket, header_has_three_lengths) {
  const auto bytes = [](std::uint64_t size) {
    const auto header = websocket_header(websocket_opcode::binary, size);
    return std::vector<std::uint8_t>(header.view().begin(), header.view().end());
  };
  EXPECT_EQ(bytes(5), (std::vector<std::uint8_t>{0x82, 5}));
  EXPECT_EQ(bytes(125), (std::vector<std::uint8_t>{0x82, 125}));
  EXPECT_EQ(bytes(126), (std::vector<std::uint8_t>{0x82, 126, 0, 126}));
  EXPECT_EQ(bytes(65'535), (std::vector<std::uint8_t>{0x82, 126, 255, 255}));
  EXPECT_EQ(bytes(65'536), (std::vector<std::uint8_t>{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(websocket, answers_a_ping_between_parts_of_a_message) {
  const auto bytes = frame(0x01, "he") + frame(0x89, "ping") + frame(0x80, "llo") + frame(0x89, "");
  for (std::size_t step = 1; step < 12; ++step) {
    const auto out = hear(bytes, step);
    EXPECT_TRUE(out.open);
    EXPECT_EQ(out.answers, std::string("\x8A\x04ping\x8A\x00", 8)) << step;
  }
}

TEST(websocket, a_pong_that_was_not_taken_gives_way_to_the_next) {
  websocket_receiver receiver;
  base::send_chain answers;
  const auto ping = frame(0x89, "");
  for (int i = 0; i < 1'000'000; ++i) ASSERT_TRUE(receiver.receive(base::as_bytes(ping)));
  EXPECT_TRUE(receiver.receive(base::as_bytes(frame(0x89, "last"))));
  EXPECT_FALSE(receiver.receive(base::as_bytes(frame(0x88, "\x03\xE8"))));
  EXPECT_TRUE(receiver.has_answers());
  receiver.take_answers(answers);
  const auto flat = answers.flatten();
  EXPECT_EQ(std::string(flat.begin(), flat.end()), "\x8A\x04last\x88\x02\x03\xE8");
  EXPECT_FALSE(receiver.has_answers());
}

TEST(websocket, echoes_the_status_of_a_close) {
  const auto out = hear(frame(0x88, std::string_view("\x03\xE8" "bye", 5)), 3);
  EXPECT_FALSE(out.open);
  EXPECT_EQ(out.answers, std::string("\x88\x02\x03\xE8", 4));
}

TEST(websocket, closes_on_a_breach_of_the_protocol) {
  const std::string cases[] = {
      frame(0x82, "not masked", false), frame(0xC2, "reserved bit"), frame(0x83, "unknown opcode"), frame(0x8B, "unknown control"),
      frame(0x09, "control in parts"), frame(0x89, std::string(126, 'x')), frame(0x80, "continues nothing"), frame(0x02, "a") + frame(0x82, "again"),
      frame(0x02, std::string(40'000, 'x')) + frame(0x80, std::string(40'000, 'x')),
  };
  for (const auto& bytes : cases) {
    const auto out = hear(bytes, 1000);
    EXPECT_FALSE(out.open) << out.why;
    EXPECT_EQ(out.answers.size(), 4u);
    EXPECT_NE(out.why, "closed by the peer");
  }
}

TEST(websocket, names_what_is_wrong_with_an_upgrade) {
  request r;
  r.method = "GET";
  r.headers = {{"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-version", "13"}, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  EXPECT_TRUE(asks_for_websocket(r));
  EXPECT_FALSE(websocket_fault(r));
  for (std::size_t left_out = 1; left_out < r.headers.size(); ++left_out) {
    auto less = r;
    less.headers.erase(less.headers.begin() + static_cast<std::ptrdiff_t>(left_out));
    EXPECT_TRUE(websocket_fault(less)) << left_out;
  }
}

}  // namespace
}  // namespace millrace::http
