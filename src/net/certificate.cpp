#include "net/certificate.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>

#include <array>
#include <cstdint>
#include <ctime>

#include "base/escape.hpp"
#include "base/hex.hpp"
#include "net/openssl_ptr.hpp"

namespace millrace::net {
namespace {

std::string date(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "unknown";
  std::array<char, 16> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
  return {text.data(), length};
}

std::string one_line(const X509_NAME* name) {
  if (name == nullptr || X509_NAME_entry_count(name) == 0) return "(no name)";
  const bio_ptr out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "(unprintable name)";
  char* data = nullptr;
  const auto length = BIO_get_mem_data(out.get(), &data);
  return base::escaped({data, static_cast<std::size_t>(length)});
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int length = ASN1_STRING_length(address);
  const int family = length == 4 ? AF_INET : length == 16 ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC || inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr) return {};
  return text.data();
}

}  // namespace

std::string spki_pin(const X509* certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int digest_length = 0;
  const bool good = EVP_Digest(der, static_cast<std::size_t>(length), digest.data(), &digest_length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  return good ? base::hex({digest.data(), digest_length}) : std::string();
}

std::vector<std::string> certificate_names(const X509* certificate) {
  std::vector<std::string> names;
  const general_names_ptr alternatives(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (alternatives) {
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
      std::string text;
      if (name->type == GEN_DNS) {
        text = base::escaped({reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                              static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
      } else if (name->type == GEN_IPADD) {
        text = address_text(name->d.iPAddress);
      }
      if (!text.empty()) names.push_back(std::move(text));
    }
    return names;
  }
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index >= 0) {
    const ASN1_STRING* common = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    names.push_back(base::escaped(
        {reinterpret_cast<const char*>(ASN1_STRING_get0_data(common)), static_cast<std::size_t>(ASN1_STRING_length(common))}));
  }
  return names;
}

std::string not_before_date(const X509* certificate) { return date(X509_get0_notBefore(certificate)); }
std::string not_after_date(const X509* certificate) { return date(X509_get0_notAfter(certificate)); }
std::string issuer_name(const X509* certificate) { return one_line(X509_get_issuer_name(certificate)); }

std::string join_names(const std::vector<std::string>& names) {
  static constexpr std::size_t most = 8;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) {
    if (i != 0) out += ", ";
    out += names[i];
  }
  if (names.size() > most) out += ", …";
  return out.empty() ? "no name" : out;
}

std::string describe_certificate(const X509* certificate) {
  const bool self_issued = X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
  return one_line(X509_get_subject_name(certificate)) + " for " + join_names(certificate_names(certificate)) + ", valid to " +
         not_after_date(certificate) + (self_issued ? ", self-signed" : ", issued by " + issuer_name(certificate));
}

std::string take_openssl_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  std::array<char, 128> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace millrace::net
