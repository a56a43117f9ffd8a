// Stream names and queries hold keys and tokens. They are not logged, also not where a server says them. Pure.
#pragma once
#include <string>
#include <string_view>

#include "rtmp/uri.hpp"

namespace millrace::rtmp {

// What a server wrote as a target (redirect, Reconnect Request), for people: scheme, host and the first segment of the path; the rest of
// it, user and query are "***" or left out. Escaped for a terminal.
std::string shown_target(std::string_view reference);

// Words of a server to the client that went to `target`, with "***" for its stream's name and the values of its query and of `app_query`,
// as they are and percent-decoded.
// What is shorter than 8 bytes is hidden as a whole word only, and what is shorter than 4 not at all: the words stay readable.
std::string hide_secrets(std::string words, const uri& target, std::string_view app_query = {});

}  // namespace millrace::rtmp
