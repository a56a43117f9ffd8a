// What a listener does with who has come in.
#pragma once
#include <functional>

#include "base/time.hpp"
#include "net/transport.hpp"

namespace millrace::net {

// Takes a transport whose handshake is complete, not yet started, and when its peer came: at accept, in QUIC with the first Initial. So
// deadlines can count from then. Called on the io_context's thread.
using accept_handler = std::function<void(transport_ptr, base::instant came)>;

}  // namespace millrace::net
