#include "net/identity.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include "base/log.hpp"
#include "net/certificate.hpp"
#include "net/openssl_ptr.hpp"
#include "net/self_signed.hpp"
#include "net/state_files.hpp"

namespace millrace::net {
namespace {

base::error wrong(const std::filesystem::path& file, const std::string& what) {
  return {base::error_kind::local, file.string() + ": " + what};
}

base::result<std::string> required_file(const std::filesystem::path& file, const char* role) {
  auto content = read_state_file(file);
  if (!content) return std::move(content).error();
  if (!*content) return wrong(file, std::string("no such file: it should hold the ") + role + " in PEM form");
  return *std::move(*content);
}

// Without a terminal nobody can answer OpenSSL's question for a password.
int no_password(char*, int, int, void*) { return 0; }

base::result<evp_pkey_ptr> parse_key(const std::filesystem::path& file, const std::string& pem) {
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  evp_pkey_ptr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  if (key) return base::result<evp_pkey_ptr>(std::move(key));
  ERR_clear_error();
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return wrong(file, "the private key is protected by a password: remove it with 'openssl pkey -in KEY -out PLAIN-KEY'");
  }
  return wrong(file, "no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
}

struct parsed_chain {
  x509_ptr leaf;
  std::size_t certificates = 0;
};

base::result<parsed_chain> parse_chain(const std::filesystem::path& file, const std::string& pem) {
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  parsed_chain chain;
  for (;;) {
    x509_ptr one(PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr));
    if (!one) break;
    if (!chain.leaf) chain.leaf = std::move(one);
    ++chain.certificates;
  }
  const auto last = ERR_peek_last_error();
  ERR_clear_error();
  if (!chain.leaf) return wrong(file, "no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  if (ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return wrong(file, "certificate " + std::to_string(chain.certificates + 1) + " of the chain is damaged");
  }
  return base::result<parsed_chain>(std::move(chain));
}

void warn_if_readable_by_others(const std::filesystem::path& key) {
  struct stat facts {};
  if (::stat(key.c_str(), &facts) == 0 && (facts.st_mode & 0004) != 0) {
    base::log::warning("the private key {} is readable by every user of this machine: chmod o-r it", key.string());
  }
}

base::result<std::shared_ptr<const identity>> make_identity(const std::filesystem::path& certificate_file, std::string certificate_pem,
                                                            const std::filesystem::path& key_file, std::string key_pem) {
  auto chain = parse_chain(certificate_file, certificate_pem);
  if (!chain) return std::move(chain).error();
  auto key = parse_key(key_file, key_pem);
  if (!key) return std::move(key).error();
  X509* leaf = chain->leaf.get();
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return wrong(key_file, "this key does not belong to the first certificate in " + certificate_file.string() +
                               ": the server's own certificate has to come first, then its issuers");
  }
  if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
    return wrong(certificate_file, "the certificate expired on " + not_after_date(leaf) + ": renew it");
  }
  auto made = std::make_shared<identity>();
  made->pin = spki_pin(leaf);
  if (made->pin.empty()) return wrong(certificate_file, "its public key cannot be read: " + take_openssl_error());
  made->not_after = not_after_date(leaf);
  made->names = certificate_names(leaf);
  made->certificate_pem = std::move(certificate_pem);
  made->key_pem = std::move(key_pem);
  return std::shared_ptr<const identity>(std::move(made));
}

}  // namespace

base::result<std::shared_ptr<const identity>> load_identity(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  auto certificate_pem = required_file(certificate, "certificate chain");
  if (!certificate_pem) return std::move(certificate_pem).error();
  auto key_pem = required_file(key, "private key");
  if (!key_pem) return std::move(key_pem).error();
  warn_if_readable_by_others(key);
  return make_identity(certificate, *std::move(certificate_pem), key, *std::move(key_pem));
}

base::result<std::shared_ptr<const identity>> self_signed_identity(const std::filesystem::path& state_directory) {
  auto lock = state_directory_lock::take(state_directory);
  if (!lock) return std::move(lock).error();
  const auto certificate_file = state_directory / "self-signed.crt";
  const auto key_file = state_directory / "self-signed.key";
  auto certificate_pem = read_state_file(certificate_file);
  if (!certificate_pem) return std::move(certificate_pem).error();
  auto key_pem = read_state_file(key_file);
  if (!key_pem) return std::move(key_pem).error();

  if (*certificate_pem && !*key_pem) {
    return wrong(key_file, "missing beside " + certificate_file.string() +
                               ": bring it back, or delete the certificate too and a new pair is made (clients then need its new pin)");
  }
  // The key is written first; a key alone is what a crash between the two leaves, and it keeps its pin.
  if (!*key_pem) {
    auto made = make_key_pem();
    if (!made) return std::move(made).error();
    if (auto written = write_state_file(key_file, *made, 0600); !written) return std::move(written).error();
    *key_pem = *std::move(made);
  }
  if (!*certificate_pem) {
    if (auto good = parse_key(key_file, **key_pem); !good) return std::move(good).error();
    auto made = make_self_signed_pem(**key_pem);
    if (!made) return std::move(made).error();
    if (auto written = write_state_file(certificate_file, *made, 0644); !written) return std::move(written).error();
    *certificate_pem = *std::move(made);
  }
  auto loaded = make_identity(certificate_file, std::move(**certificate_pem), key_file, std::move(**key_pem));
  if (!loaded) return std::move(loaded).error();
  auto own = std::make_shared<identity>(**loaded);
  own->self_signed_here = true;
  return std::shared_ptr<const identity>(std::move(own));
}

base::result<quic_secrets> load_quic_secrets(const std::filesystem::path& state_directory) {
  static constexpr std::size_t each = 32;
  auto lock = state_directory_lock::take(state_directory);
  if (!lock) return std::move(lock).error();
  const auto file = state_directory / "quic.secrets";
  auto content = read_state_file(file);
  if (!content) return std::move(content).error();
  if (!*content) {
    std::string fresh(2 * each, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(fresh.data()), static_cast<int>(fresh.size())) != 1) {
      return base::error{base::error_kind::internal, "the random source failed: " + take_openssl_error()};
    }
    if (auto written = write_state_file(file, fresh, 0600); !written) return std::move(written).error();
    *content = std::move(fresh);
  }
  const std::string& bytes = **content;
  if (bytes.size() != 2 * each) {
    return wrong(file, std::to_string(bytes.size()) + " bytes instead of 64: delete it and a new one is made");
  }
  quic_secrets secrets;
  secrets.stateless_reset.assign(bytes.begin(), bytes.begin() + each);
  secrets.token.assign(bytes.begin() + each, bytes.end());
  return secrets;
}

}  // namespace millrace::net
