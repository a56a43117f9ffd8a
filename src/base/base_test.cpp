#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/escape.hpp"
#include "base/fifo.hpp"
#include "base/nearest.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/slice_buffer.hpp"

namespace millrace::base {
namespace {

TEST(byte_reader, reads_what_byte_writer_wrote_in_network_order) {
  byte_writer w;
  w.u8(1).u16(0x0203).u24(0x040506).u32(0x0708090a).u64(0x0b0c0d0e0f101112).f64(-2.5).u32_le(0x01020304).text("end");
  EXPECT_EQ(w.view()[1], 2);
  byte_reader r(w.view());
  EXPECT_EQ(r.u8(), 1);
  EXPECT_EQ(r.u16(), 0x0203);
  EXPECT_EQ(r.u24(), 0x040506U);
  EXPECT_EQ(r.u32(), 0x0708090aU);
  EXPECT_EQ(r.u64(), 0x0b0c0d0e0f101112U);
  EXPECT_EQ(r.f64(), -2.5);
  EXPECT_EQ(r.rest()[0], 4) << "little-endian puts the low byte first";
  EXPECT_EQ(r.u32_le(), 0x01020304U);
  EXPECT_EQ(as_text(*r.take(3)), "end");
  EXPECT_TRUE(r.at_end());
}

TEST(byte_reader, never_passes_the_end_and_keeps_its_place_when_it_would) {
  const std::uint8_t three[] = {1, 2, 3};
  byte_reader r(three);
  EXPECT_EQ(r.u32(), std::nullopt);
  EXPECT_EQ(r.position(), 0U);
  EXPECT_FALSE(r.skip(4));
  EXPECT_EQ(r.take(static_cast<std::size_t>(-1)), std::nullopt);
  EXPECT_EQ(r.u24(), 0x010203U);
  EXPECT_EQ(r.u8(), std::nullopt);
}

TEST(slice, shares_the_buffer_and_clamps_parts) {
  slice part;
  const std::uint8_t* where = nullptr;
  {
    const slice whole(std::vector<std::uint8_t>{1, 2, 3, 4});
    where = whole.data();
    part = whole.sub(1, 100);
    EXPECT_TRUE(whole.sub(9).empty());
  }
  EXPECT_EQ(part.size(), 3U);
  EXPECT_EQ(part.data(), where + 1) << "the part must outlive the whole without a copy";
}

TEST(give_back, leaves_no_memory_behind) {
  std::vector<int> some(1000);
  give_back(some);
  EXPECT_EQ(some.capacity(), 0U);
}

TEST(fifo, keeps_the_order_however_it_grows_and_shrinks) {
  fifo<std::shared_ptr<int>> queue;
  int in = 0, out = 0;
  for (int round = 0; round < 1000; ++round) {
    for (int i = round * 7 % 13; i > 0; --i) queue.push_back(std::make_shared<int>(in++));
    for (int i = round * 5 % 13; i > 0 && !queue.empty(); --i) {
      ASSERT_EQ(*queue.front(), out++);
      const std::weak_ptr<int> first = queue.front();
      queue.pop_front();
      ASSERT_TRUE(first.expired()) << "what is gone holds nothing";
    }
    ASSERT_EQ(queue.size(), static_cast<std::size_t>(in - out));
    for (std::size_t i = 0; i < queue.size(); ++i) ASSERT_EQ(*queue[i], out + static_cast<int>(i));
  }
}

TEST(fifo, takes_nothing_while_it_never_held_anything_and_little_once_it_is_empty) {
  fifo<int> queue;
  EXPECT_EQ(queue.memory(), 0U);
  for (int i = 0; i < 10'000; ++i) queue.push_back(i);
  while (!queue.empty()) queue.pop_front();
  EXPECT_EQ(queue.memory(), 0U);
  for (int i = 0; i < 10; ++i) queue.push_back(i);
  while (!queue.empty()) queue.pop_front();
  EXPECT_GT(queue.memory(), 0U) << "the next few need no new memory";
  queue.clear();
  EXPECT_EQ(queue.memory(), 0U);
}

TEST(fifo, shares_its_room_with_the_next_one_of_the_thread) {
  using queue = fifo<long long, true>;
  auto& spare_room = spare<long long>::of_thread();
  const auto before = spare_room.bytes();
  queue first;
  for (int i = 0; i < 20; ++i) first.push_back(i);
  const auto room = first.memory();
  ASSERT_GT(room, 0U);
  while (!first.empty()) first.pop_front();
  EXPECT_EQ(first.memory(), 0U);
  EXPECT_EQ(spare_room.bytes(), before + room);
  queue second;
  second.push_back(7);
  EXPECT_EQ(second.memory(), room) << "the room of the first one";
  EXPECT_EQ(second.front(), 7);
  EXPECT_EQ(spare_room.bytes(), before);
  for (int i = 0; i < 1000; ++i) second.push_back(i);
  second.clear();
  EXPECT_EQ(spare_room.bytes(), before) << "what a burst made large goes";
}

TEST(spare, gives_back_what_nobody_needed) {
  spare<char, 16, 4'000> room;
  std::vector<std::vector<char>> all(160);
  for (auto& one : all) {
    one.reserve(16);
    room.give(one);
  }
  ASSERT_EQ(room.bytes(), 160u * 16);
  spares::tidy_thread();  // nobody could need them before
  ASSERT_EQ(room.bytes(), 160u * 16);
  for (auto& one : all) one = room.take();
  for (auto& one : all) room.give(one);
  spares::tidy_thread();
  EXPECT_EQ(room.bytes(), 160u * 16) << "all of them were needed";
  for (std::size_t i = 0; i < 80; ++i) all[i] = room.take();
  for (std::size_t i = 0; i < 80; ++i) room.give(all[i]);
  spares::tidy_thread();
  EXPECT_EQ(room.bytes(), 150u * 16) << "an eighth of the eighty";
  for (int i = 0; i < 60; ++i) spares::tidy_thread();
  EXPECT_EQ(room.bytes(), 0u);
}

TEST(spare, keeps_so_much_and_no_more) {
  spare<char, 16, 40> room;
  std::vector<char> given;
  for (int i = 0; i < 4; ++i) {
    given.reserve(16);
    given.push_back('x');
    room.give(given);
    EXPECT_EQ(given.capacity(), 0U);
  }
  EXPECT_EQ(room.bytes(), 32U);
  const auto taken = room.take();
  EXPECT_TRUE(taken.empty());
  EXPECT_EQ(taken.capacity(), 16U);
}

TEST(fifo, elements_leave_from_amid) {
  fifo<int> queue;
  for (int i = 0; i < 10; ++i) queue.push_back(i);
  queue.pop_front();
  queue.erase(queue.begin() + 1);
  queue.erase_if([](int i) { return i % 2 == 0; });
  EXPECT_EQ(std::vector<int>(queue.begin(), queue.end()), (std::vector<int>{1, 3, 5, 7, 9}));
}

TEST(slice_buffer, becomes_a_slice_where_it_lies_and_wastes_nothing) {
  slice_buffer gathered;
  EXPECT_TRUE(gathered.take().empty());
  const std::vector<std::uint8_t> piece(1000, 7);
  for (int i = 0; i < 10; ++i) gathered.append(piece, 10'000);
  EXPECT_EQ(gathered.size(), 10'000U);
  const auto all = gathered.take();
  EXPECT_EQ(all.size(), 10'000U);
  EXPECT_EQ(std::count(all.data(), all.data() + all.size(), 7), 10'000);
  gathered.append(as_bytes("next"), 4);
  EXPECT_EQ(as_text(gathered.take()), "next");
  EXPECT_EQ(all.view()[0], 7) << "not written over";
  gathered.append(as_bytes("given up"), 100);
  gathered.clear();
  gathered.append(as_bytes("ab"), 1);
  EXPECT_EQ(as_text(gathered.take()), "ab") << "more than was said is no matter";
}

TEST(send_chain, keeps_order_and_size_and_leaves_out_empty_parts) {
  send_chain a(slice::copy_of(as_bytes("ab")));
  a.push_back(slice());
  send_chain b(slice::copy_of(as_bytes("cd")));
  a.append(b);
  a.append(std::move(b));
  EXPECT_EQ(a.size(), 6U);
  EXPECT_EQ(a.parts().size(), 3U);
  EXPECT_EQ(as_text(a.flatten()), "abcdcd");
}

TEST(escaped, keeps_one_record_on_one_line) {
  EXPECT_EQ(escaped("live/a"), "live/a");
  EXPECT_EQ(escaped("a\nb\x1b[31m\"\\\xff"), "a\\x0ab\\x1b[31m\\x22\\x5c\\xff");
  EXPECT_EQ(escaped("abcdef", 3), "abc...");
  EXPECT_EQ(escaped(escaped("abcdef", 3)), "abc...") << "our clients do it with what our server says";
}

TEST(nearest, finds_the_typing_slip) {
  EXPECT_EQ(nearest("lisen", {"state", "listen", "log_level"}), "listen");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(result, carries_context_outwards) {
  const auto inner = [] { return result<int>(error{error_kind::limit, "message length 9 > limit 8"}); };
  auto failed = inner();
  ASSERT_FALSE(failed);
  EXPECT_EQ(std::move(failed).error().within("chunk 4").within("publish live/a").text, "publish live/a: chunk 4: message length 9 > limit 8");
  EXPECT_EQ(*result<int>(3), 3);
  EXPECT_TRUE(result<void>());
}

}  // namespace
}  // namespace millrace::base
