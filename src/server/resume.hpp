// Publishers that come back (live profile, "Resume"): who lost its connection takes its own name again, while viewers notice nothing.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/shared_streams.hpp"

namespace millrace::server {

// Of one shard. One token per published name: 256 random bits, good once, for that name only, and worth nothing without the right to publish it. One thread.
class resume_register {
 public:
  // `random` gives 64 unpredictable bits.
  resume_register(boost::asio::io_context& io, std::function<std::uint64_t()> random, std::chrono::milliseconds window)
      : io_(io), random_(std::move(random)), window_(window) {}

  // For a publication that begins. `let_go` makes the one who holds it yield; it is called at most once, and not after end() or linger().
  std::string issue(const std::string& name, std::function<void()> let_go);
  // The publisher is gone without a word: its publication waits for it. With a token that was used, or that is
  // that of its next publisher by now, the publication just ends.
  void linger(const std::string& name, const std::string& token, std::unique_ptr<live_publication> publication);
  // The publication ended in order, or was taken over.
  void end(const std::string& name, const std::string& token);
  // Somebody shows a token: true if it is the one, and the name yields to its next publisher.
  bool take(const std::string& name, const std::string& token);
  [[nodiscard]] std::size_t lingering() const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }  // names that somebody may come back to
  // At the end of the server: nobody is waited for any more.
  void clear() { entries_.clear(); }

 private:
  struct entry {
    std::string token;  // empty once it was used
    std::function<void()> let_go;
    std::unique_ptr<live_publication> waiting;
    std::unique_ptr<boost::asio::steady_timer> until;
  };
  void wait(const std::string& name, entry& e);

  boost::asio::io_context& io_;
  std::function<std::uint64_t()> random_;
  const std::chrono::milliseconds window_;
  std::map<std::string, entry> entries_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace millrace::server
