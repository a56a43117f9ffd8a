#include "hostile/bystander.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "conform/scene.hpp"
#include "conform/steps.hpp"

namespace millrace::hostile {
namespace {

using clock = std::chrono::steady_clock;
constexpr milliseconds frame_interval{40};
constexpr std::uint32_t frames_per_key = 25;
constexpr std::size_t frame_bytes = 1'000, number_at = 20;  // the frame's number, in four bytes of its filler

void write_number(bytes& frame, std::uint32_t number) {
  for (std::size_t i = 0; i < 4; ++i) frame[number_at + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
}

std::uint32_t read_number(base::bytes_view frame) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = (out << 8) | frame[number_at + i];
  return out;
}

}  // namespace

bystander::bystander(const arena& where) : last_frame_(clock::now()) {
  auto target = where.target(way::rtmp);
  target.run = "bystander";
  target.patience = std::chrono::seconds(60);  // gaps are judged, not waited out
  asio::co_spawn(io_, live(std::move(target)), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

bystander::~bystander() {
  io_.stop();
  thread_.join();
}

asio::awaitable<void> bystander::live(conform::target where) {
  conform::context here(io_, where, "stream");
  try {
    auto out = co_await here.publishing(here.name());
    conform::send_beginning(out, 0);
    auto in = co_await here.playing(here.name());
    asio::co_spawn(io_, publish(std::move(out)), asio::detached);
    co_await watch(std::move(in));
  } catch (const failure& why) {
    fail(why.text);
  }
}

asio::awaitable<void> bystander::publish(conform::on_stream to) {
  asio::steady_timer due(io_, clock::now());
  try {
    for (std::uint32_t number = 0; !to.at->closed(); ++number) {
      due.expires_at(due.expiry() + frame_interval);
      co_await due.async_wait(asio::use_awaitable);
      note_lateness(std::chrono::duration_cast<milliseconds>(clock::now() - due.expiry()));
      auto frame = conform::avc_frame(number % frames_per_key == 0, frame_bytes);
      write_number(frame, number);
      conform::send_video(to, static_cast<std::uint32_t>(frame_interval.count()) * (number + 1), frame);
      if (number % frames_per_key == 0) co_await to.at->read_for(milliseconds(1));  // pings of the server, and its end
    }
    fail("the publisher was disconnected");
  } catch (const failure& why) {
    fail(why.text);
  }
}

asio::awaitable<void> bystander::watch(conform::on_stream from) {
  while (true) {
    const auto message = co_await from.at->wait_media();
    from.at->passed.clear();
    if (message.type == rtmp::message_type::video && message.payload.size() == frame_bytes) note(read_number(message.payload.view()));
  }
}

void bystander::note(std::uint32_t number) {
  const std::lock_guard held(lock_);
  const auto now = clock::now();
  seen_.gap = std::max(seen_.gap, std::chrono::duration_cast<milliseconds>(now - last_frame_));
  last_frame_ = now;
  ++seen_.frames;
  if (next_ != 0 && number > next_) seen_.missing += number - next_;
  next_ = number + 1;
}

void bystander::note_lateness(milliseconds late) {
  const std::lock_guard held(lock_);
  seen_.late = std::max(seen_.late, late);
}

void bystander::fail(std::string why) {
  const std::lock_guard held(lock_);
  if (broken_.empty()) broken_ = std::move(why);
}

quiet bystander::look() {
  const std::lock_guard held(lock_);
  auto out = seen_;
  out.gap = std::max(out.gap, std::chrono::duration_cast<milliseconds>(clock::now() - last_frame_));
  seen_ = {};
  return out;
}

std::string bystander::broken() {
  const std::lock_guard held(lock_);
  return broken_;
}

}  // namespace millrace::hostile
