// Making a key and a certificate for a server that was given none.
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"

namespace millrace::net {

base::result<std::string> make_key_pem();  // ECDSA P-256, PKCS #8
// 10 years, names: localhost, the host name, 127.0.0.1, ::1. `key_pem` may be an older key, whose pin then stays.
base::result<std::string> make_self_signed_pem(const std::string& key_pem);

}  // namespace millrace::net
