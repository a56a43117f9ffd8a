#include "net/quic_side_streams.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::net {
namespace {

constexpr std::uint64_t frame_cancelled = 5;  // RoQR draft, "RoQR Error Codes Registry"
constexpr unsigned urgency_of_sound = 2;  // and of the little data that goes before it; above are pictures (group_source.hpp)
constexpr unsigned any_urgency = std::numeric_limits<unsigned>::max();

}  // namespace

std::size_t quic_side_streams::queued_bytes() const {
  std::size_t sum = waiting_ && waiting_->bytes ? waiting_->bytes->size() : 0;
  for (const auto& g : groups_) {
    if (!g.refused) sum += g.queue.unsent_bytes();
  }
  return sum;
}

std::uint64_t quic_side_streams::unacknowledged_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& g : groups_) sum += g.queue.unacknowledged_bytes();
  return sum;
}

base::duration quic_side_streams::oldest_queued_age(base::instant at) const {
  auto oldest = base::duration::zero();
  for (const auto& g : groups_) {
    if (!g.refused) oldest = std::max(oldest, g.queue.oldest_unsent_age(at));
  }
  return oldest;
}

// Only a source can hold its pictures back; the rest of the world has nothing to guard.
void quic_side_streams::pull_from(base::group_source* source) {
  source_ = source;
  if (source_ != nullptr) connection_->guard_queue();
}

void quic_side_streams::stop(std::int64_t stream, std::uint64_t code) { connection_->stop_reading(stream, code); }

// ---- what the peer sends ------------------------------------------------------------------------------------------

quic_side_streams::incoming* quic_side_streams::find_arrival(std::int64_t stream) {
  const auto found = std::find_if(arrived_.begin(), arrived_.end(), [stream](const incoming& each) { return each.stream == stream; });
  return found != arrived_.end() ? &*found : nullptr;
}

quic_side_streams::incoming& quic_side_streams::arrival_of(std::int64_t stream) {
  if (auto* const known = find_arrival(stream)) return *known;
  auto& made = arrived_.emplace_back();
  made.stream = stream;
  return made;
}

// Somebody has read what came, or nobody will. Only now may the peer have another stream for one that is closed: streams without a byte use up
// no window, and would pile up here without an end.
void quic_side_streams::release(const incoming& each) {
  connection_->credit(each.stream, each.bytes.size());
  if (each.closed) connection_->allow_another(each.stream);
}

void quic_side_streams::on_bytes(std::int64_t stream, base::bytes_view bytes, bool fin) {
  auto& to = arrival_of(stream);
  bytes_received_ += bytes.size();
  to.bytes.insert(to.bytes.end(), bytes.begin(), bytes.end());
  to.fin = to.fin || fin;
}

void quic_side_streams::on_reset(std::int64_t stream, std::uint64_t code) { arrival_of(stream).reset = code; }

void quic_side_streams::deliver(transport_handler*& handler) {
  auto batch = std::exchange(arrived_, {});
  for (auto& each : batch) {
    release(each);
    if (handler != nullptr && (!each.bytes.empty() || each.fin)) handler->on_stream_receive(each.stream, each.bytes, each.fin);
    if (handler != nullptr && each.reset && !each.fin) handler->on_stream_reset(each.stream, *each.reset);
  }
}

void quic_side_streams::discard_received() {
  for (const auto& each : arrived_) release(each);
  arrived_.clear();
}

// ---- what we send -------------------------------------------------------------------------------------------------

void quic_side_streams::on_acknowledged(std::int64_t stream, std::uint64_t below) {
  if (auto* const g = find(stream)) g->queue.acknowledged(below);
}

void quic_side_streams::on_stopped(std::int64_t stream) {
  auto* const g = find(stream);
  if (g == nullptr) return;
  g->refuse();  // ngtcp2 answers with RESET_STREAM; the slices that were sent stay until the stream is closed
  if (source_ != nullptr) source_->on_stopped(g->number);
}

void quic_side_streams::on_close(std::int64_t stream) {
  if (connection_->is_peers(stream)) {
    auto* const unread = find_arrival(stream);
    if (unread == nullptr) return connection_->allow_another(stream);
    unread->closed = true;
    return;
  }
  // Every byte is acknowledged, or nothing will ever be: ngtcp2 no longer touches the stream's data.
  auto* const g = find(stream);
  if (g == nullptr) return;
  const auto number = g->number;
  g->queue.clear();
  groups_.erase(groups_.begin() + (g - groups_.data()));
  if (source_ != nullptr) source_->on_closed(number);
  flushed_ = groups_.empty() && !waiting_;
}

