#include "hostile/raw_tcp.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>

namespace millrace::hostile {
namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

// Cancels what waits on the socket when the time is up. Lives as long as the wait.
class watchdog {
 public:
  watchdog(arena& in, asio::ip::tcp::socket& over, milliseconds limit) : state_(std::make_shared<state>(&over)), timer_(in.io, limit) {
    timer_.async_wait([state = state_](boost::system::error_code off) {
      if (off || state->socket == nullptr) return;
      state->barked = true;
      state->socket->cancel();
    });
  }
  ~watchdog() { state_->socket = nullptr; }  // its handler may be on its way already
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  [[nodiscard]] bool barked() const { return state_->barked; }

 private:
  struct state {
    explicit state(asio::ip::tcp::socket* over) : socket(over) {}
    asio::ip::tcp::socket* socket;
    bool barked = false;
  };
  std::shared_ptr<state> state_;
  asio::steady_timer timer_;
};

}  // namespace

asio::ip::address_v4 next_source() {
  static std::uint32_t last = 0x7F010000;
  if ((++last & 0xFF) == 0xFF) last += 2;
  return asio::ip::address_v4(last);
}

asio::awaitable<raw_tcp> raw_tcp::open(arena& in, asio::ip::tcp::endpoint to) {
  asio::ip::tcp::socket socket(in.io);
  socket.open(to.protocol());
  if (to.address().is_loopback()) socket.bind({next_source(), 0});
  const auto [failed] = co_await socket.async_connect(to, as_values);
  if (failed) throw failure{"no connection: " + failed.message()};
  socket.set_option(asio::ip::tcp::no_delay(true));
  co_return raw_tcp(in, std::move(socket));
}

asio::awaitable<void> raw_tcp::send(std::string some) {
  const watchdog limit(*in_, socket_, soon);
  co_await asio::async_write(socket_, asio::buffer(some), as_values);  // that it fails is the server's good right
}

void raw_tcp::finish() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

asio::awaitable<std::string> raw_tcp::answer(milliseconds limit, std::size_t at_least) {
  const watchdog timer(*in_, socket_, limit);
  std::string all, part(65'536, '\0');
  while (all.size() < at_least) {
    const auto [failed, count] = co_await socket_.async_read_some(asio::buffer(part), as_values);
    // Closed at the very moment is closed: the end is told once, and another read would wait for it.
    if (failed && failed != asio::error::operation_aborted) break;
    all.append(part, 0, count);
    if (timer.barked() && all.size() < at_least) {
      const auto said = all.empty() ? std::string("nothing") : std::to_string(all.size()) + " bytes (" + all.substr(0, all.find('\r')) + ")";
      throw failure{"still open after " + std::to_string(limit.count()) + " ms, said " + said};
    }
    if (failed) break;
  }
  co_return all;
}

}  // namespace millrace::hostile
