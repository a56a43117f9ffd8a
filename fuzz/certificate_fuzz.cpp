// A peer's certificate, of any bytes that OpenSSL takes for one: what people and logs are told of it is one line of printable text, and the pin is a hash or
// nothing.
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/certificate.hpp"
#include "net/openssl_ptr.hpp"
#include "net/self_signed.hpp"
#include "operations.hpp"
#include "seeds.hpp"

namespace {

using namespace millrace;
using fuzz::require;

void printable(const std::string& text) {
  for (const char c : text) require(static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return fuzz::write_seeds_if_asked(*argc, *argv, [](const fuzz::seed_folder& seeds) {
    const auto pem = net::make_self_signed_pem(net::make_key_pem().value()).value();
    BIO* const in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    const net::x509_ptr made(PEM_read_bio_X509(in, nullptr, nullptr, nullptr));
    BIO_free(in);
    std::vector<std::uint8_t> der(4096);
    auto* at = der.data();
    der.resize(static_cast<std::size_t>(i2d_X509(made.get(), &at)));
    seeds.add("self-signed", 0, der);
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* at = data + 1;
  const net::x509_ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(size - 1)));
  if (!certificate) {
    require(!net::take_openssl_error().empty());
    return 0;
  }
  const auto pin = net::spki_pin(certificate.get());
  require(pin.empty() || (pin.size() == 64 && pin.find_first_not_of("0123456789abcdef") == std::string::npos));
  const auto names = net::certificate_names(certificate.get());
  for (const auto& name : names) printable(name);
  printable(net::issuer_name(certificate.get()));
  printable(net::not_before_date(certificate.get()));
  printable(net::not_after_date(certificate.get()));
  const auto line = net::describe_certificate(certificate.get());
  printable(net::join_names(names));
  for (const char c : line) require(static_cast<unsigned char>(c) >= 0x20 || static_cast<unsigned char>(c) >= 0x80);
  net::take_openssl_error();
  return 0;
}
