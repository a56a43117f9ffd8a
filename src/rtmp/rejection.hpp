// What a server's refusal means for the one who asked: stop, wait, or look elsewhere.
#pragma once
#include <string>

#include "base/error.hpp"
#include "rtmp/amf0.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

// The kind follows the code first and the words of the description where the code is ambiguous: servers use NetStream.Publish.BadName for
// a taken name, a bad key and an unknown application alike. The text holds code and description,
// escaped for a terminal.
base::error classify_rejection(const status& s, const amf0::value* info);

}  // namespace millrace::rtmp
