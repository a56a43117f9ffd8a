#include "net/self_signed.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>

#include "net/certificate.hpp"
#include "net/openssl_ptr.hpp"

namespace millrace::net {
namespace {

base::error failed(const char* step) {
  return {base::error_kind::internal, std::string("making a self-signed certificate: ") + step + ": " + take_openssl_error()};
}

// A host name that fits into a certificate: letters, digits, '-' and '.', at most 64 bytes (ub-common-name, RFC 5280 appendix A).
std::string own_host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return {};
  std::string name = buffer.data();
  if (name.empty() || name.size() > 64 || name == "localhost") return {};
  for (const char c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!good) return {};
  }
  return name;
}

std::string text_of(BIO* out) {
  char* data = nullptr;
  const auto length = BIO_get_mem_data(out, &data);
  return {data, static_cast<std::size_t>(length)};
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const x509_extension_ptr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive and of constant length
  const bignum_ptr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

}  // namespace

base::result<std::string> make_key_pem() {
  const evp_pkey_ptr key(EVP_EC_gen("P-256"));
  if (!key) return failed("key");
  const bio_ptr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) return failed("key text");
  return text_of(out.get());
}

base::result<std::string> make_self_signed_pem(const std::string& key_pem) {
  const bio_ptr in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const evp_pkey_ptr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  if (!key) return failed("reading the key");

  const x509_ptr certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 || !random_serial(certificate.get()))
    return failed("serial");
  // An hour back: the clocks of small devices are late.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), 3650, 0, nullptr);

  const std::string host = own_host_name();
  const std::string common = host.empty() ? "localhost" : host;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0) != 1 ||
      X509_set_issuer_name(certificate.get(), subject) != 1 || X509_set_pubkey(certificate.get(), key.get()) != 1) {
    return failed("subject");
  }
  const std::string names = "DNS:localhost," + (host.empty() ? std::string() : "DNS:" + host + ",") + "IP:127.0.0.1,IP:::1";
  if (!add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(certificate.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(certificate.get(), NID_subject_alt_name, names)) {
    return failed("extensions");
  }
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) return failed("signature");
  const bio_ptr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509(out.get(), certificate.get()) != 1) return failed("certificate text");
  return text_of(out.get());
}

}  // namespace millrace::net
