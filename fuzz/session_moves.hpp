// What the targets of the two sessions share: messages that a peer may send, put together from the input, and the media that is sent to it.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "operations.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/command.hpp"
#include "rtmp/control.hpp"
#include "rtmp/flows.hpp"
#include "rtmp/group_receiver.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/roqr_frame.hpp"
#include "rtmp/session.hpp"

namespace millrace::fuzz {

// A value of AMF0 as an argument or member may be: mostly what makes sense, now and then anything.
inline rtmp::amf0::value any_value(operations& in, unsigned depth = 0) {
  using namespace rtmp::amf0;
  switch (in(10)) {
    case 0: return null{};
    case 1: return static_cast<double>(in(8));
    case 2: return std::bit_cast<double>(in.number(8));
    case 3: return in.chance();
    case 4: return in.text(40);
    case 5: {
      object o;
      for (auto count = depth < 2 ? in(4) : 0; count > 0; --count) o.members.push_back({in.text(12), any_value(in, depth + 1)});
      return o;
    }
    case 6: return date{static_cast<double>(in(100)), 0};
    case 7: return undefined{};
    case 8: return std::string("live");
    default: return static_cast<double>(in(3));
  }
}

template <std::size_t N>
std::string one_of(operations& in, const std::array<const char*, N>& words) {
  return words[in(N)];
}

// The payload of an audio or video message with a head that the media layer knows, or of anything.
inline base::slice any_payload(operations& in) {
  static constexpr std::array<std::array<std::uint8_t, 5>, 8> heads{{{0x17, 0, 0, 0, 0}, {0x17, 1, 0, 0, 0}, {0x27, 1, 0, 0, 0}, {0xaf, 0, 0x12, 0x10, 0},
                                                                     {0xaf, 1, 0, 0, 0}, {0x90, 'a', 'v', 'c', '1'}, {0x91, 'h', 'v', 'c', '1'}, {2, 0, 1, 'x', 5}}};
  std::vector<std::uint8_t> bytes;
  if (const auto which = in(heads.size() + 1); which < heads.size()) bytes.assign(heads[which].begin(), heads[which].end());
  const auto more = in.some(20);
  bytes.insert(bytes.end(), more.begin(), more.end());
  return base::slice(std::move(bytes));
}

inline media::frame any_frame(operations& in, base::instant now) {
  media::frame f;
  f.kind = std::array{media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data}[in(3)];
  f.payload = any_payload(in);
  f.key = f.kind == media::frame_kind::video && in.chance();
  f.config = f.kind != media::frame_kind::data && !f.key && in(4) == 0;
  f.dts_ms = static_cast<std::int64_t>(in.number(2));
  f.arrival = now;
  return f;
}

// How the peer writes: it knows which framing there is, and hides nothing.
inline std::vector<std::uint8_t> written(rtmp::framing_kind framing, const rtmp::message& m, std::uint32_t chunk_size, std::uint64_t flow = 0) {
  return framing == rtmp::framing_kind::chunks ? rtmp::encode_chunks(m, chunk_size).flatten() : rtmp::encode_roqr(flow, m).flatten();
}

inline rtmp::message media_of(operations& in) {
  static constexpr std::array types{rtmp::message_type::audio,     rtmp::message_type::video,     rtmp::message_type::data_amf0,
                                    rtmp::message_type::data_amf3, rtmp::message_type::aggregate, rtmp::message_type::shared_object_amf0};
  rtmp::message m;
  m.type = types[in(types.size())];
  m.msid = static_cast<std::uint32_t>(in(4));
  m.csid = 4;
  m.timestamp = static_cast<std::uint32_t>(in.number(in.chance() ? 2 : 4));
  m.payload = any_payload(in);
  return m;
}

inline rtmp::message control_of(operations& in) {
  const auto value = static_cast<std::uint32_t>(in.number(in.chance() ? 1 : 4));
  switch (in(4)) {
    case 0: return rtmp::make_control(static_cast<rtmp::message_type>(2 + in(4)), value);
    case 1: return rtmp::make_set_peer_bandwidth(value, static_cast<rtmp::bandwidth_limit>(in(3)));
    case 2: return rtmp::make_set_buffer_length(value, static_cast<std::uint32_t>(in(256)));
    default: return rtmp::make_user_control(static_cast<rtmp::user_event>(in(9)), value);
  }
}

// A transport that pulls media out of a session, and is as slow, forgetful or stopped as the input says. What it must get is checked.
class pulling {
 public:
  void operator()(operations& in, base::instant now, rtmp::group_sender& from) {
    switch (in(5)) {
      case 0:
      case 1: {
        const auto limit = static_cast<unsigned>(1 + in(4));
        const auto piece = from.next(now, limit);
        if (!piece) break;
        require(piece->urgency >= 1 && piece->urgency < limit);
        require(piece->bytes || piece->end);
        require(piece->group <= groups_.size());
        if (piece->group == groups_.size()) groups_.emplace_back();
        auto& g = groups_[piece->group];
        require(!g.ended && !g.reset);
        g.handed += piece->bytes ? piece->bytes->size() : 0;
        g.ended = piece->end;
        break;
      }
      case 2:
        if (groups_.empty()) break;
        if (const auto at = in(groups_.size()); !groups_[at].closed) {
          groups_[at].sent = std::min(groups_[at].handed, groups_[at].sent + in(256));
          from.on_sent(at, groups_[at].sent);
        }
        break;
      case 3:
        if (groups_.empty()) break;
        if (const auto at = in(groups_.size()); !groups_[at].closed) {
          groups_[at].reset = true;
          from.on_stopped(at);
          groups_[at].closed = true;
          from.on_closed(at);
        }
        break;
      default:
        if (groups_.empty()) break;
        if (const auto at = in(groups_.size()); !groups_[at].closed && groups_[at].ended && groups_[at].sent == groups_[at].handed) {
          groups_[at].closed = true;
          from.on_closed(at);
        }
    }
    resets(from);
  }
  // To be called after anything that happened.
  void resets(rtmp::group_sender& from) {
    while (const auto id = from.poll_reset()) {
      require(*id < groups_.size() && !groups_[*id].reset);
      groups_[*id].reset = true;
      if (!groups_[*id].closed) from.on_closed(*id);
      groups_[*id].closed = true;
    }
  }
  // Everything that is left goes out at once and arrives.
  void finish(base::instant now, rtmp::group_sender& from) {
    while (const auto piece = from.next(now, 4)) {
      if (piece->group == groups_.size()) groups_.emplace_back();
      auto& g = groups_.at(piece->group);
      g.handed += piece->bytes ? piece->bytes->size() : 0;
      g.ended = piece->end;
    }
    for (std::size_t at = 0; at < groups_.size(); ++at) {
      if (groups_[at].closed) continue;
      from.on_sent(at, groups_[at].handed);
      if (groups_[at].ended) groups_[at].closed = true, from.on_closed(at);
    }
    while (from.poll_reset()) {
    }
  }

 private:
  struct group {
    std::uint64_t handed = 0, sent = 0;
    bool ended = false, reset = false, closed = false;
  };
  std::vector<group> groups_;
};

}  // namespace millrace::fuzz
