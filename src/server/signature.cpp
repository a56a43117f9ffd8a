#include "server/signature.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>
#include <optional>

#include "base/hex.hpp"
#include "server/query.hpp"

namespace millrace::server {
namespace {

constexpr std::int64_t end_max = 9'000'000'000;  // a system_clock of nanoseconds goes to the year 2262

std::string mac(std::string_view secret, signed_action what, std::string_view stream, std::string_view expires) {
  const auto text = fmt::format("{}\n{}\n{}", name(what), stream, expires);
  std::array<std::uint8_t, 32> out{};
  unsigned size = out.size();
  ::HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return base::hex(out);
}

std::optional<std::chrono::sys_seconds> end_of(std::string_view query) {
  const auto text = query_parameter(query, "expires").value_or("");
  std::int64_t at = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), at);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || at < 0 || at > end_max) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(at));
}

}  // namespace

std::chrono::sys_seconds signature_end(std::string_view query) { return end_of(query).value_or(std::chrono::sys_seconds{}); }

std::string_view name(signed_action what) { return what == signed_action::publish ? "publish" : "play"; }

std::string signed_query(std::string_view secret, signed_action what, std::string_view stream, std::chrono::sys_seconds expires) {
  const auto at = std::to_string(expires.time_since_epoch().count());
  return "expires=" + at + "&sign=" + mac(secret, what, stream, at);
}

signature_verdict check_signature(const std::vector<std::string>& secrets, signed_action what, std::string_view stream, std::string_view query,
                                  std::chrono::system_clock::time_point now) {
  const auto given = query_parameter(query, "sign");
  if (!given) return signature_verdict::none;
  const auto expires = query_parameter(query, "expires").value_or("");
  bool right = false;
  for (const auto& secret : secrets) right |= equal_in_constant_time(mac(secret, what, stream, expires), *given);
  if (!right) return signature_verdict::wrong;
  const auto end = end_of(query);
  if (!end) return signature_verdict::wrong;
  return now < *end ? signature_verdict::right : signature_verdict::expired;
}

}  // namespace millrace::server
