// Tells when this machine's addresses or routes change: Wi-Fi lost, a cable plugged in, a VPN up. Linux, rtnetlink(7).
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

namespace millrace::net {

// Calls come on the io_context's thread. Destroying it ends them.
class route_watch {
 public:
  virtual ~route_watch() = default;
  // `sign` is called at every sign of a change, `changed` once for a burst of them, when there has been time for the rest. Null where the kernel
  // does not let us: then a change is noticed when sending fails.
  static std::unique_ptr<route_watch> open(boost::asio::io_context& io, std::function<void()> sign, std::function<void()> changed);
};

}  // namespace millrace::net
