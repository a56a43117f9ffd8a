// What people and checks want to know of an X.509 certificate. Shared by identity and TLS.
#pragma once
#include <openssl/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

// Lower-case hex SHA-256 over the DER SubjectPublicKeyInfo (RFC 7469 section 2.4 hashes the same bytes): it survives a renewed
// certificate with the same key. Empty if OpenSSL cannot encode the key.
std::string spki_pin(const X509* certificate);
// DNS names and IP addresses of the subjectAltName; the common name only if there is no such extension. Escaped: a peer chose them.
std::vector<std::string> certificate_names(const X509* certificate);
// "2027-11-24".
std::string not_before_date(const X509* certificate);
std::string not_after_date(const X509* certificate);
// One line for people: "CN=example.org for example.org, 10.0.0.1, valid to 2027-11-24, issued by CN=…".
std::string describe_certificate(const X509* certificate);
std::string issuer_name(const X509* certificate);
// "a, b, c", at most eight of them.
std::string join_names(const std::vector<std::string>& names);

// The newest entry of OpenSSL's error queue as text; the queue is empty afterwards.
std::string take_openssl_error();

}  // namespace millrace::net
