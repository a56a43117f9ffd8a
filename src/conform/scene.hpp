// What scripts about streams share: media and data of a publisher, and what its viewer waits for.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conform/script.hpp"

namespace millrace::conform {

// --- a publisher's part. Times are milliseconds.
void send_video(const on_stream& to, std::uint32_t time, base::bytes_view payload);
void send_audio(const on_stream& to, std::uint32_t time, base::bytes_view payload);
void send_data(const on_stream& to, std::uint32_t time, const std::vector<rtmp::amf0::value>& values);
// Configuration of H.264 and AAC and a key frame whose filler is `filler`.
void begin_media(const on_stream& to, std::uint32_t time = 0, std::uint8_t filler = 1);

// --- a viewer's part. Every wait passes over what it does not look for (see peer::passed).
// The next audio or video message.
boost::asio::awaitable<rtmp::message> wait_av(peer_ptr at);
boost::asio::awaitable<rtmp::message> wait_video(peer_ptr at);
// The audio or video message whose payload is exactly this one.
boost::asio::awaitable<rtmp::message> wait_payload(peer_ptr at, bytes payload, std::string what);
// The data message that begins with the string `name`.
boost::asio::awaitable<rtmp::message> wait_data(peer_ptr at, std::string name);
// The string at the front of a data message, or empty.
std::string data_name(const rtmp::message& m);
// How many messages of `passed` have that payload.
std::size_t count_passed(const peer& at, base::bytes_view payload);
// Whether that user control event about `msid` is in `passed`.
bool event_passed(const peer& at, rtmp::user_event event, std::uint32_t msid);
// Both have read and handed on everything that was sent before: the publisher's frames are on their way when its barrier is answered, and
// ahead of the answer to the viewer's.
boost::asio::awaitable<void> settle(on_stream out, on_stream in);

// --- answers
// The command that a message is, if it is one that can be read.
std::optional<rtmp::command> command_of(const rtmp::message& m);
// The onStatus or _error with that code, whole. An error with another code ends the wait as a failure.
boost::asio::awaitable<rtmp::command> wait_code(peer_ptr at, std::string code);
// The answer to a publish or play: `good`, or the first error, or (with an empty code) the end of the connection.
boost::asio::awaitable<rtmp::status> wait_answer(peer_ptr at, std::string good);
std::size_t count_code(const peer& at, std::string_view code);

}  // namespace millrace::conform
