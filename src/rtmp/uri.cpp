#include "rtmp/uri.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "rtmp/uri_host.hpp"

// Decisions that doc/protocol/uri.md explains to people:
// - Parameters are compared byte for byte and whole: "token=quic=1x" and "transport=%71uic" are somebody else's.
// - Where the URI contradicts itself, the strictest wish wins (none before rtmps before rtmp); the command line wins over the URI.
// - "fallback=" and "pin=" are common words. They are ours only where they can mean something: both beside a QUIC identifier, a pin
//   on rtmps too. A pin that is ours but malformed is an error, because to ignore it would be to connect unpinned; an unknown
//   fallback value is somebody else's parameter.
// - '#' is an ordinary byte: stream keys hold it, and RTMP knows no fragments.
namespace millrace::rtmp {
namespace {

constexpr std::string_view alias = "quic=1";
constexpr std::string_view pin_name = "pin=";
constexpr std::size_t pin_digits = 64;

base::error usage(std::string text) { return {base::error_kind::usage, std::move(text)}; }

bool same_word(std::string_view written, std::string_view lower) {
  return std::ranges::equal(written, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b; });
}

std::string_view word(scheme s) {
  switch (s) {
    case scheme::rtmp: return "rtmp";
    case scheme::rtmps: return "rtmps";
    case scheme::rtmpq: return "rtmpq";
  }
  return "rtmp";
}

std::string authority(const uri& u) {
  std::string out;
  const bool ipv6 = u.host.find(':') != std::string::npos;
  if (ipv6) out += '[';
  out += u.host;
  if (ipv6) out += ']';
  if (u.port_written) out += ':' + std::to_string(u.port);
  return out;
}

std::string address(std::string_view scheme_word, const uri& u) { return std::string(scheme_word) + "://" + authority(u) + '/' + u.app; }

std::optional<std::string> lower_hex(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      out += c;
    } else if (c >= 'A' && c <= 'F') {
      out += static_cast<char>(c | 0x20);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<std::string_view> split_query(std::string_view query) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto end = query.find('&');
    out.push_back(query.substr(0, end));
    if (end == std::string_view::npos) return out;
    query.remove_prefix(end + 1);
  }
}

// Cannot be a parameter: these bytes end one, or the name is taken by another control parameter.
base::result<void> check_identifier(std::string_view identifier) {
  const auto equals = identifier.find('=');
  const bool shape = equals != std::string_view::npos && equals > 0 && equals + 1 < identifier.size();
  const bool bytes = std::ranges::all_of(identifier, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && c != '&' && c != '?';
  });
  if (!shape || !bytes || identifier.starts_with("fallback=") || identifier.starts_with(pin_name)) {
    return usage("the QUIC identifier \"" + base::escaped(identifier, 64) +
                 "\" is no parameter: write NAME=VALUE without '&', '?' and spaces, and not the names fallback and pin");
  }
  return {};
}

// What the control parameters of one query say, and what is left without them.
struct controls {
  bool quic = false;
  bool quic_only = false;
  std::optional<fallback> fall_back_to;
  std::string pin;
  std::string others;
};

