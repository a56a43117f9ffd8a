// The loop of a UDP socket with QUIC on it, the same for both ends: drain the socket, let the applications work, one write
// pass for each connection that was touched, re-arm the one timer. Internal to quic_*.cpp.
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "base/fifo.hpp"
#include "net/quic_connection.hpp"
#include "net/quic_timer.hpp"
#include "net/quic_udp_socket.hpp"

namespace millrace::net {

// Keeps itself alive through what it waits for, until shut_down(). One thread: the io_context's.
class quic_endpoint : public quic_connection_host, public std::enable_shared_from_this<quic_endpoint> {
 public:
  quic_endpoint(const quic_endpoint&) = delete;
  quic_endpoint& operator=(const quic_endpoint&) = delete;

  boost::asio::io_context& io() override { return io_; }
  void touch(quic_connection& which) override;
  void send(const udp_batch& batch) override;
  [[nodiscard]] bool blocked() const override { return !unsent_.empty(); }
  void retime(quic_connection& which, quic_time due) override;

 protected:
  explicit quic_endpoint(boost::asio::io_context& io) : io_(io) {}
  ~quic_endpoint() = default;

  // Starts reading. Several sockets are possible (a client that moved, or is to move).
  void add_socket(std::shared_ptr<quic_udp_socket> socket);
  void remove_sockets_but(const udp_address& used);
  // What waits for room in a socket counts as lost: nothing else can be sent before it, by any socket.
  void drop_unsent();
  [[nodiscard]] quic_udp_socket* present_socket() const { return sockets_.empty() ? nullptr : sockets_.back().get(); }  // the newest
  [[nodiscard]] quic_udp_socket* socket_for(const udp_address& local) const;  // with this address; the newest if none has it
  // The sockets are there to send by; somebody else reads them, until read_again().
  void stop_reading() { reading_ = false; }
  void read_again();
  // What came by another way than a socket: `take` may call on_datagram, and a turn follows.
  void collect(const std::function<void()>& take);
  [[nodiscard]] bool open() const noexcept { return !sockets_.empty(); }
  // Closes sockets and timer; no turn runs any more. Connections must have been ended before.
  void close_sockets();

  virtual void on_datagram(const udp_datagram& datagram) = 0;
  virtual void on_socket_error(int number) = 0;

  std::uint64_t datagrams_received_ = 0, datagrams_sent_ = 0;

 private:
  struct kept_batch {  // built and counted by ngtcp2, but the socket was full
    std::vector<std::uint8_t> bytes;
    std::size_t segment;
    udp_address local, remote;
    std::uint8_t ecn;
  };
  quic_timer& timer();
  void wait_readable(const std::shared_ptr<quic_udp_socket>& socket);
  void wait_writable();
  void on_readable(const std::shared_ptr<quic_udp_socket>& socket);
  void on_writable();
  void on_timer();
  void post_turn();
  void turn();
  void write_touched();
  void write_later();
  void write(quic_connection& which);
  boost::asio::io_context& io_;
  std::vector<std::shared_ptr<quic_udp_socket>> sockets_;
  std::vector<std::shared_ptr<quic_udp_socket>> unread_;  // of them: readable since reading was stopped, and not waited for any more
  std::unique_ptr<quic_timer> timer_;
  std::deque<kept_batch> unsent_;
  bool waiting_writable_ = false, reading_ = true;
  std::vector<std::shared_ptr<quic_connection>> touched_, writing_;  // both keep their room from turn to turn
  base::fifo<std::shared_ptr<quic_connection>> later_;           // touched and delivered, but there were too many for one turn
  bool collecting_ = false;  // a turn follows anyway
  bool turn_posted_ = false;
  int pending_error_ = 0;  // of a failed send, told at the end of the turn
};

}  // namespace millrace::net
