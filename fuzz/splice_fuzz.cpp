// splice by operations: a player's frames go over from one session to another. Where both carry the same stream every frame of it is delivered
// once and in order, whatever the new session begins with; where they do not, the new one begins with a key frame.
#include "client/splice.hpp"
#include "media_frames.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using media::frame_kind;
  operations in(data, size);
  // What is published: pictures 40 ms apart, sound between them.
  std::vector<media::frame> published;
  const auto count = 4 + in(60);
  for (std::size_t i = 0; i < count; ++i) {
    const bool video = i == 0 || in.chance();
    const bool key = video && (i == 0 || in(6) == 0);
    auto f = fuzz::numbered_frame(video ? frame_kind::video : frame_kind::audio, key, false, static_cast<std::uint32_t>(i), 0);
    f.dts_ms = static_cast<std::int64_t>(20 * i);
    published.push_back(std::move(f));
  }
  client::splice splice;
  std::vector<std::uint32_t> delivered;
  const auto deliver = [&](const media::frame& f) { delivered.push_back(fuzz::number_of(f)); };
  std::size_t at = 0;  // of the session in use: the next frame
  while (in.more()) {
    const auto until = std::min(count, at + in(20));
    for (; at < until; ++at) {
      splice.note(published[at]);
      deliver(published[at]);
    }
    if (at == 0) continue;
    // The new session: from a key frame that is not younger than what the old one delivered, and with heads ahead of it.
    std::size_t from = at - 1;
    while (!published[from].key) --from;
    const bool same = in(4) != 0;
    const bool heads = in.chance();
    if (heads) {
      auto head = fuzz::numbered_frame(frame_kind::video, false, true, 7, 0);
      require(splice.follow(head).empty() && !splice.joined());
    }
    if (same) {
      for (std::size_t i = from; i < count; ++i) {
        for (const auto& f : splice.follow(published[i])) {
          require(splice.joined());
          splice.note(f);
          if (!f.config) deliver(f);
          at = i + 1;
        }
        // The old one goes on until the new one has been joined.
        if (i + 1 >= at + in(3) && splice.joined() && in(16) == 0) break;
      }
      if (splice.joined()) require(splice.continuous());
    } else {
      auto other = fuzz::numbered_frame(frame_kind::video, true, false, 1'000'000, 3);
      other.dts_ms = 7;
      const auto first = splice.follow(other);
      require(splice.joined() && !splice.continuous() && first.size() == (heads ? 2u : 1u) && first.back().key);
      return 0;
    }
    splice.restart();
    require(!splice.joined());
    if (at >= count) break;
  }
  // Each once, in order of each kind.
  std::int64_t last[2] = {-1, -1};
  for (const auto number : delivered) {
    auto& before = last[published[number].kind == frame_kind::video];
    require(number > before);
    for (auto i = before + 1; i < number; ++i) require(published[static_cast<std::size_t>(i)].kind != published[number].kind);
    before = number;
  }
  return 0;
}