// Such as people write by mistake; keys are longer or have other characters.
bool is_short_word(std::string_view value) {
  constexpr std::size_t longest = 12;
  return value.size() <= longest && std::ranges::all_of(value, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

std::optional<fallback> fallback_of(std::string_view parameter) {
  if (parameter == "fallback=none") return fallback::none;
  if (parameter == "fallback=rtmps") return fallback::rtmps;
  if (parameter == "fallback=rtmp") return fallback::rtmp;
  return std::nullopt;
}

base::result<controls> read_query(std::string_view query, scheme written, const std::string& identifier) {
  controls out;
  const auto only = identifier + "-only";
  const auto parameters = split_query(query);
  const auto is_quic = [&](std::string_view p) { return p == identifier || p == alias; };
  out.quic = std::ranges::any_of(parameters, is_quic);
  out.quic_only = std::ranges::find(parameters, std::string_view(only)) != parameters.end();
  const bool fallback_is_ours = written == scheme::rtmpq || out.quic || out.quic_only;
  const bool pin_is_ours = fallback_is_ours || written == scheme::rtmps;

  bool first = true;
  for (const auto p : parameters) {
    if (is_quic(p) || p == only) continue;
    if (const auto wish = fallback_is_ours ? fallback_of(p) : std::nullopt) {
      out.fall_back_to = std::min(*wish, out.fall_back_to.value_or(*wish));  // declared from strict to loose
      continue;
    }
    if (pin_is_ours && p.starts_with(pin_name)) {
      const auto digits = p.substr(pin_name.size());
      auto pin = lower_hex(digits);
      if (!pin || digits.size() != pin_digits) {
        return usage("pin= needs the SHA-256 of the server's public key as 64 hexadecimal digits; got " + std::to_string(digits.size()) +
                     " characters" + (pin ? "" : ", not all of them hexadecimal"));
      }
      if (!out.pin.empty() && out.pin != *pin) return usage("the URI holds two different pin= parameters: keep the one of this server");
      out.pin = std::move(*pin);
      continue;
    }
    if (!first) out.others += '&';
    out.others += p;
    first = false;
  }
  return out;
}

base::result<std::uint16_t> read_port(std::string_view text) {
  // Leading zeros are refused rather than lost on the way to the plain form.
  const bool digits =
      !text.empty() && text.size() <= 5 && text.front() != '0' && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  unsigned number = 0;
  if (digits) {
    for (const char c : text) number = number * 10 + static_cast<unsigned>(c - '0');
  }
  if (!digits || number > 65535) {
    return usage("the port \"" + base::escaped(text, 16) + "\" is not a number from 1 to 65535: write HOST:1935 or leave the port away");
  }
  return static_cast<std::uint16_t>(number);
}

base::result<void> read_authority(std::string_view text, uri& into) {
  if (text.find('@') != std::string_view::npos) {
    // The text does not repeat what stands there: it is most likely a password.
    return usage(
        "a user name in front of the host ('@') is not supported: put credentials into the stream's query, as in "
        "rtmp://HOST/APP/STREAM?token=VALUE");
  }
  std::string_view host = text;
  std::string_view behind;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return usage("the IPv6 address lacks its ']': write [2001:db8::1]");
    host = text.substr(1, end - 1);
    behind = text.substr(end + 1);
    if (!behind.empty() && behind.front() != ':') {
      return usage("only ':' and a port may follow the ']' of an IPv6 address; got \"" + base::escaped(behind, 16) + "\"");
    }
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    behind = text.substr(colon);
    if (behind.find(':', 1) != std::string_view::npos) {
      return usage("an IPv6 address stands in brackets: write rtmp://[" + base::escaped(text, 64) + "]/APP/STREAM");
    }
  }
  const auto facts = judge_host(host, bracketed);
  if (!facts) return facts.error();
  into.host = host;
  into.host_is_ip = facts->is_ip;
  into.loopback = facts->loopback;
  if (behind.empty()) return {};
  const auto port = read_port(behind.substr(1));
  if (!port) return port.error();
  into.port = *port;
  into.port_written = true;
  return {};
}

// Everything up to the last '/' is the application, as servers with nested applications expect; one segment alone is the
// application too, because encoders ask for server address and stream key in two fields.
base::result<void> read_path(std::string_view path, uri& into) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto last = path.rfind('/');
  into.app = path.substr(0, last);
  if (last != std::string_view::npos) {
    into.stream = path.substr(last + 1);
    into.slash_behind_app = into.stream.empty();
  }
  if (into.app.empty()) return usage("the application is missing: write rtmp://HOST/APP/STREAM, for example rtmp://example.com/live/show");
  return {};
}

base::result<scheme> read_scheme(std::string_view& text) {
  const auto colon = text.find(':');
  const auto slash = text.find('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && slash < colon)) {
    return usage("the scheme is missing: write rtmp://, rtmps:// or rtmpq:// in front of the host");
  }
  const auto written = text.substr(0, colon);
  std::optional<scheme> found;
  for (const auto one : {scheme::rtmp, scheme::rtmps, scheme::rtmpq}) {
    if (same_word(written, word(one))) found = one;
  }
  if (!found) {
    return usage("\"" + base::escaped(written, 32) + "\" is not a scheme of RTMP: write rtmp:// (TCP), rtmps:// (TLS) or rtmpq:// (QUIC)");
  }
  text.remove_prefix(colon + 1);
  if (!text.starts_with("//")) {
    return usage("\"//\" is missing behind \"" + std::string(word(*found)) + ":\": write " + std::string(word(*found)) +
                 "://HOST/APP/STREAM");
  }
  text.remove_prefix(2);
  return *found;
}

// protocol.md's table: what a wish for QUIC may end on.
base::result<fallback> choose_fallback(const uri& u, const controls& c, const uri_options& options) {
  std::optional<fallback> wish = options.fallback_override;
  if (!wish) wish = c.quic_only ? fallback::none : c.fall_back_to;
  switch (u.scheme_written) {
    case scheme::rtmp: return wish.value_or(fallback::rtmp);  // the user wrote a plaintext URI
    case scheme::rtmpq: return wish.value_or(fallback::rtmps);
    case scheme::rtmps: break;
  }
  if (wish == fallback::rtmp) {
    return usage("an rtmps URI never falls back to plain rtmp: write rtmpq:// with fallback=rtmp if unencrypted is good enough");
  }
  return wish.value_or(fallback::rtmps);
}

}  // namespace

