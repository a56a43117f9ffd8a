// What the tests of net share: a loop that runs until something has happened, a handler that writes down, a server identity.
#pragma once
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/send_chain.hpp"
#include "net/identity.hpp"
#include "net/transport.hpp"

namespace millrace::test {

// Runs the loop until `happened()` or the limit; true if it happened.
template <class Predicate>
bool run_until(boost::asio::io_context& io, Predicate happened, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  io.restart();
  while (!happened()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    if (io.run_one_until(end) == 0 && io.stopped()) io.restart();
  }
  return true;
}

// Runs a coroutine to its end and gives its value back.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> story, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  std::optional<T> value;
  boost::asio::co_spawn(
      io, [&value, story = std::move(story)]() mutable -> boost::asio::awaitable<void> { value.emplace(co_await std::move(story)); },
      boost::asio::detached);
  if (!run_until(
          io, [&] { return value.has_value(); }, limit))
    throw std::runtime_error("the coroutine did not end in time");
  return std::move(*value);
}

class recording_handler : public net::transport_handler {
 public:
  void on_receive(base::bytes_view bytes) override {
    check_not_inside();
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    ++receives;
    if (during_receive) during_receive();
  }
  void on_receive_done() override {
    check_not_inside();
    ++bursts;
    if (during_receive_done) during_receive_done();
  }
  void on_writable() override {
    check_not_inside();
    ++writables;
    if (during_writable) during_writable();
  }
  void on_drained() override {
    check_not_inside();
    ++drains;
  }
  void on_closed(const net::close_info& info) override {
    check_not_inside();
    closed = info;
    ++closes;
    if (during_closed) during_closed();
  }
  // Set it around every call into the transport: a callback from inside one breaks the rule of transport.hpp.
  bool inside = false;
  bool called_inside = false;
  std::string received;
  int receives = 0, bursts = 0, writables = 0, drains = 0, closes = 0;
  std::optional<net::close_info> closed;
  std::function<void()> during_receive, during_receive_done, during_writable, during_closed;

 private:
  void check_not_inside() { called_inside = called_inside || inside; }
};

inline base::send_chain chain_of(std::string_view text) { return base::send_chain(base::slice::copy_of(base::as_bytes(text))); }

// A fresh directory, gone with this object.
class temporary_directory {
 public:
  temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// One self-signed identity for all tests of the program.
inline std::shared_ptr<const net::identity> shared_identity() {
  static const auto made = [] {
    const temporary_directory directory;
    return net::self_signed_identity(directory.path() / "state").value();
  }();
  return made;
}

}  // namespace millrace::test
