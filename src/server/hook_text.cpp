#include "server/hook_text.hpp"

#include <boost/json.hpp>
#include <algorithm>

#include "base/escape.hpp"
#include "base/percent.hpp"
#include "base/utf8.hpp"
#include "http/request.hpp"
#include "rtmp/names.hpp"

namespace millrace::server {
namespace {

constexpr std::array<std::string_view, hook_count> names{"on_connect", "on_disconnect", "on_publish", "on_publish_done", "on_play", "on_play_done", "on_done", "on_record_done"};

// What SRS calls them. A `done` is that of a publication or of a play there.
std::string_view action(const hook_question& q) {
  switch (q.what) {
    case hook::connect: return "on_connect";
    case hook::disconnect: return "on_close";
    case hook::publish: return "on_publish";
    case hook::publish_done: return "on_unpublish";
    case hook::play: return "on_play";
    case hook::play_done: return "on_stop";
    case hook::done: return q.publishing ? "on_unpublish" : "on_stop";
    case hook::record_done: return "on_dvr";
  }
  return {};
}

std::string json_body(const hook_question& q) {
  const auto text = [](const std::string& s) { return boost::json::string(base::valid_utf8(s)); };
  boost::json::object o;
  o["action"] = boost::json::string(action(q));
  o["server_id"] = text(q.server);
  o["client_id"] = text(q.who.id);
  o["ip"] = text(q.who.address);
  o["vhost"] = "__defaultVhost__";  // there are none here; a server without any configured says this
  o["app"] = text(q.who.app);
  o["tcUrl"] = text(q.who.tc_url);
  if (q.what == hook::connect || q.what == hook::play) o["pageUrl"] = text(q.who.page_url);
  if (q.what == hook::disconnect) {
    o["send_bytes"] = q.sent;
    o["recv_bytes"] = q.received;
  }
  if (q.what != hook::connect && q.what != hook::disconnect) {
    o["stream"] = text(q.stream);
    o["param"] = text(q.query.empty() ? std::string() : "?" + q.query);
    o["stream_url"] = text("/" + q.who.app + "/" + q.stream);
  }
  if (q.what == hook::record_done) {
    o["cwd"] = text(q.directory);
    o["file"] = text(q.file);
  }
  return boost::json::serialize(o);
}

void add(std::string& body, std::string_view key, std::string_view value) {
  if (!body.empty()) body += '&';
  body += key;
  body += '=';
  base::append_percent_encoded(body, value, base::is_unreserved);
}

std::string_view call(hook what) {
  auto own = name(what);
  own.remove_prefix(3);
  return own;
}

// Whether every parser of forms reads it as it stands, and as no field of ours. Others trim names, end them at a NUL or at '[', take '.' for '_', or know no case.
bool is_the_peers_own(std::string_view name) {
  static constexpr std::array own{"app", "flashver", "swfurl", "tcurl", "pageurl", "addr", "clientid", "call", "name", "type", "start", "duration", "reset", "recorder", "path"};
  std::string lower;
  for (const char c : name) {
    if (!base::is_unreserved(c) || c == '.' || c == '~') return false;
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return !lower.empty() && std::find(own.begin(), own.end(), lower) == own.end();
}

// A back end reads ?key=… of the stream name as a field of the form. As sent: it is encoded already; but many back ends take the last one of a name, and the
// peer is not to choose its own address. So a name that could become a field of ours is left out, and no value has the ';' at which some parsers split.
void add_query(std::string& body, std::string_view query) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto one = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto name = http::percent_decoded(one.substr(0, one.find('=')), true);
    if (!name || !is_the_peers_own(*name)) continue;
    body += '&';
    base::append_percent_encoded(body, one, [](char c) { return c != ';'; });
  }
}

std::string form_body(const hook_question& q) {
  std::string body;
  add(body, "app", q.who.app);
  add(body, "flashver", q.who.flash_ver);
  add(body, "swfurl", q.who.swf_url);
  add(body, "tcurl", q.who.tc_url);
  add(body, "pageurl", q.who.page_url);
  add(body, "addr", q.who.address);
  add(body, "clientid", q.who.id);
  add(body, "call", call(q.what));
  if (q.what == hook::connect || q.what == hook::disconnect) return body;
  add(body, "name", q.stream);
  if (q.what == hook::publish) add(body, "type", q.type);
  if (q.what == hook::play) {
    // In whole milliseconds, as nginx-rtmp prints it: of 32 bits without a sign, so that "live or recorded" (-2 s) is 4294965296.
    const auto start_ms = std::clamp(q.start < 0 ? q.start * 1000 : q.start, -2000.0, 4e9);
    add(body, "start", std::to_string(static_cast<std::uint32_t>(static_cast<std::int64_t>(start_ms))));
    add(body, "duration", "0");
    add(body, "reset", "0");
  }
  if (q.what == hook::record_done) {
    add(body, "recorder", "");
    add(body, "path", q.directory + "/" + q.file);
  }
  add_query(body, q.query);
  return body;
}

hook_answer refusal(std::string why) { return {false, std::move(why), std::nullopt}; }

hook_answer decode_json(const http::client_response& r) {
  if (r.status != 200) return refusal("status " + std::to_string(r.status) + ", 200 is wanted");
  boost::system::error_code wrong;
  const auto value = boost::json::parse(r.body, wrong);
  if (wrong) return refusal("the body is neither 0 nor {\"code\": 0}: " + base::escaped(r.body, 80));
  const auto* code = value.is_object() ? value.as_object().if_contains("code") : &value;
  const auto number = code != nullptr && code->is_number() ? std::optional(code->to_number<double>(wrong)) : std::nullopt;
  if (!number || wrong) return refusal("the body is neither 0 nor {\"code\": 0}: " + base::escaped(r.body, 80));
  if (*number == 0) return {true, {}, std::nullopt};
  std::string why = "code " + boost::json::serialize(*code);
  if (const auto* said = value.is_object() ? value.as_object().if_contains("msg") : nullptr; said != nullptr && said->is_string()) {
    why += ": " + base::escaped(std::string_view(said->as_string()), 200);
  }
  return refusal(std::move(why));
}

hook_answer decode_form(hook what, const http::client_response& r) {
  if (r.status >= 200 && r.status < 300) return {true, {}, std::nullopt};
  if (r.status < 300 || r.status >= 400) return refusal("status " + std::to_string(r.status));
  if (what != hook::publish && what != hook::play) return refusal("status " + std::to_string(r.status) + ": only streams can get another name");
  // "Location: name" names a stream here. Another server would be a relay, which answers of others cannot set up.
  if (r.location.find("://") != std::string::npos) {
    return refusal("it wants the stream relayed to " + base::escaped(r.location, 200) + ": only another name on this server is followed");
  }
  auto to = r.location;
  if (const auto query = to.find('?'); query != std::string::npos) to.resize(query);
  if (const auto bad = rtmp::bad_name("stream name", to, 256)) return refusal("the name in its Location: " + *bad);
  return {true, {}, std::move(to)};
}

}  // namespace

std::string_view name(hook what) { return names[static_cast<std::size_t>(what)]; }

std::pair<std::string, std::string> split_name(std::string_view stream) {
  const auto slash = stream.rfind('/');
  if (slash == std::string_view::npos) return {std::string(), std::string(stream)};
  return {std::string(stream.substr(0, slash)), std::string(stream.substr(slash + 1))};
}

std::string loggable(const hook_settings& set, hook what, std::string_view stream) {
  return set.form == hook_form::form && !set.of(what).empty() ? split_name(stream).first + "/***" : std::string(stream);
}

http::client_request encode_hook(const hook_settings& set, const hook_question& q, const std::string& url) {
  if (set.form == hook_form::json) return {url, "application/json", json_body(q), set.timeout};
  return {url, "application/x-www-form-urlencoded", form_body(q), set.timeout};
}

hook_answer decode_hook(hook_form form, hook what, const http::client_response& r) {
  if (r.status == 0) return {false, base::escaped(r.failed, 300), std::nullopt, true};
  auto answer = form == hook_form::json ? decode_json(r) : decode_form(what, r);
  answer.unheard = r.status >= 500 || r.status == 429;
  return answer;
}

}  // namespace millrace::server
