#include "server/hls_path.hpp"

namespace millrace::server {

std::optional<hls_path> hls_path_of(std::string_view path) {
  constexpr std::string_view hls_suffix = ".m3u8";
  const auto slash = path.rfind('/');
  const auto file = path.substr(slash);
  const bool known = file == "/index.m3u8" || file == "/ts.m3u8" || ((file.starts_with("/seg-") || file.starts_with("/part-") || file.starts_with("/init-")) &&
                                                                     (file.ends_with(".m4s") || file.ends_with(".mp4") || file.ends_with(".ts")));
  if (known && path.substr(1, slash - 1).find('/') != std::string_view::npos) return hls_path{std::string(path.substr(1, slash - 1)), std::string(file)};
  if (!path.ends_with(hls_suffix)) return std::nullopt;
  return hls_path{std::string(path.substr(1, path.size() - 1 - hls_suffix.size())), std::string(hls_suffix)};
}

}  // namespace millrace::server
