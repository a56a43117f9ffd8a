// What `serve` can be told about HTTP.
#pragma once
#include <string>
#include <vector>

#include "net/listener.hpp"
#include "server/access.hpp"

namespace millrace::server {

struct web_settings {
  std::vector<net::listen_address> listen;  // HTTP and HTTPS on one port; empty: none
  bool optional = false;                    // a port that is taken is no reason not to start
  std::string cors = "*";                   // Access-Control-Allow-Origin of media; empty: none
  std::vector<address_range> admin_allow = *address_range::parse("loopback");  // API, metrics, console
  // Host names by which the API may be reached beside IP addresses and localhost: a page of another site cannot use the browser of somebody
  // here to reach it under a name of its own ("DNS rebinding").
  std::vector<std::string> admin_hosts;
};

}  // namespace millrace::server
