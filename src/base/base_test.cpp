#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/escape.hpp"
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
  EXPECT_EQ(escaped("abcdef", 3), "abc…");
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
