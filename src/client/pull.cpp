#include "client/pull.hpp"

#include <boost/asio/post.hpp>
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "media/flv.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;
using std::chrono::milliseconds;

// A reader slower than the stream: stop reading the network at the first, go on below output's own mark. The server then drops
// for us, at key frames.
constexpr std::size_t output_bytes_max = 4U << 20;
// A server that shuts down ends its streams as a leaving publisher would, and then closes. It may come back within this time.
constexpr std::chrono::seconds publisher_return{15};
// After the publisher left, a connection that is going to be closed is closed within this time.
constexpr milliseconds close_wait{500};
// What a stuck reader may cost at the end.
constexpr std::chrono::seconds ending_max{5};
constexpr milliseconds tick_every{100};

base::instant clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace

pull::pull(boost::asio::io_context& io, pull_options options, std::function<void(base::result<void>)> done)
    : io_(io),
      options_(std::move(options)),
      done_(std::move(done)),
      opening_(options_.link.limits),
      tick_timer_(io),
      started_at_(clock_now()) {}

pull::~pull() {
  if (line_) line_->close();
}

base::result<void> pull::start() {
  auto opened = output::open(io_, options_.path, [this] { on_output(); });
  if (!opened) return std::move(opened).error();
  output_ = std::move(*opened);
  link_target target{options_.target, rtmp::client_role::play, {}};
  line_ = line::open(io_,
                     {std::move(target), options_.link, "playing " + options_.target.display(true), options_.reconnect, options_.keep_trying}, *this);
  tick();
  return {};
}

void pull::stop() {
  if (!ending_) end({});
}

void pull::on_line_up() {
  if (ending_) return;  // the server's answer crossed the wish to stop
  state_ = link_state::waiting_for_media;
  clock_.restart();
}

void pull::on_line_jump() { clock_.restart(); }

void pull::on_line_frame(media::frame f) {
  if (ending_) return;
  if (f.kind != media::frame_kind::data) {
    publisher_left_at_ = {};
    told_of_leaving_ = false;
    state_ = link_state::live;
  }
  if (header_written_) {
    write(std::move(f));
    return;
  }
  const auto now = clock_now();
  opening_.push(std::move(f), now);
  if (opening_.decided(now)) write_opening();
}

void pull::write_opening() {
  if (header_written_ || !(opening_.has_audio() || opening_.has_video())) return;
  header_written_ = true;
  batch_.push_back(media::flv::encode_header(opening_.has_audio(), opening_.has_video()));
  for (auto& f : opening_.take()) write(std::move(f));
}

void pull::write(media::frame f) {
  f.dts_ms = clock_.map(f);
  position_ms_ = std::max(position_ms_, f.dts_ms);
  ++frames_;
  bytes_ += f.payload.size();
  batch_.append(media::flv::encode_tag(f));
}

void pull::on_line_frames_done() {
  if (batch_.empty()) return;
  output_->write(std::exchange(batch_, {}));
  if (!paused_ && output_->queued_bytes() > output_bytes_max && line_) {
    paused_ = true;
    log::debug("the output is slow: not reading the network for now");
    line_->pause_receive(true);
  }
}

void pull::on_output() {
  if (completed_) return;
  if (auto failure = output_->failure()) {
    // A player that was closed is a normal end. Anything else is told, also when it comes with the last bytes.
    const bool reader_left = failure->kind == base::error_kind::closed;
    if (reader_left) log::info("{}", failure->text);
    if (!ending_) end({});
    if (outcome_ && !reader_left) outcome_ = std::move(*failure);
    complete();
    return;
  }
  if (output_->finished()) {
    complete();
    return;
  }
  if (paused_) {
    paused_ = false;
    if (line_) line_->pause_receive(false);
  }
}

void pull::on_line_words(const std::string& text) { log::info("server: {}", text); }

void pull::on_line_stream_ended() {
  if (ending_ || publisher_left_at_ != base::instant{}) return;
  if (options_.stay) {
    // Once until media comes again: a server could say it without end.
    if (!std::exchange(told_of_leaving_, true)) log::info("the publisher left; waiting for its return");
    state_ = link_state::waiting_for_media;
    clock_.restart();
    return;
  }
  // Not yet the end: tick() decides, unless the connection goes down as well.
  publisher_left_at_ = clock_now();
  publisher_left_in_ = line_->sessions();
}

void pull::on_line_lost(const base::error&, std::chrono::milliseconds) {
  if (ending_) return;
  state_ = link_state::connecting;
  on_line_frames_done();
}

void pull::on_line_down(const link_end& end_of_line) {
  if (ending_) return;
  on_line_frames_done();
  const bool in_order = publisher_left_at_ != base::instant{} && end_of_line.reason.kind == base::error_kind::closed;
  end(in_order ? base::result<void>() : base::result<void>(end_of_line.reason));
}

void pull::tick() {
  tick_timer_.expires_after(tick_every);
  tick_timer_.async_wait([this](const boost::system::error_code& failure) {
    if (failure || completed_) return;
    const auto now = clock_now();
    if (ending_) {
      if (now - ending_since_ > ending_max) {
        if (outcome_) outcome_ = base::error{base::error_kind::local, "the reader of the output does not read: the end is missing"};
        complete();
        return;
      }
    } else {
      if (!header_written_ && opening_.decided(now)) {
        write_opening();
        on_line_frames_done();
      }
      if (publisher_left_at_ != base::instant{}) {
        // Still connected: the publisher alone left. Disconnected: perhaps the server restarts.
        const bool still_connected = line_ && line_->running() && line_->sessions() == publisher_left_in_;
        const base::duration patience = still_connected ? base::duration(close_wait) : base::duration(publisher_return);
        if (now - publisher_left_at_ >= patience) {
          log::info("the publisher left");
          end({});
        }
      }
    }
    tick();
  });
}

progress pull::report() {
  const auto now = clock_now();
  progress p;
  p.state = ending_ ? link_state::ending : state_;
  p.running = std::chrono::duration_cast<milliseconds>(now - started_at_);
  p.position = milliseconds(position_ms_);
  p.frames = frames_;
  p.bytes = bytes_;
  p.bits_per_second = 8 * rate_.update(bytes_, now);
  if (line_) {
    if (!ending_ && line_->waiting_to_retry()) p.state = link_state::waiting_to_retry;
    line_->report(p, now);
  }
  if (output_) p.queue_bytes = output_->queued_bytes();
  return p;
}

void pull::end(base::result<void> outcome) {
  if (ending_) return;
  ending_ = true;
  ending_since_ = clock_now();
  outcome_ = std::move(outcome);
  if (line_) {
    // The line may be calling us right now; it stays until it has returned.
    boost::asio::post(io_, [keep = line_] {
      keep->end();
      keep->close();
    });
  }
  write_opening();
  if (!batch_.empty()) output_->write(std::exchange(batch_, {}));
  output_->finish();
}

void pull::complete() {
  if (completed_) return;
  completed_ = true;
  tick_timer_.cancel();
  output_.reset();
  boost::asio::post(io_, [done = done_, outcome = outcome_] { done(outcome); });
}

}  // namespace millrace::client
