// Section 2 of doc/protocol/conformance.md for the client: what it reads as a player, what it writes as a publisher.
#include <algorithm>

#include "conform/steps.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using media::frame_kind;
using rtmp::client_role;
using rtmp::message_type;
using test::client_script;

constexpr std::uint32_t video_csid = 6, audio_csid = 4;

rtmp::message video(const bytes& payload, std::uint32_t time, std::uint32_t csid = video_csid) {
  return message_of(message_type::video, 1, csid, time, payload);
}
rtmp::message audio(const bytes& payload, std::uint32_t time) { return message_of(message_type::audio, 1, audio_csid, time, payload); }

void check_times(const std::vector<std::int64_t>& got, const std::vector<std::int64_t>& sent) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    check(got[i] == sent[i],
          "frame " + std::to_string(i + 1) + " has time " + std::to_string(got[i]) + ", sent was " + std::to_string(sent[i]));
  }
}

asio::awaitable<void> basic_header_forms(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  struct form {
    std::uint32_t csid;
    int bytes;
  };
  std::vector<bytes> frames;
  for (const form f : {form{3, 1}, form{63, 1}, form{64, 2}, form{319, 2}, form{320, 3}, form{64, 3}, form{319, 3}, form{65'599, 3}}) {
    frames.push_back(avc_frame(true, 60, static_cast<std::uint8_t>(frames.size())));
    auto one = whole_chunk(video(frames.back(), 40, f.csid));
    one.basic_header_bytes = f.bytes;
    at->send_chunk(one);
  }
  co_await s.take(frames);
}

asio::awaitable<void> control_has_its_place(client_script& s) {
  for (const auto role : {client_role::publish, client_role::play}) {
    const auto at = co_await s.running(role);
    co_await ping(at, 5);
    check(at->chunks().fault().empty(), at->chunks().fault());
    int seen = 0;
    for (const auto& one : at->chunks().chunks()) {
      if (static_cast<unsigned>(one.type) > 6) continue;
      ++seen;
      check(one.csid == 2 && one.msid == 0, "type " + std::to_string(static_cast<unsigned>(one.type)) + " on chunk stream " +
                                                std::to_string(one.csid) + ", message stream " + std::to_string(one.msid));
    }
    check(seen >= 2, "expected Set Chunk Size and a PingResponse at least");
  }
}

asio::awaitable<void> four_formats(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  std::vector<bytes> frames;
  for (unsigned format = 0; format < 4; ++format) {
    frames.push_back(avc_frame(format == 0, 100, static_cast<std::uint8_t>(format)));
    at->send_chunk(whole_chunk(video(frames.back(), format == 0 ? 1040 : 40), format));
  }
  const auto got = co_await s.take(frames);
  check_times(got, {1040, 1080, 1120, 1160});
}

asio::awaitable<void> inheritance(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  std::vector<bytes> frames;
  const auto send = [&](unsigned format, bool is_video, std::uint32_t time, std::size_t size) {
    const auto mark = static_cast<std::uint8_t>(frames.size());
    frames.push_back(is_video ? avc_frame(true, size, mark) : aac_frame(size, mark));
    at->send_chunk(whole_chunk(is_video ? video(frames.back(), time) : audio(frames.back(), time), format));
  };
  send(0, true, 1040, 120);
  send(0, false, 1041, 50);
  send(1, true, 40, 100);
  send(1, false, 23, 60);
  send(2, true, 41, 100);
  send(2, false, 24, 60);
  send(3, true, 0, 100);
  send(3, false, 0, 60);
  const auto got = co_await s.take(frames);
  check_times(got, {1040, 1041, 1080, 1064, 1121, 1088, 1162, 1112});
}

asio::awaitable<void> never_starts_with_format_3(client_script& s) {
  const auto at = co_await s.running(client_role::publish);
  std::vector<bytes> frames;
  for (int i = 0; i < 6; ++i) {
    frames.push_back(avc_frame(i == 0, 70'000, static_cast<std::uint8_t>(i)));
    s.send(frame_kind::video, 40 * i, frames.back());
  }
  co_await arrivals(at, frames);
  for (const auto& one : at->chunks().chunks())
    check(one.starts == (one.format == 0), "a message began with format " + std::to_string(one.format));
}

asio::awaitable<void> interleaving(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  const std::vector<bytes> frames{avc_frame(true, 300, 1), avc_frame(false, 200, 2), aac_frame(700, 3)};
  std::vector<std::vector<bytes>> lanes{split_chunks(video(frames[0], 1040), 0, 1040, 128),
                                        split_chunks(audio(frames[2], 1050), 0, 1050, 128)};
  const auto second = split_chunks(video(frames[1], 1080), 0, 1080, 128);
  lanes[0].insert(lanes[0].end(), second.begin(), second.end());
  for (std::size_t turn = 0; turn < std::max(lanes[0].size(), lanes[1].size()); ++turn) {
    for (const auto& lane : lanes) {
      if (turn < lane.size()) at->send_bytes(lane[turn]);
    }
  }
  const auto got = co_await s.take(frames);
  check_times(got, {1040, 1080, 1050});
}

asio::awaitable<void> control_inside_a_message(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  const std::vector<bytes> frames{avc_frame(true, 300, 9)};
  const auto parts = split_chunks(video(frames[0], 40), 0, 40, 128);
  at->send_bytes(parts[0]);
  co_await ping(at, 77);
  at->send_bytes(parts[1]);
  at->send_bytes(parts[2]);
  co_await s.take(frames);
}

asio::awaitable<void> set_chunk_size(client_script& s) {
  auto at = co_await s.running(client_role::play);
  std::vector<bytes> frames{avc_frame(true, 600, 1), avc_frame(true, 100'000, 2)};
  auto one = whole_chunk(video(frames[0], 40));
  const auto part = [&](std::size_t from, std::size_t to) {
    one.payload.assign(frames[0].begin() + static_cast<std::ptrdiff_t>(from), frames[0].begin() + static_cast<std::ptrdiff_t>(to));
    at->send_chunk(one);
    one.format = 3;
  };
  part(0, 128);
  at->set_chunk_size(256);
  part(128, 384);
  at->set_chunk_size(0x7FFFFFFF);
  part(384, 600);
  at->send(video(frames[1], 80));
  co_await s.take(frames);
  for (const std::uint32_t bad : {0u, 0x80000000u}) {
    at = co_await s.running(client_role::play);
    at->send(rtmp::make_control(message_type::set_chunk_size, bad));
    co_await s.until_down(base::error_kind::protocol, "chunk size " + std::to_string(bad));
  }
}

asio::awaitable<void> abort_message(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  const std::vector<bytes> frames{avc_frame(true, 300, 2), aac_frame(300, 1)};
  const auto kept = split_chunks(audio(frames[1], 40), 0, 40, 128);
  at->send_bytes(kept[0]);
  at->send_bytes(split_chunks(video(avc_frame(true, 300, 3), 40), 0, 40, 128)[0]);
  at->send(rtmp::make_control(message_type::abort, video_csid));
  at->send(rtmp::make_control(message_type::abort, 55));
  for (const auto& part : split_chunks(video(frames[0], 80), 0, 80, 128)) at->send_bytes(part);
  at->send_bytes(kept[1]);
  at->send_bytes(kept[2]);
  const auto got = co_await s.take(frames);
  check_times(got, {80, 40});
}

asio::awaitable<void> empty_message(client_script& s) {
  auto at = co_await s.running(client_role::play);
  const std::vector<bytes> frames{aac_frame(40, 1), {}, aac_frame(40, 2)};
  for (const auto& one : frames) at->send(audio(one, 40));
  co_await s.take(frames);
  at = co_await s.running(client_role::publish);
  for (const auto& one : frames) s.send(frame_kind::audio, 40, one);
  co_await arrivals(at, frames);
}

const bool registered = test::register_client_cases({
    {"K1", "basic headers of one, two and three bytes, also longer than needed", basic_header_forms},
    {"K2", "protocol control goes out on chunk stream 2 and message stream 0", control_has_its_place},
    {"K3", "message headers of formats 0 to 3", four_formats},
    {"K4", "what formats 1 to 3 leave out is inherited per chunk stream", inheritance},
    {"K5", "no message goes out that begins with format 3", never_starts_with_format_3},
    {"K8", "chunk streams interleave, each message comes whole and in order", interleaving},
    {"K9", "a control message between two chunks of a message counts at once", control_inside_a_message},
    {"K10", "Set Chunk Size counts from the next chunk on; 0 and the top bit end the connection", set_chunk_size},
    {"K12", "Abort Message drops the unfinished message of its chunk stream only", abort_message},
    {"K13", "a message of length 0 is a message", empty_message},
});

}  // namespace
}  // namespace millrace::conform
