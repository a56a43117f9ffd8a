#include "net/quic_send_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace millrace::net {
namespace {

using namespace std::chrono_literals;

struct part {
  std::uint8_t* base;
  std::size_t len;
};

base::slice slice_of(std::string_view text) { return base::slice::copy_of(base::as_bytes(text)); }

std::string peeked(const quic_send_queue& queue, std::size_t most) {
  std::array<part, 64> parts{};
  const std::size_t count = queue.peek(parts.data(), std::min(most, parts.size()));
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append(reinterpret_cast<const char*>(parts[i].base), parts[i].len);
  return out;
}

TEST(quic_send_queue, an_empty_one_has_nothing) {
  quic_send_queue queue;
  EXPECT_EQ(queue.unsent_bytes(), 0u);
  EXPECT_EQ(peeked(queue, 8), "");
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(5s)), base::duration::zero());
  queue.sent(10);
  queue.acknowledged(10);
  EXPECT_EQ(queue.sent_offset(), 0u);
  EXPECT_EQ(queue.acknowledged_offset(), 0u);
}

TEST(quic_send_queue, offers_slices_in_order_without_copying_them) {
  const auto first = slice_of("abc");
  base::send_chain chain(first);
  chain.push_back(slice_of("defg"));
  quic_send_queue queue;
  queue.push(chain, base::instant(1s));
  std::array<part, 4> parts{};
  ASSERT_EQ(queue.peek(parts.data(), parts.size()), 2u);
  EXPECT_EQ(parts[0].base, first.data());
  EXPECT_EQ(peeked(queue, 1), "abc");
  EXPECT_EQ(peeked(queue, 4), "abcdefg");
  queue.sent(5);
  EXPECT_EQ(peeked(queue, 4), "fg");
  EXPECT_EQ(queue.unsent_bytes(), 2u);
}

TEST(quic_send_queue, holds_every_slice_until_its_last_byte_is_acknowledged) {
  auto bytes = std::make_shared<const std::string>("0123456789");
  const std::weak_ptr<const std::string> watched = bytes;
  base::send_chain chain(base::slice(bytes, base::as_bytes(*bytes)));
  bytes.reset();
  quic_send_queue queue;
  queue.push(chain, base::instant(1s));
  chain.clear();
  queue.sent(10);
  queue.acknowledged(9);
  EXPECT_FALSE(watched.expired());
  queue.acknowledged(10);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(queue.held_slices(), 0u);
}

TEST(quic_send_queue, never_frees_what_was_not_sent) {
  quic_send_queue queue;
  queue.push(base::send_chain(slice_of("abcdef")), base::instant(1s));
  queue.sent(2);
  queue.acknowledged(6);  // a bug of the caller; the queue must not lose bytes over it
  EXPECT_EQ(queue.acknowledged_offset(), 2u);
  EXPECT_EQ(peeked(queue, 4), "cdef");
  queue.acknowledged(1);
  EXPECT_EQ(queue.acknowledged_offset(), 2u);
}

TEST(quic_send_queue, knows_how_old_the_oldest_unsent_byte_is) {
  quic_send_queue queue;
  queue.push(base::send_chain(slice_of("abc")), base::instant(1s));
  queue.push(base::send_chain(slice_of("def")), base::instant(3s));
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(4s)), 3s);
  queue.sent(2);
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(4s)), 3s);
  queue.sent(1);
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(4s)), 1s);
  queue.sent(3);
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(4s)), 0s);
}

TEST(quic_send_queue, clear_frees_everything_and_keeps_the_offsets_right) {
  quic_send_queue queue;
  queue.push(base::send_chain(slice_of("abcdef")), base::instant(1s));
  queue.sent(3);
  queue.clear();
  EXPECT_EQ(queue.held_slices(), 0u);
  EXPECT_EQ(queue.unsent_bytes(), 0u);
  queue.push(base::send_chain(slice_of("xyz")), base::instant(2s));
  EXPECT_EQ(peeked(queue, 4), "xyz");
}

// Against a plain string: any interleaving of pushes, sends and acknowledgements keeps the byte stream.
TEST(quic_send_queue, one_that_sends_nothing_more_keeps_what_a_packet_has_had_any_of) {
  quic_send_queue queue;
  base::send_chain chain;
  for (const char* text : {"abc", "defg", "hi", "j"}) chain.push_back(slice_of(text));
  queue.push(chain, base::instant(1s));
  queue.sent(5);
  queue.drop_unsent();
  EXPECT_EQ(queue.held_slices(), 2u);
  EXPECT_EQ(queue.unacknowledged_bytes(), 5u);
  EXPECT_EQ(queue.unsent_bytes(), 2u);
  queue.sent(2);
  queue.drop_unsent();
  EXPECT_EQ(queue.held_slices(), 2u);
  queue.acknowledged(7);
  EXPECT_EQ(queue.held_slices(), 0u);
  EXPECT_EQ(queue.oldest_unsent_age(base::instant(9s)), base::duration::zero());
}

TEST(quic_send_queue, random_interleavings_keep_the_stream) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    quic_send_queue queue;
    std::string all, sent;
    for (int step = 0; step < 2000; ++step) {
      switch (random() % 3) {
        case 0: {
          base::send_chain chain;
          for (auto n = random() % 4; n > 0; --n) {
            const std::string text(random() % 40, static_cast<char>('a' + random() % 26));
            chain.push_back(slice_of(text));
            all += text;
          }
          queue.push(chain, base::instant(std::chrono::seconds(step)));
          break;
        }
        case 1: {
          const std::string offered = peeked(queue, 1 + random() % 8);
          const auto taken = offered.empty() ? 0 : random() % (offered.size() + 1);
          sent += offered.substr(0, taken);
          queue.sent(taken);
          break;
        }
        default:
          queue.acknowledged(queue.acknowledged_offset() + random() % (queue.sent_offset() - queue.acknowledged_offset() + 1));
          break;
      }
      ASSERT_EQ(queue.end_offset(), all.size());
      ASSERT_EQ(queue.sent_offset(), sent.size());
    }
    EXPECT_TRUE(all.starts_with(sent)) << "seed " << seed;
    queue.sent(queue.unsent_bytes());
    queue.acknowledged(queue.end_offset());
    EXPECT_EQ(queue.held_slices(), 0u);
  }
}

}  // namespace
}  // namespace millrace::net
