#include "load/player.hpp"

#include <utility>

#include "load/media_source.hpp"

namespace millrace::load {
namespace {

base::instant clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace

player::player(boost::asio::io_context& io, client::link_target target, const client::link_settings& settings, player_figures& into,
               std::function<void()> done)
    : figures_(into), done_(std::move(done)), opened_(clock_now()), link_(client::link::open(io, std::move(target), settings, *this)) {}

player::player(boost::asio::io_context& io, const http_target& target, const client::link_settings& settings, player_figures& into,
               std::function<void()> done)
    : figures_(into), done_(std::move(done)), opened_(clock_now()), flv_(flv_link::open(io, target, settings.verify, *this)) {}

player::~player() {
  if (link_) link_->close();
  if (flv_) flv_->close();
}

void player::begin_measuring() {
  measuring_ = true;
  bytes_before_ = pipe_bytes();
}

std::uint64_t player::bytes() const { return pipe_bytes() - bytes_before_; }

std::uint64_t player::pipe_bytes() const {
  if (state_ == state::failed) return bytes_at_end_;
  if (flv_) return flv_->bytes_received();
  const auto facts = link_->facts();
  return facts ? facts->bytes_received : 0;
}

void player::stall(bool stalled) {
  if (link_) link_->pause_receive(stalled);
  if (flv_) flv_->pause_receive(stalled);
}

void player::settle(state to) {
  if (state_ == state::starting && done_) done_();
  state_ = to;
}

void player::on_link_started(const rtmp::status&) {
  started_ = clock_now();
  figures_.connect.add(started_ - opened_);
  settle(state::playing);
}

void player::on_link_frame(media::frame f) {
  if (f.kind == media::frame_kind::data) return;
  const auto now = clock_now();
  if (f.kind == media::frame_kind::video && !std::exchange(saw_video_, true)) figures_.first_video.add(now - started_);
  if (f.key && !saw_key_) {
    saw_key_ = true;
    figures_.first_key.add(now - started_);
    if (only_counts_) flv_ ? flv_->count_only() : link_->count_only();
  }
  const auto seen = mark_of(f);
  if (!seen) return;
  auto& last = last_[f.kind == media::frame_kind::video ? 1 : 0];
  if (measuring_) {
    ++figures_.frames;
    figures_.delay.add(now - seen->due);
    // Its publisher counts from 0 again when it comes back.
    if (last && seen->number > *last + 1) figures_.lost += seen->number - *last - 1;
  }
  last = seen->number;
}

void player::on_link_down(const client::link_end& end) {
  failure_ = end.reason;
  bytes_at_end_ = bytes_before_;  // one that fell away held nothing
  settle(state::failed);
}

}  // namespace millrace::load
