// What peers say on its way into hooks, and what back ends answer: JSON stays JSON, a form has each field of ours once, and only an answer that says yes is one.
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <string>

#include "http/request.hpp"
#include "operations.hpp"
#include "rtmp/names.hpp"
#include "server/hook_text.hpp"

namespace {

// The name of a field as the most careless of parsers reads it: without spaces before it, cut at NUL or '[', in any case, and '.' and ' ' as '_'.
std::string as_read(const std::string& field) {
  const auto name = millrace::http::percent_decoded(std::string_view(field).substr(0, field.find('=')), true);
  std::string out;
  for (const char c : name.value_or(std::string())) {
    if (c == '\0' || c == '[') break;
    if (out.empty() && c >= 0 && c <= ' ') continue;
    out += c == '.' || c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  fuzz::operations in(data, size);
  const auto what = static_cast<server::hook>(in(server::hook_count));
  server::hook_settings set;
  if (in.chance()) {
    set.form = server::hook_form::form;
  }
  server::hook_question q;
  q.what = what;
  q.who = {"1", "192.0.2.1", in.text(20), in.text(20), in.text(20), in.text(20), in.text(20)};
  q.stream = in.text(20);
  q.query = in.text(60);
  q.publishing = in.chance();
  const auto request = server::encode_hook(set, q, "http://h/");
  if (set.form == server::hook_form::json) {
    boost::system::error_code wrong;
    const auto value = boost::json::parse(request.body, wrong);
    fuzz::require(!wrong && value.is_object() && value.as_object().contains("action"));
  } else {
    const auto fields = "&" + request.body;
    std::map<std::string, int> seen;
    for (std::size_t at = 0; at < fields.size();) {
      const auto next = std::min(fields.find_first_of("&;", at + 1), fields.size());
      ++seen[as_read(fields.substr(at + 1, next - at - 1))];
      at = next;
    }
    for (const auto* own : {"addr", "call", "app", "clientid", "name", "type", "path"}) fuzz::require(!seen.contains(own) || seen.at(own) == 1);
    fuzz::require(fields.find("&addr=192.0.2.1") != std::string::npos);
  }
  http::client_response r;
  r.status = static_cast<unsigned>(in.number(2)) % 700;
  if (r.status == 0) r.failed = "timed out";
  r.body = in.text(80);
  r.location = in.text(40);
  const auto answer = server::decode_hook(set.form, what, r);
  if (answer.allowed) fuzz::require(r.status >= 200 && r.status < 400 && (set.form == server::hook_form::form || r.status == 200));
  if (!answer.allowed) fuzz::require(!answer.why.empty());
  if (answer.stream) fuzz::require(!rtmp::bad_name("name", *answer.stream, 256));
  return 0;
}
