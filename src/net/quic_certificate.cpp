// How a client judges the server's certificate, and the words for what is wrong with it (protocol.md 1).
#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <vector>

#include "base/escape.hpp"
#include "net/quic_crypto.hpp"

namespace millrace::net {
namespace {

std::string date_of(std::time_t when) {
  std::tm parts{};
  std::array<char, 16> out{};
  if (when == static_cast<std::time_t>(-1) || gmtime_r(&when, &parts) == nullptr) return "?";
  const std::size_t size = std::strftime(out.data(), out.size(), "%Y-%m-%d", &parts);
  return {out.data(), size};
}

std::string pin_of(gnutls_x509_crt_t certificate) {
  gnutls_pubkey_t key = nullptr;
  if (gnutls_pubkey_init(&key) != 0) return {};
  std::string out;
  gnutls_datum_t spki{};
  if (gnutls_pubkey_import_x509(key, certificate, 0) == 0 && gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki) == 0) {
    std::array<std::uint8_t, 32> digest{};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, digest.data()) == 0) {
      constexpr std::string_view digits = "0123456789abcdef";
      for (const auto byte : digest) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
      }
    }
    gnutls_free(spki.data);
  }
  gnutls_pubkey_deinit(key);
  return out;
}

std::string names_of(gnutls_x509_crt_t certificate) {
  std::string out;
  for (unsigned i = 0; i < 16; ++i) {  // more names than that do not fit a line anyway
    std::array<char, 256> name{};
    std::size_t size = name.size();
    unsigned type = 0;
    const int rv = gnutls_x509_crt_get_subject_alt_name2(certificate, i, name.data(), &size, &type, nullptr);
    if (rv == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    if (rv < 0) continue;
    std::string text;
    if (type == GNUTLS_SAN_DNSNAME) {
      text = base::escaped(std::string_view(name.data(), size));
    } else if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16)) {
      std::array<char, INET6_ADDRSTRLEN> address{};
      if (inet_ntop(size == 4 ? AF_INET : AF_INET6, name.data(), address.data(), address.size()) != nullptr) text = address.data();
    }
    if (text.empty()) continue;
    if (!out.empty()) out += ", ";
    out += text;
  }
  return out;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

}  // namespace

certificate_summary summarize_certificate(const gnutls_datum_t& der) {
  certificate_summary out;
  gnutls_x509_crt_t certificate = nullptr;
  if (gnutls_x509_crt_init(&certificate) != 0) return out;
  if (gnutls_x509_crt_import(certificate, &der, GNUTLS_X509_FMT_DER) == 0) {
    out.pin = pin_of(certificate);
    out.names = names_of(certificate);
    out.not_after = date_of(gnutls_x509_crt_get_expiration_time(certificate));
    gnutls_datum_t subject{};
    if (gnutls_x509_crt_get_dn3(certificate, &subject, 0) == 0) {
      out.line = base::escaped(std::string_view(reinterpret_cast<const char*>(subject.data), subject.size));
      gnutls_free(subject.data);
    }
    if (!out.names.empty()) out.line += "; names " + out.names;
    out.line += "; valid " + date_of(gnutls_x509_crt_get_activation_time(certificate)) + " to " + out.not_after;
  }
  gnutls_x509_crt_deinit(certificate);
  return out;
}

int quic_tls::verify_callback(gnutls_session_t session) {
  auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto* const self = static_cast<quic_tls*>(reference->user_data);
  self->certificate_failure_ = self->judge_certificate();
  return self->certificate_failure_.empty() ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

std::string quic_tls::judge_certificate() {
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(session_, &count);
  if (chain == nullptr || count == 0) return "the server sent no certificate";
  const auto leaf = summarize_certificate(chain[0]);
  peer_pin_ = leaf.pin;
  peer_certificate_ = leaf.line;
  if (verify_.insecure) return {};
  if (!verify_.pin.empty()) {
    if (!leaf.pin.empty() && lower(verify_.pin) == leaf.pin) return {};
    return "the server's key is not the pinned one: it has pin " + leaf.pin + ", expected " + base::escaped(lower(verify_.pin));
  }

  std::vector<gnutls_typed_vdata_st> wanted;
  std::array<std::uint8_t, 16> address{};
  std::string name = server_name_;
  if (server_name_is_ip_) {
    unsigned size = 0;
    if (inet_pton(AF_INET, name.c_str(), address.data()) == 1)
      size = 4;
    else if (inet_pton(AF_INET6, name.substr(0, name.find('%')).c_str(), address.data()) == 1)
      size = 16;
    if (size == 0) return "the server's address " + base::escaped(name) + " is no IP address";
    wanted.push_back({GNUTLS_DT_IP_ADDRESS, address.data(), size});
  } else {
    wanted.push_back({GNUTLS_DT_DNS_HOSTNAME, reinterpret_cast<unsigned char*>(name.data()), 0});
  }
  std::string purpose = GNUTLS_KP_TLS_WWW_SERVER;
  wanted.push_back({GNUTLS_DT_KEY_PURPOSE_OID, reinterpret_cast<unsigned char*>(purpose.data()), 0});
  unsigned status = 0;
  const int rv = gnutls_certificate_verify_peers(session_, wanted.data(), static_cast<unsigned>(wanted.size()), &status);
  if (rv < 0) return std::string("the server's certificate cannot be checked: ") + gnutls_strerror(rv);
  if (status == 0) return {};

  const std::string who = "the certificate of " + base::escaped(name);
  const std::string advice = "; if this is the right server pass pin=" + leaf.pin + " (or --ca FILE)";
  if ((status & GNUTLS_CERT_EXPIRED) != 0) return who + " expired on " + leaf.not_after + ": renew it" + advice;
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) return who + " is not valid yet: check the clocks of both machines" + advice;
  if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) != 0) {
    return who + " is self-signed or from an unknown authority (" + leaf.line + ")" + advice;
  }
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) {
    return "the certificate is for " + (leaf.names.empty() ? leaf.line : leaf.names) + ", not for " + base::escaped(name) + advice;
  }
  std::string text = who + " was not accepted";
  gnutls_datum_t words{};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) == 0) {
    text += ": " + std::string(reinterpret_cast<const char*>(words.data), words.size);
    gnutls_free(words.data);
  }
  return text + advice;
}

}  // namespace millrace::net
