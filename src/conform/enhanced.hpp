// What the scripts about Enhanced RTMP share: peers that announce it, messages written as bytes, and what a viewer got of them.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conform/script.hpp"
#include "rtmp/capabilities.hpp"

namespace millrace::conform {

// One audio or video message.
struct av {
  rtmp::message_type type = rtmp::message_type::video;
  std::uint32_t time = 0;
  bytes payload;
  bool may_vanish = false;  // a server may leave it out
};

// As base::bytes_of reads them, "91 'hvc1' 000000 09", and what follows.
av video(std::uint32_t time, std::string_view written, base::bytes_view more = {});
av audio(std::uint32_t time, std::string_view written, base::bytes_view more = {});
av odd(av m);  // the same, and it may vanish

// Of a FourCC of media/codec.hpp: its SequenceStart, and a short picture or block of samples in the codec's own format, which ends with
// `mark`. Pictures that can be reordered have the composition time in front.
av start_of(std::uint32_t codec, std::uint32_t time = 0);
av frame_of(std::uint32_t codec, bool key, std::uint32_t time, std::uint8_t mark, std::int32_t composition_ms = 0);
bytes body_of(std::uint32_t codec, bool key, std::uint8_t mark);
bool is_video(std::uint32_t codec);

// ---- peers ------------------------------------------------------------------------------------------------------

// Members for connect: decodes every codec, HDR and metadata as well, and `caps_ex`.
std::vector<rtmp::amf0::member> everything(double caps_ex = 15);
// What the answer to connect says of E-RTMP, wherever it says so: properties or information object.
rtmp::peer_capabilities capabilities_in(const rtmp::command& answer);
// Connected with everything(). Without the bits `needed` in the server's own capsEx: refusal, because then no client may send that.
boost::asio::awaitable<peer_ptr> capable(context& c, std::uint32_t needed = 0);
boost::asio::awaitable<on_stream> publish_enhanced(context& c, std::string name, std::uint32_t needed = 0);
boost::asio::awaitable<on_stream> watch(context& c, std::string name, double caps_ex = 15);

// ---- publishing -------------------------------------------------------------------------------------------------

void send(const on_stream& to, const av& m);
void send(const on_stream& to, const std::vector<av>& all);
// Proof that the server has read what was published and goes on with it. A server may say that it does not take such a
// thing: refusal. To end the connection without a word is a failure.
boost::asio::awaitable<void> taken(on_stream from);
// The same where the server may also just hang up: for messages that nobody should send. False: it ended the publication.
boost::asio::awaitable<bool> survived(on_stream from);

// ---- watching ---------------------------------------------------------------------------------------------------

// Audio and video messages since the last call, up to the one with this payload, which comes last.
boost::asio::awaitable<std::vector<av>> until(on_stream viewer, bytes last);
// The same of a viewer that comes only now; `mark` is published when it is there.
boost::asio::awaitable<std::vector<av>> join(context& c, on_stream from, av mark);
// `all` published to a viewer that is there already: arrives byte by byte and in order, but for what may vanish.
boost::asio::awaitable<void> pass_through(context& c, std::string name, std::vector<av> all, std::uint32_t needed = 0);

void check_arrived(const std::vector<av>& sent, const std::vector<av>& got);
// The first message of the type of `first` is that one.
void check_begins(const std::vector<av>& got, const av& first, const std::string& what);
// The first two messages of their type are these, in any order.
void check_begins(const std::vector<av>& got, const av& one, const av& other, const std::string& what);
// Of what a server sent, which may be shorter than it should: 0 beyond its end.
[[nodiscard]] inline std::uint8_t byte_of(const av& m, std::size_t at) { return at < m.payload.size() ? m.payload[at] : std::uint8_t{0}; }
[[nodiscard]] bool contains(base::bytes_view whole, base::bytes_view part);

}  // namespace millrace::conform
