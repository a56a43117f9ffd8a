// One table of AMF0 bytes and what they mean. The unit test decodes and encodes by it, the fuzzer takes its seeds from it.
// Not part of any library: only tests include this.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/written_bytes.hpp"
#include "rtmp/amf0.hpp"

namespace millrace::rtmp::amf0::cases {

using base::bytes_of;

struct good {
  const char* name;  // letters, digits and '_': also names a file of the fuzzer
  std::vector<std::uint8_t> bytes;
  value meaning;
  bool canonical = true;  // our encoder writes exactly these bytes
};

inline std::vector<good> all_good() {
  using std::numeric_limits;
  std::vector<good> out;
  const auto add = [&](const char* name, std::string_view written, value meaning, bool canonical = true) {
    out.push_back({name, bytes_of(written), std::move(meaning), canonical});
  };
  // F1: every marker.
  add("number", "00 3ff8000000000000", 1.5);
  add("boolean_true", "01 01", true);
  add("boolean_false", "01 00", false);
  add("boolean_other", "01 7f", true, false);
  add("string", "02 0004 'live'", "live");
  add("string_empty", "02 0000", "");
  add("object", "03 0001 'a' 00 3ff0000000000000 0001 'b' 05 0000 09", object{{{"a", 1.0}, {"b", null{}}}});
  add("object_empty", "03 0000 09", object{});
  add("null", "05", null{});
  add("undefined", "06", undefined{});
  add("reference", "07 0102", reference{0x102});
  add("ecma_array", "08 00000001 0005 'width' 00 409e000000000000 0000 09", ecma_array{{{"width", 1920}}});
  add("strict_array", "0a 00000003 05 01 01 02 0001 'x'", strict_array{{null{}, true, "x"}});
  add("strict_array_empty", "0a 00000000", strict_array{});
  add("date", "0b 4276c6144e000000 ffc4", date{1564999999488.0, -60});
  add("unsupported", "0d", unsupported{});
  add("xml", "0f 00000004 '<a/>'", xml{"<a/>"});
  add("typed_object", "10 0002 'Cl' 0001 'k' 01 01 0000 09", typed_object{"Cl", {{"k", true}}});
  add("long_string_short", "0c 00000003 'abc'", "abc", false);
  {
    auto bytes = bytes_of("0c 00010000");
    bytes.insert(bytes.end(), 65536, 'z');
    out.push_back({"long_string", std::move(bytes), std::string(65536, 'z')});
    bytes = bytes_of("02 ffff");
    bytes.insert(bytes.end(), 65535, 'z');
    out.push_back({"string_longest_short", std::move(bytes), std::string(65535, 'z')});
  }
  // F2: the count of an ECMA array is a hint.
  add("ecma_array_count_0", "08 00000000 0001 'a' 05 0001 'b' 06 0000 09", ecma_array{{{"a", null{}}, {"b", undefined{}}}}, false);
  add("ecma_array_count_low", "08 00000001 0001 'a' 05 0001 'b' 06 0000 09", ecma_array{{{"a", null{}}, {"b", undefined{}}}}, false);
  add("ecma_array_count_huge", "08 ffffffff 0001 'a' 05 0000 09", ecma_array{{{"a", null{}}}}, false);
  // F5: keys.
  add("key_empty", "03 0000 05 0000 09", object{{{"", null{}}}});
  add("key_twice", "03 0001 'k' 01 00 0001 'k' 01 01 0000 09", object{{{"k", false}, {"k", true}}});
  add("key_order", "03 0001 'z' 05 0001 'a' 05 0000 09", object{{{"z", null{}}, {"a", null{}}}});
  add("key_nul", "03 0003 61 00 62 05 0000 09", object{{{std::string("a\0b", 3), null{}}}});
  add("text_utf8", "02 0003 e282ac", "\xe2\x82\xac");
  add("text_not_utf8", "02 0003 ff00c3", std::string("\xff\0\xc3", 3));
  // F7: numbers.
  add("number_nan", "00 7ff8000000000000", numeric_limits<double>::quiet_NaN());
  add("number_infinity", "00 7ff0000000000000", numeric_limits<double>::infinity());
  add("number_minus_infinity", "00 fff0000000000000", -numeric_limits<double>::infinity());
  add("number_minus_zero", "00 8000000000000000", -0.0);
  add("number_negative_fraction", "00 c004000000000000", -2.5);
  add("number_fourcc", "00 41d85d8c0c400000", 1635135537.0);  // 'av01' (D4)
  // Shapes that real peers send.
  add("nested", "03 0001 'o' 03 0001 'a' 0a 00000002 03 0000 09 08 00000000 0000 09 0000 09 0000 09",
      object{{{"o", object{{{"a", strict_array{{object{}, ecma_array{}}}}}}}}});
  add("fourcc_map", "03 0012 'videoFourCcInfoMap' 03 0001 '*' 00 4010000000000000 0004 'hvc1' 00 401c000000000000 0000 09 0000 09",
      object{{{"videoFourCcInfoMap", object{{{"*", 4}, {"hvc1", 7}}}}}});
  return out;
}

struct bad {
  const char* name;
  std::vector<std::uint8_t> bytes;
  base::error_kind kind;
  const char* text;  // part of what the error says
};

inline std::vector<bad> all_bad() {
  std::vector<bad> out;
  const auto add = [&](const char* name, std::string_view written, const char* text, base::error_kind kind = base::error_kind::protocol) {
    out.push_back({name, bytes_of(written), kind, text});
  };
  // F11: markers.
  add("marker_movieclip", "04", "byte 0: marker 0x04");
  add("marker_recordset", "0e", "byte 0: marker 0x0e");
  add("marker_amf3", "11 0a", "byte 0: marker 0x11 (AMF3");
  add("marker_unknown", "12", "byte 0: marker 0x12");
  add("marker_ff", "ff", "byte 0: marker 0xff");
  add("marker_inside", "03 0001 'a' 11 01", "byte 4: marker 0x11");
  add("object_end_alone", "09", "byte 0: marker 0x09");
  add("object_end_behind_key", "03 0001 'a' 09", "byte 4: marker 0x09");
  add("object_end_in_array", "0a 00000001 09", "byte 5: marker 0x09");
  // F6: lengths beyond the message.
  add("number_cut", "00 3ff000", "byte 0: number is cut short");
  add("boolean_cut", "01", "byte 0: boolean is cut short");
  add("string_no_length", "02 00", "string is cut short");
  add("string_cut", "02 0005 'live'", "string is cut short");
  add("long_string_cut", "0c 00000010 'live'", "long string is cut short");
  add("long_string_huge", "0c ffffffff 'live'", "long string of 4294967295 bytes > limit 65536", base::error_kind::limit);
  add("xml_huge", "0f 7fffffff", "XML document of 2147483647 bytes > limit 65536", base::error_kind::limit);
  add("reference_cut", "07 01", "reference is cut short");
  add("date_cut", "0b 0000000000000000 00", "date is cut short");
  add("object_no_end", "03 0001 'a' 05", "byte 5: object end is missing");
  add("object_key_cut", "03 0005 'a'", "key is cut short");
  add("object_value_missing", "03 0001 'a'", "byte 4: value is missing");
  add("object_end_cut", "03 0000", "byte 3: value is missing");
  add("ecma_array_cut", "08 0000", "ECMA array is cut short");
  add("strict_array_cut", "0a 00", "strict array is cut short");
  add("strict_array_announces", "0a ffffffff 05", "strict array of 4294967295 is cut short");
  add("strict_array_short", "0a 00000002 02 0001", "string is cut short");
  add("typed_object_cut", "10 0009 'Cl'", "class name is cut short");
  return out;
}

}  // namespace millrace::rtmp::amf0::cases
