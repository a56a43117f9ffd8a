// Command messages (RTMP 1.0 section 7.1.1): reading, and building the ones that both roles send.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "rtmp/amf0.hpp"
#include "rtmp/message.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

struct command {
  std::string name;
  double transaction = 0;
  amf0::value object;             // the command object: an object, null, or null because it was absent
  std::vector<amf0::value> args;  // what follows; extra ones are the reader's to ignore
  std::uint32_t msid = 0;

  // Section 7.1.1: transaction 0 asks for no answer; nor does one that is no positive number.
  [[nodiscard]] bool wants_answer() const noexcept;
  // The argument at `index`, or null where the peer sent fewer.
  [[nodiscard]] const amf0::value* arg(std::size_t index) const noexcept;
  // The same as text, number or boolean, or the default where it is absent or of another type.
  [[nodiscard]] std::string text_arg(std::size_t index) const;
  [[nodiscard]] double number_arg(std::size_t index, double otherwise) const;
  [[nodiscard]] bool boolean_arg(std::size_t index, bool otherwise) const;
};

// A double as an unsigned 32-bit id, or nothing where it is negative, fractional, infinite or too large.
std::optional<std::uint32_t> to_id(double number);

// The AMF0 part of a command or data message: types 15 and 17 have a format selector in front (0 = AMF0), which some senders
// leave out. Error when the selector asks for AMF3, which we do not speak.
base::result<base::slice> amf0_body(const message& m);

base::result<command> parse_command(const message& m, const base::amf_limits& limits);

// "name", transaction, object, args… as type 20.
message make_command(std::uint32_t msid, std::string_view name, double transaction, const amf0::value& object,
                     const std::vector<amf0::value>& args = {});
// Values as a data message (type 18).
message make_data(std::uint32_t msid, const std::vector<amf0::value>& values);

// onStatus, _result and _error with an information object; `extra` members follow the three known ones.
amf0::object information(const status& s, std::vector<amf0::member> extra = {});
message make_on_status(std::uint32_t msid, const status& s);
message make_error(std::uint32_t msid, double transaction, const status& s);

// level, code and description of an information object; what is missing stays empty.
status read_status(const amf0::value* info);

}  // namespace millrace::rtmp
