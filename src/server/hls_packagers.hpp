// The streams that a shard packages for HLS.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hls/packager.hpp"
#include "server/facts.hpp"
#include "server/shared_streams.hpp"
#include "server/stream_history.hpp"

namespace millrace::server {

// One thread: its shard's. A packager views its stream as any other viewer of the shard does, wherever it is published.
class hls_packagers {
 public:
  // Both outlive this object.
  hls_packagers(boost::asio::io_context& io, shared_streams& streams) : io_(io), streams_(streams), timer_(io) {}
  // Somebody asked for it (hls::service::attach_function).
  void add(std::shared_ptr<hls::presentation> to);
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

  // Viewers over HLS of what is packaged here. To the stream each packager is a viewer, whoever is behind it.
  void facts(base::instant at, std::vector<connection_facts>& into) const;
  void count(base::instant at, std::map<std::string, protocol_count, std::less<>>& protocols) const;
  void sample(base::instant at, stream_history& history) const;
  [[nodiscard]] std::size_t viewers_of(std::string_view stream, base::instant at) const;
  [[nodiscard]] std::size_t packagers_of(std::string_view stream) const;

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