base::result<uri> parse_uri(std::string_view text, const uri_options& options) {
  if (auto fine = check_identifier(options.identifier); !fine) return fine.error();
  if (text.empty()) return usage("the URI is empty: write rtmp://HOST/APP/STREAM");
  // A control byte would travel into logs, a space into places where it ends the URI.
  const auto bad = std::ranges::find_if(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (bad != text.end()) {
    return usage("the URI holds a space or control character at position " + std::to_string(bad - text.begin() + 1) +
                 ": write a space as %20, and put the URI in quotes on the command line");
  }

  uri out;
  const auto written = read_scheme(text);
  if (!written) return written.error();
  out.scheme_written = *written;

  const auto question = text.find('?');
  const auto hierarchy = text.substr(0, question);
  const auto slash = std::min(hierarchy.find('/'), hierarchy.size());
  if (auto fine = read_authority(hierarchy.substr(0, slash), out); !fine) return fine.error();
  if (auto fine = read_path(hierarchy.substr(slash), out); !fine) return fine.error();

  const auto query = question == std::string_view::npos ? std::string_view() : text.substr(question + 1);
  auto found = read_query(query, out.scheme_written, options.identifier);
  if (!found) return std::move(found).error();
  out.query = std::move(found->others);
  out.pin = std::move(found->pin);

  if (out.scheme_written == scheme::rtmpq) {
    out.identifier = quic_identifier::in_scheme;
  } else if (found->quic || found->quic_only) {
    out.identifier = quic_identifier::in_query;
  }
  out.use_quic = out.identifier != quic_identifier::none;
  if (!out.use_quic) {
    out.use_tls_when_tcp = out.scheme_written == scheme::rtmps;
    return out;
  }
  const auto chosen = choose_fallback(out, *found, options);
  if (!chosen) return chosen.error();
  out.fall_back_to = *chosen;
  out.plain_if_no_tls = out.scheme_written == scheme::rtmpq && out.loopback && out.fall_back_to == fallback::rtmps &&
                        !options.fallback_override && found->fall_back_to != fallback::rtmps;
  switch (out.fall_back_to) {
    case fallback::rtmp: out.use_tls_when_tcp = false; break;
    case fallback::rtmps: out.use_tls_when_tcp = true; break;
    // Nothing will be dialled over TCP; the plain form still has to name a scheme, and it names the safest that the URI can mean.
    case fallback::none: out.use_tls_when_tcp = out.scheme_written != scheme::rtmp; break;
  }
  return out;
}

std::vector<std::string> doubtful_parameters(const uri& u, const uri_options& options) {
  const auto equals = options.identifier.find('=');
  const auto name_of_identifier = options.identifier.substr(0, equals);
  const auto wish = options.identifier.substr(equals + 1);
  std::vector<std::string> out;
  for (const auto parameter : split_query(u.query)) {
    const auto end = parameter.find('=');
    if (end == std::string_view::npos) continue;
    const auto name = parameter.substr(0, end);
    const auto value = parameter.substr(end + 1);
    std::vector<std::string> known;
    if (name == "fallback") known = {"none", "rtmps", "rtmp"};
    if (name == name_of_identifier) known = {wish, wish + "-only"};
    if (name == "quic") known.emplace_back("1");
    if (known.empty() || std::ranges::find(known, value) != known.end()) continue;
    auto line = std::string(name) + '=' + std::string(is_short_word(value) ? value : "***") + (known.size() == 1 ? " is not " : " is none of ");
    for (const auto& one : known) line += (&one == &known.front() ? "" : ", ") + one;
    line += ": passed on to the server as it is";
    if (std::ranges::find(out, line) == out.end()) out.push_back(std::move(line));
  }
  return out;
}

std::string uri::plain() const {
  auto out = address(use_tls_when_tcp ? "rtmps" : "rtmp", *this);
  if (!stream.empty() || slash_behind_app) out += '/';
  out += stream;
  if (!query.empty()) out += '?' + query;
  return out;
}

std::string uri::tc_url() const { return address("rtmp", *this); }

std::string uri::stream_name() const {
  if (stream.empty() || query.empty()) return stream;
  return stream + '?' + query;
}

std::string uri::display(bool hide_key) const {
  static constexpr std::string_view hidden = "***";
  auto out = address(word(scheme_written), *this);
  if (!stream.empty() || slash_behind_app) out += '/';
  if (!stream.empty()) out += hide_key ? hidden : std::string_view(stream);
  if (query.empty()) return out;
  out += '?';
  if (!hide_key) return out + query;
  bool first = true;
  for (const auto parameter : split_query(query)) {
    if (!first) out += '&';
    first = false;
    const auto equals = parameter.find('=');
    // Without '=' the whole parameter may be the secret.
    if (equals != std::string_view::npos) out += parameter.substr(0, equals + 1);
    if (!parameter.empty()) out += hidden;
  }
  return out;
}

}  // namespace millrace::rtmp
