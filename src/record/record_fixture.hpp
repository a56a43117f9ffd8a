// What the tests of recordings share: a directory of their own, a clock and a disk that do as they are told, and a stream with a publisher.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "media/flv.hpp"
#include "mux/mux_fixture.hpp"
#include "record/scan.hpp"
#include "record/service.hpp"
#include "record/shard_recorders.hpp"
#include "record/writer.hpp"

namespace millrace::record::testing {

using namespace std::chrono_literals;
using mux::testing::audio;
using mux::testing::audio_config;
using mux::testing::inter;
using mux::testing::key;
using mux::testing::video_config;

inline constexpr auto epoch = std::chrono::sys_days(std::chrono::year(2026) / 1 / 31);

struct temporary_directory {
  temporary_directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-record-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

struct manual_clock final : clock {
  std::chrono::milliseconds now{0};
  base::instant steady() override { return base::instant(now); }
  std::chrono::system_clock::time_point utc() override { return epoch + now; }
};

// The system, but for what a test has switched on.
struct odd_disk final : disk {
  std::size_t reads = 0, writes = 0, syncs = 0;
  std::size_t write_max = static_cast<std::size_t>(-1);  // bytes of one call
  bool interrupted = false;                                // every second call says EINTR
  std::uint64_t room_left = std::uint64_t{1} << 40;        // bytes that can still be written …
  std::uint64_t claimed_room = std::uint64_t{1} << 40;     // … and what statvfs says of them
  int open_error = 0, sync_error = 0;                      // of files that are made
  std::function<void()> on_write;

  int open(const char* path, int flags, unsigned mode) override {
    if (open_error != 0 && (flags & O_CREAT) != 0) return fails(open_error);
    if (interrupted && (odd_ = !odd_)) return fails(EINTR);
    return disk::open(path, flags, mode);
  }
  ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) override {
    if (on_write) on_write();
    if (interrupted && (odd_ = !odd_)) return fails(EINTR);
    ++writes;
    std::size_t wanted = 0;
    for (int i = 0; i < count; ++i) wanted += parts[i].iov_len;
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>({wanted, write_max, room_left}));
    if (some == 0 && wanted > 0) return fails(ENOSPC);
    // As the system: so many bytes of the parts, and no more.
    std::vector<std::uint8_t> bytes;
    for (int i = 0; i < count && bytes.size() < some; ++i) {
      const auto* from = static_cast<const std::uint8_t*>(parts[i].iov_base);
      bytes.insert(bytes.end(), from, from + std::min(parts[i].iov_len, some - bytes.size()));
    }
    const iovec one{bytes.data(), bytes.size()};
    const auto written = disk::pwritev(fd, &one, 1, at);
    if (written > 0) room_left -= static_cast<std::uint64_t>(written);
    return written;
  }
  ssize_t pread(int fd, void* to, std::size_t count, off_t at) override {
    ++reads;
    return disk::pread(fd, to, count, at);
  }
  int fdatasync(int fd) override {
    ++syncs;
    if (sync_error != 0) return fails(sync_error);
    return disk::fdatasync(fd);
  }
  std::optional<room> space(const std::filesystem::path&) override { return room{claimed_room, std::uint64_t{1} << 41}; }

 private:
  static int fails(int number) {
    errno = number;
    return -1;
  }
  bool odd_ = false;
};

// What the log says, while there is one of these.
struct noted_log {
  noted_log() { base::log::set_sink([](base::log::level at, std::string_view text) { lines().emplace_back(at, text); }, base::log::level::info); }
  ~noted_log() {
    base::log::set_sink(nullptr, base::log::level::error);
    lines().clear();
  }
  static std::vector<std::pair<base::log::level, std::string>>& lines() {
    static std::vector<std::pair<base::log::level, std::string>> all;
    return all;
  }
  static std::size_t count(std::string_view part) {
    return static_cast<std::size_t>(std::ranges::count_if(lines(), [part](const auto& l) { return l.second.find(part) != std::string::npos; }));
  }
  static std::string all() {
    std::string out;
    for (const auto& [at, text] : lines()) out += text + "\n";
    return out;
  }
};

