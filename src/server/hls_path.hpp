// Which stream a path of HTTP is of, where it is one of HLS. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace millrace::server {

struct hls_path {
  std::string stream;  // "app/name"
  std::string rest;    // what is behind it, as hls::parse_request takes it
};

// "/live/a.m3u8" is of stream "live/a", and so is "/live/a/index.m3u8": a stream has an application before its name, so "/live/index.m3u8" is of
// stream "live/index". Nothing for other paths. `path` begins with '/', without a query.
std::optional<hls_path> hls_path_of(std::string_view path);

}  // namespace millrace::server
