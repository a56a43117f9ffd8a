#include "media/composition.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace millrace::media {
namespace {

using bytes = std::vector<std::uint8_t>;

std::string fields(const bytes& payload) {
  std::string out;
  for (const auto& c : compositions_of(payload)) out += (out.empty() ? "" : " ") + std::to_string(c.at) + ":" + std::to_string(c.ms);
  return out;
}

bytes ex(std::initializer_list<int> head, std::string_view fourcc, std::initializer_list<int> rest) {
  bytes out;
  for (const int b : head) out.push_back(static_cast<std::uint8_t>(b));
  for (const char c : fourcc) out.push_back(static_cast<std::uint8_t>(c));
  for (const int b : rest) out.push_back(static_cast<std::uint8_t>(b));
  return out;
}

TEST(composition, T12_times_of_every_form) {
  EXPECT_EQ(fields({0x27, 1, 0, 0, 80, 9}), "2:80");
  EXPECT_EQ(fields({0x17, 1, 0xff, 0xff, 0xfe, 9}), "2:-2");
  EXPECT_EQ(fields({0x1c, 1, 0, 1, 0, 9}), "2:256") << "HEVC of old forks";
  EXPECT_EQ(fields({0x17, 0, 0, 0, 80, 9}), "") << "a configuration";
  EXPECT_EQ(fields({0x17, 1, 0, 0}), "") << "cut short";
  EXPECT_EQ(fields({0x57, 1, 0, 0, 80, 9}), "") << "a command frame";
  EXPECT_EQ(fields({0x22, 1, 0, 0, 80, 9}), "") << "H.263 has none";
  EXPECT_EQ(fields(ex({0xa1}, "hvc1", {0, 0, 40, 9})), "5:40");
  EXPECT_EQ(fields(ex({0xa3}, "hvc1", {0, 0, 40, 9})), "") << "CodedFramesX";
  EXPECT_EQ(fields(ex({0xa1}, "av01", {0, 0, 40, 9})), "");
  EXPECT_EQ(fields(ex({0xa7, 2, 1, 2, 3, 0x01}, "avc1", {0, 0, 40, 9})), "10:40") << "behind a ModEx prefix";
  EXPECT_EQ(fields(ex({0xa6, 0x01}, "avc1", {7, 0, 0, 40, 9})), "7:40") << "one track";
  EXPECT_EQ(fields(ex({0xa6, 0x11}, "vvc1", {0, 0, 0, 4, 0, 0, 40, 9, 1, 0, 0, 5, 0, 0, 80, 9, 9})), "10:40 18:80") << "many tracks";
  EXPECT_EQ(fields(ex({0xa6, 0x11}, "vvc1", {0, 0, 0, 4, 0, 0, 40, 9, 1, 0, 0, 99, 0, 0, 80, 9, 9})), "10:40")
      << "the second runs past the end";
}

TEST(composition, T12_changed_times_read_back) {
  const auto payload = ex({0xa6, 0x11}, "vvc1", {0, 0, 0, 4, 0, 0, 40, 9, 1, 0, 0, 5, 0, 0, 80, 9, 9});
  auto all = compositions_of(payload);
  ASSERT_EQ(all.size(), 2u);
  all[0].ms = -300;
  all[1].ms = 0x7fffff;
  const auto head = head_with(payload, all);
  EXPECT_EQ(head.size(), 21u);
  bytes whole(head.view().begin(), head.view().end());
  whole.insert(whole.end(), payload.begin() + 21, payload.end());
  EXPECT_EQ(fields(whole), "10:-300 18:8388607");
  EXPECT_TRUE(head_with(payload, {}).empty());
}

}  // namespace
}  // namespace millrace::media
