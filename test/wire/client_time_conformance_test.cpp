// Section 3 of doc/protocol/conformance.md for the client: what it reads as a player, what it writes as a publisher.
#include "conform/steps.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using media::frame_kind;
using rtmp::client_role;
using rtmp::message_type;
using test::client_script;

constexpr std::uint32_t extended_mark = 0xFFFFFF;
constexpr std::uint32_t video_csid = 6;
using times = std::vector<std::int64_t>;

rtmp::message video(const bytes& payload, std::uint32_t time) { return message_of(message_type::video, 1, video_csid, time, payload); }
bytes numbered(std::size_t i, std::size_t size = 100) { return avc_frame(true, size, static_cast<std::uint8_t>(i)); }

void check_times(const times& got, const times& sent) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    check(got[i] == sent[i],
          "frame " + std::to_string(i + 1) + " has time " + std::to_string(got[i]) + ", sent was " + std::to_string(sent[i]));
  }
}

// One header as a server may write it; the next frame is numbered by `frames`.
struct header {
  unsigned format;
  std::uint32_t time;
  std::optional<std::uint32_t> extended_time = std::nullopt;  // of format 3
};
asio::awaitable<times> play(client_script& s, std::vector<header> headers) {
  const auto at = co_await s.running(client_role::play);
  std::vector<bytes> frames;
  for (const auto& h : headers) {
    frames.push_back(numbered(frames.size()));
    auto one = whole_chunk(video(frames.back(), h.time), h.format);
    one.extended_time = h.extended_time;
    at->send_chunk(one);
  }
  co_return co_await s.take(std::move(frames));
}

// The client publishes frames at these times; returns the chunks that begin them.
asio::awaitable<std::vector<seen_chunk>> publish(client_script& s, times at_ms, std::size_t size = 100) {
  const auto at = co_await s.running(client_role::publish);
  std::vector<bytes> frames;
  for (const auto time : at_ms) {
    frames.push_back(numbered(frames.size(), size));
    s.send(frame_kind::video, time, frames.back());
  }
  const auto got = co_await arrivals(at, frames);
  const auto& log = at->chunks();
  check(log.fault().empty(), log.fault());
  std::vector<seen_chunk> out;
  for (const auto& one : log.chunks()) {
    if (one.type != message_type::video) continue;
    check(one.starts == (one.format == 0), "a message began with format " + std::to_string(one.format));
    check(one.extended == (one.timestamp >= extended_mark),
          "time " + std::to_string(one.timestamp) + (one.extended ? " with" : " without") + " the extended field");
    if (one.starts) out.push_back(one);
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto expected = static_cast<std::uint32_t>(at_ms[i]);
    check(out[i].timestamp == expected, "frame " + std::to_string(i + 1) + " went out with time " + std::to_string(out[i].timestamp) +
                                            ", expected " + std::to_string(expected));
  }
  co_return out;
}

asio::awaitable<void> extended_from_the_mark_on(client_script& s) {
  constexpr std::uint32_t mark = extended_mark;
  std::vector<header> headers{{0, mark - 1}, {0, mark}, {0, mark + 1}, {0, 0xFFFFFFFE}};
  const auto got = co_await play(s, std::move(headers));
  check_times(got, {mark - 1, mark, mark + 1, -2});  // 2 ms before the first one's 0, by the shorter way
  times at{mark - 1, mark, mark + 1};
  co_await publish(s, std::move(at));
}

