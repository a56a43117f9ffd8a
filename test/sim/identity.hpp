// The server of a simulation: always the same key and certificate, because lengths have to repeat. An ECDSA signature is now and then a
// byte shorter, an Ed25519 signature never.
#pragma once
#include <memory>

#include "net/quic_crypto.hpp"

namespace millrace::sim {

inline std::shared_ptr<const net::quic_credentials> server_credentials() {
  static const auto made = [] {
    net::identity own;
    // A key that everybody may know: nothing but simulations trusts it.
    own.key_pem =
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEIBGr2vWEpNYz+GLB8xxZVE28RaqOanHNJwpltWyr+oYa\n"
        "-----END PRIVATE KEY-----\n";
    own.certificate_pem =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBLjCB4aADAgECAgISNDAFBgMrZXAwFTETMBEGA1UEAwwKc2ltdWxhdGlvbjAg\n"
        "Fw0yNjExMjUxMTA2NDFaGA8yMTI2MTEwMTExMDY0MVowFTETMBEGA1UEAwwKc2lt\n"
        "dWxhdGlvbjAqMAUGAytlcAMhANh6mo6rNMdwPyN32JcWrLC9ckU9dYPmbSCjZCb/\n"
        "D57To1MwUTAdBgNVHQ4EFgQUOZilazEQ4hWoHMNOD0wyo0rIZp0wHwYDVR0jBBgw\n"
        "FoAUOZilazEQ4hWoHMNOD0wyo0rIZp0wDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXAD\n"
        "QQCzPF0zw0QMlVjsi2Q4LJKX3zK1LGpSbK5a1/qjRMhWpjCtd8P6BQfqrApCyNiF\n"
        "hU3fZZQdSrtdY50EXpJtqNAN\n"
        "-----END CERTIFICATE-----\n";
    return net::quic_credentials::for_server(own).value();
  }();
  return made;
}

}  // namespace millrace::sim
