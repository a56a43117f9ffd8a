#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "media/flv.hpp"
#include "media/tag_header.hpp"
#include "record/block_reader.hpp"
#include "record/metadata.hpp"
#include "record/playback.hpp"

namespace millrace::record {
namespace {

using base::byte_reader;
using base::bytes_view;
using base::error;
using base::error_kind;
using media::frame;
using media::frame_kind;

constexpr std::uint64_t tag_header_bytes = 11, trailer_bytes = 4;
constexpr std::size_t block_bytes = 256u << 10;
// From here on the way from tag to tag is as short as another look into the middle.
constexpr std::uint64_t near_bytes = 512u << 10;
// A payload may be full of what looks like headers, each of which costs a read.
constexpr unsigned tries_max = 64;
// Who sends more configurations than this says nothing with them.
constexpr std::size_t records_max = 64;

error unreadable() { return {error_kind::input, "the recording cannot be read from the disk"}; }

// A tag's header (FLV 10.1 annex E.4.1).
struct tag {
  std::uint64_t at = 0;
  frame_kind kind = frame_kind::data;
  std::uint32_t time = 0, length = 0;
  [[nodiscard]] std::uint64_t body() const noexcept { return at + tag_header_bytes; }
  [[nodiscard]] std::uint64_t next() const noexcept { return body() + length + trailer_bytes; }
};

class flv_playback final : public playback {
 public:
  flv_playback(read_at read, std::uint64_t size) : read_(std::move(read)), tags_(read_, size, block_bytes), size_(size) {}

  base::result<void> begin() {
    const auto head = tags_.get(0, 13);
    if (tags_.failed()) return unreadable();
    if (head.empty() || base::as_text(head.first(3)) != "FLV") return error{error_kind::input, "not an FLV: it does not begin as one"};
    byte_reader in(head.subspan(5));
    first_ = std::uint64_t{in.u32().value()} + trailer_bytes;
    // Up to the first frame of media, so that times can begin with it, and what the first block has beside it.
    while (!any_media_) {
      auto more = read_block();
      if (!more) return std::move(more).error();
      if (*more) continue;
      if (!any_media_ && broken_) return *broken_;
      if (!any_media_) return error{error_kind::input, "an FLV without a whole tag of sound or picture: the recording ended before anything was in it"};
    }
    return {};
  }

  base::result<std::optional<frame>> next() override {
    while (frames_.empty()) {
      auto more = read_block();
      if (!more) return std::move(more).error();
      if (!*more) {
        if (broken_) return *broken_;
        return std::optional<frame>();
      }
    }
    auto f = std::move(frames_.front());
    frames_.pop_front();
    return std::optional(std::move(f));
  }

  base::result<std::int64_t> seek(std::int64_t ms) override {
    const auto target = ms < 0 ? std::nullopt : place_for(ms);
    if (tags_.failed()) return unreadable();
    restart(target ? target->at : first_);
    // From the begin, what is in effect stands in the file.
    while (frames_.empty() || (!target && !has_media(frames_))) {
      auto more = read_block();
      if (!more) return std::move(more).error();
      if (!*more) return broken_ ? *broken_ : error{error_kind::input, "the recording ends before the place that it should go on at"};
    }
    if (!target) return std::ranges::find_if(frames_, is_media)->dts_ms;
    const auto at_ms = frames_.front().dts_ms;
    for (auto r = records_.rbegin(); r != records_.rend(); ++r) {
      frames_.push_front(*r);
      frames_.front().dts_ms = at_ms;
    }
    return at_ms;
  }

 private:
  static bool is_media(const frame& f) { return f.kind != frame_kind::data && !f.config; }
  static bool has_media(const std::deque<frame>& some) { return std::ranges::any_of(some, is_media); }

  void restart(std::uint64_t at) {
    frames_.clear();
    broken_.reset();
    shift_ms_.reset();
    at_ = at;
    parser_.emplace();
    // A header of any file: the parser begins with one.
    (void)parser_->receive({}, media::flv::encode_header(true, true));
  }

