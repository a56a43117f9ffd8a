// Section 3, timestamps (RTMP 1.0 sections 5.3.1.2 and 5.3.1.3). Servers may count from elsewhere than the publisher, so what is held
// against each other are distances.
#include <algorithm>
#include <utility>

#include "conform/steps.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::message_type;

constexpr std::uint32_t extended_mark = 0xFFFFFF;
constexpr std::uint32_t video_csid = 6, audio_csid = 4;

rtmp::message video(const relay& r, const bytes& payload, std::uint32_t time, std::uint32_t csid = video_csid) {
  return message_of(message_type::video, r.from.msid, csid, time, payload);
}

// A chunk stream whose last time is small while the stream's is large: an Acknowledgement there, which asks for nothing.
void begin_small(const relay& r, std::uint32_t csid) {
  auto m = rtmp::make_control(message_type::acknowledgement, 0);
  m.csid = csid;
  m.msid = r.from.msid;
  r.from.at->send_chunk(whole_chunk(m));
}

// Frames at these times, format 0 each, and whether they come out at the same distances.
asio::awaitable<void> at_times(const relay& r, std::vector<std::uint32_t> times) {
  std::vector<bytes> frames;
  for (const auto time : times) {
    frames.push_back(avc_frame(frames.empty(), 80 + frames.size(), 0x40));
    r.from.at->send_media(message_type::video, r.from.msid, time, frames.back());
  }
  const auto got = co_await arrivals(r.to.at, frames);
  check_distances(got, times);
}

asio::awaitable<void> extended_from_the_mark_on(context& c) {
  const auto r = co_await relayed(c, extended_mark - 40);
  std::vector<std::uint32_t> times{extended_mark - 1, extended_mark, extended_mark + 1, extended_mark + 41};
  co_await at_times(r, std::move(times));
  check(r.to.at->chunks().fault().empty(), r.to.at->chunks().fault());
}

asio::awaitable<void> extended_delta(context& c) {
  constexpr std::uint32_t start = 0x2000000;
  const auto r = co_await relayed(c, start);
  const std::vector<bytes> frames{avc_frame(true, 100, 1), avc_frame(false, 101, 2)};
  r.from.at->send_chunk(whole_chunk(video(r, frames[0], start + 40)));
  begin_small(r, 9);
  r.from.at->send_chunk(whole_chunk(video(r, frames[1], start + 80, 9), 1));
  const auto got = co_await arrivals(r.to.at, frames);
  check_distances(got, {start + 40, start + 80});
}

asio::awaitable<void> continuation_repeats(context& c) {
  constexpr std::uint32_t start = 0x1000000;
  const auto r = co_await relayed(c, start);
  // Larger than a chunk in both directions, where that is within reason.
  const auto theirs = r.to.at->chunks().chunk_size();
  const auto size = std::max<std::size_t>(3 * 4096, std::min<std::size_t>(theirs, 1u << 20) * 2 + 100);
  const std::vector<bytes> frames{avc_frame(true, size, 0x5C)};
  r.from.at->send_bytes(encode_as(video(r, frames[0], start + 40), 0, start + 40, r.from.at->chunk_size()));
  const auto got = co_await arrivals(r.to.at, frames);
  const auto& log = r.to.at->chunks();
  check(log.fault().empty(), log.fault());
  if (got[0].message.timestamp < extended_mark)
    throw skip{"the server counts from elsewhere, so that its own chunks need no extended time"};
  const bool continued =
      std::any_of(log.chunks().begin(), log.chunks().end(), [](const seen_chunk& one) { return one.format == 3 && one.extended; });
  if (!continued) c.note("chunks of " + std::to_string(theirs) + " bytes: the server's own continuation was not seen");
}

asio::awaitable<void> continuation_omits(context& c) {
  constexpr std::uint32_t start = 0x1000000;
  const auto r = co_await relayed(c, start);
  r.from.at->set_chunk_size(128);
  std::vector<bytes> frames;
  for (std::uint32_t i = 1; i <= 2; ++i) {
    frames.push_back(avc_frame(i == 1, 500, static_cast<std::uint8_t>(0x70 + i)));
    auto one = whole_chunk(video(r, frames.back(), start + i * 40));
    const auto whole = std::exchange(one.payload, {});
    for (std::size_t at = 0; at < whole.size(); at += 128) {
      const auto from = whole.begin() + static_cast<std::ptrdiff_t>(at);
      one.payload.assign(from, from + static_cast<std::ptrdiff_t>(std::min<std::size_t>(128, whole.size() - at)));
      r.from.at->send_chunk(one);
      one.format = 3;  // and no extended_time
    }
  }
  const auto got = co_await arrivals(r.to.at, frames);
  check_distances(got, {start + 40, start + 80});
}

