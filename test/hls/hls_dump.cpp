// A media file as an HLS presentation on disk, for test/e2e/test_hls_media.py: hls_dump INPUT FOLDER fmp4|mpegts writes playlist (all segments,
// ended), init, segments and parts as requests would get them. Times of the day are made up.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "hls/media_file.hpp"
#include "hls/packager.hpp"

using namespace millrace;

namespace {

void write(const std::filesystem::path& path, const base::send_chain& body) {
  std::ofstream out(path, std::ios::binary);
  for (const auto& part : body.parts()) out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool ts = argv[3] == std::string("mpegts");
  const std::filesystem::path folder(argv[2]);
  std::filesystem::create_directories(folder);
  hls::settings how;
  how.window = 1'000'000;
  how.linger = std::chrono::milliseconds(0);
  const auto to = std::make_shared<hls::presentation>("live/a", ts ? mux::container::mpegts : mux::container::fmp4, how);
  auto stream = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  base::instant now{};
  {
    auto publisher = std::move(stream->publish()).value();
    hls::packager packager(stream, to, {[&] { return now; }, {}, std::chrono::system_clock::time_point(std::chrono::seconds(1000))});
    for (auto f : test::read_media_file(argv[1])) {
      now = std::max(now, base::instant(std::chrono::milliseconds(f.dts_ms)));
      f.arrival = now;
      publisher->append(std::move(f));
      publisher->flush();
    }
    publisher.reset();
    packager.on_timer(now);
    // All that the playlist names.
    const auto get = [&](const std::string& name) {
      hls::answer got;
      got.status = 0;
      if (auto what = hls::parse_request(name.front() == '.' ? name : "/" + name, ""))
        to->get(*what, now, [&](hls::answer a) { got = std::move(a); });
      if (got.status != 200) {
        std::cerr << name << ": " << got.status << ' ' << got.why << '\n';
        return std::string();
      }
      write(folder / (name.front() == '.' ? "multivariant.m3u8" : name), got.body);
      const auto bytes = got.body.flatten();
      return std::string(bytes.begin(), bytes.end());
    };
    if (!ts) std::cout << get(".m3u8");
    const auto list = get(ts ? "ts.m3u8" : "index.m3u8");
    std::size_t at = 0;
    while (at < list.size()) {
      const auto line = list.substr(at, list.find('\n', at) - at);
      at += line.size() + 1;
      if (line.front() != '#') {
        get(line);
      } else if (const auto uri = line.find("URI=\""); uri != std::string::npos) {
        get(line.substr(uri + 5, line.find('"', uri + 5) - uri - 5));
      }
    }
  }
  return 0;
}
