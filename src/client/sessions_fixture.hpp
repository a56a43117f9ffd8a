// What tests of push, pull and bridge share: files, URIs, and an io_context that runs until something happened.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/bridge.hpp"
#include "client/input_source.hpp"
#include "client/pull.hpp"
#include "client/push.hpp"
#include "client/test_media.hpp"
#include "client/test_server.hpp"

namespace millrace::client::test {
using std::chrono::milliseconds;

class sessions_fixture : public testing::Test {
 protected:
  sessions_fixture() {
    quiet_libav(false);
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-client-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~sessions_fixture() override { std::filesystem::remove_all(directory_); }

  std::string write_file(const std::string& name, const std::string& content) {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  static std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  static std::vector<media::frame> frames_of(const std::string& flv) {
    media::flv::reader reader;
    EXPECT_TRUE(reader.receive({}, base::as_bytes(flv)).has_value());
    std::vector<media::frame> out;
    while (auto f = reader.poll_frame()) out.push_back(std::move(*f));
    return out;
  }
  static rtmp::uri url(std::uint16_t port, const std::string& path) {
    auto parsed = rtmp::parse_uri("rtmp://127.0.0.1:" + std::to_string(port) + path);
    EXPECT_TRUE(parsed.has_value());
    return *parsed;
  }
  // Runs until `done` or for `longest`; whether it was done.
  bool run_until(const std::function<bool()>& done, milliseconds longest = milliseconds(10'000)) {
    const auto end = std::chrono::steady_clock::now() + longest;
    io_.restart();
    while (!done()) {
      if (io_.run_one_until(end) == 0) return done();
    }
    return true;
  }

  std::filesystem::path directory_;
  boost::asio::io_context io_{1};
};

inline push_options push_of(const std::string& path, rtmp::uri target) {
  push_options o;
  o.input.path = path;
  o.target = std::move(target);
  o.realtime = false;
  return o;
}

inline pull_options pull_of(const std::string& path, rtmp::uri target) {
  pull_options o;
  o.path = path;
  o.target = std::move(target);
  return o;
}

inline std::unique_ptr<bridge> bridge_to(boost::asio::io_context& io, std::uint16_t port, const std::string& path = "",
                                         const base::shared_limits& local_limits = {}) {
  bridge_options o;
  o.local_limits = local_limits;
  o.listen = {"127.0.0.1", 0};
  auto route = parse_bridge_route("rtmp://127.0.0.1:" + std::to_string(port) + path);
  EXPECT_TRUE(route.has_value());
  o.route = std::move(*route);
  auto made = std::make_unique<bridge>(io, std::move(o));
  const auto started = made->start();
  EXPECT_TRUE(started.has_value()) << started.error().text;
  return made;
}

}  // namespace millrace::client::test
