#include "server/jwt.hpp"

#include <jansson.h>
extern "C" {  // its headers do not say so
#include <jose/b64.h>
#include <jose/jws.h>
}

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/escape.hpp"

namespace millrace::server {
namespace {

using base::error;
using base::error_kind;

constexpr std::size_t token_bytes_max = 8'192, file_bytes_max = 1u << 20, keys_max = 100, patterns_max = 100;
constexpr std::chrono::seconds clocks_differ{60};

struct json_free {
  void operator()(json_t* value) const { json_decref(value); }
};
using json = std::unique_ptr<json_t, json_free>;

json parsed(std::string_view text) { return json(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr)); }

std::string text_of(const json_t* object, const char* name) {
  const auto* const value = json_object_get(object, name);
  return json_is_string(value) ? std::string(json_string_value(value), json_string_length(value)) : std::string();
}

// Bytes behind base64url; 0 if it is none.
std::size_t decoded_bytes(const json_t* object, const char* name) {
  const auto* const value = json_object_get(object, name);
  const auto size = jose_b64_dec(value, nullptr, 0);
  return value == nullptr || size == SIZE_MAX ? 0 : size;
}

base::result<jwt_keys::key> key_of(json_t* from) {
  const auto fault = [](const std::string& what) { return error{error_kind::local, what}; };
  if (!json_is_object(from)) return fault("is no object");
  jwt_keys::key made;
  made.id = text_of(from, "kid");
  const auto type = text_of(from, "kty");
  if (type == "oct") {
    made.algorithm = "HS256";
    if (decoded_bytes(from, "k") < 32) return fault("\"k\" has fewer than 32 bytes (RFC 7518 section 3.2)");
  } else if (type == "RSA") {
    made.algorithm = "RS256";
    if (decoded_bytes(from, "n") < 256) return fault("an RSA key has at least 2048 bits (RFC 7518 section 3.3)");
  } else if (type == "EC") {
    made.algorithm = "ES256";
    if (text_of(from, "crv") != "P-256") return fault("\"crv\" is not P-256, which ES256 takes");
  } else {
    return fault("\"kty\" is none of RSA, EC and oct");
  }
  if (type != "oct" && json_object_get(from, "d") != nullptr) return fault("it is a private key: the public one is enough, keep this one where tokens are made");
  if (const auto use = text_of(from, "use"); !use.empty() && use != "sig") return fault("its \"use\" is not \"sig\"");
  if (const auto named = text_of(from, "alg"); !named.empty() && named != made.algorithm) return fault("its \"alg\" is " + base::escaped(named, 32) + ": RS256, ES256 and HS256 are known");
  char* const text = json_dumps(from, JSON_COMPACT);
  if (text == nullptr) return fault("it cannot be read");
  made.json = text;
  free(text);
  return made;
}

std::optional<std::vector<std::string>> patterns_of(const json_t* claims, const char* name) {
  std::vector<std::string> out;
  const auto* const value = json_object_get(claims, name);
  if (value == nullptr) return out;
  if (json_is_string(value)) out.push_back(text_of(claims, name));
  else if (!json_is_array(value) || json_array_size(value) > patterns_max) return std::nullopt;
  for (std::size_t i = 0; json_is_array(value) && i < json_array_size(value); ++i) {
    const auto* const one = json_array_get(value, i);
    if (!json_is_string(one)) return std::nullopt;
    out.emplace_back(json_string_value(one), json_string_length(one));
  }
  return out;
}

// Seconds since 1970, perhaps with a fraction.
std::optional<std::chrono::system_clock::time_point> time_of(const json_t* claims, const char* name) {
  const auto* const value = json_object_get(claims, name);
  if (!json_is_number(value)) return std::nullopt;
  const auto seconds = std::clamp(json_number_value(value), 0.0, 9e9);
  return std::chrono::system_clock::time_point(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
}

bool audience_is(const json_t* claims, const std::string& wanted) {
  const auto* const value = json_object_get(claims, "aud");
  if (json_is_string(value)) return text_of(claims, "aud") == wanted;
  for (std::size_t i = 0; json_is_array(value) && i < json_array_size(value); ++i) {
    const auto* const one = json_array_get(value, i);
    if (json_is_string(one) && wanted == json_string_value(one)) return true;
  }
  return false;
}

// What is not said is not limited; what cannot be is no reason to allow more.
std::optional<allowance> allowance_of(const json_t* claims) {
  allowance out;
  for (const auto name : allowance::names) {
    const auto* const found = json_object_get(claims, name.data());
    if (found != nullptr && (!json_is_integer(found) || !out.set(name, json_integer_value(found)).empty())) return std::nullopt;
  }
  return out;
}

json decoded(std::string_view base64) {
  const json text(json_stringn(base64.data(), base64.size()));
  return text ? json(jose_b64_dec_load(text.get())) : nullptr;
}

}  // namespace

base::result<std::shared_ptr<const jwt_keys>> jwt_keys::parse(std::string_view text) {
  const auto set = parsed(text);
  if (!set || !json_is_object(set.get())) return error{error_kind::local, "is no JSON object: a JWK set is wanted, {\"keys\": [...]}"};
  auto made = std::make_shared<jwt_keys>();
  auto* const list = json_object_get(set.get(), "keys");
  if (list != nullptr && (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > keys_max)) {
    return error{error_kind::local, "\"keys\" is no list of 1 to " + std::to_string(keys_max) + " keys"};
  }
  for (std::size_t i = 0; i < (list != nullptr ? json_array_size(list) : 1); ++i) {
    auto one = key_of(list != nullptr ? json_array_get(list, i) : set.get());
    if (!one) return error{error_kind::local, "key " + std::to_string(i + 1) + ": " + one.error().text};
    made->all_.push_back(std::move(*one));
  }
  return std::shared_ptr<const jwt_keys>(std::move(made));
}

base::result<std::shared_ptr<const jwt_keys>> jwt_keys::load(const std::filesystem::path& file) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed)) return error{error_kind::local, file.string() + " is no file"};  // a pipe would hold up everything
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf()) || text.view().size() > file_bytes_max) return error{error_kind::local, file.string() + " cannot be read"};
  auto made = parse(text.view());
  if (!made) return std::move(made).error().within(file.string());
  return made;
}

