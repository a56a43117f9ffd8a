#include "http/connection.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "support/net_fixtures.hpp"

namespace millrace::http {
namespace {

// A transport that remembers what it was told; its budget is set by hand. One that holds has a peer that takes what it is let.
class fake_transport final : public net::transport {
 public:
  net::transport_kind kind() const override { return net::transport_kind::tcp; }
  net::transport_facts facts() const override {
    net::transport_facts f;
    f.remote = "192.0.2.1:50000";
    f.bytes_sent = sent_ever - queued;
    return f;
  }
  std::size_t queued_bytes() const override { return queued; }
  base::duration oldest_queued_age(base::instant) const override { return {}; }
  std::size_t send_budget() const override { return budget; }
  void start(net::transport_handler& h) override { handler = &h; }
  void send(base::send_chain&& chain) override {
    const auto flat = chain.flatten();
    sent.append(flat.begin(), flat.end());
    sent_ever += flat.size();
    if (holds) queued += flat.size();
    budget -= std::min(budget, flat.size());
    chain.clear();
  }
  void pause_receive(bool p) override { paused = p; }
  void close(net::close_code, std::string) override { closed = true; }
  void abort() override { aborted = true; }

  void give(std::string_view text) {
    handler->on_receive(base::as_bytes(text));
    if (!closed && !aborted) handler->on_receive_done();
  }
  std::string take() { return std::exchange(sent, {}); }
  // The peer takes all that is queued.
  void let_go() {
    queued = 0;
    if (std::exchange(budget, 1 << 20) == 0) handler->on_writable();
    if (queued == 0 && !closed && !aborted) handler->on_drained();
  }

  net::transport_handler* handler = nullptr;
  std::size_t budget = 1 << 20;
  std::string sent;
  std::size_t sent_ever = 0, queued = 0;
  bool holds = false;
  bool paused = false, closed = false, aborted = false;
};

class counting_source final : public body_source {
 public:
  counting_source(std::size_t bytes, std::string* end) : left_(bytes), end_(end) {}
  state pull(base::instant, std::size_t budget, base::send_chain& out) override {
    const auto some = std::min(budget, left_);
    out.push_back(base::slice(std::vector<std::uint8_t>(some, 'x')));
    left_ -= some;
    return left_ > 0 ? state::more : state::ended;
  }
  void on_end(std::string_view why) override { *end_ = why; }

 private:
  std::size_t left_;
  std::string* end_;
};

class http_connection : public ::testing::Test {
 protected:
  void SetUp() override {
    context.handle = [this](request&& r, reply_ptr to) {
      asked.push_back(r.path);
      if (answer) answer(std::move(r), std::move(to)); else waiting.push_back(std::move(to));
    };
    one = std::make_shared<connection>(context, pipe, std::chrono::steady_clock::now(), 1, [this] { done = true; });
    one->start();
  }
  void run() {
    io.restart();
    io.poll();
  }

