#include "rtmp/roqr_frame.hpp"

#include <gtest/gtest.h>

#include "rtmp/roqr_cases.hpp"

namespace millrace::rtmp {
namespace {

void expect_same(const roqr_frame& got, const roqr_frame& want, const char* name) {
  EXPECT_EQ(got.flow, want.flow) << name;
  EXPECT_EQ(got.message.type, want.message.type) << name;
  EXPECT_EQ(got.message.msid, want.message.msid) << name;
  EXPECT_EQ(got.message.csid, want.message.csid) << name;
  EXPECT_EQ(got.message.timestamp, want.message.timestamp) << name;
  EXPECT_EQ(base::as_text(got.message.payload), base::as_text(want.message.payload)) << name;
}

TEST(RoqrFrame, DecodesEveryCaseAtEverySplit) {
  for (const auto& c : roqr_cases::all_good()) {
    const auto step = std::max<std::size_t>(1, c.bytes.size() / 64);
    for (std::size_t cut = 0; cut <= c.bytes.size(); cut += step) {
      roqr_reader reader{base::rtmp_limits{}};
      base::bytes_view front(c.bytes.data(), cut), back(c.bytes.data() + cut, c.bytes.size() - cut);
      auto got = reader.next(front);
      ASSERT_TRUE(got) << c.name << ": " << got.error().text;
      EXPECT_TRUE(front.empty()) << c.name;
      EXPECT_EQ(got->has_value(), back.empty()) << c.name << " at " << cut;
      if (!back.empty()) got = reader.next(back);
      ASSERT_TRUE(got && *got) << c.name << " at " << cut;
      expect_same(**got, c.meaning, c.name);
      EXPECT_TRUE(reader.between_frames());
      EXPECT_EQ(reader.partial_bytes(), 0u);
    }
  }
}

TEST(RoqrFrame, EncodesTheCanonicalCases) {
  for (const auto& c : roqr_cases::all_good()) {
    const auto bytes = encode_roqr(c.meaning.flow, c.meaning.message).flatten();
    if (c.canonical) {
      EXPECT_EQ(bytes, c.bytes) << c.name;
    } else {
      EXPECT_NE(bytes, c.bytes) << c.name << " is canonical";
    }
  }
}

TEST(RoqrFrame, FramesStandBackToBackOnAStream) {
  std::vector<std::uint8_t> stream;
  const auto all = roqr_cases::all_good();
  for (const auto& c : all) stream.insert(stream.end(), c.bytes.begin(), c.bytes.end());
  roqr_reader whole{base::rtmp_limits{}}, bytewise{base::rtmp_limits{}};
  base::bytes_view rest = stream;
  std::size_t position = 0;
  for (const auto& c : all) {
    auto got = whole.next(rest);
    ASSERT_TRUE(got && *got) << c.name;
    expect_same(**got, c.meaning, c.name);
    std::optional<roqr_frame> single;
    while (!single) {
      ASSERT_LT(position, stream.size());
      base::bytes_view byte(&stream[position++], 1);
      auto one = bytewise.next(byte);
      ASSERT_TRUE(one);
      single = std::move(*one);
    }
    expect_same(*single, c.meaning, c.name);
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(position, stream.size());
}

TEST(RoqrFrame, RefusesWhatNoFrameCanBe) {
  for (const auto& c : roqr_cases::all_bad()) {
    roqr_reader reader{base::rtmp_limits{}};
    base::bytes_view bytes = c.bytes;
    const auto got = reader.next(bytes);
    ASSERT_FALSE(got) << c.name;
    EXPECT_NE(got.error().text.find(c.why), std::string::npos) << c.name << ": " << got.error().text;
    base::bytes_view more = c.bytes;
    EXPECT_FALSE(reader.next(more)) << "an error is final";
  }
}

TEST(RoqrFrame, MemoryFollowsTheBytesAndNotTheAnnouncedLength) {
  roqr_reader reader{base::rtmp_limits{}};
  const auto header = base::bytes_of("06 28 09 01 06 81000000");  // 16 MiB
  base::bytes_view bytes = header;
  ASSERT_TRUE(reader.next(bytes));
  EXPECT_EQ(reader.flow(), 6u);
  EXPECT_FALSE(reader.between_frames());
  const std::vector<std::uint8_t> some(1000, 1);
  bytes = some;
  ASSERT_TRUE(reader.next(bytes));
  EXPECT_EQ(reader.partial_bytes(), header.size() + some.size());
}

TEST(RoqrFrame, CarriesAHeadInPlaceOfThePayloadsFirstBytes) {
  message m{message_type::video, 1, 6, 40, base::slice(base::bytes_of("27 01 000000 aabb"))};
  EXPECT_EQ(encode_roqr(0, m, base::slice(base::bytes_of("27 01 000050"))).flatten(), base::bytes_of("00 28 09 01 06 07 27 01 000050 aabb"));
}

TEST(RoqrFrame, HasNoFrameForAMessageWithoutPayload) { EXPECT_TRUE(encode_roqr(0, message{}).empty()); }

}  // namespace
}  // namespace millrace::rtmp
