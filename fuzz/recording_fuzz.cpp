// Recordings, which lie where others can write: files of any bytes scanned, opened, played and sought in, FLV and MP4; and files that were written
// here, whole or broken off, which give back what went into them. `recording_fuzz --write-seeds=DIR` writes files of both kinds.
#include "media/flv.hpp"
#include "memory_file.hpp"
#include "record/flv_head.hpp"
#include "record/playback.hpp"
#include "record/writer.hpp"
#include "seeds.hpp"
#include "sound_and_picture.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;
using bytes = std::vector<std::uint8_t>;

record::file_facts scan(bool mp4, const bytes& file) {
  const auto facts = mp4 ? record::scan_mp4(fuzz::file_of(file), file.size()) : record::scan_flv(fuzz::file_of(file), file.size());
  require(facts.whole_bytes <= file.size() && facts.duration_ms >= 0);
  return facts;
}

base::result<std::unique_ptr<record::playback>> open(bool mp4, const bytes& file) {
  return mp4 ? record::open_mp4_playback(fuzz::file_of(file), file.size()) : record::open_flv_playback(fuzz::file_of(file), file.size());
}

void any_file(bool mp4, operations& in) {
  const auto to_ms = static_cast<std::int64_t>(in.number(2)) - 100;
  const auto rest = in.rest();
  const bytes file(rest.begin(), rest.end());
  scan(mp4, file);
  if (!mp4) {
    if (const auto head = record::read_flv_head(file)) require(head->bytes <= file.size());
  }
  auto opened = open(mp4, file);
  if (!opened) return require(!opened.error().text.empty());
  auto& play = **opened;
  std::size_t got = 0, frames = 0;
  for (std::size_t pass = 0; pass < 2; ++pass) {
    while (true) {
      auto f = play.next();
      if (!f || !*f) break;
      require((*f)->dts_ms >= 0 || mp4);
      got += (*f)->payload.size();
      // Of a file comes what is in it: a header in front of each sample is all that is added.
      ++frames;
      require(got <= (pass + 1) * file.size() + 64 * frames);
    }
    const auto at = play.seek(to_ms);
    if (!at) return require(!at.error().text.empty());
    if (to_ms >= 0) require(*at <= to_ms || pass == 0 || *at >= 0);
  }
}

struct written {
  bytes file;
  std::vector<media::frame> frames;  // that were pushed
};
written write(bool mp4, operations& in) {
  written out;
  const auto to = record::make_writer(mp4 ? record::format::mp4 : record::format::flv, {"live/a", {}});
  const auto append = [&] {
    const auto more = to->take().flatten();
    out.file.insert(out.file.end(), more.begin(), more.end());
  };
  std::int64_t dts = 1'000;
  const auto push = [&](const media::frame& f) {
    if (to->needs_new_file(f)) return false;
    to->push(f);
    out.frames.push_back(f);
    append();
    return true;
  };
  push(mux::testing::video_config(dts));
  push(mux::testing::audio_config(dts));
  push(mux::testing::key(dts));
  while (in.more() && out.frames.size() < 200) {
    dts += static_cast<std::int64_t>(in(100));
    if (!push(fuzz::any_media(in, dts))) break;
    while (const auto e = to->poll_error()) require(!e->text.empty());
  }
  to->finish(std::nullopt);
  append();
  // Written over what is there, and never past it.
  for (const auto& p : to->patches(out.file.size(), to->duration_ms())) {
    require(p.at + p.bytes.size() <= out.file.size());
    std::copy(p.bytes.view().begin(), p.bytes.view().end(), out.file.begin() + static_cast<std::ptrdiff_t>(p.at));
  }
  return out;
}

void written_here(bool mp4, operations& in) {
  const auto cut = in.number(2);
  auto made = write(mp4, in);
  const bool broken = cut % 2 != 0;
  if (broken) made.file.resize(made.file.size() * (cut >> 1) / 32'768);
  const auto facts = scan(mp4, made.file);
  if (!broken && facts.readable) require(facts.whole_bytes == made.file.size() && facts.stream.starts_with("live"));
  auto opened = open(mp4, made.file);
  if (!opened) return;
  if (mp4) {
    while (true) {
      const auto f = (*opened)->next();
      if (!f || !*f) return;
    }
  }
  // FLV gives back every message bit for bit, up to the last one that is whole.
  std::size_t at = 0;
  while (true) {
    const auto f = (*opened)->next();
    require(f.has_value());
    if (!*f) break;
    if ((*f)->kind == media::frame_kind::data) continue;
    while (at < made.frames.size() && made.frames[at].payload.empty()) ++at;
    require(at < made.frames.size());
    require((*f)->kind == made.frames[at].kind && base::as_text((*f)->payload) == base::as_text(made.frames[at].payload));
    ++at;
  }
  while (at < made.frames.size() && made.frames[at].payload.empty()) ++at;
  if (!broken) require(at == made.frames.size());
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return millrace::fuzz::write_seeds_if_asked(*argc, *argv, [](const millrace::fuzz::seed_folder& seeds) {
    for (const bool mp4 : {false, true}) {
      static constexpr std::array<std::uint8_t, 12> steps{40, 4, 20, 8, 40, 4, 20, 8, 40, 2, 20, 4};
      operations in(steps.data(), steps.size());
      auto made = write(mp4, in);
      auto file = made.file;
      if (!mp4) {
        // Without the head of ours, which is an index of 37 kB.
        file = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};
        for (const auto& f : made.frames) {
          const auto tag = media::flv::encode_tag(f).flatten();
          file.insert(file.end(), tag.begin(), tag.end());
        }
      }
      const std::array<std::uint8_t, 2> place{0, 150};
      file.insert(file.begin(), place.begin(), place.end());
      seeds.add(mp4 ? "written.mp4" : "written.flv", mp4 ? 1 : 0, file, 20'000);
    }
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  const auto how = in(4);
  if (how < 2) any_file(how == 1, in); else written_here(how == 3, in);
  return 0;
}
