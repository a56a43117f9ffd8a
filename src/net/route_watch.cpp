#include "net/route_watch.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

namespace millrace::net {
namespace {

// A change of network is many messages: link, addresses, routes. So long after the first one is looked at all of them together.
constexpr std::chrono::milliseconds burst{20};

// Shared with its own waits, so that it may be dropped from inside `changed`.
class watch : public std::enable_shared_from_this<watch> {
 public:
  watch(boost::asio::io_context& io, int descriptor, std::function<void()> sign, std::function<void()> changed)
      : descriptor_(io, descriptor), timer_(io), sign_(std::move(sign)), changed_(std::move(changed)) {}

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](boost::system::error_code failed) {
      if (failed || !self->changed_) return;
      self->drain();
      if (!self->due_) {
        self->due_ = true;
        self->timer_.expires_after(burst);
        self->timer_.async_wait([self](boost::system::error_code late) {
          self->due_ = false;
          if (!late && self->changed_) self->changed_();
        });
      }
      self->sign_();
      self->wait();
    });
  }
  void stop() {
    sign_ = [] {};
    changed_ = nullptr;
    timer_.cancel();
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

 private:
  // What exactly changed does not matter: the kernel is asked for the way to the server afterwards. An overrun (ENOBUFS) is a change too.
  void drain() {
    std::array<char, 8192> bytes;
    while (::recv(descriptor_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }

  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  std::function<void()> sign_, changed_;
  bool due_ = false;
};

class handle final : public route_watch {
 public:
  explicit handle(std::shared_ptr<watch> what) : what_(std::move(what)) {}
  ~handle() override { what_->stop(); }

 private:
  std::shared_ptr<watch> what_;
};

}  // namespace

std::unique_ptr<route_watch> route_watch::open(boost::asio::io_context& io, std::function<void()> sign, std::function<void()> changed) {
  const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (descriptor < 0) return nullptr;
  sockaddr_nl all{};
  all.nl_family = AF_NETLINK;
  all.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0) {
    ::close(descriptor);
    return nullptr;
  }
  auto made = std::make_shared<watch>(io, descriptor, std::move(sign), std::move(changed));
  made->wait();
  return std::make_unique<handle>(std::move(made));
}

}  // namespace millrace::net