inline std::vector<std::uint8_t> content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline read_at reader_of(const std::vector<std::uint8_t>& bytes) {
  return [&bytes](std::uint64_t at, std::size_t count) -> std::optional<std::vector<std::uint8_t>> {
    const auto from = std::min<std::size_t>(static_cast<std::size_t>(at), bytes.size());
    const auto end = from + std::min(count, bytes.size() - from);
    return std::vector<std::uint8_t>(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(end));
  };
}
// Empty if it is no FLV from beginning to end.
inline std::vector<media::frame> frames_of_flv(const std::vector<std::uint8_t>& bytes) {
  media::flv::reader in;
  std::vector<media::frame> out;
  if (!in.receive({}, bytes)) return out;
  while (auto f = in.poll_frame()) out.push_back(std::move(*f));
  return out;
}

inline media::frame metadata(std::int64_t ms, std::string_view encoder = "x264") {
  base::byte_writer out;
  out.u8(2).u16(10).text("onMetaData").u8(8).u32(2);
  out.u16(8).text("duration").u8(0).f64(0);
  out.u16(7).text("encoder").u8(2).u16(static_cast<std::uint16_t>(encoder.size())).text(encoder);
  out.u16(0).u8(9);
  media::frame f;
  f.kind = media::frame_kind::data;
  f.dts_ms = ms;
  f.arrival = base::instant(std::chrono::milliseconds(ms));
  f.payload = std::move(out).take_slice();
  return f;
}

// A shard with streams, one publisher each; turns are taken by hand.
struct shard_of_one {
  explicit shard_of_one(service& to)
      : recorders(to, {.post = [this](std::function<void()> what) { posted.push_back(std::move(what)); },
                       .published = [this](std::string_view name) -> std::shared_ptr<hub::stream> {
                         const auto found = publications.find(std::string(name));
                         return found == publications.end() ? nullptr : found->second->target();
                       }}) {}
  ~shard_of_one() { recorders.close(); }

  void publish(const std::string& name = "live/a") {
    auto& stream = streams[name];
    if (!stream) stream = std::make_shared<hub::stream>(name, base::hub_limits{});
    publications[name] = std::move(*stream->publish());
    recorders.attach(stream);
  }
  void leave(const std::string& name = "live/a") { publications.erase(name); }
  void send(std::vector<media::frame> frames, const std::string& name = "live/a") {
    auto& to = *publications.at(name);
    for (auto& f : frames) to.append(std::move(f));
    to.flush();
  }
  void run_posted() {
    while (!posted.empty()) {
      const auto what = std::move(posted.front());
      posted.pop_front();
      what();
    }
  }

  std::deque<std::function<void()>> posted;
  std::map<std::string, std::shared_ptr<hub::stream>> streams;
  std::map<std::string, std::unique_ptr<hub::publication>> publications;
  shard_recorders recorders;
};

struct record_test : ::testing::Test {
  temporary_directory folder;
  std::shared_ptr<manual_clock> times = std::make_shared<manual_clock>();
  std::shared_ptr<odd_disk> on = std::make_shared<odd_disk>();
  settings set = usual();
  std::unique_ptr<service> home;

  settings usual() const {
    settings s;
    s.directory = folder.path;
    s.rules.push_back({"live/*", format::mp4, {}, 0ms, 0, false});
    return s;
  }
  void open() {
    home.reset();
    auto made = service::open(set, {on, times, false});
    ASSERT_TRUE(made) << made.error().text;
    home = std::move(*made);
  }
  // 25 pictures a second with a key frame every second, and 48 kHz sound; a turn of the disk every 200 ms.
  void stream_for(shard_of_one& shard, std::chrono::milliseconds length, const std::string& name = "live/a") {
    const auto end = times->now + length;
    for (; times->now < end; times->now += 40ms) {
      const auto ms = times->now.count();
      std::vector<media::frame> some;
      some.push_back(ms % 1000 == 0 ? key(ms) : inter(ms));
      while (next_audio(sound_[name]) < ms + 40) {
        const auto at = next_audio(sound_[name]++);
        if (at >= ms) some.push_back(audio(at));
      }
      shard.send(std::move(some), name);
      if (ms % 200 == 160) {
        home->turn();
        shard.run_posted();
      }
    }
  }
  void begin(shard_of_one& shard, const std::string& name = "live/a") {
    shard.publish(name);
    const auto ms = times->now.count();
    shard.send({metadata(ms), video_config(ms), audio_config(ms)}, name);
  }
  static std::int64_t next_audio(std::int64_t number) { return number * 1024 * 1000 / 48'000; }

 private:
  std::map<std::string, std::int64_t> sound_;
};

}  // namespace millrace::record::testing
