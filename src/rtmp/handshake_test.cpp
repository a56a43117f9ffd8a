#include "rtmp/handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/hex.hpp"
#include "rtmp/handshake_digest.hpp"

namespace millrace::rtmp {
namespace {

using testing::HasSubstr;
using bytes = std::vector<std::uint8_t>;

constexpr std::size_t packet = handshake_size;
const base::instant start{std::chrono::milliseconds(0x01020304)};

bytes joined(base::bytes_view a, base::bytes_view b) {
  bytes out(a.begin(), a.end());
  out.insert(out.end(), b.begin(), b.end());
  return out;
}
bytes part(base::bytes_view from, std::size_t offset, std::size_t count) {
  const auto view = from.subspan(offset, count);
  return {view.begin(), view.end()};
}
using base::hex;

// A C0C1 as old players send it: version bytes zero.
bytes simple_c0c1() {
  bytes out{3, 0, 0, 0x12, 0x34, 0, 0, 0, 0};
  for (std::size_t i = out.size(); i < packet + 1; ++i) out.push_back(static_cast<std::uint8_t>(i * 31));
  return out;
}
bytes digest_c0c1(digest::layout where) {
  auto out = simple_c0c1();
  std::ranges::copy(std::array<std::uint8_t, 4>{9, 0, 124, 2}, out.begin() + 5);
  digest::imprint(std::span(out).subspan(1), where, digest::side::client);
  return out;
}

// Feeds all bytes, `piece` at a time, as a socket would; returns what the handshake left over.
template <class H>
bytes feed(H& to, base::bytes_view input, std::size_t piece = 1 << 20) {
  while (!input.empty() && !to.done()) {
    const auto now = std::min(piece, input.size());
    const auto used = to.receive(start, input.first(now));
    EXPECT_TRUE(used) << (used ? "" : used.error().text);
    if (!used) return {};
    EXPECT_TRUE(*used == now || to.done());
    input = input.subspan(*used);
  }
  return {input.begin(), input.end()};
}

TEST(server_handshake, H1_answers_3_to_every_version_below_32) {
  for (unsigned version = 0; version < 32; ++version) {
    if (version == 0x16) continue;  // a TLS record: no RTMP version of anybody
    auto c0c1 = simple_c0c1();
    c0c1[0] = static_cast<std::uint8_t>(version);
    server_handshake server(1);
    ASSERT_TRUE(server.receive(start, c0c1)) << version;
    EXPECT_EQ(server.poll_output().at(0), 3);
  }
}

TEST(server_handshake, H1_closes_at_once_on_the_first_byte_and_names_it) {
  const auto refuse = [](std::string_view sent) {
    server_handshake server(1);
    const auto used = server.receive(start, base::as_bytes(sent));
    EXPECT_FALSE(used);
    EXPECT_TRUE(server.poll_output().empty());
    return used ? "" : used.error().text;
  };
  EXPECT_THAT(refuse("\x16"), HasSubstr("0x16: TLS on a plain RTMP port"));
  EXPECT_THAT(refuse("GET / HTTP/1.1\r\n"), HasSubstr("0x47: HTTP on an RTMP port"));
  EXPECT_THAT(refuse("POST /"), HasSubstr("HTTP"));
  EXPECT_THAT(refuse("SSH-2.0"), HasSubstr("SSH"));
  for (unsigned byte = 32; byte < 256; ++byte) EXPECT_NE(refuse(std::string(1, static_cast<char>(byte))), "") << byte;
}

TEST(server_handshake, H2_simple_packets) {
  const auto c0c1 = simple_c0c1();
  server_handshake server(7);
  ASSERT_EQ(*server.receive(start, c0c1), packet + 1);
  const auto out = server.poll_output();
  ASSERT_EQ(out.size(), 1 + 2 * packet);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(hex(part(out, 1, 8)), "0102030400000000");
  EXPECT_EQ(part(out, 1 + packet, packet), part(c0c1, 1, packet));
  EXPECT_FALSE(server.digest());
  // The random part is random: by seed, and over its whole length.
  server_handshake other(8);
  ASSERT_TRUE(other.receive(start, c0c1));
  EXPECT_NE(part(out, 9, packet - 8), part(other.poll_output(), 9, packet - 8));
  EXPECT_LT(std::count(out.begin() + 9, out.begin() + 1 + packet, 0), 40);

  ASSERT_EQ(*server.receive(start, part(out, 1, packet)), packet);
  EXPECT_TRUE(server.done());
  EXPECT_FALSE(server.echo_mismatch());
}

TEST(server_handshake, H3_says_nothing_early_and_nothing_twice) {
  const auto c0c1 = simple_c0c1();
  server_handshake server(1);
  EXPECT_TRUE(server.poll_output().empty());
  ASSERT_TRUE(server.receive(start, base::bytes_view(c0c1).first(packet)));
  EXPECT_TRUE(server.poll_output().empty());  // the digest form has to see the whole C1
  ASSERT_TRUE(server.receive(start, base::bytes_view(c0c1).last(1)));
  EXPECT_EQ(server.poll_output().size(), 1 + 2 * packet);
  EXPECT_FALSE(server.done());
  EXPECT_TRUE(server.poll_output().empty());
  ASSERT_TRUE(server.receive(start, bytes(packet)));
  EXPECT_TRUE(server.done());
  EXPECT_TRUE(server.poll_output().empty());
  EXPECT_EQ(*server.receive(start, bytes(10)), 0u);  // not its bytes any more
}

TEST(server_handshake, H4_every_split_of_c0c1_c2_and_connect) {
  for (const bool with_digest : {false, true}) {
    const auto c0c1 = with_digest ? digest_c0c1(digest::layout::at_8) : simple_c0c1();
    server_handshake reference(5);
    feed(reference, c0c1);
    const auto answer = reference.poll_output();
    const auto c2_and_connect = joined(part(answer, 1, packet), base::as_bytes("\x03 connect"));
    for (std::size_t split = 0; split <= c0c1.size(); ++split) {
      server_handshake server(5);
      const auto [first, second] = std::pair(base::bytes_view(c0c1).first(split), base::bytes_view(c0c1).subspan(split));
      ASSERT_EQ(*server.receive(start, first), first.size());
      ASSERT_EQ(*server.receive(start, second), second.size());
      ASSERT_EQ(server.poll_output(), answer) << split;
      // The same offset splits C2 glued to connect.
      const auto head = base::bytes_view(c2_and_connect).first(std::min(split, packet));
      ASSERT_EQ(*server.receive(start, head), head.size());
      ASSERT_EQ(*server.receive(start, base::bytes_view(c2_and_connect).subspan(head.size())), packet - head.size());
      ASSERT_TRUE(server.done());
      ASSERT_FALSE(server.echo_mismatch());
    }
  }
}

TEST(server_handshake, H4_everything_in_one_read_leaves_connect) {
  const auto all = joined(joined(simple_c0c1(), bytes(packet)), base::as_bytes("connect"));
  server_handshake server(1);
  ASSERT_EQ(*server.receive(start, all), all.size() - 7);
  EXPECT_TRUE(server.done());
  server_handshake by_byte(1);
  EXPECT_EQ(feed(by_byte, all, 1).size(), 7u);
}

TEST(server_handshake, H5_wrong_c2_is_tolerated_and_noted) {
  for (const bool with_digest : {false, true}) {
    server_handshake server(1);
    feed(server, with_digest ? digest_c0c1(digest::layout::at_772) : simple_c0c1());
    auto c2 = part(server.poll_output(), 1, packet);
    c2[1000] ^= 1;
    EXPECT_TRUE(feed(server, c2).empty());
    EXPECT_TRUE(server.done());
    EXPECT_TRUE(server.echo_mismatch());
  }
}

TEST(server_handshake, H2_time_bytes_of_c2_are_free) {
  server_handshake server(1);
  feed(server, simple_c0c1());
  auto c2 = part(server.poll_output(), 1, packet);
  c2[4] = 0x55;
  feed(server, c2);
  EXPECT_FALSE(server.echo_mismatch());
}

TEST(server_handshake, H6_H7_digest_in_either_layout) {
  for (const auto where : {digest::layout::at_8, digest::layout::at_772}) {
    const auto c0c1 = digest_c0c1(where);
    server_handshake server(3);
    feed(server, c0c1);
    ASSERT_TRUE(server.digest());
    const auto out = server.poll_output();
    ASSERT_EQ(out.size(), 1 + 2 * packet);
    const auto s1 = part(out, 1, packet);
    EXPECT_GE(s1[4], 3);  // players look for a digest only behind such a version
    EXPECT_EQ(digest::find(s1, digest::side::server), where);
    EXPECT_FALSE(digest::find(s1, digest::side::client));
    const auto s2 = part(out, 1 + packet, packet);
    EXPECT_TRUE(digest::signs(s2, part(c0c1, 1, packet), digest::side::server));
    // A signed C2, as players send it.
    auto c2 = bytes(packet, 0x77);
    digest::sign(c2, s1, where, digest::side::client);
    feed(server, c2);
    EXPECT_TRUE(server.done());
    EXPECT_FALSE(server.echo_mismatch());
  }
}

TEST(server_handshake, H8_broken_digest_gets_the_simple_form) {
  auto c0c1 = digest_c0c1(digest::layout::at_8);
  c0c1[1500] ^= 1;
  server_handshake server(3);
  feed(server, c0c1);
  EXPECT_FALSE(server.digest());
  const auto out = server.poll_output();
  ASSERT_EQ(out.size(), 1 + 2 * packet);
  EXPECT_EQ(hex(part(out, 5, 4)), "00000000");
  EXPECT_EQ(part(out, 1 + packet, packet), part(c0c1, 1, packet));
}

TEST(server_handshake, H6_version_zero_is_not_searched) {
  auto c0c1 = simple_c0c1();
  digest::imprint(std::span(c0c1).subspan(1), digest::layout::at_8, digest::side::client);
  server_handshake server(3);
  feed(server, c0c1);
  EXPECT_FALSE(server.digest());
}

// Expected values come from an independent HMAC implementation (Python's hmac module).
TEST(handshake_digest, known_answers) {
  struct known {
    digest::layout where;
    std::size_t position;
    std::string_view client, server, s2, c2;
  };
  for (const auto& k : {known{digest::layout::at_8, 290, "36d27b365b84e5e55f376e2f24f3a7dd6b8b5e9b002f035f99366c07e43b8d41",
                              "2e691a99791972c8b772eb258df6475daab3454c59f81df497d3012cce3ec8bc",
                              "049fdafed598a20f4b4dfc7b3230165ad7f9557933ce78086f80866cab476808",
                              "965a81e818ee3905fc67b1c5c37d0a351f48ab09949b6e71827128f37c556455"},
                        known{digest::layout::at_772, 942, "492c04ebd265e6343c4c12f5580a46399bec2724821f27f321b95ca75b63b318",
                              "01d1722f262d0920a2fd6c2cff614d034585bbacbc28b5c77a88ca2fc0c3b984",
                              "274baf7d7818d3a0eead82951b7cac1811018ef35923f4e4e394015b062cfe7a",
                              "f1adfe45543542d2693c6eb0859607f9d01f8aefe6e77cc0921829a5543bc334"}}) {
    bytes from_client(packet);
    bytes answer(packet);
    for (std::size_t i = 0; i < packet; ++i) {
      from_client[i] = static_cast<std::uint8_t>(i * 7 + 3);
      answer[i] = static_cast<std::uint8_t>(i * 5 + 1);
    }
    auto from_server = from_client;
    digest::imprint(from_server, k.where, digest::side::server);
    EXPECT_EQ(hex(part(from_server, k.position, 32)), k.server);
    digest::imprint(from_client, k.where, digest::side::client);
    EXPECT_EQ(hex(part(from_client, k.position, 32)), k.client);
    digest::sign(answer, from_client, k.where, digest::side::server);
    EXPECT_EQ(hex(part(answer, packet - 32, 32)), k.s2);
    digest::sign(answer, from_client, k.where, digest::side::client);
    EXPECT_EQ(hex(part(answer, packet - 32, 32)), k.c2);
  }
}

TEST(handshake_digest, every_offset_stays_inside_the_packet) {
  for (const auto where : {digest::layout::at_8, digest::layout::at_772}) {
    for (unsigned sum = 0; sum < 4 * 255; ++sum) {
      bytes c1(packet, 0x5a);
      for (std::size_t i = 0, left = sum; i < 4; ++i) {
        const auto share = std::min<std::size_t>(left, 255);
        c1[static_cast<std::size_t>(where) + i] = static_cast<std::uint8_t>(share);
        left -= share;
      }
      digest::imprint(c1, where, digest::side::client);
      ASSERT_EQ(digest::find(c1, digest::side::client), where) << sum;
    }
  }
}

TEST(client_handshake, H10_default_form_is_simple) {
  client_handshake client(1, false);
  const auto out = client.poll_output();
  ASSERT_EQ(out.size(), 1 + packet);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(hex(part(out, 1, 8)), "0000000000000000");
  client_handshake with_digest(1, true);
  const auto signed_out = with_digest.poll_output();
  EXPECT_NE(signed_out[5], 0);
  EXPECT_EQ(digest::find(part(signed_out, 1, packet), digest::side::client), digest::layout::at_8);
}

TEST(client_handshake, H3_c2_after_s1_and_nothing_else_before_s2) {
  client_handshake client(1, false);
  const auto c1 = part(client.poll_output(), 1, packet);
  EXPECT_TRUE(client.poll_output().empty());
  bytes s0s1(1 + packet, 0x42);
  s0s1[0] = 3;
  ASSERT_EQ(*client.receive(start, base::bytes_view(s0s1).first(packet)), packet);
  EXPECT_TRUE(client.poll_output().empty());
  ASSERT_EQ(*client.receive(start, base::bytes_view(s0s1).last(1)), 1u);
  EXPECT_FALSE(client.done());
  EXPECT_EQ(client.poll_output(), part(s0s1, 1, packet));
  ASSERT_EQ(*client.receive(start, joined(c1, bytes(5))), packet);
  EXPECT_TRUE(client.done());
  EXPECT_FALSE(client.echo_mismatch());
  EXPECT_TRUE(client.poll_output().empty());
}

TEST(client_handshake, H1_names_an_answer_that_is_not_rtmp) {
  const auto refuse = [](std::uint8_t first) {
    client_handshake client(1, false);
    const auto used = client.receive(start, bytes{first});
    EXPECT_FALSE(used);
    return used ? base::error{} : used.error();
  };
  EXPECT_THAT(refuse(0x15).text, HasSubstr("TLS"));
  EXPECT_THAT(refuse('H').text, HasSubstr("HTTP"));
  EXPECT_EQ(refuse('H').kind, base::error_kind::protocol);
  EXPECT_THAT(refuse(6).text, HasSubstr("version 6, expected 3"));
  EXPECT_EQ(refuse(6).kind, base::error_kind::unsupported);
}

TEST(client_handshake, S2_that_echoes_nothing_is_tolerated) {
  for (const bool with_digest : {false, true}) {
    client_handshake client(1, with_digest);
    bytes answer(1 + 2 * packet, 0x42);
    answer[0] = 3;
    EXPECT_TRUE(feed(client, answer).empty());
    EXPECT_TRUE(client.done());
    EXPECT_TRUE(client.echo_mismatch());
    EXPECT_FALSE(client.digest());
  }
}

// Both roles against each other, in both forms, at every split of either direction.
TEST(handshake, server_and_client_agree_at_every_split) {
  for (const bool with_digest : {false, true}) {
    for (std::size_t split = 1; split <= 2 * packet; split += split < 20 || split > 2 * packet - 20 ? 1 : 13) {
      server_handshake server(split);
      client_handshake client(~split, with_digest);
      auto to_server = client.poll_output();
      EXPECT_TRUE(feed(server, base::bytes_view(to_server), split).empty());
      auto to_client = server.poll_output();
      to_client.insert(to_client.end(), {'r', 'e', 's', 't'});
      EXPECT_EQ(feed(client, to_client, split).size(), 4u);
      to_server = joined(client.poll_output(), base::as_bytes("connect"));
      EXPECT_EQ(feed(server, to_server, split).size(), 7u);
      ASSERT_TRUE(server.done() && client.done()) << split;
      EXPECT_EQ(server.digest(), with_digest);
      EXPECT_EQ(client.digest(), with_digest);
      EXPECT_FALSE(server.echo_mismatch());
      EXPECT_FALSE(client.echo_mismatch());
    }
  }
}

TEST(handshake, truncated_input_never_finishes) {
  server_handshake server(1);
  const auto all = joined(simple_c0c1(), bytes(packet - 1));
  EXPECT_TRUE(feed(server, all).empty());
  EXPECT_FALSE(server.done());
  EXPECT_EQ(*server.receive(start, {}), 0u);
}

}  // namespace
}  // namespace millrace::rtmp
