// The write pass of a connection: packets out of what the application offers, and the repetition of some of them.
#include <algorithm>
#include <array>

#include "net/quic_connection.hpp"

namespace millrace::net {
namespace {

// Packets of acknowledgements and credit are smaller, and the next ones say the same; what is larger without new stream data is sent again.
constexpr std::size_t bare_packet_max = 200;

// The answers of a session are less than this, and a first key frame is more.
constexpr std::uint64_t started_bytes = 8'000;
constexpr quic_time starting_max = 2'000'000'000;

std::vector<std::uint8_t>& write_space() {
  static thread_local std::vector<std::uint8_t> space(65'536);
  return space;
}

}  // namespace

std::span<ngtcp2_vec> offer_space() {
  static thread_local std::array<ngtcp2_vec, 64> space;
  return space;
}

// Called by ngtcp2 for each packet of a batch.
ngtcp2_ssize quic_connection::write_one(ngtcp2_conn* conn, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t size,
                                        ngtcp2_tstamp now, void* user) {
  auto& self = *static_cast<quic_connection*>(user);
  for (bool fresh = true;;) {
    const quic_offer offer = self.application_ && self.handshake_announced_ ? self.application_->offer(fresh) : quic_offer{};
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    self.left_waiting_ = offer.stream >= 0;
    if (offer.fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    // What is left of the packet is for the next stream: audio is a fraction of a packet.
    if (offer.stream >= 0) flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;
    ngtcp2_ssize taken = -1;
    const auto written =
        ngtcp2_conn_writev_stream(conn, path, info, into, size, &taken, flags, offer.stream, offer.parts, offer.count, now);
    if (offer.stream >= 0) {
      if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
        self.application_->on_blocked(offer.stream);
        continue;  // once more without it, so that control frames still go out
      }
      if (written == NGTCP2_ERR_STREAM_SHUT_WR || written == NGTCP2_ERR_STREAM_NOT_FOUND) {
        self.application_->on_write_refused(offer.stream);
        continue;
      }
      // -1: the packet carries none of ours (a retransmission took it); the same bytes are offered again next time.
      if ((written >= 0 || written == NGTCP2_ERR_WRITE_MORE) && taken >= 0) {
        std::size_t offered = 0;
        for (std::size_t i = 0; i < offer.count; ++i) offered += offer.parts[i].len;
        const auto bytes = static_cast<std::uint64_t>(taken);
        self.batch_carries_ = true;
        self.stream_bytes_ += bytes;
        if (!offer.urgent) self.bulk_room_ -= std::min(self.bulk_room_, bytes);
        self.batch_urgent_ = self.batch_urgent_ || offer.urgent;
        self.application_->on_taken(offer.stream, bytes, offer.fin && bytes == offered);
      }
      if (written == NGTCP2_ERR_WRITE_MORE) {
        fresh = false;
        continue;
      }
    }
    return written;
  }
}

void quic_connection::write() {
  if (conn_ == nullptr || host_ == nullptr) return;
  const quic_time now = clock();
  if (handshake_announced_) look_at_path(now);
  if (application_) application_->begin_write();
  auto& space = write_space();
  std::size_t written = 0;
  left_waiting_ = false;
  const std::size_t budget = ngtcp2_conn_get_send_quantum2(conn_);  // with BBR about a millisecond of data
  do {
    const std::size_t least = ngtcp2_conn_get_max_tx_udp_payload_size2(conn_);  // room for a path MTU probe in every call
    const std::size_t room = std::clamp(budget > written ? budget - written : 0, least, quic_udp_socket::batch_bytes_max);
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    std::size_t segment = 0;
    batch_carries_ = batch_urgent_ = false;
    const auto size = ngtcp2_conn_write_aggregate_pkt2(conn_, &path.path, &info, space.data(), room, &segment, &quic_connection::write_one,
                                                       quic_udp_socket::batch_segments_max, now);
    if (size < 0) return fail(static_cast<int>(size));
    if (size == 0) break;
    written += static_cast<std::size_t>(size);
    const udp_batch batch{{space.data(), static_cast<std::size_t>(size)},
                          segment,
                          {path.path.local.addr, path.path.local.addrlen},
                          {path.path.remote.addr, path.path.remote.addrlen},
                          static_cast<std::uint8_t>(info.ecn)};
    host_->send(batch);
    if (repeats_ && repeats_->on()) keep_for_repeat(batch, now);
  } while (written < budget && !host_->blocked());
  ngtcp2_conn_update_pkt_tx_time(conn_, now);  // once per pass: this is what paces
  if ((stream_bytes_ >= started_bytes && !left_waiting_) || now - began_ > starting_max) starting_ = false;
  retime();
  if (application_) application_->after_write();
}

// left_waiting_ is still that of the pass before.
void quic_connection::look_at_path(quic_time now) {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  if (info.min_rtt == UINT64_MAX) return;  // no sample yet
  if (repeats_) repeats_->observe(now, info, left_waiting_);
  if (guard_) bulk_room_ = guard_->update(microseconds_of(now), {bytes_delivered(info), info.bytes_in_flight, microseconds_of(info.latest_rtt)});
}

void quic_connection::keep_for_repeat(const udp_batch& batch, quic_time now) {
  if (!batch_carries_ && batch.segment <= bare_packet_max) return;
  if (batch.segment > ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_)) return;  // a probe of the path's MTU
  if (batch.local != local_ || batch.remote != remote_) return;                      // a probe of another path
  repeats_->keep(now, batch, batch_urgent_);
}

void quic_connection::send_repeats(quic_time now) {
  udp_batch batch;
  for (;;) {
    if (host_->blocked()) return repeats_->clear();  // this machine has no room to spare
    if (!repeats_->poll_due(now, conn_, batch)) return;
    host_->send(batch);
  }
}

}  // namespace millrace::net
