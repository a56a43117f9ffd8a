#include "media/codec.hpp"

#include "base/escape.hpp"

namespace millrace::media {
namespace {

// FLV 10.1 annex E.4.2.1 and E.4.3.1; null where a number means nothing.
const char* legacy_name(frame_kind kind, std::uint32_t id) {
  if (kind == frame_kind::video) {
    switch (id) {
      case 2: return "Sorenson H.263";
      case 3: return "Screen Video";
      case 4: return "VP6";
      case 5: return "VP6 alpha";
      case 6: return "Screen Video 2";
      default: return nullptr;
    }
  }
  switch (id) {
    case 0: case 3: return "PCM";
    case 1: return "ADPCM";
    case 4: case 5: case 6: return "Nellymoser";
    case 7: return "G.711 A-law";
    case 8: return "G.711 mu-law";
    case 11: return "Speex";
    default: return nullptr;
  }
}

const char* fourcc_name(std::uint32_t codec) {
  switch (codec) {
    case codecs::avc: return "H.264";
    case codecs::hevc: return "HEVC";
    case codecs::vvc: return "VVC";
    case codecs::av1: return "AV1";
    case codecs::vp8: return "VP8";
    case codecs::vp9: return "VP9";
    case codecs::aac: return "AAC";
    case codecs::opus: return "Opus";
    case codecs::flac: return "FLAC";
    case codecs::ac3: return "AC-3";
    case codecs::eac3: return "E-AC-3";
    case codecs::mp3: return "MP3";
    default: return nullptr;
  }
}

}  // namespace

std::uint32_t codec_of_legacy(frame_kind kind, std::uint8_t id) {
  if (kind == frame_kind::video) {
    switch (id) {
      case 7: return codecs::avc;
      case 12: return codecs::hevc;
      case 13: return codecs::av1;
      default: return id;
    }
  }
  switch (id) {
    case 2: case 14: return codecs::mp3;
    case 10: return codecs::aac;
    case 13: return codecs::opus;
    default: return id;
  }
}

std::string codec_name(frame_kind kind, std::uint32_t codec) {
  if (codec < 16) codec = codec_of_legacy(kind, static_cast<std::uint8_t>(codec));
  if (codec < 16) {
    if (const char* name = legacy_name(kind, codec)) return name;
    return "codec " + std::to_string(codec);
  }
  if (const char* name = fourcc_name(codec)) return name;
  std::string raw;
  for (int shift = 24; shift >= 0; shift -= 8) raw += static_cast<char>(static_cast<std::uint8_t>(codec >> shift));
  return "fourcc '" + base::escaped(raw) + "'";
}

}  // namespace millrace::media
