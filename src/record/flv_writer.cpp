#include <algorithm>

#include "media/flv.hpp"
#include "media/tag_header.hpp"
#include "record/flv_head.hpp"
#include "record/metadata.hpp"
#include "record/writer.hpp"

namespace millrace::record {
namespace {

using media::frame;
using media::frame_kind;

// Players take the 32 bits of a tag's time for signed ones. A file that could come near ends at the next key frame.
constexpr std::int64_t file_ms_max = (std::int64_t{1} << 31) - 86'400'000;

class flv_writer final : public writer {
 public:
  explicit flv_writer(const file_mark& mark) : stream_(escaped_name(mark.stream)), start_(utc_text(mark.start)) {}

  bool needs_new_file(const frame& f) const override {
    return origin_ms_ && f.dts_ms - *origin_ms_ > file_ms_max && (f.key || (f.kind == frame_kind::audio && !facts_.has_video));
  }

  void push(const frame& f) override {
    const bool media = f.kind != frame_kind::data && !f.config;
    if (!origin_ms_) {
      if (!media) {
        before_.push_back(f);
        return;
      }
      origin_ms_ = f.dts_ms;
      begin();
    }
    write(f);
  }

  void finish(std::optional<std::int64_t> next_ms) override {
    if (!origin_ms_) return;
    const auto end = next_ms ? *next_ms - *origin_ms_ : newest_ms_ + last_step_ms_;
    duration_ms_ = std::max(duration_ms_, end);
  }

  base::send_chain take() override { return std::exchange(out_, {}); }

  std::vector<patch> patches(std::uint64_t file_bytes, std::int64_t duration_ms) const override {
    if (!origin_ms_) return {};
    auto facts = facts_;
    facts.duration_ms = duration_ms;
    std::erase_if(facts.keys, [file_bytes](const auto& k) { return k.at >= file_bytes; });
    facts.file_bytes = file_bytes;
    auto head = with_facts(head_, facts);
    if (!head) return {};
    return {{0, std::move(*head)}};
  }

  std::optional<base::error> poll_error() override { return std::exchange(error_, std::nullopt); }

 private:
  // With the first frame of media, so that the metadata that came before it is known.
  void begin() {
    const auto metadata = std::ranges::find_if(before_, is_metadata);
    head_ = make_flv_head(metadata == before_.end() ? base::bytes_view() : metadata->payload.view(), stream_, start_);
    append(base::send_chain(head_));
    facts_.has_audio = facts_.has_video = false;
    for (auto& f : before_) {
      if (is_metadata(f) && &f == &*metadata) continue;
      f.dts_ms = *origin_ms_;
      write(f);
    }
    before_.clear();
  }

  void write(const frame& f) {
    auto stamped = f;
    // What is a little earlier than the key frame that the file begins with came behind it.
    stamped.dts_ms = std::max<std::int64_t>(f.dts_ms - *origin_ms_, 0);
    const auto at = bytes_;
    auto tag = media::flv::encode_tag(stamped);
    if (tag.empty()) {
      if (not_carried_++ == 0) error_ = base::error{base::error_kind::unsupported, "FLV cannot carry a message of 16 MiB"};
      return;
    }
    append(std::move(tag));
    if (f.kind == frame_kind::data) return;
    (f.kind == frame_kind::video ? facts_.has_video : facts_.has_audio) = true;
    if (f.config) return;
    if (f.kind == frame_kind::video) {
      if (stamped.dts_ms > newest_video_ms_) last_step_ms_ = stamped.dts_ms - std::exchange(newest_video_ms_, stamped.dts_ms);
      if (f.key) note_key(stamped.dts_ms, at);
    }
    newest_ms_ = std::max(newest_ms_, stamped.dts_ms);
    duration_ms_ = newest_ms_;
  }

  // Memory stays bounded: of too many every second one goes, and from then on only every second one comes in.
  void note_key(std::int64_t ms, std::uint64_t at) {
    if (keys_seen_++ % key_stride_ != 0) return;
    auto& keys = facts_.keys;
    if (keys.size() >= flv_index_max) {
      std::size_t to = 0;
      for (std::size_t from = 0; from < keys.size(); from += 2) keys[to++] = keys[from];
      keys.resize(to);
      key_stride_ *= 2;
      if ((keys_seen_ - 1) % key_stride_ != 0) return;
    }
    keys.push_back({ms, at});
  }

  void append(base::send_chain&& more) {
    bytes_ += more.size();
    out_.append(std::move(more));
  }

  const std::string stream_, start_;
  std::vector<frame> before_;
  std::optional<std::int64_t> origin_ms_;
  base::slice head_;
  base::send_chain out_;
  std::uint64_t bytes_ = 0;
  flv_facts facts_;
  std::uint64_t keys_seen_ = 0, key_stride_ = 1;
  std::int64_t newest_ms_ = 0, newest_video_ms_ = 0, last_step_ms_ = 0;
  std::optional<base::error> error_;
};

}  // namespace

std::unique_ptr<writer> make_flv_writer(const file_mark& mark) { return std::make_unique<flv_writer>(mark); }

}  // namespace millrace::record
