#include "server/api.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>
#include <cctype>
#include <charconv>

#include "net/endpoint_text.hpp"
#include "server/api_json.hpp"
#include "server/api_responses.hpp"
#include "server/metrics.hpp"
#include "server/openapi.hpp"

namespace millrace::server {
namespace json = boost::json;

namespace {

constexpr std::string_view json_type = "application/json";

// "host:port", "[v6]:port", "host" to the host, in lower case and without brackets.
std::string host_of(std::string_view authority) {
  std::string host;
  if (authority.starts_with('[')) {
    host = authority.substr(1, authority.find(']') - 1);
  } else {
    host = authority.substr(0, authority.find(':'));
  }
  std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return host;
}

bool is_address(const std::string& host) {
  boost::system::error_code failed;
  boost::asio::ip::make_address(host, failed);
  return !failed;
}

// What each path takes. Paths that are none take what asks for a page.
std::string_view methods_of(std::string_view path) {
  if (path == "/api/v1/keys") return "GET, HEAD, POST, DELETE";
  if (path == "/api/v1/connections" || path == "/api/v1/recordings") return "GET, HEAD, DELETE";
  if (path == "/api/v1/recordings/start" || path == "/api/v1/recordings/stop") return "POST";
  return "GET, HEAD";
}

bool names_method(std::string_view list, std::string_view method) {
  while (!list.empty()) {
    const auto end = list.find(',');
    if (list.substr(0, end) == method) return true;
    if (end == std::string_view::npos) return false;
    list.remove_prefix(end + 2);
  }
  return false;
}

}  // namespace

// Who may: by address. A page of another site must not use the browser of somebody who may: its requests carry that site's name in Origin, or, when it
// made its own name point here, in Host.
std::optional<std::string> api::refusal(const http::request& r) const {
  const auto from = net::address_of(r.remote);
  const auto& allow = settings_.admin_allow;
  if (std::none_of(allow.begin(), allow.end(), [&](const address_range& range) { return range.contains(from); })) {
    return "this address may not use the API: see http.admin_allow";
  }
  const auto host = host_of(r.header("host").value_or(""));
  const auto& known = settings_.admin_hosts;
  if (!host.empty() && host != "localhost" && !is_address(host) && std::find(known.begin(), known.end(), host) == known.end()) {
    return "the API is not known by this host name: see http.admin_hosts";
  }
  const auto origin = r.header("origin");
  if (origin && (r.method != "GET" && r.method != "HEAD")) {
    const auto scheme = origin->find("://");
    const bool own = scheme != std::string_view::npos && origin->substr(scheme + 3) == r.header("host").value_or("");
    if (!own) return "pages of other sites may not change anything here";
  }
  return std::nullopt;
}

bool api::handle(const http::request& r, const http::reply_ptr& to) const {
  const bool health = r.path == "/healthz" || r.path == "/readyz";
  if (!health && r.path != "/metrics" && r.path != "/api" && !r.path.starts_with("/api/") && !is_recording(r)) return false;
  if (r.path.starts_with("/api/") && (r.path.ends_with(".flv") || r.path.ends_with(".m3u8"))) return false;  // an application may be called so
  if (const auto allowed = methods_of(r.path); !names_method(allowed, r.method)) {
    auto no = error_response(405, r.method + " is not for " + r.path);
    no.headers.emplace_back("Allow", allowed);
    to->send(std::move(no));
    return true;
  }
  if (health) {
    const bool well = r.path == "/healthz" || control_.ready();
    to->send(http::text_response(well ? 200 : 503, well ? "ok" : "stopping"));
    return true;
  }
  if (const auto why = refusal(r)) {
    to->send(error_response(403, *why));
  } else if (is_recording(r)) {
    recordings(r, to);
  } else {
    route(r, to);
  }
  return true;
}

void api::route(const http::request& r, const http::reply_ptr& to) const {
  const auto& path = r.path;
  const auto name = r.parameter("name");
  const auto named = [&] {
    if (name && !name->empty()) return true;
    to->send(error_response(400, "which stream? say ?name=APP/NAME"));
    return false;
  };
  if (path == "/metrics") {
    return control_.collect(io_, {}, [to, this](snapshot&& all) {
      const auto process = look_at_process(*control_.disk);
      to->send(http::bytes_response("text/plain; version=0.0.4; charset=utf-8", metrics_text(all, process, capacity_left(all, process), reasons_, control_.recordings->facts())));
    });
  }
  if (path == "/api" || path == "/api/" || path == "/api/v1" || path == "/api/v1/") {
    return to->send(json_response(json::object{{"server", "/api/v1/server"}, {"streams", "/api/v1/streams"}, {"connections", "/api/v1/connections"},
                                               {"recordings", "/api/v1/recordings"}, {"keys", "/api/v1/keys"},
                                               {"reasons", "/api/v1/reasons"}, {"openapi", "/api/v1/openapi.json"}, {"metrics", "/metrics"}}));
  }
  if (path == "/api/v1/openapi.json") return to->send(http::bytes_response(std::string(json_type), std::string(openapi_json())));
  if (path == "/api/v1/server") {
    return control_.collect(io_, {}, [to, this](snapshot&& all) {
      const auto process = look_at_process(*control_.disk);
      auto out = server_json(all, process, capacity_left(all, process));
      out["listen"] = json::array(control_.addresses.begin(), control_.addresses.end());
      if (auto pin = control_.pin(); !pin.empty()) out["pin"] = pin;
      to->send(json_response(out));
    });
  }
  if (path == "/api/v1/streams") return streams(to);
  if (path == "/api/v1/reasons") return to->send(json_response(json::object{{"reasons", reasons_json(reasons_)}}));
  if (path == "/api/v1/connections" && r.method == "DELETE") {
    const auto text = r.parameter("id").value_or("");
    std::uint64_t id = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return to->send(error_response(400, "which connection? say ?id=NUMBER"));
    return control_.kick(io_, id, [to, id](bool found) {
      if (found) return to->send(json_response(json::object{{"closed", id}}));
      to->send(error_response(404, "there is no connection " + std::to_string(id) + " that publishes or plays"));
    });
  }
  if (path == "/api/v1/connections") return connections(to);
  if (path == "/api/v1/keys") return keys(r, to);
  if (path == "/api/v1/stream") { if (named()) one_stream(*name, to); return; }
  if (path == "/api/v1/stream/history") {
    std::size_t seconds = 600;
    if (const auto text = r.parameter("seconds")) {
      const auto read = std::from_chars(text->data(), text->data() + text->size(), seconds);
      if (read.ec != std::errc() || read.ptr != text->data() + text->size() || seconds < 1 || seconds > 600) return to->send(error_response(400, "seconds takes a whole number from 1 to 600"));
    }
    if (named()) history(*name, seconds, to);
    return;
  }
  if (path == "/api/v1/stream/events") {
    if (!named()) return;
    json::array events;
    for (const auto& one : reasons_.of(*name)) events.push_back(to_json(one));
    return to->send(json_response(json::object{{"events", std::move(events)}}));
  }
  if (path == "/api/v1/stream/group") {
    if (!named()) return;
    return control_.newest_group(io_, *name, [to](std::vector<hub::frame_facts>&& frames) {
      json::array out;
      for (const auto& one : frames) out.push_back(to_json(one));
      to->send(json_response(json::object{{"frames", std::move(out)}}));
    });
  }
  to->send(error_response(404, "there is no " + path + "; /api/v1 shows what there is"));
}

void api::streams(const http::reply_ptr& to) const {
  control_.collect(io_, {}, [to](snapshot&& all) { to->send(json_response(json::object{{"streams", streams_json(all)}})); });
}

void api::one_stream(const std::string& name, const http::reply_ptr& to) const {
  control_.collect(io_, {true}, [to, name](snapshot&& all) {
    auto stream = stream_json(all, name);
    if (stream.is_null()) return to->send(error_response(404, "nobody publishes or plays this stream, nor did in the last ten minutes"));
    json::array viewers;
    for (const auto& shard : all.shards) {
      for (const auto& peer : shard.connections) {
        if (std::find(peer.publishes.begin(), peer.publishes.end(), name) != peer.publishes.end()) stream.as_object()["publisher"] = to_json(peer);
        const bool plays = std::any_of(peer.plays.begin(), peer.plays.end(), [&](const play_facts& p) { return p.stream == name; });
        if (plays) viewers.push_back(to_json(peer));
      }
    }
    stream.as_object()["viewer_connections"] = std::move(viewers);
    to->send(json_response(stream));
  });
}

void api::history(const std::string& name, std::size_t seconds, const http::reply_ptr& to) const {
  control_.collect(io_, {false, seconds + 1}, [to, name, seconds](snapshot&& all) {
    json::array out;
    for (const auto& one : merged_history(all, name, seconds)) out.push_back(to_json(one));
    to->send(json_response(json::object{{"seconds", std::move(out)}}));
  });
}

void api::connections(const http::reply_ptr& to) const {
  control_.collect(io_, {true}, [to](snapshot&& all) {
    json::array out;
    for (const auto& shard : all.shards) {
      for (const auto& one : shard.connections) out.push_back(to_json(one));
    }
    to->send(json_response(json::object{{"connections", std::move(out)}}));
  });
}

}  // namespace millrace::server
