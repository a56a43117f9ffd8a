#include "media/ex_body.hpp"

#include <gtest/gtest.h>

#include "base/written_bytes.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::media {
namespace {

using base::bytes_of;
using bytes = std::vector<std::uint8_t>;

TEST(ex_body, X5_channel_layouts) {
  auto layout = decode_channel_layout(bytes_of("00 08"));
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->by, channel_layout::order::unspecified);
  EXPECT_EQ(layout->channels, 8);
  layout = decode_channel_layout(bytes_of("01 06 0000003f"));
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->by, channel_layout::order::native);
  EXPECT_EQ(layout->mask, 0x3fu);
  const auto custom = bytes_of("02 03 12 fe ff 99");
  layout = decode_channel_layout(custom);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->by, channel_layout::order::custom);
  EXPECT_EQ(bytes(layout->speakers.begin(), layout->speakers.end()), (bytes{0x12, channel_layout::unused, channel_layout::unknown}));
  EXPECT_EQ(layout->bytes, 5u) << "the rest is not its own";
  for (const char* wrong : {"", "01", "00 00", "03 02", "ff 02", "01 02 000000", "02 03 0102", "02 ff"}) {
    EXPECT_FALSE(decode_channel_layout(bytes_of(wrong))) << wrong;
  }
}

TEST(ex_body, X5_channel_layouts_written_read_back) {
  for (const char* written : {"00 02", "01 18 00ffffff", "02 04 00 01 fe ff"}) {
    const auto body = bytes_of(written);
    EXPECT_EQ(encode_channel_layout(*decode_channel_layout(body)), body) << written;
  }
}

TEST(ex_body, V6_color_info) {
  EXPECT_EQ(color_info_of(ex_cases::hdr_metadata()), color_info::set);
  EXPECT_EQ(color_info_of(ex_cases::undefined_metadata()), color_info::reset);
  EXPECT_EQ(color_info_of(ex_cases::empty_metadata()), color_info::reset);
  const auto said = [](const char* written) { return color_info_of(bytes_of(written)); };
  EXPECT_EQ(said("02 0009 'colorInfo' 05"), color_info::reset);
  EXPECT_EQ(said("02 0009 'colorInfo' 08 00000000 0000 09"), color_info::reset) << "an ECMA array is as good as an object";
  EXPECT_EQ(said("02 0009 'colorInfo' 08 00000001 0001 'a' 06 0000 09"), color_info::set);
  EXPECT_EQ(said("02 0009 'colorInfo' 00 0000000000000000"), color_info::set) << "no object, but no reset either";
  EXPECT_EQ(said("02 0005 'other' 01 01"), color_info::none);
  EXPECT_EQ(said("02 0005 'other' 0a 00000003 05 0d 0c 00000001 'x' 02 0009 'colorInfo' 06"), color_info::reset);
  EXPECT_EQ(said("02 0009 'colorInfo' 06 02 0009 'colorInfo' 03 0001 'a' 05 0000 09"), color_info::set) << "the last one counts";
  EXPECT_EQ(said("02 0005 'other' 0b 0000000000000000 0000 02 0001 'r' 07 0001 02 0001 'x' 0f 00000001 'y' "
                 "02 0001 't' 10 0001 'c' 0000 09"),
            color_info::none);
  EXPECT_EQ(said("06 13 'colorInfo' 01"), color_info::opaque) << "AMF3";
  for (const char* wrong : {"", "00", "03 0000 09", "02", "02 00", "02 0009 'color'", "02 0009 'colorInfo'", "02 0009 'colorInfo' 03",
                            "02 0009 'colorInfo' 03 0000", "02 0009 'colorInfo' 08 0000", "02 0001 'a' 11 01", "02 0001 'a' 0a ffffffff 05",
                            "02 0001 'a' 0c ffffffff 'x'", "02 0009 'colorInfo' 06 09"}) {
    EXPECT_EQ(said(wrong), color_info::broken) << wrong;
  }
}

TEST(ex_body, V6_depth_is_bounded) {
  bytes deep = bytes_of("02 0001 'a'");
  for (int i = 0; i < 100'000; ++i) deep.insert(deep.end(), {0x0a, 0, 0, 0, 1});
  EXPECT_EQ(color_info_of(deep), color_info::broken);
  bytes objects = bytes_of("02 0001 'a'");
  for (int i = 0; i < 100'000; ++i) objects.insert(objects.end(), {0x03, 0, 1, 'k'});
  EXPECT_EQ(color_info_of(objects), color_info::broken);
}

}  // namespace
}  // namespace millrace::media
