// What a browser, a player or an attacker sends to the HTTP port: requests in pieces (the first byte is their size), and what is read out of each
// request that came through: HLS paths and directives, ranges, wishes of players, signatures.
#include <cstdint>
#include <cstdlib>

#include "hls/request.hpp"
#include "http/range.hpp"
#include "http/request_reader.hpp"
#include "http/websocket.hpp"
#include "server/play_options.hpp"
#include "server/signature.hpp"

namespace {

using namespace millrace;

void require(bool holds) {
  if (!holds) std::abort();
}

void look_at(const http::request& r) {
  require(!r.path.empty() && r.path.front() == '/');
  const auto slash = r.path.rfind('/');
  static_cast<void>(hls::parse_request(r.path.substr(slash), r.query));
  const auto wish = http::read_range(r.header("range"), 10'000);
  if (wish.part) require(wish.satisfiable && wish.part->first + wish.part->count <= 10'000 && wish.part->count > 0);
  if (http::asks_for_websocket(r)) static_cast<void>(http::websocket_fault(r));
  static_cast<void>(server::read_play_options(r.query, {}, std::chrono::seconds(2), false));
  const auto verdict = server::check_signature({"a secret that nobody can guess"}, server::signed_action::play, r.path, r.query, {});
  require(verdict == server::signature_verdict::none || verdict == server::signature_verdict::wrong);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  base::bytes_view peer(data + 1, size - 1);
  const std::size_t piece = data[0] == 0 ? size : data[0];
  http::request_reader reader;
  std::optional<http::request_reader::failure> failed;
  while (!peer.empty() && !failed) {
    const auto part = peer.first(std::min(piece, peer.size()));
    peer = peer.subspan(part.size());
    reader.receive(part);
    while (const auto r = reader.poll(failed)) look_at(*r);
    if (failed) require(failed->status >= 400 && failed->status < 600 && !failed->why.empty());
  }
  return 0;
}