  // Takes in the next block; false at the end.
  base::result<bool> read_block() {
    if (broken_) return false;
    if (at_ == 0) restart(first_);
    if (at_ >= size_) return false;
    const auto bytes = read_(at_, static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, size_ - at_)));
    if (!bytes) return unreadable();
    if (bytes->empty()) return false;
    at_ += bytes->size();
    if (auto taken = parser_->receive({}, *bytes); !taken) broken_ = std::move(taken).error();
    while (auto f = parser_->poll_frame()) {
      place_in_time(*f);
      note(*f);
      frames_.push_back(std::move(*f));
    }
    return true;
  }

  // From the file's time to ours. After a seek the parser begins with what the tag's 32 bits say.
  void place_in_time(frame& f) {
    if (!any_media_ && is_media(f)) {
      origin_ = static_cast<std::uint32_t>(static_cast<std::uint64_t>(f.dts_ms));
      for (auto& before : frames_) before.dts_ms = 0;
      for (auto& r : records_) r.dts_ms = 0;
      shift_ms_ = f.dts_ms;
      any_media_ = true;
    }
    if (any_media_ && !shift_ms_) shift_ms_ = f.dts_ms - since_origin(static_cast<std::uint32_t>(static_cast<std::uint64_t>(f.dts_ms)));
    f.dts_ms = shift_ms_ ? std::max<std::int64_t>(f.dts_ms - *shift_ms_, 0) : 0;
    if (f.kind == frame_kind::video && is_media(f)) has_video_ = true;
  }

  [[nodiscard]] std::int64_t since_origin(std::uint32_t time) const { return static_cast<std::int32_t>(time - origin_); }

  // Metadata and configurations in effect: the recorder writes them ahead of everything, and another file where they change.
  void note(const frame& f) {
    if (f.kind == frame_kind::data ? !is_metadata(f) : !f.config) return;
    const auto same = [&f](const frame& r) {
      if (r.kind != f.kind) return false;
      if (f.kind == frame_kind::data) return true;
      const auto a = media::inspect(f.kind, f.payload), b = media::inspect(r.kind, r.payload);
      return a.track_id == b.track_id && a.metadata == b.metadata && a.multichannel == b.multichannel && a.multitrack == b.multitrack;
    };
    if (const auto found = std::ranges::find_if(records_, same); found != records_.end()) {
      *found = f;
    } else if (records_.size() < records_max) {
      records_.push_back(f);
    }
  }

  // A tag that is all there, with a right PreviousTagSize behind it. Of the last one that may be missing: it plays without.
  std::optional<tag> tag_at(std::uint64_t at) {
    const auto bytes = tags_.get(at, tag_header_bytes);
    if (bytes.empty()) return std::nullopt;
    const auto found = header_of(bytes, at);
    if (!found || found->next() - trailer_bytes > size_) return std::nullopt;
    if (found->next() > size_) return found;
    const auto trailer = tags_.get(found->next() - trailer_bytes, trailer_bytes);
    if (trailer.empty() || byte_reader(trailer).u32() != tag_header_bytes + found->length) return std::nullopt;
    return found;
  }
  static std::optional<tag> header_of(bytes_view bytes, std::uint64_t at) {
    byte_reader in(bytes);
    const auto type = in.u8().value();
    if (type != 8 && type != 9 && type != 18) return std::nullopt;
    tag out;
    out.at = at;
    out.kind = static_cast<frame_kind>(type);
    out.length = in.u24().value();
    const auto low = in.u24().value();
    out.time = (std::uint32_t{in.u8().value()} << 24) | low;
    if (in.u24() != 0u) return std::nullopt;  // StreamID
    return out;
  }

