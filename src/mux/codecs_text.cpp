// Codecs as playlists and players name them.
#include <fmt/format.h>

#include <string>

#include "base/bytes.hpp"
#include "media/codec.hpp"
#include "mux/track_config.hpp"

namespace millrace::mux {
namespace {

namespace codecs = media::codecs;

// ISO/IEC 14496-15 annex E.2: profile, compatibility and level of the record as they stand.
std::string avc(base::bytes_view r) {
  if (r.size() < 4) return "avc1";
  return fmt::format("avc1.{:02x}{:02x}{:02x}", r[1], r[2], r[3]);
}

// Annex E.3: profile space and profile, compatibility flags with their bits turned round, tier and level, constraints without the zeros at their end.
std::string hevc(base::bytes_view r) {
  if (r.size() < 13) return "hvc1";
  std::uint32_t flags = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if ((r[2 + i / 8] >> (7 - i % 8) & 1) != 0) flags |= 1u << i;
  }
  std::string out = "hvc1.";
  if (const int space = r[1] >> 6; space != 0) out += static_cast<char>('A' + space - 1);
  out += fmt::format("{}.{:X}.{}{}", r[1] & 31, flags, (r[1] & 32) != 0 ? 'H' : 'L', r[12]);
  std::size_t end = 12;
  while (end > 6 && r[end - 1] == 0) --end;
  for (std::size_t i = 6; i < end; ++i) out += fmt::format(".{:X}", r[i]);
  return out;
}

// AV1 codec ISO media file format binding, section 5: profile, level and tier, bit depth; what follows is optional.
std::string av1(base::bytes_view r) {
  if (r.size() < 4) return "av01";
  const bool high = (r[2] & 0x40) != 0, twelve = (r[2] & 0x20) != 0;
  return fmt::format("av01.{}.{:02}{}.{:02}", r[1] >> 5, r[1] & 31, (r[2] & 0x80) != 0 ? 'H' : 'M', twelve ? 12 : high ? 10 : 8);
}

}  // namespace

std::string codecs_text(const track_config& config) {
  const auto r = config.record.view();
  switch (config.codec) {
    case codecs::avc: return avc(r);
    case codecs::hevc: return hevc(r);
    case codecs::av1: return av1(r);
    case codecs::opus: return "opus";
    case codecs::mp3: return "mp4a.40.34";
    case codecs::aac: {
      if (r.size() < 2) return "mp4a.40.2";
      const unsigned type = r[0] >> 3;
      return fmt::format("mp4a.40.{}", type == 31 ? 32 + ((r[0] & 7u) << 3 | r[1] >> 5) : type);
    }
    default: return {};
  }
}

}  // namespace millrace::mux
