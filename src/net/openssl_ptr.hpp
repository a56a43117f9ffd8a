// Owners for the OpenSSL objects that the TLS side uses. Included by .cpp files only.
#pragma once
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace millrace::net {

template <auto free_function>
struct openssl_free {
  template <class T>
  void operator()(T* object) const noexcept {
    free_function(object);
  }
};

inline void free_general_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }

using bio_ptr = std::unique_ptr<BIO, openssl_free<BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, openssl_free<X509_free>>;
using x509_extension_ptr = std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>>;
using general_names_ptr = std::unique_ptr<GENERAL_NAMES, openssl_free<free_general_names>>;
using evp_pkey_ptr = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;
using bignum_ptr = std::unique_ptr<BIGNUM, openssl_free<BN_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_free<SSL_free>>;

}  // namespace millrace::net
