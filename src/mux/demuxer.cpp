#include "mux/demuxer.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
}

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "media/codec.hpp"
#include "media/codec_record.hpp"
#include "media/ex_header.hpp"
#include "media/tag_header.hpp"

namespace millrace::mux {
namespace {

namespace codecs = media::codecs;
using base::error;
using base::error_kind;
using media::frame;
using media::frame_kind;

constexpr int read_buffer_bytes = 64 << 10;
// In a fragment each track has its samples behind one another, so that frames wait until those of the other track are there. Without limits a
// track that has ended would let the other one wait for ever: our fragments are shorter than this.
constexpr std::int64_t wait_ms_max = 15'000;
constexpr std::size_t wait_bytes_max = 64u << 20;
// A message's length has 24 bits (RTMP 1.0 section 5.3.1.1); the headers in it take some.
constexpr int packet_bytes_max = 0xFFFFFF - 64;
constexpr std::int64_t time_ms_max = std::int64_t{1} << 50;
constexpr std::int64_t composition_ms_max = 0x7FFFFF;  // signed 24 bits

std::string text_of(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

std::uint32_t codec_of(AVCodecID id) {
  switch (id) {
    case AV_CODEC_ID_H264: return codecs::avc;
    case AV_CODEC_ID_HEVC: return codecs::hevc;
    case AV_CODEC_ID_AV1: return codecs::av1;
    case AV_CODEC_ID_AAC: return codecs::aac;
    case AV_CODEC_ID_OPUS: return codecs::opus;
    case AV_CODEC_ID_FLAC: return codecs::flac;
    case AV_CODEC_ID_AC3: return codecs::ac3;
    case AV_CODEC_ID_EAC3: return codecs::eac3;
    case AV_CODEC_ID_MP3: return codecs::mp3;
    default: return 0;
  }
}

// These frames say all of themselves.
bool needs_no_record(std::uint32_t codec) { return codec == codecs::mp3 || codec == codecs::ac3 || codec == codecs::eac3; }

// The record as a message has it. MP4 keeps FLAC's STREAMINFO alone (dfLa), E-RTMP v2 wants what stands before it in a file, too.
base::slice record_of(std::uint32_t codec, base::bytes_view extradata) {
  constexpr std::size_t stream_info_bytes = 34;
  base::byte_writer out;
  if (codec == codecs::flac && extradata.size() == stream_info_bytes) out.text("fLaC").u8(0x80).u24(stream_info_bytes);
  out.bytes(extradata);
  return std::move(out).take_slice();
}

base::slice enhanced(frame_kind kind, media::ex_packet packet, std::uint8_t frame_type, std::uint32_t codec, base::bytes_view body,
                     std::int32_t composition_ms) {
  media::ex_message m;
  m.kind = kind;
  m.packet = packet;
  m.frame_type = frame_type;
  m.tracks.push_back({0, codec, {body.begin(), body.end()}, composition_ms});
  return media::encode(m);
}

base::slice config_message(frame_kind kind, std::uint32_t codec, base::bytes_view record) {
  base::byte_writer out;
  if (codec == codecs::avc) return std::move(out.u8(0x17).u8(0).u24(0).bytes(record)).take_slice();
  if (codec == codecs::aac) return std::move(out.u8(0xAF).u8(0).bytes(record)).take_slice();
  return enhanced(kind, media::ex_packet::sequence_start, media::frame_type_key, codec, record, 0);
}

base::slice frame_message(frame_kind kind, std::uint32_t codec, bool key, std::int32_t composition_ms, base::bytes_view data) {
  base::byte_writer out;
  switch (codec) {
    case codecs::avc:
      return std::move(out.u8(key ? 0x17 : 0x27).u8(1).u24(static_cast<std::uint32_t>(composition_ms) & 0xFFFFFF).bytes(data)).take_slice();
    case codecs::aac: return std::move(out.u8(0xAF).u8(1).bytes(data)).take_slice();
    case codecs::mp3: return std::move(out.u8(0x2F).bytes(data)).take_slice();
    default: break;
  }
  // Without a composition time to send there is a packet type that saves its three bytes.
  const bool at_once = kind == frame_kind::video && media::has_composition_time(codec) && composition_ms == 0;
  const auto packet = at_once ? media::ex_packet::coded_frames_x : media::ex_packet::coded_frames;
  return enhanced(kind, packet, key ? media::frame_type_key : media::frame_type_inter, codec, data, composition_ms);
}

struct packet_deleter {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};

// The library's words about files are not for the terminal. Who wants them has set another level before.
void quiet_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (av_log_get_level() == AV_LOG_INFO) av_log_set_level(AV_LOG_QUIET);
  });
}

