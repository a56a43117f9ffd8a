// What a server's refusal means for the one who asked: stop, wait, or look elsewhere.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "rtmp/amf0.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

// The kind follows the code first and the words of the description where the code is ambiguous: servers use NetStream.Publish.BadName for
// a taken name, a bad key and an unknown application alike. The text holds code and description,
// escaped for a terminal.
base::error classify_rejection(const status& s, const amf0::value* info);

// Where the server sends the client instead: `ex` with code 302 holds `redirect`, which stands for tcUrl, or `redirect2`, a whole URI with
// the stream's name (as Adobe's servers and SRS write it). Empty when it sends it nowhere.
std::string redirect_of(const amf0::value* info);

// Whether the server refuses until it gets user name and password in the way of Adobe's or Limelight's servers (auth_dialogue.hpp).
bool wants_dialogue(const status& s);
// The other side of it: whether a query of connect begins or continues that dialogue.
bool offers_dialogue(std::string_view connect_query);

}  // namespace millrace::rtmp