void quic_side_streams::begin_write() {
  for (auto& g : groups_) g.blocked = false;
  full_ = connection_->is_too_much(unacknowledged_bytes());
  while (source_ != nullptr) {
    const auto stuck = source_->poll_reset();
    if (!stuck) break;
    auto* const g = find_number(*stuck);
    if (g == nullptr) continue;
    g->refuse();
    connection_->reset_stream(g->stream, frame_cancelled);
  }
}

quic_side_streams::group* quic_side_streams::find(std::int64_t stream) {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [stream](const group& g) { return g.stream == stream; });
  return found != groups_.end() ? &*found : nullptr;
}

quic_side_streams::group* quic_side_streams::find_number(std::uint64_t number) {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [number](const group& g) { return g.number == number; });
  return found != groups_.end() ? &*found : nullptr;
}

// Valid until the next one is opened, or one ends.
quic_side_streams::group* quic_side_streams::open(std::uint64_t number, unsigned urgency) {
  const auto stream = connection_->open_unidirectional_stream();
  if (stream < 0) return nullptr;
  auto& made = groups_.emplace_back();
  made.stream = stream;
  made.number = number;
  made.urgency = urgency;
  return &made;
}

// False: it has to wait for the next packet, or for the peer to allow another stream.
bool quic_side_streams::take(const base::group_piece& piece, bool may_open) {
  group* to = find_number(piece.group);
  if (to == nullptr && !may_open) return false;
  if (to == nullptr) to = open(piece.group, piece.urgency);
  if (to == nullptr) return false;
  if (to->refused) return true;
  if (piece.bytes) to->queue.push(*piece.bytes, instant_of(connection_->now()));
  to->end = to->end || piece.end;
  return true;
}

// Ascending stream ids are ascending group numbers, so the first of an urgency is the oldest.
quic_side_streams::group* quic_side_streams::most_urgent(unsigned below, bool blocked_too) {
  group* best = nullptr;
  for (auto& g : groups_) {
    const bool wants = !g.refused && g.urgency < below && (blocked_too || !g.blocked) && (g.queue.unsent_bytes() > 0 || (g.end && !g.fin_sent));
    if (wants && (best == nullptr || g.urgency < best->urgency)) best = &g;
  }
  return best;
}

quic_offer quic_side_streams::offer(bool fresh) {
  if (waiting_ && take(*waiting_, fresh)) waiting_.reset();
  const unsigned below = connection_->room_for_bulk() ? any_urgency : urgency_of_sound + 1;
  group* best = most_urgent(below);
  // Whatever is more urgent than what lies here goes first. With nothing here, anything does.
  while (source_ != nullptr && !waiting_ && !full_) {
    auto piece = source_->next(instant_of(connection_->now()), best != nullptr ? best->urgency : below);
    if (!piece) {
      if (best == nullptr && below == any_urgency && std::exchange(handed_, false)) dry_ = true;
      break;
    }
    handed_ = true;
    if (!take(*piece, fresh)) waiting_ = std::move(piece);
    best = most_urgent(below);
  }
  // A stream without credit waits for it; another one goes on.
  if (best != nullptr && best->blocked) best = most_urgent(below, false);
  if (best == nullptr) {
    // All that was left may have been given up before any of it was handed out: nothing is on its way that could tell.
    if (below == any_urgency && groups_.empty() && !waiting_ && std::exchange(pulled_, false)) flushed_ = true;
    return {};
  }
  const auto parts = offer_space();
  const std::size_t count = best->queue.peek(parts.data(), parts.size());
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += parts[i].len;
  return {best->stream, parts.data(), count, best->end && bytes == best->queue.unsent_bytes(), best->urgency <= urgency_of_sound};
}

void quic_side_streams::on_taken(std::int64_t stream, std::uint64_t bytes, bool fin) {
  auto& g = *find(stream);
  g.queue.sent(bytes);
  bytes_sent_ += bytes;
  if (fin) g.fin_sent = true;
  if (source_ != nullptr) source_->on_sent(g.number, g.queue.sent_offset());
}

void quic_side_streams::on_blocked(std::int64_t stream) { find(stream)->blocked = true; }

void quic_side_streams::on_refused(std::int64_t stream) {
  auto* const g = find(stream);
  if (g == nullptr || g->refused) return;
  g->refuse();
  if (source_ != nullptr) source_->on_stopped(g->number);
}

void quic_side_streams::clear() {
  for (auto& g : groups_) g.queue.clear();
  base::give_back(groups_);
  waiting_.reset();
}

}  // namespace millrace::net
