// JSON Web Tokens (RFC 7519): who shows one may do what it says until it expires. The cryptography is libjose's; which algorithms, which keys and which claims
// count is decided here.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "server/allowance.hpp"

namespace millrace::server {

// Keys of a JWK set (RFC 7517). Immutable: any thread.
class jwt_keys {
 public:
  struct key {
    std::string json;       // as libjose takes it
    std::string id;         // "kid"; may be empty
    std::string algorithm;  // the one that it is good for: RS256, ES256, HS256
  };
  // {"keys": [...]}, or one key by itself. Error (kind local) says which key is of no use, and why: RSA below 2048 bits, a secret below 32 bytes, a private key
  // where a public one is enough, another curve than P-256.
  static base::result<std::shared_ptr<const jwt_keys>> parse(std::string_view json);
  static base::result<std::shared_ptr<const jwt_keys>> load(const std::filesystem::path& file);
  [[nodiscard]] const std::vector<key>& all() const noexcept { return all_; }

 private:
  std::vector<key> all_;
};

struct jwt_claims {
  std::vector<std::string> publish, play;  // patterns of "app/name"
  std::string subject;                     // "sub": for the log
  std::chrono::system_clock::time_point expires;
  allowance allows = {};                   // at_once, kbps, session_s
};

struct jwt_rules {
  std::shared_ptr<const jwt_keys> keys;  // null: tokens are of no use
  std::string issuer, audience;          // have to be those of the token; empty: any
};

// The signature, the algorithm that the key is for, exp (needed), nbf, iss, aud. Errors (kind denied) say what is wrong with it and nothing of its contents. The
// clock of who made it may be a minute off.
base::result<jwt_claims> check_jwt(const jwt_rules& rules, std::string_view token, std::chrono::system_clock::time_point now);

}  // namespace millrace::server
