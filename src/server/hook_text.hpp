// What hooks say and hear: HTTP callbacks in the forms that back ends of other RTMP servers know. Without I/O.
//   json  as SRS sends them: POST application/json with "action"; allowed is status 200 with the body 0 or {"code": 0}
//   form  as nginx-rtmp's notify module sends them: POST application/x-www-form-urlencoded with "call"; allowed is 2xx, and 3xx gives the stream the name
//         that Location says
// The rules for operators: doc/hooks.md.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.hpp"

namespace millrace::server {

enum class hook : unsigned char { connect, disconnect, publish, publish_done, play, play_done, done, record_done };
inline constexpr std::size_t hook_count = 8;
// "on_connect", …: the setting's name.
std::string_view name(hook what);

enum class hook_form : unsigned char { json, form };

struct hook_settings {
  hook_form form = hook_form::json;
  std::array<std::vector<std::string>, hook_count> urls;  // of each hook; all of them have to allow
  std::chrono::milliseconds timeout{3'000};               // of one question; no answer is a refusal
  [[nodiscard]] const std::vector<std::string>& of(hook what) const { return urls[static_cast<std::size_t>(what)]; }
};

// "app/name" as logs and events may have it until there is an answer. With forms the name may be the secret, which the answer replaces.
std::string loggable(const hook_settings& set, hook what, std::string_view stream);

// Who it is about. Everything comes from the peer.
struct hook_client {
  std::string id;       // of the connection
  std::string address;  // without port
  std::string app, tc_url, page_url, swf_url, flash_ver;
};

struct hook_question {
  hook what = hook::connect;
  hook_client who;
  std::string stream;   // the name without application
  std::string query;    // behind the name, without '?'
  std::string type = "live";      // of publish
  double start = -2;              // of play, as the player sent it
  std::uint64_t sent = 0, received = 0;  // disconnect: bytes of the connection
  bool publishing = false;        // done: what it was
  std::string directory, file;    // record_done: an absolute directory, and the file below it
  std::string server;             // which server asks: the same for all questions of a process
};

// "app/name" to its parts; an application may hold '/', a name of a recording or a path does not say where it ends: the last one counts.
std::pair<std::string, std::string> split_name(std::string_view stream);

http::client_request encode_hook(const hook_settings& set, const hook_question& q, const std::string& url);

struct hook_answer {
  bool allowed = false;
  std::string why;                 // for the log: what was wrong
  std::optional<std::string> stream;  // another name for it
  bool unheard = false;            // no answer, or that of a back end in trouble (5xx, 429): says nothing about who asked
};
// Not answered, not understood and "no" are all refusals.
hook_answer decode_hook(hook_form form, hook what, const http::client_response& r);

}  // namespace millrace::server
