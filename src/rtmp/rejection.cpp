#include "rtmp/rejection.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string_view>

#include "base/escape.hpp"
#include "rtmp/hide_secrets.hpp"

namespace millrace::rtmp {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

base::error_kind kind_of(const std::string& code, const std::string& words) {
  using base::error_kind;
  const bool no_right = has_any(words, {"auth", "denied", "forbidden", "permission", "not allowed", "token", "stream key", "invalid",
                                        "credential", "signature", "expired", "access"});
  const bool full = has_any(words, {"too many", "limit", "overload", "capacity", "busy", "later"});
  const bool absent = has_any(words, {"not found", "no such", "doesn't exist", "does not exist", "unknown"});
  if (code == "NetStream.Publish.BadName") return no_right ? error_kind::denied : error_kind::busy;
  if (code == "NetStream.Publish.Denied") return error_kind::denied;
  if (code == "NetStream.Play.StreamNotFound" || code == "NetConnection.Connect.InvalidApp") return error_kind::not_found;
  if (code == "NetConnection.Connect.AppShutdown" || code == "NetConnection.Connect.Closed" ||
      code == "NetConnection.Connect.IdleTimeOut") {
    return error_kind::busy;
  }
  if (full) return error_kind::busy;
  if (no_right) return error_kind::denied;
  if (absent) return error_kind::not_found;
  if (code == "NetConnection.Connect.Rejected") return error_kind::denied;
  return error_kind::protocol;
}

}  // namespace

std::string redirect_of(const amf0::value* info) {
  const auto* ex = info ? info->find("ex") : nullptr;
  if (!ex) return {};
  for (const auto* name : {"redirect", "redirect2"}) {
    const auto* target = ex->find(name);
    if (target && target->text() && !target->text()->empty()) return *target->text();
  }
  return {};
}

bool wants_dialogue(const status& s) { return has_any(lower(s.description), {"authmod=", "need auth"}); }

bool offers_dialogue(std::string_view connect_query) { return connect_query.find("authmod=") != std::string_view::npos; }

base::error classify_rejection(const status& s, const amf0::value* info) {
  std::string text = s.code.empty() ? std::string("refused without a code") : base::escaped(s.code);
  if (!s.description.empty()) text += ": " + base::escaped(s.description, 512);
  const auto words = lower(s.description);
  if (const auto target = redirect_of(info); !target.empty()) {
    return {base::error_kind::unsupported, text + " (the server redirects to " + shown_target(target) + ")"};
  }
  if (wants_dialogue(s)) return {base::error_kind::denied, text + " (the server wants a user name and a password)"};
  return {kind_of(s.code, words), text};
}

}  // namespace millrace::rtmp
