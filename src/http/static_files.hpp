// Files that are part of the program, as a browser wants them: cached, compressed, under a content security policy.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/slice.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace millrace::http {

// All of it lies in the program and is there as long as it runs.
struct static_file {
  std::string_view path;  // of the URL: "/console/app-3F2A.js"
  std::string_view content_type;
  std::string_view hash;   // of the content
  bool immutable = false;  // its name changes with its content, so a browser need not ask again
  base::bytes_view bytes;
  base::bytes_view gzip;  // the same, compressed; empty where that is no smaller
};

// Any thread.
class static_files {
 public:
  // `policy`: the Content-Security-Policy of each.
  static_files(std::span<const static_file> files, std::string_view policy) : files_(files), policy_(policy) {}
  // The answer to a GET or HEAD; nothing if the path is none of these.
  [[nodiscard]] std::optional<response> find(const request& r) const;

 private:
  std::span<const static_file> files_;
  std::string_view policy_;
};

}  // namespace millrace::http
