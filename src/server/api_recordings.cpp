// Recordings in the API: what is recorded, what there is, on demand, and the files themselves.
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "base/utf8.hpp"
#include "server/api.hpp"
#include "server/api_json.hpp"
#include "server/api_responses.hpp"
#include "server/recording_body.hpp"

namespace millrace::server {
namespace json = boost::json;

namespace {

constexpr std::string_view files = "/recordings/";

json::object losses_json(const record::losses& lost) {
  json::object out;
  for (std::size_t i = 0; i < lost.size(); ++i) {
    if (lost[i] > 0) out[record::name(static_cast<record::loss>(i))] = lost[i];
  }
  return out;
}

json::object recording_json(const record::recording_facts& r) {
  return {{"id", r.id}, {"stream", base::valid_utf8(r.stream)}, {"start", rfc3339(r.start)}, {"duration_ms", r.duration_ms}, {"bytes", r.bytes},
          {"file", base::valid_utf8(r.file)}, {"format", record::extension(r.as)}, {"state", record::name(r.state)}, {"url", std::string(files) + r.id}};
}

json::object active_json(const record::active_recording& a) {
  json::object out{{"stream", base::valid_utf8(a.stream)}, {"format", record::extension(a.as)}, {"duration_ms", a.duration_ms}, {"bytes", a.bytes}, {"files", a.files},
                   {"bytes_total", a.bytes_total}, {"queue_bytes", a.queue_bytes}, {"publisher", a.publisher},
                   {"queue_age_ms", std::chrono::duration_cast<std::chrono::milliseconds>(a.queue_age).count()}, {"lost", losses_json(a.lost)}};
  if (!a.id.empty()) out["id"] = a.id;
  if (!a.failure.empty()) out["failure"] = base::valid_utf8(a.failure);
  return out;
}

}  // namespace

// An application may be called "recordings" too: what is below it and is no id belongs to its streams.
bool api::is_recording(const http::request& r) {
  const auto path = std::string_view(r.path);
  if (path == "/api/v1/recordings" || path.starts_with("/api/v1/recordings/")) return true;
  return path.starts_with(files) && record::is_recording_id(path.substr(files.size()));
}

void api::recordings(const http::request& r, const http::reply_ptr& to) const {
  auto& service = *control_.recordings;
  if (r.path == "/api/v1/recordings/start" || r.path == "/api/v1/recordings/stop") {
    const auto name = r.parameter("name").value_or("");
    if (name.empty()) return to->send(error_response(400, "which stream? say ?name=APP/NAME"));
    const bool start = r.path.ends_with("start");
    auto done = start ? service.start(name) : service.stop(name);
    if (!done) return to->send(error_response(done.error()));
    return to->send(json_response(json::object{{start ? "started" : "stopped", base::valid_utf8(name)}}));
  }
  if (r.path == "/api/v1/recordings" && r.method == "DELETE") {
    auto id = r.parameter("id").value_or("");
    if (id.empty()) return to->send(error_response(400, "which recording? say ?id=ID"));
    return service.erase(id, [to, id, &io = io_](base::result<void> done) {
      boost::asio::post(io, [to, id, done = std::make_shared<base::result<void>>(std::move(done))] {
        if (!*done) return to->send(error_response(done->error()));
        to->send(json_response(json::object{{"erased", id}}));
      });
    });
  }
  if (r.path == "/api/v1/recordings") {
    const auto facts = service.facts();
    json::array active, all, demanded;
    for (const auto& one : facts.active) active.push_back(active_json(one));
    for (const auto& one : service.recordings()) all.push_back(recording_json(one));
    for (const auto& one : facts.demanded) demanded.emplace_back(base::valid_utf8(one));
    json::object out{{"enabled", facts.enabled}, {"active", std::move(active)}, {"demanded", std::move(demanded)}, {"recordings", std::move(all)}, {"complete", facts.list_complete}};
    if (facts.room) {
      out["disk_free_bytes"] = facts.room->free;
      out["disk_bytes"] = facts.room->total;
    }
    return to->send(json_response(out));
  }
  if (r.path.starts_with("/api/")) return to->send(error_response(404, "there is no " + r.path));
  service.open_recording(r.path.substr(files.size()), [to, r, &io = io_](base::result<std::shared_ptr<record::file_reader>> opened) {
    boost::asio::post(io, [to, r, &io, file = std::make_shared<base::result<std::shared_ptr<record::file_reader>>>(std::move(opened))] {
      if (!*file) return to->send(http::text_response(status_of(file->error()), file->error().text));
      to->send(recording_response(io, r, **file));
    });
  });
}

}  // namespace millrace::server