asio::awaitable<void> format_3_after_extended_delta(context& c) {
  constexpr std::uint32_t start = 0x2000000;
  const auto r = co_await relayed(c, start);
  const std::vector<bytes> frames{avc_frame(true, 100, 1), avc_frame(true, 100, 2), avc_frame(true, 100, 3)};
  begin_small(r, 9);
  r.from.at->send_chunk(whole_chunk(video(r, frames[0], start + 40, 9), 1));
  auto next = whole_chunk(video(r, frames[1], 0, 9), 3);
  next.extended_time = start + 40;  // the delta, which this message adds once more
  r.from.at->send_chunk(next);
  // Whatever is made of so large a step, the four bytes are no payload, and the chunk stream goes on.
  r.from.at->send_chunk(whole_chunk(video(r, frames[2], 2 * (start + 40) + 40, 9)));
  const auto got = co_await arrivals(r.to.at, frames);
  const auto step = got[1].message.timestamp - got[0].message.timestamp;
  if (step != start + 40) c.note("the step of " + std::to_string(start + 40) + " ms came out as " + std::to_string(step));
}

// Frames every `step` ms across `place`, in formats 0, 1, 2, 3 in turn.
asio::awaitable<void> across(context& c, std::uint32_t place, std::uint32_t before, std::uint32_t step) {
  const auto start = place - before;
  const auto r = co_await relayed(c, start);
  std::vector<bytes> frames;
  std::vector<std::uint32_t> times;
  for (std::uint32_t i = 1; i * step < 2 * before; ++i) {
    const unsigned format = (i - 1) % 4;
    const auto time = start + i * step;
    frames.push_back(avc_frame(format == 0, 100, static_cast<std::uint8_t>(i)));
    times.push_back(time);
    r.from.at->send_chunk(whole_chunk(video(r, frames.back(), format == 0 ? time : step), format));
  }
  const auto got = co_await arrivals(r.to.at, frames);
  check_distances(got, times);
  check(r.to.at->chunks().fault().empty(), r.to.at->chunks().fault());
}

