// Key sets that a person wrote and tokens that anybody made up. Without the secret no token is ever taken, and no key that is too weak is.
#include "operations.hpp"
#include "server/jwt.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  fuzz::operations in(data, size);
  static const auto keys = *server::jwt_keys::parse(
      R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
                  {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  const auto now = std::chrono::system_clock::time_point(std::chrono::seconds(1'800'000'000));
  const server::jwt_rules rules{keys, in.chance() ? "us" : "", in.chance() ? "here" : ""};
  const auto which = in(3);
  if (which == 0) {
    if (const auto made = server::jwt_keys::parse(in.text(600))) {
      fuzz::require(!(*made)->all().empty());
      for (const auto& each : (*made)->all()) fuzz::require(each.algorithm == "RS256" || each.algorithm == "ES256" || each.algorithm == "HS256");
    }
    return 0;
  }
  // Whole texts, or parts of which each is well encoded: those get further.
  const auto encoded = [&](const std::string& text) {
    std::string out;
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned held = 0, bits = 0;
    for (const auto c : text) {
      held = held << 8 | static_cast<unsigned char>(c);
      for (bits += 8; bits >= 6; bits -= 6) out += letters[held >> (bits - 6) & 63];
    }
    if (bits > 0) out += letters[held << (6 - bits) & 63];
    return out;
  };
  std::string token = which == 1 ? in.text(600) : encoded(in.chance() ? R"({"alg":"HS256"})" : in.chance() ? R"({"alg":"ES256"})" : in.text(200)) + "." + encoded(in.text(300)) + "." + encoded(in.text(80));
  const auto checked = server::check_jwt(rules, token, now);
  fuzz::require(!checked && checked.error().kind == base::error_kind::denied && !checked.error().text.empty());
  return 0;
}
