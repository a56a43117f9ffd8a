#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <utility>

#include "mux/demuxer.hpp"
#include "record/mp4_fragments.hpp"
#include "record/playback.hpp"

namespace millrace::record {
namespace {

using base::error;
using base::error_kind;
using media::frame;
using media::frame_kind;

constexpr std::size_t header_block_bytes = 16u << 10;  // a moof of a second, and the head of its mdat
constexpr std::size_t media_block_bytes = 256u << 10;
// libavformat keeps a line for every sample it has seen: after so many fragments another one goes on, and memory does not grow with the length.
constexpr unsigned fragments_of_one = 600;
// Of places to begin at. More than that are days of video; what lies behind is found by playing from the last one.
constexpr std::size_t index_max = 1u << 20;

error unreadable() { return {error_kind::input, "the recording cannot be read from the disk"}; }

// A fragment: its moof, and the mdat behind it.
struct fragment {
  std::uint64_t begin = 0, end = 0;
  mp4_fragment_times times;
};

class mp4_playback final : public playback {
 public:
  mp4_playback(const read_at& read, std::uint64_t size) : read_(read), headers_(read, size, header_block_bytes), media_(read, size, media_block_bytes) {}

  base::result<void> begin() {
    std::uint64_t at = 0;
    std::optional<base::bytes_view> moov;
    while (const auto box = box_at(headers_, at)) {
      if (at == 0 && box->type != "ftyp") return error{error_kind::input, "not an MP4: it does not begin as one"};
      if (box->type == "moof") break;
      if (box->type == "mdat") return error{error_kind::input, "an MP4 that is not made of fragments, which is none that this server has written"};
      if (box->bytes > mp4_header_box_max) {
        return error{error_kind::input, "not a recording: a box '" + printable(box->type) + "' of " + std::to_string(box->bytes) + " bytes"};
      }
      if (box->type == "moov" && !moov) {
        moov = headers_.get(box->at + box->head_bytes, static_cast<std::size_t>(box->bytes - box->head_bytes));
        auto tracks = read_moov(*moov);
        if (!tracks) return headers_.failed() ? unreadable() : tracks.error();
        tracks_ = std::move(*tracks);
      }
      // What the demuxer begins with, wherever it goes on.
      if (box->type == "ftyp" || box->type == "moov") {
        const auto bytes = headers_.get(box->at, static_cast<std::size_t>(box->bytes));
        init_.insert(init_.end(), bytes.begin(), bytes.end());
      }
      at = box->end();
    }
    if (headers_.failed()) return unreadable();
    if (at == 0) return error{error_kind::input, "not an MP4: it does not begin as one"};
    if (!moov) return error{error_kind::input, "an MP4 without a moov: nothing says what is in it"};
    first_ = scanned_ = at;
    if (auto opened = open_at(first_); !opened) return opened;
    auto first = take(false);
    if (!first) return std::move(first).error();
    if (!*first) return error{error_kind::input, "an MP4 without a whole fragment: the recording ended before anything was in it"};
    origin_ms_ = (*first)->dts_ms;
    return open_at(first_);
  }

  base::result<std::optional<frame>> next() override {
    auto f = take(true);
    if (f && *f) (*f)->dts_ms = std::max<std::int64_t>((*f)->dts_ms - origin_ms_, 0);
    return f;
  }

  base::result<std::int64_t> seek(std::int64_t ms) override {
    constexpr auto far = std::numeric_limits<std::int64_t>::max() / 4;
    const auto wanted_ms = origin_ms_ + std::clamp<std::int64_t>(ms, -1, far);
    scan_to(wanted_ms);
    if (headers_.failed()) return unreadable();
    auto from = first_;
    auto target_ms = std::numeric_limits<std::int64_t>::min();
    const auto behind = std::ranges::upper_bound(index_, wanted_ms, {}, &place::key_ms);
    if (behind != index_.begin()) {
      from = std::prev(behind)->at;
      // Fragments of a key frame's picture group begin with it, but one may have several of them.
      if (const auto f = fragment_at(from)) {
        for (const auto key_ms : f->times.keys_ms) target_ms = key_ms <= wanted_ms ? std::max(target_ms, key_ms) : target_ms;
      }
    }
    if (auto opened = open_at(from); !opened) return std::move(opened).error();
    // The configurations come first, and stay; what lies before the frame that was meant goes.
    std::deque<frame> configs;
    while (true) {
      auto f = take(true);
      if (!f) return std::move(f).error();
      if (!*f) return error{error_kind::input, "the recording ends before the place that it should go on at"};
      auto& one = **f;
      if (one.config) {
        configs.push_back(std::move(one));
        continue;
      }
      const bool main = (one.kind == frame_kind::video) == tracks_.by_id[tracks_.main].video;
      const bool from_begin = target_ms == std::numeric_limits<std::int64_t>::min();
      const bool here = from_begin || (main && one.dts_ms >= target_ms && (one.key || one.kind == frame_kind::audio));
      if (!here) continue;
      for (auto& c : configs) c.dts_ms = one.dts_ms;
      const auto at_ms = std::max<std::int64_t>(one.dts_ms - origin_ms_, 0);
      ahead_ = std::move(configs);
      ahead_.push_back(std::move(one));
      return at_ms;
    }
  }

