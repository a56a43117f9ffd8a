#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/bytes.hpp"
#include "record/scan.hpp"

namespace millrace::record {
namespace {

using base::byte_reader;
using base::bytes_view;

// Ours alone (ISO/IEC 14496-12 section 11.1): a user type that no other box has.
constexpr std::array<std::uint8_t, 16> mark_type{0x6d, 0x69, 0x6c, 0x6c, 0x72, 0x61, 0x4c, 0x65, 0x8d, 0x1f, 0x5b, 0x27, 0xc3, 0x9a, 0x40, 0xe1};
// A moov or moof that is larger is not from here, and is not read.
constexpr std::uint64_t header_box_max = 16u << 20;

struct box {
  std::string_view type;
  bytes_view body;
};

// The boxes in a body that was read whole (section 4.2). Calls `take` for each; ends where they end, or make no sense.
template <class Take>
void for_each_box(bytes_view bytes, Take take) {
  byte_reader in(bytes);
  while (in.remaining() >= 8) {
    const auto size = in.u32().value();
    const auto type = base::as_text(in.take(4).value());
    if (size < 8) return;
    const auto body = in.take(size - 8);
    if (!body) return;
    take(box{type, *body});
  }
}

bytes_view find(bytes_view in, std::string_view type) {
  bytes_view found;
  for_each_box(in, [&](const box& b) {
    if (b.type == type && found.empty()) found = b.body;
  });
  return found;
}

struct track {
  std::uint32_t scale = 0, usual_duration = 0;
  std::optional<std::uint64_t> begin;
  std::uint64_t end = 0;
};

struct found_tracks {
  std::map<std::uint32_t, track> tracks;
  std::int64_t movie_ms = 0;  // of mvhd: all there is in a file that is not fragmented
  bool any = false;

  void take_moov(bytes_view moov) {
    if (byte_reader in(find(moov, "mvhd")); !in.at_end()) {
      const auto version = in.u8().value_or(0);
      in.skip(version == 1 ? 19 : 11);
      const auto scale = in.u32().value_or(0);
      const std::uint64_t length = version == 1 ? in.u64().value_or(0) : in.u32().value_or(0);
      if (scale > 0 && length < (std::uint64_t{1} << 50)) movie_ms = static_cast<std::int64_t>(length * 1000 / scale);
    }
    for_each_box(moov, [&](const box& b) {
      if (b.type == "trak") take_trak(b.body);
      if (b.type != "mvex") return;
      for_each_box(b.body, [&](const box& x) {
        if (x.type != "trex") return;
        byte_reader in(x.body);
        in.skip(4);
        const auto id = in.u32().value_or(0);
        in.skip(4);
        tracks[id].usual_duration = in.u32().value_or(0);
      });
    });
  }

  void take_trak(bytes_view trak) {
    byte_reader head(find(trak, "tkhd"));
    head.skip(head.u8().value_or(0) == 1 ? 19 : 11);
    const auto id = head.u32().value_or(0);
    byte_reader media(find(find(trak, "mdia"), "mdhd"));
    media.skip(media.u8().value_or(0) == 1 ? 19 : 11);
    tracks[id].scale = media.u32().value_or(0);
  }

  void take_traf(bytes_view traf) {
    byte_reader head(find(traf, "tfhd"));
    const auto flags = head.u32().value_or(0);
    const auto found = tracks.find(head.u32().value_or(0));
    if (found == tracks.end() || found->second.scale == 0) return;
    auto& t = found->second;
    if ((flags & 1) != 0) head.skip(8);
    if ((flags & 2) != 0) head.skip(4);
    const auto usual = (flags & 8) != 0 ? head.u32().value_or(0) : t.usual_duration;
    byte_reader time(find(traf, "tfdt"));
    const bool wide = time.u8() == std::uint8_t{1};
    time.skip(3);
    auto at = wide ? time.u64().value_or(0) : time.u32().value_or(0);
    if (!t.begin) t.begin = at;
    for_each_box(traf, [&](const box& b) {
      if (b.type != "trun") return;
      byte_reader run(b.body);
      const auto has = run.u32().value_or(0);
      const auto count = run.u32().value_or(0);
      run.skip(((has & 1) != 0 ? 4u : 0u) + ((has & 4) != 0 ? 4u : 0u));
      const bool timed = (has & 0x100) != 0;
      const std::size_t behind = ((has & 0x200) != 0 ? 4u : 0u) + ((has & 0x400) != 0 ? 4u : 0u) + ((has & 0x800) != 0 ? 4u : 0u);
      // Samples that say nothing of their own take no bytes, so that any number of them may be claimed.
      if (!timed && behind == 0) {
        at += std::uint64_t{count} * usual;
        return;
      }
      for (std::uint32_t i = 0; i < count; ++i) {
        if (timed && run.remaining() < 4) break;
        at += timed ? run.u32().value() : usual;
        if (!run.skip(behind)) break;
      }
    });
    t.end = std::max(t.end, at);
    any = true;
  }