base::result<jwt_claims> check_jwt(const jwt_rules& rules, std::string_view token, std::chrono::system_clock::time_point now) {
  const auto no = [](const char* why) { return error{error_kind::denied, why}; };
  if (!rules.keys) return no("tokens are not taken here");
  const auto first = token.find('.'), second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (token.size() > token_bytes_max || second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return no("this is no token");
  const auto head = token.substr(0, first), body = token.substr(first + 1, second - first - 1), signature = token.substr(second + 1);
  const auto header = decoded(head);
  if (!header || !json_is_object(header.get())) return no("this is no token");
  if (json_object_get(header.get(), "crit") != nullptr) return no("the token wants something that is not known here");  // RFC 7515 section 4.1.11
  const auto algorithm = text_of(header.get(), "alg"), id = text_of(header.get(), "kid");
  bool right = false, any = false;
  for (const auto& key : rules.keys->all()) {
    // The algorithm is the key's, whatever the token says: a public key must not become a secret (RFC 8725 section 3.1).
    if (key.algorithm != algorithm || (!id.empty() && !key.id.empty() && id != key.id)) continue;
    any = true;
    const json jwk = parsed(key.json);
    const json jws(json_pack("{s:s%,s:s%,s:s%}", "protected", head.data(), head.size(), "payload", body.data(), body.size(), "signature", signature.data(), signature.size()));
    if (jwk && jws && jose_jws_ver(nullptr, jws.get(), nullptr, jwk.get(), false)) {
      right = true;
      break;
    }
  }
  if (!any) return no("no key is here for this token");
  if (!right) return no("the token's signature is wrong");
  const auto claims = decoded(body);
  if (!claims || !json_is_object(claims.get())) return no("this is no token");
  const auto expires = time_of(claims.get(), "exp");
  if (!expires) return no("the token has no end (exp)");
  if (now >= *expires + clocks_differ) return no("the token has expired");
  if (json_object_get(claims.get(), "nbf") != nullptr) {
    const auto from = time_of(claims.get(), "nbf");
    if (!from || now + clocks_differ < *from) return no("the token does not count yet (nbf)");
  }
  if (!rules.issuer.empty() && text_of(claims.get(), "iss") != rules.issuer) return no("the token is of another issuer");
  if (!rules.audience.empty() && !audience_is(claims.get(), rules.audience)) return no("the token is for another audience");
  auto publish = patterns_of(claims.get(), "publish"), play = patterns_of(claims.get(), "play");
  if (!publish || !play) return no("\"publish\" or \"play\" of the token is no list of names");
  const auto allows = allowance_of(claims.get());
  if (!allows) return no("a limit of the token (at_once, kbps, session_s) cannot be");
  auto subject = text_of(claims.get(), "sub");
  if (allows->any() && subject.empty()) return no("the token has limits and does not say whose they are (sub)");
  return jwt_claims{std::move(*publish), std::move(*play), std::move(subject), *expires, *allows};
}

}  // namespace millrace::server
