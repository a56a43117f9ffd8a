// FLV from anybody: HTTP-FLV bodies, files, pipes; and the audio and video headers inside. The first byte of an input
// sets how the rest is split. Properties: the split changes nothing, payloads never exceed the input, what was read
// is written and read again unchanged.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "media/flv.hpp"
#include "media/tag_header.hpp"

namespace {

using namespace millrace;

void require(bool truth) {
  if (!truth) std::abort();
}

bool same(const media::frame& a, const media::frame& b) {
  return a.kind == b.kind && a.key == b.key && a.config == b.config && a.disposable == b.disposable && a.dts_ms == b.dts_ms &&
         std::equal(a.payload.view().begin(), a.payload.view().end(), b.payload.view().begin(), b.payload.view().end());
}

std::vector<media::frame> read(base::bytes_view bytes, std::size_t step, bool& good) {
  media::flv::reader in;
  good = true;
  while (!bytes.empty() && good) {
    const auto part = bytes.first(std::min(step, bytes.size()));
    bytes = bytes.subspan(part.size());
    good = in.receive({}, part).has_value();
  }
  std::vector<media::frame> frames;
  while (auto f = in.poll_frame()) frames.push_back(std::move(*f));
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::bytes_view bytes(data + 1, size - 1);
  bool good = false, good_split = false;
  const auto whole = read(bytes, bytes.size() + 1, good);
  const auto split = read(bytes, std::size_t{data[0]} + 1, good_split);
  require(good == good_split && whole.size() == split.size());

  std::size_t total = 0;
  base::send_chain written(media::flv::encode_header(true, true));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    require(same(whole[i], split[i]));
    total += whole[i].payload.size();
    written.append(media::flv::encode_tag(whole[i]));
  }
  require(total <= size);
  const auto again = read(written.flatten(), 4096, good);
  require(good && again.size() == whole.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    require(static_cast<std::uint32_t>(again[i].dts_ms) == static_cast<std::uint32_t>(whole[i].dts_ms));
  }

  // The headers also straight from the input: the reader's framing would hide most of it from the mutator.
  for (const auto kind : {media::frame_kind::audio, media::frame_kind::video}) {
    const auto info = kind == media::frame_kind::video ? media::inspect_video(bytes) : media::inspect_audio(bytes);
    require(info.valid || !(info.key || info.config || info.disposable || info.end_of_sequence));
    require(!(info.key && info.config));
    require(!media::codec_name(kind, info).empty());
  }
  return 0;
}
