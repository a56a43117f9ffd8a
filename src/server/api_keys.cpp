// Publish keys in the API: which there are, one more, one less. A secret is in the answer to whoever makes its key, and nowhere else.
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "base/nearest.hpp"
#include "base/utf8.hpp"
#include "server/api.hpp"
#include "server/api_json.hpp"
#include "server/api_responses.hpp"

namespace millrace::server {
namespace json = boost::json;

namespace {

json::object key_json(const publish_key_facts& k) {
  json::object out{{"id", k.id}, {"streams", base::valid_utf8(k.streams)}, {"made", rfc3339(k.made)}};
  if (!k.note.empty()) out["note"] = base::valid_utf8(k.note);
  if (k.expires) out["expires"] = rfc3339(*k.expires);
  for (const auto name : allowance::names) {
    if (const auto most = k.allows.get(name); most != 0) out[name] = most;
  }
  if (k.used) out["used"] = rfc3339(*k.used);
  return out;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

// A misspelt limit would make a key without one.
std::optional<std::string> unknown_parameter(const http::request& r) {
  std::vector<std::string_view> known{"streams", "note", "lasts_s"};
  known.insert(known.end(), allowance::names.begin(), allowance::names.end());
  for (const auto& name : r.parameter_names()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto nearest = base::nearest(name, known);
    return base::escaped(name) + " is no parameter of a key" + (nearest.empty() ? std::string() : ": did you mean " + std::string(nearest) + "?");
  }
  return std::nullopt;
}

}  // namespace

void api::keys(const http::request& r, const http::reply_ptr& to) const {
  auto* const store = control_.keys;
  if (store == nullptr) return to->send(error_response(501, "there is no state directory to keep keys in: start the server with --state DIR"));
  if (r.method == "POST") {
    if (auto unknown = unknown_parameter(r)) return to->send(error_response(400, std::move(*unknown)));
    const auto streams = r.parameter("streams").value_or("");
    if (streams.empty()) return to->send(error_response(400, "for which streams? say ?streams=APP/NAME or ?streams=APP/*"));
    std::optional<std::chrono::seconds> lasts;
    if (const auto text = r.parameter("lasts_s")) {
      const auto seconds = whole_number(*text);
      if (!seconds) return to->send(error_response(400, "lasts_s takes a whole number of seconds"));
      lasts = std::chrono::seconds(*seconds);
    }
    allowance allows;
    for (const auto name : allowance::names) {
      const auto text = r.parameter(name);
      if (!text) continue;
      const auto value = whole_number(*text);
      const auto wrong = value ? allows.set(name, *value) : "takes a whole number";
      if (!wrong.empty()) return to->send(error_response(400, std::string(name) + " " + std::string(wrong)));
    }
    return boost::asio::post(*control_.disk, [store, to, streams, note = r.parameter("note").value_or(""), lasts, allows, remote = r.remote, &io = io_] {
      auto made = std::make_shared<base::result<publish_keys::made>>(store->make(streams, note, lasts, std::chrono::system_clock::now(), allows));
      if (*made) base::log::info("http {}: publish key {} was made for {}", remote, (*made)->facts.id, base::escaped(streams));
      boost::asio::post(io, [to, made] {
        if (!*made) return to->send(error_response(made->error()));
        auto out = key_json((*made)->facts);
        out["secret"] = (*made)->secret;
        to->send(json_response(out));
      });
    });
  }
  if (r.method == "DELETE") {
    const auto id = r.parameter("id").value_or("");
    if (id.empty()) return to->send(error_response(400, "which key? say ?id=ID"));
    return boost::asio::post(*control_.disk, [store, to, id, remote = r.remote, &io = io_] {
      auto done = std::make_shared<base::result<void>>(store->withdraw(id));
      if (*done) base::log::info("http {}: publish key {} was withdrawn", remote, id);
      boost::asio::post(io, [to, id, done] {
        if (!*done) return to->send(error_response(done->error()));
        to->send(json_response(json::object{{"withdrawn", id}}));
      });
    });
  }
  json::array keys, configured;
  for (const auto& k : store->list()) keys.push_back(key_json(k));
  for (const auto& rule : access_.publish_keys) configured.emplace_back(base::valid_utf8(rule.pattern));
  to->send(json_response(json::object{{"keys", std::move(keys)}, {"configured", std::move(configured)}}));
}

}  // namespace millrace::server
