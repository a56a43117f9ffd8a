#include "net/tls_verify.hpp"

#include <openssl/err.h>

#include <filesystem>

#include "net/certificate.hpp"
#include "net/openssl_ptr.hpp"

namespace millrace::net {

tls_verifier::tls_verifier(std::string server_name, bool server_name_is_ip, verify_options options)
    : server_name_(std::move(server_name)), server_name_is_ip_(server_name_is_ip), options_(std::move(options)) {}

base::result<void> tls_verifier::install(SSL_CTX* context) {
  // Verification always runs: with a pin or --insecure it is our own check that decides and records what the peer showed.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &tls_verifier::check, this);
  if (options_.insecure || !options_.pin.empty()) return {};
  if (options_.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  if (SSL_CTX_load_verify_file(context, options_.ca_file.c_str()) != 1) {
    const std::string reason = take_openssl_error();
    std::error_code ignored;
    const bool exists = std::filesystem::exists(options_.ca_file, ignored);
    return base::error{base::error_kind::local, "--ca " + options_.ca_file + ": " +
                                                    (exists ? "no certificate in PEM form (" + reason + ")" : std::string("no such file"))};
  }
  // The file names what is trusted: also a server's own certificate, whoever issued it.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

bool tls_verifier::install(SSL* connection) {
  if (server_name_is_ip_) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), server_name_.c_str()) == 1;
  // RFC 6066 section 3: only names, never IP literals, in server_name.
  if (SSL_set_tlsext_host_name(connection, server_name_.c_str()) != 1) return false;
  SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(connection, server_name_.c_str()) == 1;
}

int tls_verifier::check(X509_STORE_CTX* store, void* self) { return static_cast<tls_verifier*>(self)->accept(store) ? 1 : 0; }

bool tls_verifier::accept(X509_STORE_CTX* store) {
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf == nullptr) {
    refusal_ = "the server showed no certificate";
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return false;
  }
  peer_pin_ = spki_pin(leaf);
  peer_certificate_ = describe_certificate(leaf);
  if (options_.insecure) return true;
  if (!options_.pin.empty()) {
    if (!peer_pin_.empty() && peer_pin_ == options_.pin) return true;
    refusal_ = "the server's key is not the pinned one (expected pin " + options_.pin + ", got " + peer_pin_ +
               "): it is another server, or its key was renewed; take the pin that the server prints at start";
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return false;
  }
  if (X509_verify_cert(store) == 1) return true;
  refusal_ = explain(leaf, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
  ERR_clear_error();
  return false;
}

std::string tls_verifier::explain(const X509* leaf, int reason, const X509* at) const {
  const std::string own_pin = "pass pin=" + peer_pin_ + " in the URI if that is the pin which the server prints at start, or --ca FILE";
  switch (reason) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "self-signed certificate: " + own_pin + " with the certificate itself";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the certificate is issued by " + issuer_name(leaf) + ", which is not trusted here: pass --ca FILE with the issuer, or " +
             own_pin;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the certificate is for " + join_names(certificate_names(leaf)) + ", not for " + server_name_ +
             ": use one of its names in the URI, or " + own_pin;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the certificate expired on " + not_after_date(at != nullptr ? at : leaf) + ": it has to be renewed on the server";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the certificate is only valid from " + not_before_date(at != nullptr ? at : leaf) + " on: check this machine's clock";
    default: return std::string(X509_verify_cert_error_string(reason)) + ": check the server's certificate, or " + own_pin;
  }
}

}  // namespace millrace::net
