// HTTP connections over real sockets: what the kernel's buffers and the transport's own limits make of slow readers.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "http/connection.hpp"
#include "net/listener.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::http {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;

constexpr std::size_t body_bytes = 4u << 20;  // more than the kernel keeps for a peer whose window is small

class whole_file final : public body_source {
 public:
  state pull(base::instant, std::size_t budget, base::send_chain& out) override {
    const auto some = std::min(budget, left_);
    out.push_back(base::slice(std::vector<std::uint8_t>(some, 'x')));
    left_ -= some;
    return left_ > 0 ? state::more : state::ended;
  }

 private:
  std::size_t left_ = body_bytes;
};

response from_memory() { return bytes_response("video/mp4", std::string(body_bytes, 'x')); }

response from_a_source() {
  response r;
  r.source = std::make_unique<whole_file>();
  r.source_bytes = body_bytes;
  return r;
}

class http_over_tcp : public ::testing::TestWithParam<response (*)()> {
 protected:
  void SetUp() override {
    context.handle = [](request&&, reply_ptr to) { to->send(GetParam()()); };
    net::listener_options options;
    options.address = {"127.0.0.1", 0};
    options.quic = false;
    options.certificate = test::shared_identity();
    auto made = net::listen(io, options, [this](net::transport_ptr t, base::instant came) {
      at_server = std::make_shared<connection>(context, std::move(t), came, 1, [this] { done = true; });
      at_server->start();
    });
    ASSERT_TRUE(made) << made.error().text;
    listener = *std::move(made);
    client.open(tcp::v4());
    client.set_option(boost::asio::socket_base::receive_buffer_size(16 << 10));
    client.connect({boost::asio::ip::address_v4::loopback(), listener->port()});
  }

  // Reads `bytes` more of the answer, or less if it ends; the answer so far is in `answer`.
  void read(std::size_t bytes) {
    std::optional<boost::system::error_code> end;
    boost::asio::async_read(client, boost::asio::dynamic_buffer(answer), boost::asio::transfer_exactly(bytes),
                            [&](boost::system::error_code failed, std::size_t) { end = failed; });
    ASSERT_TRUE(test::run_until(io, [&] { return end.has_value(); }, 60s));
    ended = *end;
  }
  [[nodiscard]] std::size_t body() const { return answer.size() - (answer.find("\r\n\r\n") + 4); }

  boost::asio::io_context io;
  connection_context context{io, {}, {}};
  std::unique_ptr<net::listener> listener;
  std::shared_ptr<connection> at_server;
  tcp::socket client{io};
  std::string answer;
  boost::system::error_code ended;
  bool done = false;
};

// A closed transport has two seconds for what it has queued. Nothing here may depend on them: all of the rest is queued when the reader stops.
TEST_P(http_over_tcp, a_slow_reader_gets_the_whole_of_the_last_answer) {
  boost::asio::write(client, boost::asio::buffer(std::string_view("GET / HTTP/1.0\r\n\r\n")));
  read(body_bytes - 300'000);
  test::run_until(io, [] { return false; }, 2500ms);
  EXPECT_FALSE(done);
  read(2 * body_bytes);
  EXPECT_EQ(ended, boost::asio::error::eof);
  EXPECT_EQ(body(), body_bytes);
}

// Clients that say all they have to say and close their side, as `nc -N` does.
TEST_P(http_over_tcp, so_does_one_that_has_closed_its_side) {
  boost::asio::write(client, boost::asio::buffer(std::string_view("GET / HTTP/1.0\r\n\r\n")));
  ASSERT_TRUE(test::run_until(io, [&] { return at_server && at_server->traffic().sent > 0; }));
  client.shutdown(tcp::socket::shutdown_send);
  read(2 * body_bytes);
  EXPECT_EQ(ended, boost::asio::error::eof);
  EXPECT_EQ(body(), body_bytes);
}

INSTANTIATE_TEST_SUITE_P(bodies, http_over_tcp, ::testing::Values(&from_memory, &from_a_source),
                         [](const auto& one) { return std::string(one.index == 0 ? "from_memory" : "from_a_source"); });

}  // namespace
}  // namespace millrace::http
