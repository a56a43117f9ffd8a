// Tells when this machine's addresses or routes change: Wi-Fi lost, a cable plugged in, a VPN up. Linux, rtnetlink(7).
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

namespace millrace::net {

// Calls come on the io_context's thread, one of each for a burst of changes. Destroying it ends them.
class route_watch {
 public:
  virtual ~route_watch() = default;
  // `begins` is called at the first sign of a change, `changed` when there has been time for the rest of it. Null where the kernel does not let
  // us: then a change is noticed when sending fails.
  static std::unique_ptr<route_watch> open(boost::asio::io_context& io, std::function<void()> begins, std::function<void()> changed);
};

}  // namespace millrace::net
