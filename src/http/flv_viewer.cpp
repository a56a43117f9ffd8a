#include "http/flv_viewer.hpp"

#include <utility>

#include "hub/entry_forms.hpp"
#include "media/flv.hpp"

namespace millrace::http {
namespace {

base::send_chain encode_message(const media::frame& f) {
  const auto tag = media::flv::encode_tag(f);
  if (tag.empty()) return {};
  base::send_chain out(websocket_header(websocket_opcode::binary, tag.size()));
  out.append(tag);
  return out;
}

}  // namespace

flv_viewer::flv_viewer(std::shared_ptr<hub::stream> stream, std::shared_ptr<void> hold, flv_options options)
    : hold_(std::move(hold)), options_(options), cursor_(std::move(stream), *this, options_.policy) {
  if (!cursor_.source()->published()) on_publisher_gone();
}

// The flags say what is there, since some players wait for a track that the header promises. A stream that has only begun may bring another one.
void flv_viewer::head(base::send_chain& out) {
  constexpr std::uint64_t only_begun = 10;  // frames
  const auto facts = cursor_.source()->facts();
  const bool young = facts.frames < only_begun;
  const bool audio = !facts.audio_codec.empty(), video = !facts.video_codec.empty();
  const auto header = media::flv::encode_header(audio || !video || young, video || !audio || young);
  if (options_.websocket) out.push_back(websocket_header(websocket_opcode::binary, header.size()));
  out.push_back(header);
  begun_ = true;
}

body_source::state flv_viewer::pull(base::instant now, std::size_t budget, base::send_chain& out) {
  incoming_.take_answers(out);
  if (closing_) {
    out.append(std::move(goodbye_));
    return state::ended;
  }
  const auto format = options_.websocket ? hub::entry::format::flv_message : hub::entry::format::flv_tag;
  while (out.size() < budget) {
    const auto next = cursor_.next(now);
    if (!next) return state::waits;
    if (!begun_) head(out);
    if (!next->prelude) delay_.handed_over(now, next->item->frame()->arrival);
    const auto item = hub::entry_forms::opening(*next);
    const auto& image = item->image(format, [this](const media::frame& f) { return options_.websocket ? encode_message(f) : media::flv::encode_tag(f); });
    out.append(image);
    if (options_.one_picture && !next->prelude && is_second_picture(*next->item->frame())) return state::ended;
  }
  return state::more;
}

bool flv_viewer::is_second_picture(const media::frame& f) {
  if (f.kind != media::frame_kind::video) return false;
  return std::exchange(pictured_, pictured_ || f.key) && !f.config;
}

bool flv_viewer::receive(base::bytes_view bytes) {
  if (!options_.websocket || closing_) return true;
  closing_ = !incoming_.receive(bytes);
  if (incoming_.has_answers()) wake();
  return true;
}

void flv_viewer::on_publisher_gone() {
  waiting_since_ = std::chrono::steady_clock::now();
  wake();  // what is left
}

void flv_viewer::on_tick(base::instant now) {
  if (on_second) on_second(now);
  const auto limit = options_.publisher_wait;
  if (limit.count() > 0 && waiting_since_ && now - *waiting_since_ > limit && !closing_) {
    closing_ = true;
    if (options_.websocket) goodbye_.push_back(websocket_header(websocket_opcode::close, 0));
    wake();
  }
}

void flv_viewer::on_end(std::string_view why) {
  if (on_over) on_over(incoming_.why() == "closed by the peer" ? why : std::string_view(incoming_.why()));
}

}  // namespace millrace::http
