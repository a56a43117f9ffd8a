// A media file through the muxer, for test/e2e/test_mux.py: mux_dump INPUT OUTPUT fmp4|mpegts [zero] writes OUTPUT, and OUTPUT.2 and so on
// where a configuration that changed began another file. Errors of the muxer go to standard error.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>

#include "hls/media_file.hpp"
#include "mux/muxer.hpp"

int main(int argc, char** argv) {
  using namespace millrace;
  if (argc < 4) return 2;
  mux::muxer_options options;
  options.to = argv[3] == std::string("mpegts") ? mux::container::mpegts : mux::container::fmp4;
  options.from_zero = argc > 4;
  mux::muxer muxer(options);
  std::ofstream out;
  int files = 0;
  const auto drain = [&] {
    while (const auto p = muxer.poll_piece()) {
      if (p->is == mux::piece::type::init) {
        out.close();
        out.open(argv[2] + (++files > 1 ? "." + std::to_string(files) : std::string()), std::ios::binary);
        for (const auto& t : p->tracks)
          std::cout << t.codecs << ' ' << t.width << 'x' << t.height << ' ' << t.frame_rate << ' ' << t.sample_rate << ' ' << t.channels << '\n';
      }
      out.write(reinterpret_cast<const char*>(p->bytes.data()), static_cast<std::streamsize>(p->bytes.size()));
    }
    while (const auto e = muxer.poll_error()) std::cerr << e->text << '\n';
  };
  std::int64_t cut_ms = 250;
  const auto frames = test::read_media_file(argv[1]);
  const bool video = std::ranges::any_of(frames, [](const media::frame& f) { return f.key; });
  for (const auto& f : frames) {
    if (!f.config && (f.kind == media::frame_kind::video || !video) && f.dts_ms >= cut_ms) {
      muxer.cut(f.dts_ms);
      cut_ms = f.dts_ms + 250;
    }
    muxer.push(f);
    drain();
  }
  muxer.finish();
  drain();
  return 0;
}
