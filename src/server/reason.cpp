#include "server/reason.hpp"

namespace millrace::server {
namespace {

struct words {
  std::string_view code, sentence;
};

constexpr words of(reason r) {
  switch (r) {
    case reason::publish_began: return {"publish_began", "Somebody began to publish the stream."};
    case reason::publish_ended: return {"publish_ended", "The publisher ended the stream in order."};
    case reason::publish_refused: return {"publish_refused", "Publishing was refused: by the rules in [publish], because somebody publishes already, or for a name that cannot be."};
    case reason::publish_taken_over: return {"publish_taken_over", "A new connection of the same publisher went on where the old one was; viewers noticed nothing."};
    case reason::publish_resumed: return {"publish_resumed", "A publisher that had lost its connection came back in time with its token."};
    case reason::publisher_lost: return {"publisher_lost", "The publisher's connection broke: its network or its program went away without an end."};
    case reason::publisher_silent: return {"publisher_silent", "The publisher sent nothing for limits.publisher_silence_s and lost the name: its encoder hangs or its network swallows everything."};
    case reason::publisher_fault: return {"publisher_fault", "The publisher broke the protocol or a limit and was closed; the detail says which."};
    case reason::allowance_spent: return {"allowance_spent", "The publisher used up what its key or token allows, sent more than it may or longer, and was closed; it may come back after a minute."};
    case reason::play_began: return {"play_began", "A viewer began to play the stream."};
    case reason::play_ended: return {"play_ended", "A viewer left in order."};
    case reason::play_refused: return {"play_refused", "Playing was refused: by the rules in [play], or because nobody publishes the stream."};
    case reason::viewer_lost: return {"viewer_lost", "A viewer's connection broke."};
    case reason::viewer_too_slow: return {"viewer_too_slow", "A viewer could not take the stream as fast as it came and jumped to the newest key frame: its link is slower than the stream's bit rate."};
    case reason::viewer_stuck: return {"viewer_stuck", "A viewer took no byte at all for ten seconds and was closed: it hangs, or its network is gone."};
    case reason::viewer_video_wait: return {"viewer_video_wait", "A viewer got no pictures until the next key frame, because some before it were lost; its sound went on."};
    case reason::viewer_overrun: return {"viewer_overrun", "A viewer was so far behind that the stream no longer had what it missed; limits.ring_s and limits.ring_bytes bound what is kept."};
    case reason::publisher_missing: return {"publisher_missing", "A viewer was sent away because nobody published for play.wait_s."};
    case reason::codec_refused: return {"codec_refused", "A viewer was sent away because it does not understand the stream's codec."};
    case reason::fell_back: return {"fell_back", "A peer that wished for QUIC came over TLS or TCP, because QUIC did not get through to here in time; the detail is what it says of that."};
    case reason::path_changed: return {"path_changed", "A peer over QUIC goes on from another address: a NAT chose a new port, or a phone changed its network."};
    case reason::kicked: return {"kicked", "An operator closed the connection through the API."};
    case reason::memory_short: return {"memory_short", "The process reached limits.memory_bytes: nobody may begin to publish or play, or a viewer that held up memory was closed; the detail says which."};
    case reason::shutting_down: return {"shutting_down", "The server was stopped or restarted."};
    case reason::count: break;
  }
  return {"unknown", "Not known."};
}

}  // namespace

std::string_view code(reason r) { return of(r).code; }
std::string_view sentence(reason r) { return of(r).sentence; }

std::optional<reason> reason_of(hub::loss why) {
  switch (why) {
    case hub::loss::viewer_too_slow: return reason::viewer_too_slow;
    case hub::loss::video_until_key_frame: return reason::viewer_video_wait;
    case hub::loss::ring_overrun: return reason::viewer_overrun;
    default: return std::nullopt;
  }
}

}  // namespace millrace::server
