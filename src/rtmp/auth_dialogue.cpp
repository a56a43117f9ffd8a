#include "rtmp/auth_dialogue.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/escape.hpp"
#include "base/percent.hpp"

namespace millrace::rtmp {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

// The value of `name` in "?a=1&b=2 : " as it stands in a description. Base64 values hold '=', so the first one parts.
std::string_view parameter(std::string_view description, std::string_view name) {
  const auto mark = description.find('?');
  if (mark == std::string_view::npos) return {};
  auto rest = description.substr(mark + 1);
  rest = rest.substr(0, std::min(rest.find_first_of(" \t\r\n]"), rest.size()));
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto one = rest.substr(0, end);
    if (const auto equals = one.find('='); one.substr(0, equals) == name) {
      return equals == std::string_view::npos ? std::string_view() : one.substr(equals + 1);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

// A user name with bytes that end a parameter would say something else.
std::string in_query(std::string_view text) {
  return base::percent_encoded(text, [](char c) { return c > 0x20 && c < 0x7F && std::string_view("&?=#%+/").find(c) == std::string_view::npos; });
}

base::error denied(std::string text) { return {base::error_kind::denied, std::move(text)}; }

}  // namespace

base::result<std::string> auth_dialogue::answer(const status& refusal, std::string_view app) {
  const std::string_view words = refusal.description;
  const bool adobe = words.find("authmod=adobe") != std::string_view::npos;
  const bool limelight = words.find("authmod=llnw") != std::string_view::npos;
  if (!adobe && !limelight) {
    return denied("the server asks for an authentication that is neither Adobe's nor Limelight's: " + base::escaped(words, 512));
  }
  const std::string method = adobe ? "adobe" : "llnw";
  if (who_.user.empty()) return denied("the server wants a user name and a password (authmod=" + method + ")");
  const auto reason = parameter(words, "reason");
  if (reason == "nosuchuser") return denied("the server does not know this user name");
  if (step_ == step::answered || (!reason.empty() && reason != "needauth"))
    return denied("the server did not accept user name and password");

  const std::string front = "authmod=" + method + "&user=" + in_query(who_.user);
  if (reason.empty()) {
    if (step_ == step::named) return denied("the server asks for user name and password again and again, but sends no challenge");
    step_ = step::named;
    return front;
  }
  step_ = step::answered;
  if (adobe) return front + adobe_response(parameter(words, "salt"), parameter(words, "challenge"), parameter(words, "opaque"));
  return front + limelight_response(parameter(words, "nonce"), app);
}

// base64(md5(base64(md5(user salt password)) opaque-or-challenge our-challenge))
std::string auth_dialogue::adobe_response(std::string_view salt, std::string_view challenge, std::string_view opaque) {
  const auto ours = client_challenge();
  std::string secret = who_.user;
  secret.append(salt).append(who_.password);
  std::string text = base64_md5(secret);
  text.append(opaque.empty() ? challenge : opaque).append(ours);
  std::string out = "&challenge=" + ours + "&response=" + base64_md5(text);
  if (!opaque.empty()) out.append("&opaque=").append(opaque);
  return out;
}

// The digest of HTTP (RFC 2617 section 3.2.2) with method "publish", realm "live" and the application as its path.
std::string auth_dialogue::limelight_response(std::string_view nonce, std::string_view app) {
  static constexpr std::string_view count = "00000001";
  const auto ours = client_challenge();
  std::string path = "publish:/";
  path.append(app);
  if (app.find('/') == std::string_view::npos) path += "/_definst_";
  std::string text = hex_md5(who_.user + ":live:" + who_.password);
  text.append(":").append(nonce).append(":").append(count).append(":").append(ours).append(":auth:").append(hex_md5(path));
  std::string out = "&nonce=";
  out.append(nonce).append("&cnonce=").append(ours).append("&nc=").append(count).append("&response=").append(hex_md5(text));
  return out;
}

std::string auth_dialogue::base64_md5(std::string_view text) const { return base::to_base64(md5_(base::as_bytes(text))); }

std::string auth_dialogue::hex_md5(std::string_view text) const {
  std::string out;
  for (const auto byte : md5_(base::as_bytes(text))) {
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
  }
  return out;
}

// 8 hexadecimal digits, another one for each response.
std::string auth_dialogue::client_challenge() {
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += hex_digits[random_ >> shift & 15];
  random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
  random_ ^= random_ >> 33;
  return out;
}

}  // namespace millrace::rtmp