asio::awaitable<void> extended_delta(client_script& s) {
  std::vector<header> headers{{0, 1'000}, {1, 0x1000000}, {2, 0x1000001}, {0, 0x3000000}};
  const auto got = co_await play(s, std::move(headers));
  check_times(got, {1'000, 0x1000000 + 1'000, 0x2000001 + 1'000, 0x3000000});
}

asio::awaitable<void> continuation_repeats(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  const std::vector<bytes> frames{numbered(1, 500), numbered(2, 500)};
  at->send_bytes(encode_as(video(frames[0], 0), 0, 0x1000000));
  at->send_bytes(encode_as(video(frames[1], 0), 1, 0x1000000));  // the delta is what is repeated
  const auto got = co_await s.take(frames);
  check_times(got, {0x1000000, 0x2000000});
  times when{0x1000000, 0x1000028};
  co_await publish(s, std::move(when), 150'000);
}

asio::awaitable<void> format_3_after_extended_delta(client_script& s) {
  std::vector<header> headers{{0, 1'000}, {1, 0x1000000}, {3, 0, 0x1000000}, {3, 0, 0x1000000}, {0, 0x3000400}};
  const auto got = co_await play(s, std::move(headers));
  check_times(got, {1'000, 0x1000000 + 1'000, 0x2000000 + 1'000, 0x3000000 + 1'000, 0x3000400});
}

// Frames every `step` ms across `place`, read in formats 0, 1, 2, 3 in turn, and written.
asio::awaitable<void> across(client_script& s, std::int64_t place, std::int64_t before, std::int64_t step) {
  std::vector<header> headers;
  times all;
  for (auto time = place - before; time < place + before; time += step) {
    const auto format = static_cast<unsigned>(headers.size() % 4);
    headers.push_back({format, static_cast<std::uint32_t>(format == 0 ? time : step)});
    all.push_back(time);
  }
  const auto got = co_await play(s, std::move(headers));
  check_times(got, all);
  co_await publish(s, all);
}

asio::awaitable<void> across_24_bits(client_script& s) { co_await across(s, extended_mark, 15'000, 500); }
asio::awaitable<void> across_32_bits(client_script& s) { co_await across(s, 0x100000000, 2'000, 200); }

asio::awaitable<void> backwards(client_script& s) {
  times at{10'000, 10'040, 10'020, 10'080, 5'000, 0};
  std::vector<header> headers;
  for (const auto time : at) headers.push_back({0, static_cast<std::uint32_t>(time)});
  const auto got = co_await play(s, std::move(headers));
  check_times(got, at);  // what to make of it is the tool's business
  co_await publish(s, at);
}

asio::awaitable<void> composition_time(client_script& s) {
  std::vector<bytes> frames;
  for (const std::int32_t offset : {80, 0, -40, 0x7FFFFF, -0x800000}) {
    frames.push_back(numbered(frames.size()));
    for (int i = 0; i < 3; ++i) frames.back()[static_cast<std::size_t>(2 + i)] = static_cast<std::uint8_t>(offset >> (8 * (2 - i)));
  }
  auto at = co_await s.running(client_role::play);
  for (std::uint32_t i = 0; i < frames.size(); ++i) at->send_media(message_type::video, 1, 40 * i, frames[i]);
  const auto got = co_await s.take(frames);
  check_times(got, {0, 40, 80, 120, 160});
  at = co_await s.running(client_role::publish);
  for (std::uint32_t i = 0; i < frames.size(); ++i) s.send(frame_kind::video, 40 * i, frames[i]);
  co_await arrivals(at, frames);
}

const bool registered = test::register_client_cases({
    {"T1", "times from 0xFFFFFF on are in the extended field", extended_from_the_mark_on},
    {"T2", "the extended field is absolute in format 0 and a delta in 1 and 2", extended_delta},
    {"T3", "format 3 repeats the extended field", continuation_repeats},
    {"T6", "format 3 that begins a message after an extended delta has the field", format_3_after_extended_delta},
    {"T7", "a stream crosses 0xFFFFFF ms in every format without jump or loss", across_24_bits},
    {"T8", "a stream crosses 2^32 ms and its time goes on", across_32_bits},
    {"T9", "steps back go out as format 0, and come in as they are", backwards},
    {"T12", "signed composition times pass unchanged", composition_time},
});

}  // namespace
}  // namespace millrace::conform
