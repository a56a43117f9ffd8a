// Sockets that systemd opened before the server was started (man 5 systemd.socket, man 3 sd_listen_fds): ports below 1024 without a right to them, and
// connections that wait for a server that starts again. For operators: doc/upgrade.md.
#pragma once
#include <optional>

#include "base/result.hpp"
#include "server/config.hpp"
#include "server/hand_over.hpp"

namespace millrace::server {

// Nothing: this process was given no sockets. Each has to be of an address in `listen` or `http.listen`; what has none there is opened as ever. A TCP socket
// serves all shards. A UDP socket is read by one: there may be as many of an address as there are shards, and c.shards becomes that if it is less.
// Error (kind usage): a socket that the configuration does not know. Once, at start-up: the environment forgets it.
base::result<std::optional<inheritance>> take_activation(config& c);

}  // namespace millrace::server
