// Signed addresses: who holds the secret lets somebody publish or play one stream until a moment, and need not ask the server for it. Pure.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::server {

enum class signed_action : unsigned char { publish, play };
std::string_view name(signed_action what);  // "publish", "play"

// "expires=1800000000&sign=0a1b…": for the query of the address. `stream` is "app/name". The signature is HMAC-SHA256 in 64 hexadecimal digits, over
// the action, the stream and the Unix time, a line feed between them. So a right to play is none to publish.
std::string signed_query(std::string_view secret, signed_action what, std::string_view stream, std::chrono::sys_seconds expires);

enum class signature_verdict : unsigned char { none, wrong, expired, right };  // none: the query has none
// Any of the secrets will do, so that an old one can go on beside the new one for a while. Whether a signature is right takes the same time wherever
// it differs.
signature_verdict check_signature(const std::vector<std::string>& secrets, signed_action what, std::string_view stream, std::string_view query,
                                  std::chrono::system_clock::time_point now);
// When the signature of a query ends that was found right.
std::chrono::sys_seconds signature_end(std::string_view query);

}  // namespace millrace::server