struct track {
  frame_kind kind = frame_kind::video;
  int index = -1;  // of the library's stream; below 0: there is none
  std::uint32_t codec = 0;
  base::slice record;
  std::deque<frame> waiting;
};

}  // namespace

struct demuxer::state {
  read_callback read;
  AVFormatContext* context = nullptr;
  AVIOContext* io = nullptr;
  std::unique_ptr<AVPacket, packet_deleter> packet{av_packet_alloc()};
  std::array<track, 2> tracks{track{frame_kind::video, -1, 0, {}, {}}, track{frame_kind::audio, -1, 0, {}, {}}};
  std::deque<frame> configs;
  std::size_t waiting_bytes = 0;
  std::int64_t newest_ms = 0;
  bool ended = false;
  std::optional<error> failed;

  static int give(void* self, std::uint8_t* bytes, int count) {
    const auto got = static_cast<state*>(self)->read({bytes, static_cast<std::size_t>(count)});
    return got == 0 ? AVERROR_EOF : static_cast<int>(got);
  }
  base::result<void> begin();
  void pick_tracks();
  bool read_one();
  [[nodiscard]] bool needs_more() const;
  track* earliest();

  ~state() {
    avformat_close_input(&context);
    if (io == nullptr) return;
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};

void demuxer::state::pick_tracks() {
  for (unsigned i = 0; i < context->nb_streams; ++i) {
    auto* stream = context->streams[i];
    stream->discard = AVDISCARD_ALL;
    const auto& p = *stream->codecpar;
    if (p.codec_type != AVMEDIA_TYPE_VIDEO && p.codec_type != AVMEDIA_TYPE_AUDIO) continue;
    auto& t = tracks[p.codec_type == AVMEDIA_TYPE_VIDEO ? 0 : 1];
    const auto codec = codec_of(p.codec_id);
    if (t.index >= 0 || codec == 0 || stream->time_base.num <= 0 || stream->time_base.den <= 0) continue;
    const auto size = p.extradata == nullptr ? std::size_t{0} : static_cast<std::size_t>(std::max(p.extradata_size, 0));
    auto record = record_of(codec, {p.extradata, size});
    if (!needs_no_record(codec) && (record.empty() || !media::is_plausible_record(codec, record))) continue;
    stream->discard = AVDISCARD_DEFAULT;
    t.index = static_cast<int>(i);
    t.codec = codec;
    t.record = std::move(record);
  }
}

base::result<void> demuxer::state::begin() {
  quiet_library();
  // This format and no other: a file that pretends to be a playlist must not lead the library to other files.
  const auto* format = av_find_input_format("mov");
  if (format == nullptr) return error{error_kind::local, "this libavformat reads no MP4"};
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(read_buffer_bytes));
  if (buffer != nullptr) io = avio_alloc_context(buffer, read_buffer_bytes, 0, this, &state::give, nullptr, nullptr);
  if (io == nullptr) av_free(buffer);
  context = avformat_alloc_context();
  if (io == nullptr || context == nullptr || packet == nullptr) return error{error_kind::local, "out of memory"};
  io->seekable = 0;
  context->pb = io;
  // Packets as they stand in the file: nothing parsed, nothing guessed.
  context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
  // A failed open frees the context itself.
  if (const int code = avformat_open_input(&context, "", format, nullptr); code < 0) return error{error_kind::input, "not an MP4: " + text_of(code)};
  pick_tracks();
  if (tracks[0].index >= 0 || tracks[1].index >= 0) return {};
  if (context->nb_streams == 0) return error{error_kind::input, "an MP4 without tracks"};
  const std::string first = avcodec_get_name(context->streams[0]->codecpar->codec_id);
  return error{error_kind::unsupported, "an MP4 with no track that RTMP can carry (the first is " + first + ")"};
}

