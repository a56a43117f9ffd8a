// AMF0 values (AMF 0 specification, 2007): decode/encode pair, bounded in depth, elements and time.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"

namespace millrace::rtmp::amf0 {

class value;
struct member;  // name and value

struct null {};
struct undefined {};
struct unsupported {};
struct reference { std::uint16_t index = 0; };
struct date { double ms_since_epoch = 0; std::int16_t zone = 0; };
struct xml { std::string text; };
// Objects keep order and duplicates as sent; find() returns the last of a name.
struct object { std::vector<member> members; };
struct ecma_array { std::vector<member> members; };     // the count on the wire is a hint only (F2)
struct strict_array { std::vector<value> items; };
struct typed_object { std::string class_name; std::vector<member> members; };

class value {
 public:
  using variant_type = std::variant<null, double, bool, std::string, object, undefined, reference, ecma_array, strict_array, date, unsupported,
                                    xml, typed_object>;
  value() = default;
  template <class T>
    requires std::is_constructible_v<variant_type, T> && (!std::is_same_v<std::decay_t<T>, value>) && (!std::is_integral_v<std::decay_t<T>> || std::is_same_v<std::decay_t<T>, bool>) && (!std::is_convertible_v<T, const char*>)
  value(T v) : v_(std::move(v)) {}                       // NOLINT: implicit by design
  value(const char* text);                               // NOLINT
  template <class N>
    requires std::is_integral_v<N> && (!std::is_same_v<N, bool>)
  value(N n);                                            // NOLINT

  [[nodiscard]] const variant_type& get() const noexcept { return v_; }
  [[nodiscard]] variant_type& get() noexcept { return v_; }
  [[nodiscard]] const double* number() const noexcept { return std::get_if<double>(&v_); }
  [[nodiscard]] const bool* boolean() const noexcept { return std::get_if<bool>(&v_); }
  [[nodiscard]] const std::string* text() const noexcept { return std::get_if<std::string>(&v_); }
  // Members of an object, ECMA array or typed object (F2: they are equal to a reader); null for anything else.
  [[nodiscard]] const std::vector<member>* members() const noexcept;
  // Last member of that name, or null. Linear.
  [[nodiscard]] const value* find(std::string_view name) const noexcept;
  [[nodiscard]] bool is_null_like() const noexcept;      // null, undefined, unsupported

 private:
  variant_type v_;
};

struct member {
  std::string name;
  value val;
};

// Out of the class, because clang wants `member` to be complete where a variant is built.
inline value::value(const char* text) : v_(std::string(text)) {}
template <class N>
  requires std::is_integral_v<N> && (!std::is_same_v<N, bool>)
value::value(N n) : v_(static_cast<double>(n)) {}

// Reads one value and moves `from` past it. Strings are bytes as sent (UTF-8 is not checked here). `elements_left` is shared by
// all values of one message, so call with one counter per message. An object end that is missing at the end of the input
// is accepted only if `lenient_end` (F4: onMetaData). Errors (kind protocol or limit) name the marker byte and the offset.
base::result<value> decode(base::byte_reader& from, const base::amf_limits& limits, std::size_t& elements_left, bool lenient_end = false);
// All values up to the end of the bytes.
base::result<std::vector<value>> decode_all(base::bytes_view bytes, const base::amf_limits& limits, bool lenient_end = false);
// Strings over 65535 bytes become long strings.
void encode(base::byte_writer& to, const value& v);

}  // namespace millrace::rtmp::amf0
