#include "base/error.hpp"

namespace millrace::base {

std::string_view name(error_kind kind) {
  switch (kind) {
    case error_kind::usage: return "usage";
    case error_kind::input: return "input";
    case error_kind::local: return "local";
    case error_kind::resolve: return "resolve";
    case error_kind::unreachable: return "unreachable";
    case error_kind::timeout: return "timeout";
    case error_kind::certificate: return "certificate";
    case error_kind::unsupported: return "unsupported";
    case error_kind::protocol: return "protocol";
    case error_kind::limit: return "limit";
    case error_kind::denied: return "denied";
    case error_kind::busy: return "busy";
    case error_kind::not_found: return "not-found";
    case error_kind::closed: return "closed";
    case error_kind::internal: return "internal";
  }
  return "unknown";
}

}  // namespace millrace::base
