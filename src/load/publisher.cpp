#include "load/publisher.hpp"

#include <utility>

namespace millrace::load {
namespace {

base::instant clock_now() { return std::chrono::steady_clock::now(); }

// What a server does not take in is no load any more.
constexpr std::size_t queue_bytes_max = 16u << 20;

}  // namespace

publisher::publisher(boost::asio::io_context& io, client::link_target target, const client::link_settings& settings, const media_settings& media,
                     base::duration phase, std::function<void()> done)
    : media_(media), phase_(phase), done_(std::move(done)), timer_(io), link_(client::link::open(io, std::move(target), settings, *this)) {}

publisher::~publisher() {
  if (link_) link_->close();
}

base::duration publisher::take_latest() { return std::exchange(latest_, base::duration(0)); }

void publisher::on_link_started(const rtmp::status&) {
  source_.emplace(media_, clock_now() + phase_);
  for (const auto& head : source_->heads()) link_->send(head);
  link_->flush();
  if (state_ == state::starting && done_) done_();
  state_ = state::publishing;
  send_due();
}

void publisher::send_due() {
  const auto now = clock_now();
  bool any = false;
  while (source_->next_due() <= now) {
    latest_ = std::max<base::duration>(latest_, now - source_->next_due());
    auto frame = source_->next();
    frame.arrival = now;
    bytes_ += frame.payload.size();
    link_->send(frame);
    any = true;
  }
  if (any) link_->flush();
  if (link_->queued_bytes() > queue_bytes_max) {
    fail({base::error_kind::timeout, "the server does not take the media of a publisher: " + std::to_string(link_->queued_bytes()) + " bytes wait"});
    return;
  }
  timer_.expires_at(source_->next_due());
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failure) {
    if (!failure && !alive.expired()) send_due();
  });
}

void publisher::on_link_down(const client::link_end& end) { fail(end.reason); }

void publisher::fail(base::error why) {
  timer_.cancel();
  failure_ = std::move(why);
  if (state_ == state::starting && done_) done_();
  state_ = state::failed;
}

}  // namespace millrace::load