 private:
  struct place {
    std::int64_t key_ms = 0;  // of the first key frame in it
    std::uint64_t at = 0;
  };

  static std::string printable(std::string text) {
    for (auto& c : text) c = c >= ' ' && c <= '~' ? c : '?';
    return text;
  }

  // The first whole one at or behind `at`; nothing at the end, which is also where one is unfinished or makes no sense.
  std::optional<fragment> fragment_at(std::uint64_t at) {
    while (const auto box = box_at(headers_, at)) {
      at = box->end();
      if (box->type != "moof") continue;
      if (box->bytes > mp4_header_box_max) return std::nullopt;
      const auto body = headers_.get(box->at + box->head_bytes, static_cast<std::size_t>(box->bytes - box->head_bytes));
      auto times = read_moof(tracks_, body);
      const auto data = box_at(headers_, box->end());
      if (!times || !data || data->type != "mdat") return std::nullopt;
      return fragment{box->at, data->end(), std::move(*times)};
    }
    return std::nullopt;
  }

  // Learns where key frames are, up to the first one behind `ms`; never looks at a fragment twice.
  void scan_to(std::int64_t ms) {
    while (index_.size() < index_max && (index_.empty() || index_.back().key_ms <= ms)) {
      const auto f = fragment_at(scanned_);
      if (!f) return;
      scanned_ = f->end;
      // Times rise; what does not is no place to look for.
      const auto& keys = f->times.keys_ms;
      if (!keys.empty() && (index_.empty() || keys.front() > index_.back().key_ms)) index_.push_back({keys.front(), f->begin});
    }
  }

  base::result<void> open_at(std::uint64_t at) {
    ahead_.clear();
    going_on_ = false;
    next_fragment_ = at;
    return open_demuxer();
  }

  // Over the init and fragments from next_fragment_ on.
  base::result<void> open_demuxer() {
    demuxer_.reset();
    given_ = 0;
    from_ = to_ = 0;
    fragments_ = 0;
    auto opened = mux::demuxer::open([this](std::span<std::uint8_t> into) { return give(into); });
    if (failed()) return unreadable();
    if (!opened) return std::move(opened).error();
    demuxer_ = std::move(*opened);
    return {};
  }

  [[nodiscard]] bool failed() const noexcept { return headers_.failed() || media_.failed(); }

  std::size_t give(std::span<std::uint8_t> into) {
    if (given_ < init_.size()) {
      const auto count = std::min(into.size(), init_.size() - given_);
      std::memcpy(into.data(), init_.data() + given_, count);
      given_ += count;
      return count;
    }
    if (from_ == to_) {
      if (fragments_ == fragments_of_one) return 0;
      const auto f = fragment_at(next_fragment_);
      if (!f) return 0;
      ++fragments_;
      from_ = f->begin;
      to_ = next_fragment_ = f->end;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), to_ - from_));
    const auto bytes = media_.get(from_, count);
    if (bytes.empty()) return 0;
    std::memcpy(into.data(), bytes.data(), bytes.size());
    from_ += bytes.size();
    return bytes.size();
  }

  base::result<std::optional<frame>> take(bool with_configs) {
    if (!ahead_.empty()) {
      auto f = std::move(ahead_.front());
      ahead_.pop_front();
      return std::optional(std::move(f));
    }
    while (true) {
      if (!demuxer_) return std::optional<frame>();
      auto f = demuxer_->next();
      if (!f) return failed() ? unreadable() : std::move(f).error();
      if (!*f) {
        if (failed()) return unreadable();
        if (fragments_ < fragments_of_one || !fragment_at(next_fragment_)) return std::optional<frame>();
        if (auto opened = open_demuxer(); !opened) return std::move(opened).error();
        going_on_ = true;
        continue;
      }
      if ((*f)->config && (going_on_ || !with_configs)) continue;
      return f;
    }
  }

  const read_at read_;
  block_reader headers_, media_;
  mp4_tracks tracks_;
  std::vector<std::uint8_t> init_;
  std::uint64_t first_ = 0;       // fragment
  std::int64_t origin_ms_ = 0;    // time of the first frame
  std::vector<place> index_;      // as far as it was scanned
  std::uint64_t scanned_ = 0;
  // What the demuxer reads: so much of the init, then from here to there, then fragments from there on.
  std::size_t given_ = 0;
  std::uint64_t from_ = 0, to_ = 0, next_fragment_ = 0;
  unsigned fragments_ = 0;
  bool going_on_ = false;         // another demuxer has begun amid the file: its configurations are known
  std::unique_ptr<mux::demuxer> demuxer_;
  std::deque<frame> ahead_;       // before what the demuxer gives next
};

}  // namespace

base::result<std::unique_ptr<playback>> open_mp4_playback(read_at read, std::uint64_t size) {
  auto made = std::make_unique<mp4_playback>(read, size);
  if (auto begun = made->begin(); !begun) return std::move(begun).error();
  return std::unique_ptr<playback>(std::move(made));
}

}  // namespace millrace::record
