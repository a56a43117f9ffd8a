#include "media/codec_record.hpp"

#include <string_view>

#include "base/bytes.hpp"
#include "media/codec.hpp"

namespace millrace::media {
namespace {

using base::byte_reader;

// `count` parameter sets, each behind its UI16 length.
bool skip_sets(byte_reader& in, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const auto size = in.u16();
    if (!size || *size == 0 || !in.skip(*size)) return false;
  }
  return true;
}

// AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
bool is_avc(byte_reader in) {
  if (in.u8() != std::uint8_t{1} || !in.skip(4)) return false;
  const auto sps = in.u8();
  if (!sps || (*sps & 31) == 0 || !skip_sets(in, *sps & 31)) return false;
  const auto pps = in.u8();
  return pps && skip_sets(in, *pps);
}

// HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). Early encoders wrote version 0.
bool is_hevc(byte_reader in) {
  const auto version = in.u8();
  if (!version || *version > 1 || !in.skip(21)) return false;
  const auto arrays = in.u8();
  if (!arrays) return false;
  for (unsigned i = 0; i < *arrays; ++i) {
    if (!in.skip(1)) return false;
    const auto count = in.u16();
    if (!count || !skip_sets(in, *count)) return false;
  }
  return true;
}

// AV1CodecConfigurationRecord: marker bit and version 1.
bool is_av1(byte_reader in) { return in.u8() == std::uint8_t{0x81} && in.remaining() >= 3; }

// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): five bits of object type, four of sampling rate, four of channels.
bool is_aac(byte_reader in) {
  const auto first = in.u8();
  return first && *first >> 3 != 0 && !in.at_end();
}

// "fLaC" and STREAMINFO, block type 0, of 34 bytes (E-RTMP v2 "ExAudioTagBody").
bool is_flac(byte_reader in) {
  const auto magic = in.take(4);
  if (!magic || base::as_text(*magic) != "fLaC") return false;
  const auto type = in.u8();
  const auto size = in.u24();
  return type && (*type & 0x7F) == 0 && size == 34u && in.remaining() >= 34;
}

// Identification header (RFC 7845, 5.1); none at all is allowed too.
bool is_opus(byte_reader in) {
  if (in.at_end()) return true;
  const auto magic = in.take(8);
  return magic && base::as_text(*magic) == "OpusHead" && in.remaining() >= 11;
}

}  // namespace

bool is_plausible_record(std::uint32_t codec, base::bytes_view record) {
  const byte_reader in(record);
  switch (codec) {
    case codecs::avc: return is_avc(in);
    case codecs::hevc: return is_hevc(in);
    case codecs::av1: return is_av1(in);
    case codecs::aac: return is_aac(in);
    case codecs::flac: return is_flac(in);
    case codecs::opus: return is_opus(in);
    default: return true;
  }
}

}  // namespace millrace::media