  boost::asio::io_context io;
  connection_context context{io, {}, {}};
  std::shared_ptr<fake_transport> pipe = std::make_shared<fake_transport>();
  std::function<void(request&&, reply_ptr)> answer;
  std::deque<reply_ptr> waiting;
  std::vector<std::string> asked;
  bool done = false;
  std::shared_ptr<connection> one;
};

TEST_F(http_connection, answers_in_order_and_stays) {
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(waiting.size(), 1u);  // the second one waits for the answer to the first
  waiting[0]->send(text_response(200, "one"));
  run();
  ASSERT_EQ(waiting.size(), 2u);
  waiting[1]->send(text_response(404, "two"));
  EXPECT_EQ(asked, (std::vector<std::string>{"/1", "/2"}));
  const auto said = pipe->take();
  EXPECT_LT(said.find("HTTP/1.1 200 OK"), said.find("HTTP/1.1 404 Not Found"));
  EXPECT_NE(said.find("Connection: keep-alive"), std::string::npos);
  EXPECT_NE(said.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_FALSE(pipe->closed);
}

TEST_F(http_connection, closes_when_the_client_wants_it) {
  answer = [](request&&, reply_ptr to) { to->send(text_response(200, "bye")); };
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(pipe->closed);
  EXPECT_NE(pipe->take().find("Connection: close"), std::string::npos);
  run();
  EXPECT_TRUE(done);
}

TEST_F(http_connection, closes_only_when_the_peer_has_everything) {
  answer = [](request&&, reply_ptr to) { to->send(bytes_response("video/mp4", std::string(3 << 20, 'x'))); };
  pipe->holds = true;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  run();
  EXPECT_FALSE(pipe->closed);
  EXPECT_FALSE(done);
  EXPECT_TRUE(pipe->paused);  // a client that closed its side would otherwise be taken for gone
  pipe->let_go();
  EXPECT_TRUE(pipe->closed);
  run();
  EXPECT_TRUE(done);
}

TEST_F(http_connection, gives_up_a_peer_that_takes_nothing_of_the_last_answer) {
  answer = [](request&&, reply_ptr to) { to->send(text_response(200, "bye")); };
  context.limits.progress = std::chrono::milliseconds(1);
  pipe->holds = true;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_TRUE(pipe->aborted);
}

TEST_F(http_connection, takes_no_further_request_from_a_peer_that_takes_no_answer) {
  answer = [](request&&, reply_ptr to) { to->send(bytes_response("video/mp4", std::string(200'000, 'x'))); };
  pipe->holds = true;
  pipe->budget = 100'000;
  for (const std::string path : {"/1", "/2", "/3"}) {
    pipe->give("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    run();
  }
  EXPECT_EQ(asked.size(), 1u);
  EXPECT_LT(pipe->queued, 201'000u);
  pipe->let_go();
  run();
  EXPECT_EQ(asked, (std::vector<std::string>{"/1", "/2", "/3"}));  // there is room now
  EXPECT_FALSE(pipe->closed);
}

TEST_F(http_connection, gives_up_a_peer_that_asks_and_takes_nothing) {
  answer = [](request&&, reply_ptr to) { to->send(bytes_response("video/mp4", std::string(200'000, 'x'))); };
  context.limits.progress = std::chrono::milliseconds(1);
  for (const std::size_t room : {100u << 10, 1u << 20}) {  // of one that leaves no room, and of one that does
    done = false;
    pipe = std::make_shared<fake_transport>();
    pipe->holds = true;
    pipe->budget = room;
    one = std::make_shared<connection>(context, pipe, std::chrono::steady_clock::now(), 1, [this] { done = true; });
    one->start();
    pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(test::run_until(io, [&] { return done; }));
    EXPECT_TRUE(pipe->aborted);
  }
}

TEST_F(http_connection, silence_begins_when_the_peer_has_everything) {
  answer = [](request&&, reply_ptr to) { to->send(text_response(200, "one")); };
  context.limits.idle = std::chrono::milliseconds(1);
  pipe->holds = true;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  io.run_one_for(std::chrono::seconds(20));  // the timer
  EXPECT_FALSE(pipe->closed);
  EXPECT_FALSE(pipe->paused);  // it may still ask
  pipe->let_go();
  EXPECT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_TRUE(pipe->closed);
}

TEST_F(http_connection, ends_in_order_at_a_shutdown_although_the_peer_is_slow) {
  answer = [](request&&, reply_ptr to) { to->send(bytes_response("video/mp4", std::string(200'000, 'x'))); };
  pipe->holds = true;
  pipe->budget = 100'000;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  one->shut_down();
  EXPECT_FALSE(pipe->closed);
  pipe->let_go();
  EXPECT_TRUE(pipe->closed);
}

TEST_F(http_connection, is_given_up_with_what_is_queued_for_it) {
  answer = [](request&&, reply_ptr to) { to->send(bytes_response("video/mp4", std::string(200'000, 'x'))); };
  pipe->holds = true;
  pipe->budget = 100'000;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  one->give_up("memory is short");
  EXPECT_TRUE(pipe->aborted);
  run();
  EXPECT_TRUE(done);
}

TEST_F(http_connection, sends_no_body_to_head) {
  answer = [](request&&, reply_ptr to) { to->send(text_response(200, "a body")); };
  pipe->give("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto said = pipe->take();
  EXPECT_NE(said.find("Content-Length: 7"), std::string::npos);
  EXPECT_TRUE(said.ends_with("\r\n\r\n"));
}

TEST_F(http_connection, says_500_when_nobody_answers) {
  answer = [](request&&, reply_ptr) {};
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(pipe->take().find("HTTP/1.1 500 "), std::string::npos);
}

TEST_F(http_connection, explains_and_closes_after_nonsense) {
  pipe->give("nonsense\r\n\r\n");
  EXPECT_NE(pipe->take().find("HTTP/1.1 400 "), std::string::npos);
  EXPECT_TRUE(pipe->closed);
  EXPECT_TRUE(asked.empty());
}

TEST_F(http_connection, sends_a_long_body_as_fast_as_it_is_taken) {
  std::string end;
  answer = [&](request&&, reply_ptr to) {
    response r;
    r.source = std::make_unique<counting_source>(5000, &end);
    r.source_bytes = 5000;
    to->send(std::move(r));
  };
  pipe->budget = 2000;
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  auto all = pipe->take();
  EXPECT_EQ(asked.size(), 1u);
  while (end.empty()) {
    pipe->budget = 2000;
    pipe->handler->on_writable();
    all += pipe->take();
  }
  const auto body = all.substr(all.find("\r\n\r\n") + 4);
  EXPECT_EQ(body.size(), 5000u);
  EXPECT_FALSE(pipe->closed);
  run();
  EXPECT_EQ(asked.size(), 2u);  // its length was known, so the connection goes on
}

TEST_F(http_connection, ends_with_a_body_of_unknown_length) {
  std::string end;
  answer = [&](request&&, reply_ptr to) {
    response r;
    r.source = std::make_unique<counting_source>(10, &end);
    to->send(std::move(r));
  };
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto said = pipe->take();
  EXPECT_EQ(said.find("Content-Length"), std::string::npos);
  EXPECT_NE(said.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(pipe->closed);
  EXPECT_EQ(end, "all of it was sent");
}

TEST_F(http_connection, ends_with_the_protocol_that_it_was_switched_to) {
  std::string end;
  answer = [&](request&&, reply_ptr to) {
    response r;
    r.status = 101;
    r.source = std::make_unique<counting_source>(10, &end);
    to->send(std::move(r));
  };
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(pipe->take().starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_TRUE(pipe->closed);
}

TEST_F(http_connection, aborts_when_less_comes_than_was_announced) {
  std::string end;
  answer = [&](request&&, reply_ptr to) {
    response r;
    r.source = std::make_unique<counting_source>(10, &end);
    r.source_bytes = 20;
    to->send(std::move(r));
  };
  pipe->give("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(pipe->aborted);
}

TEST_F(http_connection, reads_no_further_ahead_than_it_must) {
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + std::string(40'000, 'x'));
  EXPECT_TRUE(pipe->paused);
  waiting[0]->send(text_response(200, "one"));
  run();
  EXPECT_FALSE(pipe->paused);  // the second request needs more than was read ahead
  pipe->give(std::string(10'000, 'x'));
  EXPECT_EQ(asked.size(), 2u);
}

// Answers that are there at once leave the connection reading, which is no reason to take in more than it can answer.
TEST_F(http_connection, a_flood_of_requests_is_read_no_faster_than_it_is_answered) {
  answer = [](request&&, reply_ptr to) { to->send(text_response(200, "ok")); };
  pipe->budget = 100u << 20;
  std::string many;
  while (many.size() < 64 << 10) many += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto requests = many.size() / std::string_view("GET / HTTP/1.1\r\nHost: a\r\n\r\n").size();
  for (std::size_t bursts = 1; bursts < 4; ++bursts) {
    pipe->give(many);
    EXPECT_TRUE(pipe->paused);
    io.restart();
    while (pipe->paused && io.poll_one() > 0) {}
    EXPECT_FALSE(pipe->paused);
    EXPECT_EQ(asked.size(), bursts * requests);  // all of it, before more is taken in
  }
}

TEST_F(http_connection, hears_again_of_a_viewer_that_had_sent_too_much_ahead) {
  std::string end;
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(40'000, 'x'));
  EXPECT_TRUE(pipe->paused);
  pipe->budget = 0;
  response r;
  r.source = std::make_unique<counting_source>(10, &end);
  waiting[0]->send(std::move(r));
  EXPECT_FALSE(pipe->paused);
}

TEST_F(http_connection, a_late_answer_to_a_peer_that_is_gone_goes_nowhere) {
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  pipe->handler->on_closed({{base::error_kind::closed, "gone"}, true, {}});
  run();
  one.reset();
  EXPECT_FALSE(waiting[0]->wanted());
  waiting[0]->send(text_response(200, "late"));
  EXPECT_TRUE(pipe->sent.empty());
}

// Whoever keeps books of a body counts on its end.
TEST_F(http_connection, a_body_for_a_peer_that_is_gone_ends) {
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  pipe->handler->on_closed({{base::error_kind::closed, "gone"}, true, {}});
  ASSERT_TRUE(waiting[0]->wanted());  // until its owner drops it
  std::string end;
  response r;
  r.source = std::make_unique<counting_source>(10, &end);
  waiting[0]->send(std::move(r));
  EXPECT_FALSE(end.empty());
}

TEST_F(http_connection, ends_what_has_no_end_at_a_shutdown) {
  pipe->give("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  one->shut_down();
  EXPECT_FALSE(pipe->closed);  // the answer is still to come
  waiting[0]->send(text_response(200, "one"));
  EXPECT_TRUE(pipe->closed);
}

}  // namespace
}  // namespace millrace::http
