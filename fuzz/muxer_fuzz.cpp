// The muxer by operations: what a publisher sends, cut anywhere, into both containers. Pieces are whole, in order and within what was cut, an init comes
// before its fragments, and fragmented MP4 can be read again.
#include "mux/muxer.hpp"
#include "sound_and_picture.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

class run {
 public:
  explicit run(operations& in) : in_(in), options_(options_of(in)), muxer_(options_) {}

  void all() {
    std::int64_t dts = static_cast<std::int64_t>(in_.number(1));
    while (in_.more()) {
      switch (in_(8)) {
        case 0: muxer_.cut(dts); break;
        case 1:
          if (in_(8) == 0) muxer_.finish(), require(muxer_.queued_frames() == 0);
          break;
        case 2: dts += in_(8) == 0 ? static_cast<std::int64_t>(in_.number(3)) : static_cast<std::int64_t>(in_(256)); break;
        case 3: dts -= std::min<std::int64_t>(dts, static_cast<std::int64_t>(in_(in_(16) == 0 ? 60'000 : 50))); break;
        default: {
          dts += static_cast<std::int64_t>(in_(40));
          const auto f = fuzz::any_media(in_, dts);
          static_cast<void>(muxer_.starts_anew(f));
          pushed_ += f.payload.size() + mux::muxer::frame_overhead_bytes;
          muxer_.push(f);
        }
      }
      require(muxer_.queued_bytes() <= pushed_);
      take();
    }
    muxer_.finish();
    take();
    require(muxer_.queued_frames() == 0 && muxer_.queued_bytes() == 0);
  }

 private:
  static mux::muxer_options options_of(operations& in) {
    mux::muxer_options o;
    const auto how = in(8);
    o.to = how & 1 ? mux::container::mpegts : mux::container::fmp4;
    o.from_zero = how & 2;
    o.video_track = how & 4 ? 1 : 0;
    return o;
  }
  void take() {
    while (const auto p = muxer_.poll_piece()) {
      if (p->is == mux::piece::type::init) {
        require(!p->tracks.empty());
        begun_ = true;
        if (options_.to == mux::container::fmp4) require(!mux::testing::find(p->bytes, "moov/trak").empty() && mux::testing::boxes(p->bytes).front().type == "ftyp");
        continue;
      }
      require(begun_ && !p->bytes.empty() && p->end_ms >= p->begin_ms);
      if (options_.to == mux::container::mpegts) {
        require(p->bytes.size() % 188 == 0);
        for (std::size_t at = 0; at < p->bytes.size(); at += 188) require(p->bytes.view()[at] == 0x47);
        continue;
      }
      const auto boxes = mux::testing::boxes(p->bytes);
      require(!boxes.empty() && !mux::testing::find(p->bytes, "moof/traf/trun").empty() && !mux::testing::find(p->bytes, "mdat").empty());
    }
    while (const auto e = muxer_.poll_error()) require(!e->text.empty());
  }

  operations& in_;
  const mux::muxer_options options_;
  mux::muxer muxer_;
  std::size_t pushed_ = 0;
  bool begun_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
