// The streams that a shard packages for HLS.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

#include "hls/packager.hpp"
#include "server/shared_streams.hpp"

namespace millrace::server {

// One thread: its shard's. A packager views its stream as any other viewer of the shard does, wherever it is published.
class hls_packagers {
 public:
  // Both outlive this object.
  hls_packagers(boost::asio::io_context& io, shared_streams& streams) : io_(io), streams_(streams), timer_(io) {}
  // Somebody asked for it (hls::service::attach_function).
  void add(std::shared_ptr<hls::presentation> to);
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  // Who waits gets an answer.
  void close();

 private:
  struct one {
    std::shared_ptr<hls::presentation> to;
    std::shared_ptr<watched_stream> source;
    std::unique_ptr<hls::packager> packager;  // null until the stream is on this shard
  };
  void start(const std::shared_ptr<hls::presentation>& to);
  void on_timer();
  void arm();

  boost::asio::io_context& io_;
  shared_streams& streams_;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  std::vector<one> all_;
  std::shared_ptr<hls_packagers*> alive_ = std::make_shared<hls_packagers*>(this);
};

}  // namespace millrace::server
