#include "rtmp/command.hpp"

#include <cmath>

#include "rtmp/chunk_writer.hpp"

namespace millrace::rtmp {

bool command::wants_answer() const noexcept { return std::isfinite(transaction) && transaction > 0; }

const amf0::value* command::arg(std::size_t index) const noexcept { return index < args.size() ? &args[index] : nullptr; }

std::string command::text_arg(std::size_t index) const {
  const auto* v = arg(index);
  const auto* text = v ? v->text() : nullptr;
  return text ? *text : std::string();
}

double command::number_arg(std::size_t index, double otherwise) const {
  const auto* v = arg(index);
  const auto* number = v ? v->number() : nullptr;
  return number && std::isfinite(*number) ? *number : otherwise;
}

bool command::boolean_arg(std::size_t index, bool otherwise) const {
  const auto* v = arg(index);
  if (!v) return otherwise;
  if (const auto* flag = v->boolean()) return *flag;
  if (const auto* number = v->number()) return *number != 0;
  return otherwise;
}

std::optional<std::uint32_t> to_id(double number) {
  if (!(number >= 0 && number <= 4294967295.0) || number != std::floor(number)) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

base::result<base::slice> amf0_body(const message& m) {
  if (m.type != message_type::command_amf3 && m.type != message_type::data_amf3) return m.payload;
  if (m.payload.empty()) return m.payload;
  // The AMF0 part begins with a string (marker 2), so a missing selector cannot be mistaken for one.
  const auto first = m.payload.view()[0];
  if (first == 0) return m.payload.sub(1);
  if (first == 2) return m.payload;
  return base::error{base::error_kind::protocol,
                     "message of type " + std::to_string(static_cast<unsigned>(m.type)) + " with format selector " + std::to_string(first)};
}

base::result<command> parse_command(const message& m, const base::amf_limits& limits) {
  const auto body = amf0_body(m);
  if (!body) return body.error();
  auto values = amf0::decode_all(*body, limits);
  if (!values) return std::move(values).error().within("command");
  if (values->empty() || !(*values)[0].text()) return base::error{base::error_kind::protocol, "command without a name"};
  command c;
  c.name = *(*values)[0].text();
  c.msid = m.msid;
  if (values->size() > 1) {
    if (const auto* transaction = (*values)[1].number()) c.transaction = *transaction;
  }
  if (values->size() > 2) c.object = std::move((*values)[2]);
  for (std::size_t i = 3; i < values->size(); ++i) c.args.push_back(std::move((*values)[i]));
  return c;
}

message make_command(std::uint32_t msid, std::string_view name, double transaction, const amf0::value& object,
                     const std::vector<amf0::value>& args) {
  base::byte_writer body;
  amf0::encode(body, std::string(name));
  amf0::encode(body, transaction);
  amf0::encode(body, object);
  for (const auto& arg : args) amf0::encode(body, arg);
  message m;
  m.type = message_type::command_amf0;
  m.msid = msid;
  m.csid = chunk_streams::command;
  m.payload = std::move(body).take_slice();
  return m;
}

message make_data(std::uint32_t msid, const std::vector<amf0::value>& values) {
  base::byte_writer body;
  for (const auto& value : values) amf0::encode(body, value);
  message m;
  m.type = message_type::data_amf0;
  m.msid = msid;
  m.csid = chunk_streams::data;
  m.payload = std::move(body).take_slice();
  return m;
}

amf0::object information(const status& s, std::vector<amf0::member> extra) {
  amf0::object info;
  info.members.push_back({"level", s.level});
  info.members.push_back({"code", s.code});
  info.members.push_back({"description", s.description});
  for (auto& member : extra) info.members.push_back(std::move(member));
  return info;
}

message make_on_status(std::uint32_t msid, const status& s) { return make_command(msid, "onStatus", 0, amf0::null{}, {information(s)}); }

message make_error(std::uint32_t msid, double transaction, const status& s) {
  return make_command(msid, "_error", transaction, amf0::null{}, {information(s)});
}

status read_status(const amf0::value* info) {
  status s;
  if (!info) return s;
  const auto text = [info](std::string_view name) {
    const auto* v = info->find(name);
    return v && v->text() ? *v->text() : std::string();
  };
  s.level = text("level");
  s.code = text("code");
  s.description = text("description");
  return s;
}

}  // namespace millrace::rtmp
