#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>

#include "record/index.hpp"
#include "record/writer.hpp"

namespace millrace::record {
namespace {

namespace json = boost::json;

const std::string* text_of(const json::object& o, std::string_view key, std::string& into) {
  const auto* const value = o.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr || !value->is_string()) return nullptr;
  into.assign(value->get_string().data(), value->get_string().size());
  return &into;
}

std::optional<std::int64_t> number_of(const json::object& o, std::string_view key) {
  const auto* const value = o.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return value->get_int64();
}

// Below the directory, whatever somebody wrote into the line.
bool stays_inside(const std::string& file) {
  if (file.empty() || file.find('\0') != std::string::npos) return false;
  const std::filesystem::path path(file);
  if (path.is_absolute()) return false;
  return std::ranges::none_of(path, [](const auto& part) { return part.empty() || part.native().front() == '.'; });
}

}  // namespace

std::string_view name(recording_state s) {
  switch (s) {
    case recording_state::writing: return "writing";
    case recording_state::complete: return "complete";
    case recording_state::recovered: break;
  }
  return "recovered";
}

bool is_recording_id(std::string_view text) {
  return text.size() == 16 && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string to_json(const recording_facts& r) {
  json::object o;
  o["id"] = r.id;
  o["stream"] = escaped_name(r.stream);  // a name may be bytes that JSON cannot hold
  o["start"] = utc_text(r.start);
  o["duration_ms"] = r.duration_ms;
  o["bytes"] = static_cast<std::int64_t>(r.bytes);
  o["file"] = r.file;
  o["format"] = json::string(extension(r.as).data(), extension(r.as).size());
  o["state"] = json::string(name(r.state).data(), name(r.state).size());
  return json::serialize(o) + "\n";
}

std::optional<recording_facts> parse_recording(std::string_view text) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 2;
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto value = json::parse(json::string_view(text.data(), text.size()), failed, {}, options);
  if (failed || !value.is_object()) return std::nullopt;
  const auto& o = value.get_object();
  recording_facts r;
  std::string stream, start, as, state;
  if (!text_of(o, "id", r.id) || !text_of(o, "stream", stream) || !text_of(o, "start", start) || !text_of(o, "file", r.file) || !text_of(o, "format", as) ||
      !text_of(o, "state", state))
    return std::nullopt;
  const auto duration = number_of(o, "duration_ms"), bytes = number_of(o, "bytes");
  const auto named = unescaped_name(stream);
  const auto began = parse_utc(start);
  if (!duration || !bytes || !named || !began || !stays_inside(r.file)) return std::nullopt;
  if (!is_recording_id(r.id)) return std::nullopt;
  if (as != extension(format::flv) && as != extension(format::mp4)) return std::nullopt;
  r.as = as == extension(format::flv) ? format::flv : format::mp4;
  const auto states = {recording_state::writing, recording_state::complete, recording_state::recovered};
  const auto found = std::ranges::find(states, state, [](recording_state s) { return name(s); });
  if (found == states.end()) return std::nullopt;
  r.state = *found;
  r.stream = *named;
  r.start = *began;
  r.duration_ms = *duration;
  r.bytes = static_cast<std::uint64_t>(*bytes);
  return r;
}

}  // namespace millrace::record