  [[nodiscard]] std::int64_t duration_ms() const {
    double begin = 1e18, end = 0;
    for (const auto& [id, t] : tracks) {
      if (!t.begin) continue;
      begin = std::min(begin, static_cast<double>(*t.begin) / t.scale);
      end = std::max(end, static_cast<double>(t.end) / t.scale);
    }
    if (!any) return movie_ms;
    const auto seconds = end - begin;
    return seconds > 0 && seconds < 1e9 ? std::llround(seconds * 1000) : 0;
  }
};

class mp4_scan final : public file_scan {
 public:
  mp4_scan(read_at read, std::uint64_t size) : read_(std::move(read)), size_(size) {}

  bool step() override {
    if (at_ + 8 > size_) return false;
    const auto head = read_(at_, 16);
    if (!head || head->size() < 8) return false;
    byte_reader in{bytes_view(*head)};
    std::uint64_t length = in.u32().value();
    const std::string type(base::as_text(in.take(4).value()));
    std::uint64_t head_bytes = 8;
    if (length == 1) {
      if (head->size() < 16) return false;
      length = in.u64().value();
      head_bytes = 16;
    }
    if (length == 0) length = size_ - at_;  // up to the end of the file
    if (length < head_bytes || length > size_ - at_) return false;
    if (at_ == 0 && type != "ftyp") return false;
    std::vector<std::uint8_t> body;
    if (type == "moov" || type == "moof" || type == "uuid") {
      if (length > header_box_max) {
        if (type != "uuid") return false;
      } else if (auto got = read_(at_ + head_bytes, static_cast<std::size_t>(length - head_bytes)); got && got->size() == length - head_bytes) {
        body = std::move(*got);
      } else {
        return false;
      }
    }
    at_ += length;
    take(type, std::move(body));
    return true;
  }

  [[nodiscard]] file_facts facts() const override {
    auto out = facts_;
    out.readable = moov_ && media_;
    out.duration_ms = found_.duration_ms();
    return out;
  }

 private:
  // The box that ends at `at_`.
  void take(std::string_view type, std::vector<std::uint8_t> body) {
    if (type == "moov") {
      found_.take_moov(body);
      moov_ = true;
      facts_.whole_bytes = at_;
    } else if (type == "moof") {
      pending_ = std::move(body);
    } else if (type == "mdat") {
      media_ = media_ || moov_ || !pending_;
      if (pending_) {
        for_each_box(*pending_, [this](const box& b) {
          if (b.type == "traf") found_.take_traf(b.body);
        });
      }
      pending_.reset();
      facts_.whole_bytes = at_;
    } else if (!pending_) {
      if (type == "uuid" && body.size() > mark_type.size() && std::equal(mark_type.begin(), mark_type.end(), body.begin())) {
        const auto text = base::as_text(bytes_view(body).subspan(mark_type.size()));
        const auto space = text.find(' ');
        facts_.stream = text.substr(0, space);
        facts_.start = space == std::string_view::npos ? std::string() : std::string(text.substr(space + 1));
      }
      facts_.whole_bytes = at_;
    }
  }

  const read_at read_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
  file_facts facts_;
  found_tracks found_;
  bool moov_ = false, media_ = false;
  std::optional<std::vector<std::uint8_t>> pending_;  // a moof whose mdat has not been seen yet
};

}  // namespace

base::slice make_mark_box(std::string_view stream, std::string_view start) {
  base::byte_writer out;
  out.u32(static_cast<std::uint32_t>(8 + mark_type.size() + stream.size() + 1 + start.size())).text("uuid").bytes(mark_type).text(stream).text(" ").text(start);
  return std::move(out).take_slice();
}

std::unique_ptr<file_scan> begin_mp4_scan(read_at read, std::uint64_t size) { return std::make_unique<mp4_scan>(std::move(read), size); }

file_facts scan_mp4(read_at read, std::uint64_t size) {
  mp4_scan all(std::move(read), size);
  while (all.step()) {}
  return all.facts();
}

}  // namespace millrace::record
