#include "server/jwt.hpp"

#include <gtest/gtest.h>
#include <jansson.h>
extern "C" {  // its headers do not say so
#include <jose/b64.h>
#include <jose/jwk.h>
#include <jose/jws.h>
}

#include <cstdlib>

#include "server/access.hpp"

namespace millrace::server {
namespace {

const auto now = std::chrono::system_clock::time_point(std::chrono::seconds(1'800'000'000));

std::string dumped(json_t* value) {
  char* const text = json_dumps(value, JSON_COMPACT);
  std::string out = text;
  free(text);
  return out;
}

// A key pair as libjose makes it: what signs, and what is given away.
struct pair {
  std::string own, open;
  explicit pair(const std::string& wish) {
    json_t* jwk = json_loads(wish.c_str(), 0, nullptr);
    EXPECT_TRUE(jose_jwk_gen(nullptr, jwk));
    own = dumped(jwk);
    if (wish.find("oct") == std::string::npos) jose_jwk_pub(nullptr, jwk);
    json_object_del(jwk, "alg");
    json_object_del(jwk, "key_ops");
    open = dumped(jwk);
    json_decref(jwk);
  }
};

std::string token(const pair& by, const std::string& claims, const std::string& header) {
  json_t* jws = json_object();
  json_object_set_new(jws, "payload", jose_b64_enc(claims.data(), claims.size()));
  json_t* signature = json_pack("{s:o}", "protected", json_loads(header.c_str(), 0, nullptr));
  json_t* jwk = json_loads(by.own.c_str(), 0, nullptr);
  EXPECT_TRUE(jose_jws_sig(nullptr, jws, signature, jwk));
  const std::string out = std::string(json_string_value(json_object_get(jws, "protected"))) + "." + json_string_value(json_object_get(jws, "payload")) + "." +
                          json_string_value(json_object_get(jws, "signature"));
  for (auto* each : {jws, signature, jwk}) json_decref(each);
  return out;
}

const char* const good = R"({"exp":1800000600,"publish":"live/a","play":["live/*","news"],"sub":"me"})";

jwt_rules rules(const std::string& key) {
  auto keys = jwt_keys::parse("{\"keys\":[" + key + "]}");
  EXPECT_TRUE(keys) << (keys ? "" : keys.error().text);
  return {keys ? *keys : nullptr, {}, {}};
}

std::string refusal(const jwt_rules& by, const std::string& shown) {
  const auto checked = check_jwt(by, shown, now);
  return checked ? std::string("taken") : checked.error().text;
}

class Jwt : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Jwt, EachAlgorithm) {
  const auto [wish, algorithm] = GetParam();
  const pair key(wish), other(wish);
  const auto by = rules(key.open);
  const auto header = std::string("{\"alg\":\"") + algorithm + "\"}";
  const auto shown = token(key, good, header);
  const auto claims = check_jwt(by, shown, now);
  ASSERT_TRUE(claims) << claims.error().text;
  EXPECT_EQ(claims->publish, std::vector<std::string>{"live/a"});
  EXPECT_EQ(claims->play, (std::vector<std::string>{"live/*", "news"}));
  EXPECT_EQ(claims->subject, "me");
  EXPECT_EQ(claims->expires, now + std::chrono::seconds(600));
  EXPECT_EQ(refusal(by, token(other, good, header)), "the token's signature is wrong");
  // Each character changed.
  for (std::size_t i = 0; i + 1 < shown.size(); i += 7) {
    auto changed = shown;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed == shown) continue;
    EXPECT_NE(refusal(by, changed), "taken") << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Jwt, testing::Values(std::pair(R"({"alg":"ES256"})", "ES256"), std::pair(R"({"alg":"RS256"})", "RS256"), std::pair(R"({"kty":"oct","bytes":32})", "HS256")),
                         [](const auto& one) { return std::string(one.param.second); });

TEST(JwtClaims, Time) {
  const pair key(R"({"alg":"ES256"})");
  const auto by = rules(key.open);
  const auto shown = [&](const std::string& claims) { return refusal(by, token(key, claims, R"({"alg":"ES256"})")); };
  EXPECT_EQ(shown(R"({"publish":"*"})"), "the token has no end (exp)");
  EXPECT_EQ(shown(R"({"exp":"1800000600"})"), "the token has no end (exp)");
  EXPECT_EQ(shown(R"({"exp":1799999941})"), "taken") << "clocks differ";
  EXPECT_EQ(shown(R"({"exp":1799999940})"), "the token has expired");
  EXPECT_EQ(shown(R"({"exp":1.8e9})"), "taken");
  EXPECT_EQ(shown(R"({"exp":1800000600,"nbf":1800000060})"), "taken");
  EXPECT_EQ(shown(R"({"exp":1800000600,"nbf":1800000061})"), "the token does not count yet (nbf)");
  EXPECT_EQ(shown(R"({"exp":1800000600,"nbf":"now"})"), "the token does not count yet (nbf)");
}

TEST(JwtClaims, WhoseAndForWhom) {
  const pair key(R"({"alg":"ES256"})");
  auto by = rules(key.open);
  by.issuer = "us";
  by.audience = "millrace";
  const auto shown = [&](const std::string& claims) { return refusal(by, token(key, claims, R"({"alg":"ES256"})")); };
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"us","aud":"millrace"})"), "taken");
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"us","aud":["x","millrace"]})"), "taken");
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"them","aud":"millrace"})"), "the token is of another issuer");
  EXPECT_EQ(shown(R"({"exp":1800000600,"aud":"millrace"})"), "the token is of another issuer");
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"us","aud":"y"})"), "the token is for another audience");
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"us"})"), "the token is for another audience");
  EXPECT_EQ(shown(R"({"exp":1800000600,"iss":"us","aud":"millrace","publish":7})"), "\"publish\" or \"play\" of the token is no list of names");
}

TEST(JwtClaims, Limits) {
  const pair key(R"({"alg":"ES256"})");
  const auto by = rules(key.open);
  const auto with = [&](const std::string& more) { return token(key, R"({"exp":1800000600,"publish":"*")" + more + "}", R"({"alg":"ES256"})"); };
  const auto claims = check_jwt(by, with(R"(,"sub":"bob","at_once":1,"kbps":6000,"session_s":3600)"), now);
  ASSERT_TRUE(claims) << claims.error().text;
  EXPECT_EQ(claims->allows, (allowance{1, 6000, std::chrono::hours(1)}));
  EXPECT_EQ(refusal(by, with(R"(,"at_once":1)")), "the token has limits and does not say whose they are (sub)");
  for (const auto* wrong : {R"(,"sub":"bob","kbps":-1)", R"(,"sub":"bob","kbps":"6000")", R"(,"sub":"bob","kbps":6000.5)", R"(,"sub":"bob","at_once":4294967297)", R"(,"sub":"bob","session_s":null)"}) {
    EXPECT_EQ(refusal(by, with(wrong)), "a limit of the token (at_once, kbps, session_s) cannot be") << wrong;
  }
  EXPECT_EQ(refusal(by, with(R"(,"at_once":0)")), "taken");
}

// Logs show the beginning of a subject; what is counted by it takes the whole.
TEST(JwtClaims, HoldersAreToldApartByTheWholeSubject) {
  const pair key(R"({"alg":"ES256"})");
  access_rules by;
  by.jwt = rules(key.open);
  const auto decided = [&](const std::string& subject) {
    const auto shown = token(key, R"({"exp":1800000600,"publish":"*","at_once":1,"sub":")" + subject + "\"}", R"({"alg":"ES256"})");
    return may_publish(by, {}, "live/a", "jwt=" + shown, nullptr, now);
  };
  const auto one = decided(std::string(80, 'x') + "1"), two = decided(std::string(80, 'x') + "2");
  ASSERT_TRUE(one.allowed && two.allowed);
  EXPECT_EQ(one.why, two.why);
  EXPECT_NE(one.holder, two.holder);
}

TEST(JwtKeys, TheIdPicks) {
  const pair one(R"({"alg":"ES256","kid":"1"})"), two(R"({"alg":"ES256","kid":"2"})");
  const auto by = rules(one.open + "," + two.open);
  EXPECT_EQ(refusal(by, token(two, good, R"({"alg":"ES256","kid":"2"})")), "taken");
  EXPECT_EQ(refusal(by, token(two, good, R"({"alg":"ES256"})")), "taken") << "each is tried";
  EXPECT_EQ(refusal(by, token(two, good, R"({"alg":"ES256","kid":"1"})")), "the token's signature is wrong");
  EXPECT_EQ(refusal(by, token(two, good, R"({"alg":"ES256","kid":"3"})")), "no key is here for this token");
}

// RFC 8725 section 2.1: the two classics.
TEST(JwtKeys, TheAlgorithmIsTheKeys) {
  const pair key(R"({"alg":"RS256"})");
  const auto by = rules(key.open);
  const auto encoded = [](const std::string& text) {
    json_t* const value = jose_b64_enc(text.data(), text.size());
    std::string out = json_string_value(value);
    json_decref(value);
    return out;
  };
  EXPECT_EQ(refusal(by, encoded(R"({"alg":"none"})") + "." + encoded(good) + "."), "no key is here for this token");
  pair secret(R"({"kty":"oct","bytes":32})");  // signs with the public key as if it were a secret
  secret.own = R"({"kty":"oct","k":")" + encoded(key.open) + "\"}";
  EXPECT_EQ(refusal(by, token(secret, good, R"({"alg":"HS256"})")), "no key is here for this token");
  EXPECT_EQ(refusal(by, token(key, good, R"({"alg":"RS256","crit":["x"],"x":1})")), "the token wants something that is not known here");
}

TEST(JwtKeys, WhatIsNoToken) {
  const pair key(R"({"alg":"ES256"})");
  const auto by = rules(key.open);
  for (const std::string shown : {"", ".", "..", "...", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30", "\xff.\xff.\xff"}) EXPECT_NE(refusal(by, shown), "taken") << shown;
  EXPECT_EQ(refusal(by, std::string(9'000, 'a')), "this is no token");
  EXPECT_EQ(refusal({}, "a.b.c"), "tokens are not taken here");
}

TEST(JwtKeys, FaultsAreTold) {
  const auto fault = [](const std::string& text) {
    const auto made = jwt_keys::parse(text);
    return made ? std::string("taken") : made.error().text;
  };
  EXPECT_EQ(fault("no json"), "is no JSON object: a JWK set is wanted, {\"keys\": [...]}");
  EXPECT_EQ(fault(R"({"keys":[]})"), "\"keys\" is no list of 1 to 100 keys");
  EXPECT_EQ(fault(R"({"keys":[{"kty":"oct","k":"c2hvcnQ"}]})"), "key 1: \"k\" has fewer than 32 bytes (RFC 7518 section 3.2)");
  EXPECT_EQ(fault(R"({"kty":"OKP"})"), "key 1: \"kty\" is none of RSA, EC and oct");
  EXPECT_EQ(fault(R"({"kty":"EC","crv":"P-384"})"), "key 1: \"crv\" is not P-256, which ES256 takes");
  EXPECT_EQ(fault(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), "key 1: an RSA key has at least 2048 bits (RFC 7518 section 3.3)");
  EXPECT_EQ(fault(pair(R"({"alg":"ES256"})").own), "key 1: it is a private key: the public one is enough, keep this one where tokens are made");
  EXPECT_EQ(fault(pair(R"({"alg":"ES256"})").open), "taken") << "one key by itself";
}

}  // namespace
}  // namespace millrace::server