  // The first tag at or behind `at`, which may lie anywhere, that begins before `end`.
  std::optional<tag> resync(std::uint64_t at, std::uint64_t end) {
    unsigned tries = 0;
    for (; at < end && tries < tries_max; ++at) {
      const auto bytes = tags_.get(at, tag_header_bytes);
      if (bytes.empty()) return std::nullopt;
      const auto likely = header_of(bytes, at);
      if (!likely || likely->next() > size_) continue;
      ++tries;
      const auto found = tag_at(at);
      // A payload may hold what looks like a tag; two in a row it does not by chance.
      if (!found) continue;
      const auto behind = tags_.get(found->next(), tag_header_bytes);
      if (behind.empty() || header_of(behind, found->next())) return found;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_main(const tag& t) const { return t.kind == (has_video_ ? frame_kind::video : frame_kind::audio); }

  // What playing can go on at: a key frame, or any frame of sound in a file without video.
  bool is_place(const tag& t) {
    if (!is_main(t)) return false;
    const auto first = t.length > 0 ? tags_.get(t.body(), 1) : bytes_view();
    if (has_video_) {
      // Both headers have the frame type in these bits; the rest is read only where they promise a key frame.
      const auto frame_type = first.empty() ? 0 : (first[0] >> 4) & 7;
      if (frame_type != media::frame_type_key && frame_type != media::frame_type_generated_key) return false;
    }
    frame f;
    f.kind = t.kind;
    f.payload = base::slice::copy_of(tags_.get(t.body(), t.length));
    if (f.payload.size() != t.length) return false;
    media::classify(f);
    return has_video_ ? f.key : !f.config;
  }

  // By halves to a tag that is near and early enough, from tag to tag to the last place that is, and if there was none, backwards.
  std::optional<tag> place_for(std::int64_t ms) {
    auto low = first_, high = size_;
    while (high - low > near_bytes) {
      const auto middle = low + (high - low) / 2;
      auto t = resync(middle, high);
      while (t && !is_main(*t)) t = t->next() < high ? tag_at(t->next()) : std::nullopt;
      if (!t || since_origin(t->time) > ms) {
        high = middle;
      } else {
        low = t->at;
      }
    }
    std::optional<tag> last;
    for (auto t = tag_at(low); t; t = tag_at(t->next())) {
      if (!is_main(*t)) continue;
      if (since_origin(t->time) > ms) break;
      if (is_place(*t)) last = t;
    }
    if (last) return last;
    for (auto t = before(low); t; t = before(t->at)) {
      if (since_origin(t->time) <= ms && is_place(*t)) return t;
    }
    return std::nullopt;
  }

  // The tag that ends at `at`.
  std::optional<tag> before(std::uint64_t at) {
    if (at < first_ + tag_header_bytes + trailer_bytes) return std::nullopt;
    const auto trailer = tags_.get(at - trailer_bytes, trailer_bytes);
    if (trailer.empty()) return std::nullopt;
    const auto bytes = std::uint64_t{byte_reader(trailer).u32().value()} + trailer_bytes;
    if (bytes < tag_header_bytes + trailer_bytes || bytes > at - first_) return std::nullopt;
    const auto t = tag_at(at - bytes);
    return t && t->next() == at ? t : std::nullopt;
  }

  const read_at read_;
  block_reader tags_;  // for headers; what is played is read past it
  const std::uint64_t size_;
  std::uint64_t first_ = 0;  // where tags begin
  std::uint32_t origin_ = 0;  // the file's time of the first frame of media
  bool any_media_ = false, has_video_ = false;
  std::vector<frame> records_;
  // Where reading goes on, and what came of it.
  std::uint64_t at_ = 0;
  std::optional<media::flv::reader> parser_;
  std::optional<std::int64_t> shift_ms_;  // parser's time less ours
  std::optional<error> broken_;
  std::deque<frame> frames_;
};

}  // namespace

base::result<std::unique_ptr<playback>> open_flv_playback(read_at read, std::uint64_t size) {
  auto made = std::make_unique<flv_playback>(std::move(read), size);
  if (auto begun = made->begin(); !begun) return std::move(begun).error();
  return std::unique_ptr<playback>(std::move(made));
}

}  // namespace millrace::record
