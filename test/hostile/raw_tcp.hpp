// A TCP connection that says anything, from an address of its own: every connection comes from another one of 127.0.0.0/8.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <string>

#include "hostile/hostile.hpp"

namespace millrace::hostile {

// 127.B.C.D, another one with each call.
asio::ip::address_v4 next_source();

class raw_tcp {
 public:
  static asio::awaitable<raw_tcp> open(arena& in, asio::ip::tcp::endpoint to);

  // All of it, or what the server takes before it closes. Gives up after `soon`.
  asio::awaitable<void> send(std::string some);
  void finish();  // nothing follows
  // What comes until the server closes. The end has to be there within `limit`, or it throws; with `at_least`, so many bytes are enough.
  asio::awaitable<std::string> answer(milliseconds limit, std::size_t at_least = std::string::npos);

 private:
  raw_tcp(arena& in, asio::ip::tcp::socket socket) : in_(&in), socket_(std::move(socket)) {}
  arena* in_;
  asio::ip::tcp::socket socket_;
};

}  // namespace millrace::hostile
