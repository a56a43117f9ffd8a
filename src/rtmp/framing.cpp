#include "rtmp/framing.hpp"

#include "rtmp/chunk_framing.hpp"
#include "rtmp/roqr_framing.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

// A client chose its server, so it grants the full partial limit at once.
std::unique_ptr<framing> make_framing(const client_config& config, base::instant now, std::uint64_t seed) {
  if (config.framing == framing_kind::roqr) return std::make_unique<roqr_framing>(config.limits, config.limits->partial_bytes, now);
  return std::make_unique<chunk_framing>(chunk_framing::client_role{config.digest_handshake}, config.limits, now, seed);
}

std::unique_ptr<framing> make_framing(const server_config& config, base::instant now, std::uint64_t seed) {
  if (config.framing == framing_kind::roqr) return std::make_unique<roqr_framing>(config.limits, config.limits->partial_bytes_unauthorised, now);
  return std::make_unique<chunk_framing>(chunk_framing::server_role{}, config.limits, now, seed);
}

}  // namespace millrace::rtmp
