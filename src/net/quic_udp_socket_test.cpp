#include "net/quic_udp_socket.hpp"

#include <gtest/gtest.h>
#include <net/if.h>

#include <array>
#include <chrono>

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

class udp_through_an_interface : public testing::TestWithParam<const char*> {
 protected:
  // Whether a datagram of `from` reaches the one that it is connected to.
  bool arrives(quic_udp_socket& from) {
    const std::array<std::uint8_t, 3> bytes{1, 2, 3};
    const auto& local = from.local();
    if (from.send({bytes, bytes.size(), local, udp_address(receiver_.local_endpoint()), 0}).error != 0) return false;
    bool come = false;
    std::array<char, 16> space{};
    receiver_.async_receive(asio::buffer(space), [&](boost::system::error_code failed, std::size_t size) { come = !failed && size == 3; });
    io_.restart();
    io_.run_for(std::chrono::seconds(2));
    receiver_.cancel();
    return come;
  }
  asio::io_context io_;
  udp::socket receiver_{io_, udp::endpoint(asio::ip::make_address(GetParam()), 0)};
};
INSTANTIATE_TEST_SUITE_P(families, udp_through_an_interface, testing::Values("127.0.0.1", "::1"),
                         [](const auto& each) { return std::string(each.param).find(':') == std::string::npos ? "v4" : "v6"; });

TEST_P(udp_through_an_interface, its_address_stays_and_the_routes_count_again_afterwards) {
  auto made = quic_udp_socket::connect(io_, receiver_.local_endpoint());
  ASSERT_TRUE(made);
  auto& socket = **made;
  const auto local = socket.local();
  EXPECT_TRUE(arrives(socket));
  socket.send_through(::if_nametoindex("lo"));
  EXPECT_TRUE(arrives(socket));
  socket.send_through(0);
  EXPECT_TRUE(arrives(socket));
  EXPECT_EQ(socket.local(), local);
}

TEST_P(udp_through_an_interface, one_that_does_not_exist_is_no_way) {
  auto made = quic_udp_socket::connect(io_, receiver_.local_endpoint());
  ASSERT_TRUE(made);
  (*made)->send_through(9'999);
  (*made)->send_through(0);
  EXPECT_TRUE(arrives(**made)) << "and does no harm for longer than it is asked for";
}

}  // namespace
}  // namespace millrace::net
