#include "rtmp/amf0.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rtmp/amf0_cases.hpp"

namespace millrace::rtmp::amf0 {
namespace {

using cases::bytes_of;
using testing::HasSubstr;
using bytes = std::vector<std::uint8_t>;

bytes encoded(const value& v) {
  base::byte_writer to;
  encode(to, v);
  return std::move(to).take();
}
base::result<value> decoded(base::bytes_view from, const base::amf_limits& limits = {}, bool lenient_end = false) {
  base::byte_reader reader(from);
  std::size_t left = limits.elements;
  return decode(reader, limits, left, lenient_end);
}
// `depth` objects in each other, innermost empty.
bytes nested_objects(std::size_t depth) {
  bytes out;
  const auto append = [&](std::string_view written, std::size_t times) {
    const auto part = bytes_of(written);
    for (std::size_t i = 0; i < times; ++i) out.insert(out.end(), part.begin(), part.end());
  };
  append("03 0001 'o'", depth - 1);
  append("03", 1);
  append("0000 09", depth);
  return out;
}

TEST(amf0, F1_every_value_decodes_to_its_meaning) {
  for (const auto& c : cases::all_good()) {
    base::byte_reader reader(c.bytes);
    std::size_t left = 256;
    const auto v = decode(reader, {}, left);
    ASSERT_TRUE(v) << c.name << ": " << v.error().text;
    EXPECT_TRUE(reader.at_end()) << c.name << " leaves " << reader.remaining();
    EXPECT_EQ(v->get().index(), c.meaning.get().index()) << c.name;
    EXPECT_EQ(encoded(*v), encoded(c.meaning)) << c.name;
  }
}

TEST(amf0, F1_every_value_encodes_to_its_bytes) {
  for (const auto& c : cases::all_good()) {
    EXPECT_EQ(encoded(c.meaning) == c.bytes, c.canonical) << c.name;
  }
}

TEST(amf0, F6_every_prefix_of_every_value_is_an_error) {
  for (const auto& c : cases::all_good()) {
    if (c.bytes.size() > 1000) continue;
    for (std::size_t size = 0; size < c.bytes.size(); ++size) {
      // A copy of the exact size lets the address sanitizer see any over-read.
      const bytes prefix(c.bytes.begin(), c.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto v = decoded(prefix);
      ASSERT_FALSE(v) << c.name << " cut to " << size;
      EXPECT_EQ(v.error().kind, base::error_kind::protocol);
    }
  }
}

TEST(amf0, F6_F11_bad_bytes_are_named) {
  for (const auto& c : cases::all_bad()) {
    const auto v = decoded(c.bytes);
    ASSERT_FALSE(v) << c.name;
    EXPECT_EQ(v.error().kind, c.kind) << c.name;
    EXPECT_THAT(v.error().text, HasSubstr(c.text)) << c.name;
  }
}

TEST(amf0, F2_object_and_ecma_array_are_equal_to_a_reader) {
  for (const auto* written :
       {"03 0001 'k' 02 0001 'v' 0000 09", "08 00000000 0001 'k' 02 0001 'v' 0000 09", "10 0001 'C' 0001 'k' 02 0001 'v' 0000 09"}) {
    const auto v = decoded(bytes_of(written));
    ASSERT_TRUE(v);
    ASSERT_NE(v->members(), nullptr);
    ASSERT_NE(v->find("k"), nullptr);
    EXPECT_EQ(*v->find("k")->text(), "v");
    EXPECT_EQ(v->find("K"), nullptr);
  }
  EXPECT_EQ(value(1).members(), nullptr);
  EXPECT_EQ(value(strict_array{}).find("k"), nullptr);
}

TEST(amf0, F4_missing_object_end_is_accepted_only_leniently) {
  // onMetaData as some encoders send it: both the inner and the outer end are missing.
  const auto cut = bytes_of("08 00000002 0005 'width' 00 409e000000000000 0001 'o' 03 0001 'a' 05");
  EXPECT_FALSE(decoded(cut));
  const auto v = decoded(cut, {}, true);
  ASSERT_TRUE(v);
  EXPECT_EQ(*v->find("width")->number(), 1920);
  EXPECT_TRUE(v->find("o")->find("a")->is_null_like());
  // Lenient about the end does not mean lenient about half a member.
  EXPECT_FALSE(decoded(bytes_of("08 00000000 0005 'wid"), {}, true));
  EXPECT_FALSE(decoded(bytes_of("08 00000000 0001 'w'"), {}, true));
  EXPECT_FALSE(decoded(bytes_of("08 00000000 0001 'w' 00 00"), {}, true));
  EXPECT_FALSE(decoded(bytes_of("0a 00000002 05"), {}, true));
}

TEST(amf0, F5_last_of_a_duplicate_key_wins_and_order_stays) {
  const auto v = decoded(bytes_of("03 0001 'k' 02 0001 '1' 0000 05 0001 'k' 02 0001 '2' 0000 09"));
  ASSERT_TRUE(v);
  EXPECT_EQ(*v->find("k")->text(), "2");
  ASSERT_NE(v->find(""), nullptr);
  ASSERT_EQ(v->members()->size(), 3u);
  EXPECT_EQ(v->members()->at(1).name, "");
}

TEST(amf0, F6_depth_limit) {
  EXPECT_TRUE(decoded(nested_objects(16)));
  const auto v = decoded(nested_objects(17));
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().kind, base::error_kind::limit);
  EXPECT_THAT(v.error().text, HasSubstr("nested deeper than 16"));
  // The nesting of all containers counts, and a deep bomb costs no more than reaching the limit.
  bytes bomb;
  for (int i = 0; i < 1000; ++i) {
    const auto part = bytes_of("0a 00000001");
    bomb.insert(bomb.end(), part.begin(), part.end());
  }
  bomb.push_back(5);
  EXPECT_EQ(decoded(bomb).error().kind, base::error_kind::limit);
}

TEST(amf0, F6_element_limit_counts_all_levels_of_a_message) {
  bytes nulls(256, 0x05);
  EXPECT_EQ(decode_all(nulls, {})->size(), 256u);
  nulls.push_back(0x05);
  EXPECT_EQ(decode_all(nulls, {}).error().kind, base::error_kind::limit);

  base::amf_limits five;
  five.elements = 5;
  EXPECT_TRUE(decode_all(bytes_of("0a 00000002 05 05 0a 00000001 05"), five));
  const auto over = decode_all(bytes_of("0a 00000002 05 05 0a 00000002 05 05"), five);
  ASSERT_FALSE(over);
  EXPECT_THAT(over.error().text, HasSubstr("byte 13: more than 5 values"));
}

TEST(amf0, F6_string_limit) {
  base::amf_limits four;
  four.string_bytes = 4;
  EXPECT_TRUE(decoded(bytes_of("02 0004 'live'"), four));
  for (const auto* written :
       {"02 0005 'lives'", "0c 00000005 'lives'", "0f 00000005 'lives'", "03 0005 'lives' 05 0000 09", "10 0005 'lives' 0000 09"}) {
    const auto v = decoded(bytes_of(written), four);
    ASSERT_FALSE(v) << written;
    EXPECT_EQ(v.error().kind, base::error_kind::limit) << written;
    EXPECT_THAT(v.error().text, HasSubstr("5 bytes > limit 4")) << written;
  }
}

TEST(amf0, F7_transaction_ids_of_any_kind_come_through) {
  const auto values = decode_all(bytes_of("00 7ff8000000000000 00 bff0000000000000 00 3ff8000000000000 00 0000000000000000"), {});
  ASSERT_TRUE(values);
  EXPECT_TRUE(std::isnan(*values->at(0).number()));
  EXPECT_EQ(*values->at(1).number(), -1);
  EXPECT_EQ(*values->at(2).number(), 1.5);
  EXPECT_EQ(*values->at(3).number(), 0);
}

TEST(amf0, F8_arguments_are_a_plain_list) {
  // play(name) with a null command object, and one argument that nobody knows behind it.
  const auto values = decode_all(bytes_of("02 0004 'play' 00 0000000000000000 05 02 0001 's' 0d"), {});
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 5u);
  EXPECT_TRUE(values->at(2).is_null_like());
  EXPECT_TRUE(values->at(4).is_null_like());
  EXPECT_TRUE(decode_all({}, {})->empty());
}

TEST(amf0, values_are_easy_to_write) {
  const value v = object{{{"app", "live"}, {"fpad", false}, {"capabilities", 15}, {"level", 1.5}}};
  EXPECT_EQ(*v.find("app")->text(), "live");
  EXPECT_FALSE(*v.find("fpad")->boolean());
  EXPECT_EQ(*v.find("capabilities")->number(), 15);
  EXPECT_EQ(v.find("app")->number(), nullptr);
  EXPECT_EQ(v.find("level")->boolean(), nullptr);
}

TEST(amf0, an_over_long_key_is_cut_and_the_rest_stays_readable) {
  const value v = object{{{std::string(70'000, 'k'), 1}, {"b", 2}}};
  const auto back = decoded(encoded(v));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->members()->at(0).name.size(), 65'535u);
  EXPECT_EQ(*back->find("b")->number(), 2);
}

TEST(amf0, offsets_count_from_the_start_of_the_message) {
  const auto v = decode_all(bytes_of("02 0001 'a' 05 11"), {});
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().text, "AMF0 byte 5: marker 0x11 (AMF3, not supported)");
}

}  // namespace
}  // namespace millrace::rtmp::amf0
