// Media messages to frames: aggregates, data with and without @setDataFrame, times that wrap. Frames share the message but for parts of an aggregate,
// hold no more than it, and are classified as their payload says.
#include "media/tag_header.hpp"
#include "rtmp/media_message.hpp"
#include "session_moves.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  using fuzz::require;
  fuzz::operations in(data, size);
  rtmp::frame_builder whole, alone;
  std::uint64_t dropped = 0, dropped_alone = 0;
  while (in.more()) {
    auto m = fuzz::media_of(in);
    if (m.type == rtmp::message_type::aggregate) {
      // Parts that agree with their sizes, or nearly.
      base::byte_writer out;
      for (auto count = in(4); count > 0; --count) {
        const auto payload = in.some(20);
        out.u8(std::array<std::uint8_t, 4>{8, 9, 18, 3}[in(4)]).u24(static_cast<std::uint32_t>(payload.size() + (in(16) == 0 ? in(4) : 0)));
        out.u24(static_cast<std::uint32_t>(in.number(3))).u8(in(8) == 0 ? in.byte() : 0).u24(0).bytes(payload).u32(11);
      }
      if (in(4) != 0) m.payload = std::move(out).take_slice();
    }
    std::vector<media::frame> frames;
    const auto built = whole.build({}, m, frames, dropped);
    if (!built) {
      require(m.type == rtmp::message_type::aggregate && !built.error().text.empty());
      return 0;
    }
    std::size_t bytes = 0;
    for (const auto& f : frames) {
      bytes += f.payload.size();
      const auto* const at = f.payload.data();
      const bool shared = at >= m.payload.data() && at + f.payload.size() <= m.payload.data() + m.payload.size();
      if (!f.payload.empty()) require(shared == (m.type != rtmp::message_type::aggregate));
      auto again = f;
      again.key = again.config = again.disposable = false;
      media::classify(again);
      require(again.key == f.key && again.config == f.config && again.disposable == f.disposable && !(f.key && f.config));
      require(f.kind != media::frame_kind::data || !f.key);
    }
    require(bytes <= m.payload.size());
    if (m.type == rtmp::message_type::aggregate) {
      const auto parts = rtmp::split_aggregate(m);
      require(parts && parts->size() >= frames.size());
      for (const auto& part : *parts) {
        auto copy = part;
        static_cast<void>(alone.build_one({}, std::move(copy), dropped_alone));
      }
      continue;
    }
    auto copy = m;
    const auto one = alone.build_one({}, std::move(copy), dropped_alone);
    require(one.has_value() == !frames.empty() && dropped == dropped_alone);
    if (one) require(one->dts_ms == frames.front().dts_ms && base::as_text(one->payload) == base::as_text(frames.front().payload));
    // What goes to a server comes back as it was.
    if (m.type == rtmp::message_type::data_amf0 && one) {
      rtmp::message marked = m;
      marked.payload = rtmp::with_set_data_frame(one->payload);
      const auto read = rtmp::read_data(marked);
      require(read.name.empty() || base::as_text(read.payload) == base::as_text(one->payload) || read.clear);
    }
  }
  return 0;
}
