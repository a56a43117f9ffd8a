#include "hostile/hostile.hpp"
namespace millrace::hostile { void add_quic_handshakes(cases&) {} }
