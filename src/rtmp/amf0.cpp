#include "rtmp/amf0.hpp"

#include <algorithm>
#include <string>

namespace millrace::rtmp::amf0 {
namespace {

// AMF 0 specification section 2.1.
enum marker : std::uint8_t {
  m_number = 0x00,
  m_boolean = 0x01,
  m_string = 0x02,
  m_object = 0x03,
  m_movieclip = 0x04,
  m_null = 0x05,
  m_undefined = 0x06,
  m_reference = 0x07,
  m_ecma_array = 0x08,
  m_object_end = 0x09,
  m_strict_array = 0x0a,
  m_date = 0x0b,
  m_long_string = 0x0c,
  m_unsupported = 0x0d,
  m_recordset = 0x0e,
  m_xml = 0x0f,
  m_typed_object = 0x10,
  m_avmplus = 0x11,
};

constexpr std::size_t short_string_max = 0xffff;

std::string hex(std::uint8_t byte) {
  static constexpr char digits[] = "0123456789abcdef";
  return {'0', 'x', digits[byte >> 4], digits[byte & 15]};
}

std::string_view reason_of(std::uint8_t byte) {
  switch (byte) {
    case m_movieclip: return "movieclip, reserved";
    case m_recordset: return "recordset, reserved";
    case m_object_end: return "object end outside of an object";
    case m_avmplus: return "AMF3, not supported";
    default: return "unknown";
  }
}

// One value with everything inside it. The recursion is counted: `depth` containers are open, and amf_limits.depth bounds them, so a
// peer can neither exhaust this stack nor build a value whose destructor would.
class decoder {
 public:
  decoder(base::byte_reader& from, const base::amf_limits& limits, std::size_t& elements_left, bool lenient_end)
      : from_(from), limits_(limits), elements_left_(elements_left), lenient_end_(lenient_end) {}

  base::result<value> any(std::size_t depth) {
    const auto at = from_.position();
    const auto byte = from_.u8();
    if (!byte) return broken(at, "value is missing");
    if (elements_left_ == 0) return over(at, "more than " + std::to_string(limits_.elements) + " values in one message");
    --elements_left_;

    switch (*byte) {
      case m_number: {
        const auto number = from_.f64();
        if (!number) return cut(at, "number");
        return value(*number);
      }
      case m_boolean: {
        const auto flag = from_.u8();
        if (!flag) return cut(at, "boolean");
        return value(*flag != 0);
      }
      case m_string: return text_value(short_text("string"));
      case m_long_string: return text_value(long_text("long string"));
      case m_null: return value(null{});
      case m_undefined: return value(undefined{});
      case m_unsupported: return value(unsupported{});
      case m_reference: {
        const auto index = from_.u16();
        if (!index) return cut(at, "reference");
        return value(reference{*index});
      }
      case m_date: {
        const auto ms = from_.f64();
        const auto zone = from_.u16();
        if (!ms || !zone) return cut(at, "date");
        return value(date{*ms, static_cast<std::int16_t>(*zone)});
      }
      case m_xml: {
        auto text = long_text("XML document");
        if (!text) return std::move(text).error();
        return value(xml{std::move(*text)});
      }
      case m_object: {
        auto list = members(at, depth);
        if (!list) return std::move(list).error();
        return value(object{std::move(*list)});
      }
      case m_ecma_array: {
        // F2: the count is a hint that many senders leave 0 or wrong, so it decides nothing, least of all how much to allocate.
        if (!from_.u32()) return cut(at, "ECMA array");
        auto list = members(at, depth);
        if (!list) return std::move(list).error();
        return value(ecma_array{std::move(*list)});
      }
      case m_typed_object: {
        auto name = short_text("class name");
        if (!name) return std::move(name).error();
        auto list = members(at, depth);
        if (!list) return std::move(list).error();
        return value(typed_object{std::move(*name), std::move(*list)});
      }
      case m_strict_array: return items(at, depth);
      default: return broken(at, "marker " + hex(*byte) + " (" + std::string(reason_of(*byte)) + ")");
    }
  }

 private:
  using members_list = std::vector<member>;

  static base::error at_offset(base::error_kind kind, std::size_t at, const std::string& what) {
    return {kind, "AMF0 byte " + std::to_string(at) + ": " + what};
  }
  static base::error broken(std::size_t at, const std::string& what) { return at_offset(base::error_kind::protocol, at, what); }
  static base::error over(std::size_t at, const std::string& what) { return at_offset(base::error_kind::limit, at, what); }
  static base::error cut(std::size_t at, std::string_view what) { return broken(at, std::string(what) + " is cut short"); }

  base::result<std::string> text_of(std::size_t at, std::size_t length, std::string_view what) {
    if (length > limits_.string_bytes) {
      return over(at, std::string(what) + " of " + std::to_string(length) + " bytes > limit " + std::to_string(limits_.string_bytes));
    }
    const auto bytes = from_.take(length);
    if (!bytes) return cut(at, what);
    return std::string(base::as_text(*bytes));
  }
  base::result<std::string> short_text(std::string_view what) {
    const auto at = from_.position();
    const auto length = from_.u16();
    if (!length) return cut(at, what);
    return text_of(at, *length, what);
  }
  base::result<std::string> long_text(std::string_view what) {
    const auto at = from_.position();
    const auto length = from_.u32();
    if (!length) return cut(at, what);
    return text_of(at, *length, what);
  }
  static base::result<value> text_value(base::result<std::string> text) {
    if (!text) return std::move(text).error();
    return value(std::move(*text));
  }