asio::awaitable<void> across_24_bits(context& c) { co_await across(c, extended_mark, 15'000, 500); }

asio::awaitable<void> across_32_bits(context& c) {
  co_await across(c, 0, 2'000, 200);  // 2^32
}

asio::awaitable<void> backwards(context& c) {
  const auto r = co_await relayed(c, 10'000);
  std::vector<bytes> frames;
  for (const std::uint32_t time : {10'040u, 10'080u, 10'060u, 10'120u, 5'000u, 5'040u}) {
    frames.push_back(avc_frame(true, 100, static_cast<std::uint8_t>(frames.size() + 1)));
    r.from.at->send_media(message_type::video, r.from.msid, time, frames.back());
  }
  const auto got = co_await arrivals(r.to.at, frames);
  for (const auto& one : r.to.at->chunks().chunks()) {
    check(!one.starts || one.format == 0 || one.format == 3 || one.field < 0x80000000u,
          "a step back came as a delta of " + std::to_string(one.field));
  }
  const auto step = [&got](std::size_t i) {
    return std::to_string(static_cast<std::int32_t>(got[i].message.timestamp - got[i - 1].message.timestamp)) + " ms";
  };
  c.note("a step of -20 ms came as " + step(2) + ", one of -5120 ms as " + step(4));
}

asio::awaitable<void> next_publisher(context& c) {
  const auto r = co_await relayed(c, 60'000);
  std::vector<bytes> frames{avc_frame(true, 100, 1)};
  r.from.at->send_media(message_type::video, r.from.msid, 60'040, frames[0]);
  const auto last = (co_await arrivals(r.to.at, frames))[0].message.timestamp;
  r.from.at->call("deleteStream", 0, {r.from.msid});
  co_await r.from.at->barrier();
  const auto second = co_await c.publishing(c.name());
  send_beginning(second, 0);
  frames = {avc_frame(true, 100, 2), avc_frame(false, 100, 3)};
  second.at->send_media(message_type::video, second.msid, 40, frames[0]);
  second.at->send_media(message_type::video, second.msid, 80, frames[1]);
  std::vector<arrived> got;
  try {
    got = co_await arrivals(r.to.at, frames);
  } catch (const failure&) {
    const auto codes = r.to.at->codes();
    if (!r.to.at->closed() && std::find(codes.begin(), codes.end(), "NetStream.Play.Stop") == codes.end()) throw;
  }
  if (got.empty()) throw refusal{"viewers are sent away when the publisher leaves"};
  const auto gap = static_cast<std::int32_t>(got[0].message.timestamp - last);
  check(gap > 0,
        "the next publisher's first picture came with a time " + std::to_string(-gap) + " ms before the last one of the publisher before");
  check_distances(got, {40, 80});
}

asio::awaitable<void> two_tracks(context& c) {
  const auto r = co_await relayed(c, 1000);
  std::vector<bytes> frames;
  std::vector<std::uint32_t> times;
  // Each chunk stream adds up its own deltas from its own beginning.
  for (std::uint32_t i = 0; i < 12; ++i) {
    frames.push_back(avc_frame(i == 0, 100, static_cast<std::uint8_t>(i + 1)));
    times.push_back(1040 + 40 * i);
    r.from.at->send_chunk(whole_chunk(video(r, frames.back(), i == 0 ? 1040 : 40), i == 0 ? 0 : i == 1 ? 1 : 3));
    frames.push_back(aac_frame(60, static_cast<std::uint8_t>(i + 1)));
    times.push_back(1033 + 23 * i);
    const auto m = message_of(message_type::audio, r.from.msid, audio_csid, i == 0 ? 1033 : 23, frames.back());
    r.from.at->send_chunk(whole_chunk(m, i == 0 ? 0 : i == 1 ? 1 : 3));
  }
  const auto got = co_await arrivals(r.to.at, frames);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto distance = static_cast<std::int32_t>(got[i].message.timestamp - got[0].message.timestamp);
    const auto off = distance - static_cast<std::int32_t>(times[i] - times[0]);
    check(off >= -1 && off <= 1, std::string(i % 2 == 0 ? "video" : "audio") + " frame " + std::to_string(i / 2 + 1) + " is off by " +
                                     std::to_string(off) + " ms");
  }
}

asio::awaitable<void> composition_time(context& c) {
  const auto r = co_await relayed(c, 1000);
  std::vector<bytes> frames;
  std::uint32_t time = 1040;
  for (const std::int32_t offset : {80, 0, -40, 0x7FFFFF, -0x800000}) {
    frames.push_back(avc_frame(true, 100, static_cast<std::uint8_t>(frames.size() + 1)));
    for (int i = 0; i < 3; ++i) frames.back()[static_cast<std::size_t>(2 + i)] = static_cast<std::uint8_t>(offset >> (8 * (2 - i)));
    r.from.at->send_media(message_type::video, r.from.msid, time, frames.back());
    time += 40;
  }
  const auto got = co_await arrivals(r.to.at, frames);
  check_distances(got, {1040, 1080, 1120, 1160, 1200});
}

}  // namespace

std::vector<test_case> time_cases() {
  return {
      {"T1", "times from 0xFFFFFF on are in the extended field", extended_from_the_mark_on},
      {"T2", "the extended field is absolute in format 0 and a delta in format 1", extended_delta},
      {"T3", "format 3 repeats the extended field", continuation_repeats},
      {"T4", "format 3 that omits the extended field is understood", continuation_omits},
      {"T6", "format 3 that begins a message after an extended delta has the field", format_3_after_extended_delta},
      {"T7", "a stream crosses 0xFFFFFF ms in every format without jump or loss", across_24_bits},
      {"T8", "a stream crosses 2^32 ms", across_32_bits},
      {"T9", "steps back: nothing is lost, nothing sent on as a huge delta", backwards},
      {"T10", "the next publisher of a name goes on in time for viewers that stayed", next_publisher},
      {"T11", "audio and video keep their distance", two_tracks},
      {"T12", "signed composition times pass unchanged", composition_time},
  };
}

}  // namespace millrace::conform
