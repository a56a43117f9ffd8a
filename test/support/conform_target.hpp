// A server of this process as the scripts of src/conform see it.
#pragma once
#include <stdexcept>
#include <string>

#include "client/link.hpp"
#include "conform/script.hpp"
#include "support/running_server.hpp"

namespace millrace::test {

inline conform::target conform_target(const running_server& s, const std::string& transport) {
  const bool roqr = transport == "roqr";
  const auto uri = rtmp::parse_uri(s.uri(roqr ? "rtmpq" : transport, "live/x"));
  if (!uri) throw std::runtime_error(uri.error().text);
  conform::target where;
  where.dial = client::dial_target_of(*uri, {});
  if (where.dial.quic) where.dial.tcp = net::dial_target::tcp_side::none;
  if (roqr) where.alpn = {net::roqr_alpn};
  where.tc_url = uri->tc_url();
  where.patience = conform::milliseconds(10'000);
  where.run = "test";
  return where;
}

}  // namespace millrace::test
