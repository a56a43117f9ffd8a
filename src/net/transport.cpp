#include "net/transport.hpp"

namespace millrace::net {

std::string_view name(transport_kind kind) {
  switch (kind) {
    case transport_kind::tcp: return "tcp";
    case transport_kind::tls: return "tls";
    case transport_kind::quic: return "quic";
  }
  return "unknown";
}

std::string_view rtmp_scheme(transport_kind kind) {
  switch (kind) {
    case transport_kind::tcp: return "rtmp";
    case transport_kind::tls: return "rtmps";
    case transport_kind::quic: return "rtmpq";
  }
  return "unknown";
}

}  // namespace millrace::net