// False at the end.
bool demuxer::state::read_one() {
  auto& p = *packet;
  const int code = av_read_frame(context, &p);
  if (code < 0) {
    // What breaks off, ends; damage amid the file is told apart from it.
    if (code != AVERROR_EOF && code != AVERROR(EIO) && !io->eof_reached) failed = error{error_kind::input, "the MP4 is broken: " + text_of(code)};
    return false;
  }
  const auto t = std::ranges::find_if(tracks, [&p](const track& one) { return one.index == p.stream_index; });
  if (t == tracks.end() || p.dts == AV_NOPTS_VALUE || p.size <= 0 || p.size > packet_bytes_max || (p.flags & AV_PKT_FLAG_CORRUPT) != 0) {
    av_packet_unref(&p);
    return true;
  }
  const auto scale = context->streams[p.stream_index]->time_base;
  const auto to_ms = [scale](std::int64_t units) { return av_rescale_q(units, scale, {1, 1000}); };
  frame f;
  f.kind = t->kind;
  f.dts_ms = to_ms(p.dts);
  if (f.dts_ms > time_ms_max || f.dts_ms < -time_ms_max) {
    av_packet_unref(&p);
    failed = error{error_kind::input, "the MP4 is broken: a time that cannot be"};
    return false;
  }
  const auto shown_ms = p.pts == AV_NOPTS_VALUE ? f.dts_ms : std::clamp(to_ms(p.pts), -time_ms_max, time_ms_max);
  const auto shown = shown_ms - f.dts_ms;
  const auto composition = shown >= -composition_ms_max && shown <= composition_ms_max ? static_cast<std::int32_t>(shown) : 0;
  f.payload = frame_message(t->kind, t->codec, (p.flags & AV_PKT_FLAG_KEY) != 0, composition, {p.data, static_cast<std::size_t>(p.size)});
  av_packet_unref(&p);
  media::classify(f);
  waiting_bytes += f.payload.size();
  newest_ms = std::max(newest_ms, f.dts_ms);
  t->waiting.push_back(std::move(f));
  return true;
}

bool demuxer::state::needs_more() const {
  if (ended || waiting_bytes > wait_bytes_max) return false;
  bool any = false, all = true;
  auto oldest_ms = std::numeric_limits<std::int64_t>::max();
  for (const auto& t : tracks) {
    if (t.index < 0) continue;
    any = any || !t.waiting.empty();
    all = all && !t.waiting.empty();
    if (!t.waiting.empty()) oldest_ms = std::min(oldest_ms, t.waiting.front().dts_ms);
  }
  return !any || (!all && newest_ms - oldest_ms < wait_ms_max);
}

track* demuxer::state::earliest() {
  track* first = nullptr;
  for (auto& t : tracks) {
    if (!t.waiting.empty() && (first == nullptr || t.waiting.front().dts_ms < first->waiting.front().dts_ms)) first = &t;
  }
  return first;
}

demuxer::demuxer(std::unique_ptr<state> s) : state_(std::move(s)) {}
demuxer::~demuxer() = default;

base::result<std::unique_ptr<demuxer>> demuxer::open(read_callback read) {
  auto s = std::make_unique<state>();
  s->read = std::move(read);
  if (auto begun = s->begin(); !begun) return std::move(begun).error();
  return std::unique_ptr<demuxer>(new demuxer(std::move(s)));
}

base::result<std::optional<media::frame>> demuxer::next() {
  auto& s = *state_;
  while (s.needs_more()) s.ended = !s.read_one();
  auto* from = s.earliest();
  if (from == nullptr) {
    if (s.failed) return *s.failed;
    return std::optional<frame>();
  }
  for (auto& t : s.tracks) {
    if (t.index < 0 || t.record.empty()) continue;
    frame f;
    f.kind = t.kind;
    f.dts_ms = from->waiting.front().dts_ms;
    f.payload = config_message(t.kind, t.codec, std::exchange(t.record, {}));
    media::classify(f);
    s.configs.push_back(std::move(f));
  }
  auto& queue = s.configs.empty() ? from->waiting : s.configs;
  if (s.configs.empty()) s.waiting_bytes -= queue.front().payload.size();
  auto f = std::move(queue.front());
  queue.pop_front();
  return std::optional(std::move(f));
}

}  // namespace millrace::mux
