#include "rtmp/redirect.hpp"

#include <algorithm>
#include <utility>

#include "rtmp/hide_secrets.hpp"
#include "rtmp/names.hpp"

namespace millrace::rtmp {
namespace {

std::string_view scheme_word(scheme s) {
  switch (s) {
    case scheme::rtmp: return "rtmp";
    case scheme::rtmps: return "rtmps";
    case scheme::rtmpq: return "rtmpq";
  }
  return "rtmp";
}

std::string_view trimmed(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// "live/show" of a whole URI, where "live" was meant by one that stands for tcUrl.
bool ends_with_stream(std::string_view path, const std::string& stream) {
  return !stream.empty() && path.size() > stream.size() + 1 && path.ends_with(stream) && path[path.size() - stream.size() - 1] == '/';
}

// A path of the same server: nothing but the application changes.
redirect_target on_same_host(const uri& current, std::string_view reference) {
  auto [path, query] = split_query(reference);
  redirect_target out{current, std::move(query)};
  auto app = trimmed(path);
  if (ends_with_stream(app, current.stream)) {
    app.remove_suffix(current.stream.size() + 1);
    out.to.query = std::exchange(out.app_query, {});
  }
  if (!reference.starts_with('/') && !app.empty()) {
    // RFC 3986 section 5.2.3: relative to what stands in front of the last segment.
    const auto slash = current.app.rfind('/');
    out.to.app = slash == std::string::npos ? std::string(app) : current.app.substr(0, slash + 1) + std::string(app);
  } else if (!app.empty()) {
    out.to.app = app;
  }
  return out;
}

// Scheme and authority are new: read as a URI of its own, with the stream put in where it lacks one.
base::result<redirect_target> on_other_host(const uri& current, std::string_view scheme_text, std::string_view rest,
                                            const uri_options& options) {
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const auto authority = rest.substr(0, end);
  const auto [path_text, query] = split_query(rest.substr(end));
  auto path = trimmed(path_text);
  const bool whole = ends_with_stream(path, current.stream);
  if (whole) path.remove_suffix(current.stream.size() + 1);
  std::string text(scheme_text);
  text.append("://")
      .append(authority)
      .append("/")
      .append(path.empty() ? std::string_view(current.app) : path)
      .append("/")
      .append(current.stream);
  if (!query.empty()) text.append("?").append(query);
  auto parsed = parse_uri(text, options);
  if (!parsed) return std::move(parsed).error();
  redirect_target out{std::move(*parsed), {}};
  // What is left of the query without our own parameters belongs to tcUrl, or to the stream of a whole URI.
  if (!whole) out.app_query = std::exchange(out.to.query, current.query);
  if (out.to.pin.empty() && (out.to.use_quic || out.to.use_tls_when_tcp)) out.to.pin = current.pin;
  return out;
}

}  // namespace

bool may_be_plain(const uri& u) { return u.use_quic ? u.fall_back_to == fallback::rtmp : !u.use_tls_when_tcp; }

base::result<redirect_target> follow_redirect(const uri& current, std::string_view reference, const redirect_rules& rules) {
  const auto scheme_end = reference.find("://");
  const bool absolute = scheme_end != std::string_view::npos && reference.find_first_of("/?") > scheme_end;
  if (!absolute && !reference.starts_with("//")) return on_same_host(current, reference);

  const auto scheme_text = absolute ? reference.substr(0, scheme_end) : scheme_word(current.scheme_written);
  auto found = on_other_host(current, scheme_text, reference.substr(absolute ? scheme_end + 3 : 2), rules.options);
  if (!found) {
    return base::error{base::error_kind::protocol,
                       "the server redirects to \"" + shown_target(reference) + "\", which is no RTMP URI: " + found.error().text};
  }
  if (may_be_plain(found->to) && !may_be_plain(current) && !rules.allow_plain) {
    return base::error{base::error_kind::denied, "the server redirects to " + shown_target(reference) +
                                                     ", which is not encrypted: refused, because the connection so far has to be "
                                                     "(--allow-plain-redirect permits it)"};
  }
  return found;
}

}  // namespace millrace::rtmp
