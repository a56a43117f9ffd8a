// A whole server in the test's own process, on a free port of loopback, with a state directory of its own.
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "server/server.hpp"

namespace millrace::test {

struct state_directory_for_test {
  std::filesystem::path path;
  state_directory_for_test() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~state_directory_for_test() { std::filesystem::remove_all(path); }
};

// One, so that a test runs all of the server by its own loop; ./x test runs the suite once more with two.
inline std::size_t shards_of_tests() {
  const char* const wanted = std::getenv("MILLRACE_TEST_SHARDS");
  return wanted == nullptr ? 1 : static_cast<std::size_t>(std::atoi(wanted));
}

struct running_server {
  state_directory_for_test state;
  boost::asio::io_context io{1};
  std::unique_ptr<server::server> instance;
  server::config settings;

  explicit running_server(bool quic = true, const std::function<void(server::config&)>& adjust = {}) {
    settings.listen = {{"127.0.0.1", 0}};
    settings.shards = shards_of_tests();
    settings.state_directory = state.path;
    settings.quic = quic;
    settings.resume_window = std::chrono::milliseconds(0);  // a peer of the tests that is lost is gone
    if (adjust) adjust(settings);
    start();
  }
  void start() {
    auto opened = server::server::open(io, settings);
    if (!opened) throw std::runtime_error(opened.error().text);
    instance = std::move(*opened);
    settings.listen[0].port = instance->port();
  }
  ~running_server() {
    instance.reset();
    io.restart();
    io.poll();
  }
  [[nodiscard]] std::string uri(const std::string& form, const std::string& stream) const {
    const auto host = "127.0.0.1:" + std::to_string(instance->port());
    const auto pin = "pin=" + instance->certificate()->pin;
    if (form == "rtmp") return "rtmp://" + host + "/" + stream;
    if (form == "rtmps") return "rtmps://" + host + "/" + stream + "?" + pin;
    // For test::peer: QUIC and nothing but RoQR. "rtmpq" is its byte stream, "query" what the two ends agree on.
    if (form == "roqr") return "roqr://" + host + "/" + stream + "?" + pin;
    if (form == "rtmpq") return "rtmpq://" + host + "/" + stream + "?" + pin;
    return "rtmps://" + host + "/" + stream + "?transport=quic&" + pin;
  }
};

}  // namespace millrace::test
