#include "hls/request.hpp"

#include <gtest/gtest.h>

namespace millrace::hls {
namespace {

using type = request::type;

TEST(request, paths) {
  EXPECT_EQ(parse_request(".m3u8", "").value().of, type::multivariant);
  EXPECT_EQ(parse_request("/index.m3u8", "").value().of, type::playlist);
  const auto ts = parse_request("/ts.m3u8", "").value();
  EXPECT_EQ(ts.of, type::playlist);
  EXPECT_EQ(ts.container, mux::container::mpegts);
  const auto init = parse_request("/init-12.mp4", "").value();
  EXPECT_EQ(init.of, type::init);
  EXPECT_EQ(init.number, 12u);
  EXPECT_EQ(parse_request("/seg-0.m4s", "").value().container, mux::container::fmp4);
  EXPECT_EQ(parse_request("/seg-18446744073709551615.ts", "").value().number, 18'446'744'073'709'551'615u);
  const auto part = parse_request("/part-34-5.m4s", "_HLS_msn=x").value();
  EXPECT_EQ(part.of, type::part);
  EXPECT_EQ(part.number, 34u);
  EXPECT_EQ(part.part, 5u);
  for (const auto* wrong :
       {"", "/", "/index.m3u", "/seg-.m4s", "/seg--1.m4s", "/seg-+1.m4s", "/seg-1a.m4s", "/seg-18446744073709551616.ts", "/seg- 1.ts", "/part-1.m4s",
        "/part-1-.m4s", "/part--1.m4s", "/part-1-2-3.m4s", "/part-1-2.ts", "/init-1.m4s", "/seg-.m4", "/../seg-1.ts"}) {
    const auto r = parse_request(wrong, "");
    ASSERT_FALSE(r) << wrong;
    EXPECT_EQ(r.error().kind, base::error_kind::not_found) << wrong;
  }
}

TEST(request, directives_of_6_2_5) {
  const auto of = [](std::string_view query) { return parse_request("/index.m3u8", query); };
  const auto all = of("token=1&_HLS_msn=273&_HLS_part=2&_HLS_skip=YES").value();
  EXPECT_EQ(all.wanted_msn, 273u);
  EXPECT_EQ(all.wanted_part, 2u);
  EXPECT_TRUE(all.skip);
  EXPECT_TRUE(of("_HLS_skip=v2").value().skip);
  EXPECT_FALSE(of("_HLS_skip=NO").value().skip);
  EXPECT_FALSE(of("_HLS_primary_id=9&_HLS_start_offset&x&&=").value().wanted_msn) << "what is not known is for others";
  for (const auto* wrong : {"_HLS_msn", "_HLS_msn=", "_HLS_msn=-1", "_HLS_msn=1.5", "_HLS_msn=0x1", "_HLS_msn=1%30", "_HLS_msn=99999999999999999999",
                            "_HLS_msn=1&_HLS_part=a", "_HLS_part=1", "_HLS_msn=1&_HLS_msn=1"}) {
    const auto r = of(wrong);
    ASSERT_FALSE(r) << wrong;
    EXPECT_EQ(r.error().kind, base::error_kind::protocol) << wrong;
  }
}

}  // namespace
}  // namespace millrace::hls
