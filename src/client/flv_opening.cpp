#include "client/flv_opening.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/stream_heads.hpp"

namespace millrace::client {
namespace {

constexpr std::chrono::seconds wait_for_second_kind{1};

}  // namespace

void flv_opening::push(media::frame f, base::instant now) {
  if (f.kind != media::frame_kind::data && !any_media()) media_since_ = now;
  audio_ = audio_ || f.kind == media::frame_kind::audio;
  video_ = video_ || f.kind == media::frame_kind::video;
  if (!any_media() && is_metadata(f)) {
    if (const auto older = std::find_if(frames_.begin(), frames_.end(), is_metadata); older != frames_.end()) forget(older);
  }
  bytes_ += f.payload.size();
  frames_.push_back(std::move(f));
  if (!any_media()) bound_data();
}

void flv_opening::bound_data() {
  while (frames_.size() > limits_.early_data_frames || bytes_ > limits_.early_data_bytes) {
    const auto oldest = std::find_if_not(frames_.begin(), frames_.end(), is_metadata);
    forget(oldest != frames_.end() ? oldest : frames_.begin());
  }
}

void flv_opening::forget(std::deque<media::frame>::iterator at) {
  bytes_ -= at->payload.size();
  frames_.erase(at);
}

bool flv_opening::decided(base::instant now) const {
  if (!any_media()) return false;
  return (audio_ && video_) || frames_.size() >= limits_.opening_frames || bytes_ >= limits_.opening_bytes ||
         now - media_since_ >= wait_for_second_kind;
}

std::deque<media::frame> flv_opening::take() {
  bytes_ = 0;
  return std::exchange(frames_, {});
}

}  // namespace millrace::client
