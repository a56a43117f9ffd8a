// A small UDP relay between one server and any number of clients: a NAT that can change its port, and a bad network with a
// seeded random source, so that a failing run can be repeated.
#pragma once
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace millrace::test {

class udp_relay {
 public:
  using udp = boost::asio::ip::udp;
  // Probabilities from 0 to 1, for each datagram in each direction.
  struct weather {
    double loss = 0, duplicate = 0, reorder = 0, corrupt = 0;
    std::chrono::milliseconds delay{0};  // one way
    bool cut_up = false, cut_down = false;
  };

  udp_relay(boost::asio::io_context& io, udp::endpoint server, unsigned seed = 1)
      : io_(io), server_(server), random_(seed), front_(io, udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)), elsewhere_(io, udp::endpoint(boost::asio::ip::make_address("127.0.0.3"), 0)) {
    big_buffers(front_);
    read_front();
  }
  ~udp_relay() { *alive_ = false; }
  udp_relay(const udp_relay&) = delete;
  udp_relay& operator=(const udp_relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return front_.local_endpoint().port(); }
  // Every client comes from a fresh port, of this address, from now on; answers to the old ones are lost, as behind a NAT that forgot.
  void rebind(const char* address = "127.0.0.1") {
    address_ = address;
    for (auto& [client, each] : ways_) each = make_way(client);
  }
  weather now;
  std::uint64_t forwarded = 0, lost = 0;
  // Asked for each datagram of a client: whether it goes out as if it came from 127.0.0.3, where nobody hears an answer.
  std::function<bool()> astray;
  // Sees every datagram before it is forwarded.
  std::function<void(bool up, const std::vector<std::uint8_t>&)> tap;

 private:
  struct way {  // one client's
    way(boost::asio::io_context& io, const char* address) : socket(io, udp::endpoint(boost::asio::ip::make_address(address), 0)) {}
    udp::socket socket;
    udp::endpoint from;
    std::array<std::uint8_t, 65536> buffer{};
    std::optional<std::vector<std::uint8_t>> held_up, held_down;
  };

  static void big_buffers(udp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(boost::asio::socket_base::receive_buffer_size(4 << 20), ignored);
  }
  std::shared_ptr<way> make_way(const udp::endpoint& client) {
    auto made = std::make_shared<way>(io_, address_);
    big_buffers(made->socket);
    read_way(made, client);
    return made;
  }
  void read_front() {
    front_.async_receive_from(boost::asio::buffer(buffer_), from_,
                              [this, alive = alive_](boost::system::error_code failed, std::size_t size) {
                                if (failed == boost::asio::error::operation_aborted || !*alive) return;
                                if (!failed) {
                                  auto& w = ways_[from_];
                                  if (!w) w = make_way(from_);
                                  pass(true, {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)}, w, from_);
                                }
                                read_front();
                              });
  }
  void read_way(const std::shared_ptr<way>& w, const udp::endpoint& client) {
    w->socket.async_receive_from(
        boost::asio::buffer(w->buffer), w->from,
        [this, alive = alive_, weak = std::weak_ptr<way>(w), client](boost::system::error_code failed, std::size_t size) {
          const auto mine = weak.lock();
          if (failed == boost::asio::error::operation_aborted || !*alive || !mine) return;
          if (!failed) pass(false, {mine->buffer.begin(), mine->buffer.begin() + static_cast<std::ptrdiff_t>(size)}, mine, client);
          read_way(mine, client);
        });
  }
  bool chance(double probability) { return probability > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < probability; }
  void pass(bool up, std::vector<std::uint8_t> bytes, const std::shared_ptr<way>& w, const udp::endpoint& client) {
    if (tap) tap(up, bytes);
    if ((up ? now.cut_up : now.cut_down) || chance(now.loss)) {
      ++lost;
      return;
    }
    if (!bytes.empty() && chance(now.corrupt)) bytes[random_() % bytes.size()] ^= static_cast<std::uint8_t>(1u << (random_() % 8));
    auto& held = up ? w->held_up : w->held_down;
    if (!held && chance(now.reorder)) {
      held = std::move(bytes);  // goes out behind the next one
      return;
    }
    forward(up, bytes, w, client);
    if (chance(now.duplicate)) forward(up, bytes, w, client);
    if (held) forward(up, *std::exchange(held, std::nullopt), w, client);
  }
  void forward(bool up, const std::vector<std::uint8_t>& bytes, const std::shared_ptr<way>& w, const udp::endpoint& client) {
    if (now.delay.count() == 0) return send(up, bytes, *w, client);
    auto timer = std::make_shared<boost::asio::steady_timer>(io_, now.delay);
    timer->async_wait([this, alive = alive_, timer, up, bytes, w, client](boost::system::error_code failed) {
      if (!failed && *alive) send(up, bytes, *w, client);
    });
  }
  void send(bool up, const std::vector<std::uint8_t>& bytes, way& w, const udp::endpoint& client) {
    ++forwarded;
    boost::system::error_code ignored;
    if (up) {
      (astray && astray() ? elsewhere_ : w.socket).send_to(boost::asio::buffer(bytes), server_, 0, ignored);
    } else {
      front_.send_to(boost::asio::buffer(bytes), client, 0, ignored);
    }
  }

  boost::asio::io_context& io_;
  udp::endpoint server_;
  const char* address_ = "127.0.0.1";
  std::mt19937 random_;
  udp::socket front_, elsewhere_;
  udp::endpoint from_;
  std::array<std::uint8_t, 65536> buffer_{};
  std::map<udp::endpoint, std::shared_ptr<way>> ways_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::test
