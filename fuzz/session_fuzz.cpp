// Both session roles behind a finished handshake. The first byte chooses the role, the second the size of the pieces; the rest are the
// peer's bytes. Requests are granted or refused by a pattern, time moves a little with every piece.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "rtmp/handshake.hpp"
#include "rtmp/session.hpp"
#include "rtmp/wire_image.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;

void require(bool holds) {
  if (!holds) std::abort();
}

const base::instant start = base::instant{} + 1h;

// What a driver may count on.
struct uses {
  std::vector<std::uint32_t> publishing, playing;
  static bool remove(std::vector<std::uint32_t>& from, std::uint32_t msid) {
    const auto found = std::find(from.begin(), from.end(), msid);
    if (found == from.end()) return false;
    from.erase(found);
    return true;
  }
  static void add(std::vector<std::uint32_t>& to, std::uint32_t msid) {
    require(std::find(to.begin(), to.end(), msid) == to.end());
    to.push_back(msid);
  }
};

void fuzz_server(base::bytes_view peer, std::size_t piece, bool deny_some) {
  rtmp::server_session session({}, start, 1);
  rtmp::client_handshake shake(2, false);
  while (!shake.done()) {
    session.receive(start, shake.poll_output());
    require(shake.receive(start, session.poll_output().flatten()).has_value());
  }
  session.receive(start, shake.poll_output());

  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = base::slice(std::vector<std::uint8_t>(10, 0x17));
  uses now_used;
  bool over = false;
  auto now = start;
  unsigned requests = 0;
  const auto drain = [&] {
    while (auto event = session.poll_event()) {
      require(!over);
      // An answer that comes after the end of the session is none: the request ends with the session.
      const bool deny = deny_some && ++requests % 3 == 0 && !session.is_closed();
      if (std::holds_alternative<rtmp::connect_requested>(*event)) session.accept_connect();
      if (const auto* e = std::get_if<rtmp::publish_requested>(&*event)) {
        require(!e->name.empty());
        if (deny) session.reject_publish(e->msid, {"error", "NetStream.Publish.Denied", "no"});
        if (!deny) session.accept_publish(e->msid), uses::add(now_used.publishing, e->msid);
      }
      if (const auto* e = std::get_if<rtmp::play_requested>(&*event)) {
        if (deny) session.reject_play(e->msid, {"error", "NetStream.Play.StreamNotFound", "no"});
        if (!deny) session.accept_play(e->msid), uses::add(now_used.playing, e->msid);
      }
      if (const auto* e = std::get_if<rtmp::publish_ended>(&*event)) require(uses::remove(now_used.publishing, e->msid));
      if (const auto* e = std::get_if<rtmp::play_ended>(&*event)) require(uses::remove(now_used.playing, e->msid));
      if (const auto* e = std::get_if<rtmp::frame_received>(&*event)) {
        require(std::find(now_used.publishing.begin(), now_used.publishing.end(), e->msid) != now_used.publishing.end());
      }
      if (std::holds_alternative<rtmp::closed>(*event)) {
        over = true;
        require(now_used.publishing.empty() && now_used.playing.empty() && session.is_closed());
      }
    }
    for (const auto msid : now_used.playing) session.send(base::instant{}, msid, f, nullptr);
    session.poll_output();
  };
  while (!peer.empty()) {
    const auto part = peer.first(std::min(piece, peer.size()));
    peer = peer.subspan(part.size());
    now += 10ms;
    session.receive(now, part);
    drain();
    session.on_timer(now);
    drain();
  }
  session.on_transport_closed({base::error_kind::closed, "end"});
  drain();
  require(over);
}

void fuzz_client(base::bytes_view peer, std::size_t piece, rtmp::client_role role) {
  rtmp::client_config config;
  config.role = role;
  config.app = "live";
  config.stream_name = "a";
  rtmp::client_session session(config, start, 1);
  rtmp::server_handshake shake(2);
  require(shake.receive(start, session.poll_output().flatten()).has_value());
  session.receive(start, shake.poll_output());

  media::frame f;
  f.payload = base::slice(std::vector<std::uint8_t>{0x02, 0, 1, 'x'});
  bool over = false;
  auto now = start;
  const auto drain = [&] {
    while (auto event = session.poll_event()) {
      require(!over);
      over = std::holds_alternative<rtmp::closed>(*event);
    }
    session.send(f);
    session.poll_output();
  };
  while (!peer.empty()) {
    const auto part = peer.first(std::min(piece, peer.size()));
    peer = peer.subspan(part.size());
    now += 10ms;
    session.receive(now, part);
    drain();
    session.on_timer(now);
    drain();
  }
  session.end();
  drain();
  require(over);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const base::bytes_view peer(data + 2, size - 2);
  // A long message in single bytes says nothing that a short one does not.
  const std::size_t piece = data[1] == 0 ? size : std::max<std::size_t>(data[1], peer.size() / 256);
  switch (data[0] % 4) {
    case 0: fuzz_server(peer, piece, false); break;
    case 1: fuzz_server(peer, piece, true); break;
    case 2: fuzz_client(peer, piece, rtmp::client_role::publish); break;
    case 3: fuzz_client(peer, piece, rtmp::client_role::play); break;
  }
  return 0;
}
