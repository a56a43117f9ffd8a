// Command messages and what is read out of them: capabilities, what two millraces tell each other, statuses, redirects. What is written is read again.
#include <cmath>

#include "rtmp/redirect.hpp"
#include "session_moves.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

std::string bytes_of(const rtmp::amf0::value& v) {
  base::byte_writer out;
  rtmp::amf0::encode(out, v);
  return std::string(base::as_text(out.view()));
}

void look_at(const rtmp::amf0::value& object) {
  rtmp::peer_capabilities caps;
  rtmp::read_capabilities(object, caps);
  std::vector<rtmp::amf0::member> members;
  rtmp::append_capabilities(members, caps, true);
  rtmp::peer_capabilities again;
  rtmp::read_capabilities(rtmp::amf0::value(rtmp::amf0::object{members}), again);
  require(again.caps_ex == caps.caps_ex || !caps.enhanced());
  for (const auto codec : {0x61766331u, 0x68766331u, 0x4f707573u}) {
    for (const auto kind : {media::frame_kind::audio, media::frame_kind::video}) require(again.flags_of(kind, codec) == caps.flags_of(kind, codec));
  }
  const auto extension = rtmp::read_extension(object);
  require(extension.announced || (!extension.groups && !extension.reports && extension.resume.empty()));
  require(extension.fell_back.size() <= 4 * 256);
  std::vector<rtmp::amf0::member> ours;
  rtmp::append_extension(ours, extension);
  const auto told = rtmp::read_extension(rtmp::amf0::value(rtmp::amf0::object{ours}));
  require(told.announced == extension.announced && told.groups == extension.groups && told.reports == extension.reports && told.resume == extension.resume);
  if (const auto report = rtmp::read_report(&object)) {
    require(report->queue_age.count() >= 0);
    const auto written = rtmp::report_object(*report);
    require(rtmp::read_report(&written)->queue_age == report->queue_age);
  }
}

void command(const rtmp::message& m) {
  const auto c = rtmp::parse_command(m, {});
  if (!c) return require(!c.error().text.empty());
  require(c->msid == m.msid && (!c->wants_answer() || c->transaction > 0));
  const auto again = rtmp::parse_command(rtmp::make_command(c->msid, c->name, c->transaction, c->object, c->args), {64, 4096, 1u << 20});
  require(again && again->name == c->name && again->args.size() == c->args.size() && bytes_of(again->object) == bytes_of(c->object));
  require(again->transaction == c->transaction || std::isnan(c->transaction));
  look_at(c->object);
  for (const auto& arg : c->args) look_at(arg);
  const auto status = rtmp::read_status(c->arg(0));
  const auto id = rtmp::to_id(c->number_arg(0, -1));
  require(!id || c->number_arg(0, -1) == *id);
  static_cast<void>(c->text_arg(1) + status.code);
  static_cast<void>(c->boolean_arg(1, true));
}

// The reference is a server's, the URI a person's.
void redirect(operations& in) {
  static constexpr std::array starts{"rtmp://host/live/a?key=1", "rtmps://host:444/live/a", "rtmpq://host/live/a", "rtmp://[::1]/app/inst/name", "rtmps://10.0.0.1/live/a?pin=x"};
  const auto current = rtmp::parse_uri(starts[in(starts.size())], {});
  const rtmp::redirect_rules rules{{}, in.chance()};
  if (!current) return;
  const auto reference = in.text(120);
  const auto to = rtmp::follow_redirect(*current, reference, rules);
  if (!to) return require(!to.error().text.empty() && (to.error().kind == base::error_kind::protocol || to.error().kind == base::error_kind::denied));
  require(!to->to.host.empty() && to->to.port != 0);
  if (!rules.allow_plain && !rtmp::may_be_plain(*current)) require(!rtmp::may_be_plain(to->to));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(4)) {
    case 0: {
      rtmp::message m;
      m.type = in.chance() ? rtmp::message_type::command_amf0 : rtmp::message_type::command_amf3;
      m.msid = static_cast<std::uint32_t>(in(4));
      m.payload = base::slice::copy_of(in.rest());
      command(m);
      break;
    }
    case 1: {
      std::vector<rtmp::amf0::value> args;
      const auto name = in.text(20);
      const auto transaction = static_cast<double>(in(8));
      rtmp::amf0::object o;
      static constexpr std::array members{"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx", "videoFunction", "millrace", "queueMs", "code", "level", "description"};
      for (auto count = in(6); count > 0; --count) o.members.push_back({members[in(members.size())], fuzz::any_value(in)});
      for (auto count = in(4); count > 0; --count) args.push_back(fuzz::any_value(in));
      command(rtmp::make_command(static_cast<std::uint32_t>(in(4)), name, transaction, o, args));
      break;
    }
    default: redirect(in);
  }
  return 0;
}
