#include "server/recording_player.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <future>
#include <utility>

#include "record/playback.hpp"

namespace millrace::server {
namespace {

// Sent before its time, so that a player has something in its buffer at once.
constexpr std::chrono::milliseconds lead{1'000};
// Read ahead of what is due: until one of these is reached.
constexpr std::int64_t ahead_ms = 3'000;
constexpr std::size_t ahead_bytes = 4u << 20;

// For the reading thread: waits for the disk.
base::result<std::shared_ptr<record::file_reader>> open_file(record::service& recordings, const std::string& id) {
  auto opened = std::make_shared<std::promise<base::result<std::shared_ptr<record::file_reader>>>>();
  auto coming = opened->get_future();
  recordings.open_recording(id, [opened](base::result<std::shared_ptr<record::file_reader>> file) { opened->set_value(std::move(file)); });
  return coming.get();
}

record::read_at reader_of(std::shared_ptr<record::file_reader> file) {
  return [file = std::move(file)](std::uint64_t at, std::size_t count) -> std::optional<std::vector<std::uint8_t>> {
    std::vector<std::uint8_t> bytes;
    while (bytes.size() < count) {
      auto read = std::make_shared<std::promise<base::result<base::slice>>>();
      auto coming = read->get_future();
      file->read(at + bytes.size(), std::min(count - bytes.size(), record::file_reader::read_max), [read](base::result<base::slice> got) { read->set_value(std::move(got)); });
      auto got = coming.get();
      if (!got) return std::nullopt;
      if (got->empty()) break;
      bytes.insert(bytes.end(), got->data(), got->data() + got->size());
    }
    return bytes;
  };
}

}  // namespace

struct recording_player::source {
  std::unique_ptr<record::playback> frames;
  std::optional<base::error> open(record::service& recordings, const std::string& id) {
    auto file = open_file(recordings, id);
    if (!file) return std::move(file).error();
    auto opened = record::open_playback((*file)->facts().as, reader_of(*file), (*file)->size());
    if (!opened) return std::move(opened).error();
    frames = *std::move(opened);
    return std::nullopt;
  }
};

struct recording_player::batch {
  unsigned generation = 0;
  std::optional<base::result<std::int64_t>> sought;
  std::deque<media::frame> frames;
  bool at_end = false;
  std::optional<base::error> failure;
};

recording_player::recording_player(const parts& from, std::string id, std::int64_t start_ms, std::function<void()> on_change)
    : from_(from), id_(std::move(id)), on_change_(std::move(on_change)), source_(std::make_shared<source>()) {
  if (start_ms > 0) wish_ = start_ms;
  position_ms_ = std::max<std::int64_t>(start_ms, 0);
  read_on();
}

recording_player::~recording_player() = default;

bool recording_player::enough() const {
  return at_end_ || failure_ || bytes_ >= ahead_bytes || (!frames_.empty() && frames_.back().dts_ms - frames_.front().dts_ms >= ahead_ms);
}

void recording_player::read_on() {
  if (reading_ || (enough() && !wish_)) return;
  reading_ = true;
  const auto have_ms = frames_.empty() ? 0 : frames_.back().dts_ms - frames_.front().dts_ms;
  boost::asio::post(from_.readers, [from = source_, &recordings = from_.recordings, id = id_, wish = std::exchange(wish_, std::nullopt), generation = generation_,
                                    room = ahead_bytes - std::min(ahead_bytes, bytes_), span = ahead_ms - have_ms, weak = std::weak_ptr(alive_), &io = from_.io] {
    auto got = std::make_shared<batch>();
    got->generation = generation;
    if (!from->frames) got->failure = from->open(recordings, id);
    if (!got->failure && wish) {
      got->sought = from->frames->seek(*wish);
      if (!*got->sought) got->failure = got->sought->error();
    }
    std::size_t bytes = 0;
    while (!got->failure && !got->at_end && bytes < room && (got->frames.size() < 2 || got->frames.back().dts_ms - got->frames.front().dts_ms < span)) {
      auto next = from->frames->next();
      if (!next) {
        got->failure = std::move(next).error();
      } else if (!*next) {
        got->at_end = true;
      } else {
        bytes += (*next)->payload.size();
        got->frames.push_back(std::move(**next));
      }
    }
    boost::asio::post(io, [weak, got] {
      if (const auto self = weak.lock()) (*self)->take(std::move(*got));
    });
  });
}

void recording_player::take(batch&& got) {
  reading_ = false;
  if (got.generation == generation_) {
    opened_ = opened_ || !got.failure;
    if (got.sought && std::exchange(announce_, false)) sought_ = got.sought;
    at_end_ = got.at_end;
    failure_ = std::move(got.failure);
    for (auto& f : got.frames) {
      bytes_ += f.payload.size();
      frames_.push_back(std::move(f));
    }
  }
  read_on();
  const auto tell = on_change_;
  tell();  // last: it may have ended this
}

void recording_player::begin_clock(base::instant now, std::int64_t at_ms) {
  clock_ = now;
  clock_ms_ = at_ms;
}

std::optional<base::instant> recording_player::due() const {
  if (!opened_ || paused_ || frames_.empty() || sought_) return std::nullopt;
  if (!clock_) return base::instant::min();
  return *clock_ + std::chrono::milliseconds(frames_.front().dts_ms - clock_ms_) - lead;
}

const media::frame* recording_player::front(base::instant now) {
  const auto when = due();
  if (!when || *when > now) return nullptr;
  if (!clock_) begin_clock(now, frames_.front().dts_ms);
  return &frames_.front();
}

void recording_player::pop() {
  bytes_ -= frames_.front().payload.size();
  position_ms_ = frames_.front().dts_ms;
  frames_.pop_front();
  read_on();
}

void recording_player::pause(bool paused) {
  paused_ = paused;
  clock_.reset();  // goes on from the frame that is next then
}

void recording_player::seek(std::int64_t to_ms) {
  ++generation_;
  frames_.clear();
  bytes_ = 0;
  at_end_ = false;
  clock_.reset();
  position_ms_ = to_ms;
  sought_.reset();
  wish_ = to_ms;
  announce_ = true;
  read_on();
}

}  // namespace millrace::server
