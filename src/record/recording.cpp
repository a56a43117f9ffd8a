#include "record/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "media/tag_header.hpp"

namespace millrace::record {
namespace {

namespace log = base::log;
using base::escaped;
using media::frame_kind;

// What a loss of power costs at most, beside what the format itself holds back.
constexpr std::chrono::seconds sync_every{5};
constexpr std::chrono::seconds look_for_room_every{10};
// Beyond the minimum: a file that ends again at once helps nobody.
constexpr std::uint64_t room_to_begin = 64u << 20;
// A writer is asked for its bytes at the end of a batch, or after so many.
constexpr std::size_t write_at_bytes = 4u << 20;

}  // namespace

void recording::next_source() {
  time_.next_source();
  publication_ = 0;
}

void recording::take(const queued_frame& q, const now_times& now) {
  now_ = now.steady;
  if (publication_ != q.publication) {
    // Another publisher: nothing that the one before said holds any more. The file goes on; a format that cannot will say so.
    const bool first = std::exchange(publication_, q.publication) == 0 && sequence_ == 0;
    heads_ = std::make_shared<hub::record_set>();
    lead_track_.reset();
    video_seen_ = false;
    if (!first) retry();
  }
  const auto info = media::inspect(q.item->frame()->kind, q.item->frame()->payload);
  const auto effect = hub::update_records(heads_, q.item, info, ++sequence_, base::hub_limits{});
  if (q.clear || effect != hub::record_effect::pass) return;
  auto f = *q.item->frame();
  const bool media = f.kind != frame_kind::data && !f.config;
  if (!media && !file_) return;  // kept, and the next file begins with it
  f.dts_ms = time_.stamp(f);
  const bool starts = media && starts_group(f, info);

  if (file_ && (writer_->needs_new_file(f) || (starts && rotation_due(f.dts_ms)))) finish(f.dts_ms);
  if (!file_) {
    if (failed_) {
      if (!failed_->since_ms) failed_->since_ms = f.dts_ms;
      const bool due = failed_->number != ENOSPC && rule_.rotate_after.count() > 0 && f.dts_ms - *failed_->since_ms >= rule_.rotate_after.count();
      if (!starts || !(failed_->enough_room || due)) return lose(loss::disk_failed);
      failed_.reset();
    }
    if (!starts && (f.kind == frame_kind::video || video_seen_)) return lose(loss::until_key_frame);
    if (!begin(f, now)) return lose(loss::disk_failed);
  }
  writer_->push(f);
  unwritten_ += f.payload.size();
  if (unwritten_ >= write_at_bytes) write();
}

// Where a file may begin: the rule of hub::stream. Sound does where there is nothing else.
bool recording::starts_group(const media::frame& f, const media::tag_info& info) {
  if (f.kind == frame_kind::audio) return !video_seen_;
  video_seen_ = true;
  if (!f.key || info.track_id > lead_track_.value_or(0xff)) return false;
  lead_track_ = info.track_id;
  return true;
}

bool recording::rotation_due(std::int64_t ms) const {
  if (rule_.rotate_after.count() > 0 && ms - begin_ms_ >= rule_.rotate_after.count()) return true;
  return rule_.rotate_bytes > 0 && file_->size() + unwritten_ >= rule_.rotate_bytes;
}

bool recording::begin(const media::frame& f, const now_times& now) {
  const auto room = context_.on.space(context_.list.directory());
  // A disk that failed for want of room has to have more than the least, or files of a second each would follow one another.
  if (room && room->free < context_.set.free_bytes_min + (failure_text_.empty() ? 0 : room_to_begin)) {
    fail(ENOSPC, fmt::format("{} bytes are free, record.free_bytes_min is {}", room->free, context_.set.free_bytes_min));
    return false;
  }
  facts_ = {};
  facts_.stream = stream_;
  facts_.start = now.utc - std::chrono::duration_cast<std::chrono::milliseconds>(std::max(now.steady - f.arrival, base::instant::duration(0)));
  facts_.as = rule_.as;
  facts_.file = rule_.file.expand({stream_, facts_.start, ++part_, extension(rule_.as)});
  if (const int failed = context_.list.create(facts_, file_); failed != 0) {
    fail(failed, facts_.file);
    return false;
  }
  writer_ = make_writer(rule_.as, {stream_, facts_.start});
  begin_ms_ = f.dts_ms;
  synced_ = now.steady;
  unwritten_ = not_carried_ = 0;
  ++counts_.files;
  log::info("{}: recorded into {}", escaped(stream_), facts_.file);
  for (const auto& kept : heads_->records) {
    auto head = *kept.item->frame();
    head.dts_ms = f.dts_ms;
    writer_->push(head);
  }
  return true;
}

void recording::write() {
  unwritten_ = 0;
  if (!file_) return;
  const auto bytes = writer_->take();
  if (const int failed = file_->append(bytes); failed != 0) return fail(failed, facts_.file);
  counts_.bytes += bytes.size();
  facts_.bytes = file_->size();
  facts_.duration_ms = writer_->duration_ms();
  tell_errors();
}

void recording::flush(const now_times&) {
  if (!file_) return;
  write();
  if (file_) context_.list.update(facts_, false);
}

void recording::tick(const now_times& now) {
  now_ = now.steady;
  if (failed_ && failed_->number == ENOSPC && now.steady >= failed_->look_again) {
    failed_->look_again = now.steady + look_for_room_every;
    const auto room = context_.on.space(context_.list.directory());
    failed_->enough_room = room && room->free >= context_.set.free_bytes_min + room_to_begin;
  }
  if (!file_ || now.steady - synced_ < sync_every) return;
  synced_ = now.steady;
  if (const int failed = file_->sync(); failed != 0) return fail(failed, facts_.file);
  if (!file_->has_name()) return fail(ENOENT, facts_.file);
  const auto room = context_.on.space(context_.list.directory());
  if (room && room->free < context_.set.free_bytes_min) {
    end();  // in order: there is room for that
    return fail(ENOSPC, fmt::format("{} bytes are free, record.free_bytes_min is {}", room->free, context_.set.free_bytes_min));
  }
  failure_text_.clear();
  told_failure_ = 0;
}

void recording::end() { finish(std::nullopt); }

void recording::finish(std::optional<std::int64_t> next_ms) {
  if (!file_) return;
  writer_->finish(next_ms);
  write();
  if (!file_) return;
  facts_.duration_ms = writer_->duration_ms();
  close(recording_state::complete);
  log::info("{}: {} is complete: {:.1f} s, {} bytes", escaped(stream_), facts_.file, static_cast<double>(facts_.duration_ms) / 1000, facts_.bytes);
}

void recording::close(recording_state as) {
  for (const auto& p : writer_->patches(file_->size(), facts_.duration_ms)) file_->overwrite(p.at, p.bytes);
  file_->sync();
  facts_.bytes = file_->size();
  facts_.state = as;
  const bool here = file_->has_name();
  file_.reset();
  writer_.reset();
  if (here && facts_.bytes > 0) {
    context_.list.update(facts_, true);
    if (context_.on_complete) context_.on_complete(facts_);
    return;
  }
  context_.list.drop(facts_, here);
}

// The file ends with the last bytes that it took. What the writer has behind them is given up: there is no place for it.
void recording::fail(int number, std::string_view what) {
  ++counts_.failures;
  failed_ = failing{number, std::nullopt, now_ + look_for_room_every, false};
  auto text = fmt::format("{}: {}", what, advice_for(number));
  // One line for a disk that stays as it is, however often it is tried.
  if (std::exchange(told_failure_, number) != number) log::error("{}: not recorded any more: {}; the stream itself goes on", escaped(stream_), text);
  failure_text_ = std::move(text);
  if (file_) close(recording_state::complete);
}

void recording::tell_errors() {
  const auto lost = writer_->not_carried();
  counts_.lost[static_cast<std::size_t>(loss::not_carried)] += lost - std::exchange(not_carried_, lost);
  while (const auto error = writer_->poll_error()) {
    if (std::ranges::find(told_, error->text) != told_.end()) continue;
    told_.push_back(error->text);
    log::warning("{}: {}", escaped(stream_), error->text);
  }
}

}  // namespace millrace::record
