// What a client sends over a WebSocket, in pieces (the first byte is their size). However it is cut, the same is answered.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "http/websocket.hpp"

namespace {

using namespace millrace;

struct outcome {
  bool open = true;
  std::vector<std::uint8_t> answers;
  bool operator==(const outcome&) const = default;
};

outcome of(base::bytes_view peer, std::size_t piece) {
  http::websocket_receiver receiver;
  base::send_chain out;
  outcome what;
  while (!peer.empty() && what.open) {
    const auto part = peer.first(std::min(piece, peer.size()));
    peer = peer.subspan(part.size());
    what.open = receiver.receive(part);
    if (!what.open && receiver.why().empty()) std::abort();
  }
  receiver.take_answers(out);
  what.answers = out.flatten();
  return what;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const base::bytes_view peer(data + 1, size - 1);
  if (of(peer, data[0] == 0 ? 1 : data[0]) != of(peer, peer.size())) std::abort();
  return 0;
}