  // Pairs up to the object end. An empty key is a key like any other unless the object end marker follows it (F5).
  base::result<members_list> members(std::size_t at, std::size_t depth) {
    if (depth >= limits_.depth) return over(at, "nested deeper than " + std::to_string(limits_.depth));
    members_list list;
    for (;;) {
      if (from_.at_end()) {
        if (lenient_end_) return list;
        return broken(from_.position(), "object end is missing");
      }
      auto name = short_text("key");
      if (!name) return std::move(name).error();
      if (name->empty() && !from_.at_end() && from_.rest().front() == m_object_end) {
        from_.skip(1);
        return list;
      }
      auto val = any(depth + 1);
      if (!val) return std::move(val).error();
      list.push_back({std::move(*name), std::move(*val)});
    }
  }

  base::result<value> items(std::size_t at, std::size_t depth) {
    if (depth >= limits_.depth) return over(at, "nested deeper than " + std::to_string(limits_.depth));
    const auto count = from_.u32();
    if (!count) return cut(at, "strict array");
    // Every item is one byte at least: an announced count that cannot be true is refused before anything is read for it.
    if (*count > from_.remaining()) return cut(at, "strict array of " + std::to_string(*count));
    strict_array array;
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto item = any(depth + 1);
      if (!item) return std::move(item).error();
      array.items.push_back(std::move(*item));
    }
    return value(std::move(array));
  }

  base::byte_reader& from_;
  const base::amf_limits& limits_;
  std::size_t& elements_left_;
  const bool lenient_end_;
};

// Only keys and class names come here with more than 64 KiB, and only from our own code: cut, so that what follows stays readable.
void short_text(base::byte_writer& to, std::string_view text) {
  text = text.substr(0, short_string_max);
  to.u16(static_cast<std::uint16_t>(text.size())).text(text);
}

void encode_members(base::byte_writer& to, const std::vector<member>& members) {
  for (const auto& m : members) {
    short_text(to, m.name);
    encode(to, m.val);
  }
  to.u16(0).u8(m_object_end);
}

struct encoder {
  base::byte_writer& to;

  void operator()(const null&) const { to.u8(m_null); }
  void operator()(const undefined&) const { to.u8(m_undefined); }
  void operator()(const unsupported&) const { to.u8(m_unsupported); }
  void operator()(double number) const { to.u8(m_number).f64(number); }
  void operator()(bool flag) const { to.u8(m_boolean).u8(flag ? 1 : 0); }
  void operator()(const reference& r) const { to.u8(m_reference).u16(r.index); }
  void operator()(const date& d) const { to.u8(m_date).f64(d.ms_since_epoch).u16(static_cast<std::uint16_t>(d.zone)); }
  void operator()(const std::string& text) const {
    if (text.size() > short_string_max) {
      to.u8(m_long_string).u32(static_cast<std::uint32_t>(text.size())).text(text);
    } else {
      to.u8(m_string);
      short_text(to, text);
    }
  }
  void operator()(const xml& x) const { to.u8(m_xml).u32(static_cast<std::uint32_t>(x.text.size())).text(x.text); }
  void operator()(const object& o) const {
    to.u8(m_object);
    encode_members(to, o.members);
  }
  void operator()(const ecma_array& a) const {
    to.u8(m_ecma_array).u32(static_cast<std::uint32_t>(a.members.size()));
    encode_members(to, a.members);
  }
  void operator()(const typed_object& o) const {
    to.u8(m_typed_object);
    short_text(to, o.class_name);
    encode_members(to, o.members);
  }
  void operator()(const strict_array& a) const {
    to.u8(m_strict_array).u32(static_cast<std::uint32_t>(a.items.size()));
    for (const auto& item : a.items) encode(to, item);
  }
};

}  // namespace

const std::vector<member>* value::members() const noexcept {
  if (const auto* o = std::get_if<object>(&v_)) return &o->members;
  if (const auto* a = std::get_if<ecma_array>(&v_)) return &a->members;
  if (const auto* t = std::get_if<typed_object>(&v_)) return &t->members;
  return nullptr;
}

const value* value::find(std::string_view name) const noexcept {
  const auto* list = members();
  if (list == nullptr) return nullptr;
  const auto found = std::find_if(list->rbegin(), list->rend(), [name](const member& m) { return m.name == name; });
  return found == list->rend() ? nullptr : &found->val;
}

bool value::is_null_like() const noexcept {
  return std::holds_alternative<null>(v_) || std::holds_alternative<undefined>(v_) || std::holds_alternative<unsupported>(v_);
}

base::result<value> decode(base::byte_reader& from, const base::amf_limits& limits, std::size_t& elements_left, bool lenient_end) {
  return decoder(from, limits, elements_left, lenient_end).any(0);
}

base::result<std::vector<value>> decode_all(base::bytes_view bytes, const base::amf_limits& limits, bool lenient_end) {
  base::byte_reader from(bytes);
  std::size_t elements_left = limits.elements;
  std::vector<value> values;
  while (!from.at_end()) {
    auto one = decode(from, limits, elements_left, lenient_end);
    if (!one) return std::move(one).error();
    values.push_back(std::move(*one));
  }
  return values;
}

void encode(base::byte_writer& to, const value& v) { std::visit(encoder{to}, v.get()); }

}  // namespace millrace::rtmp::amf0
