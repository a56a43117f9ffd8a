#include "server/resume.hpp"

#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"

namespace millrace::server {
namespace {

// A shard's names, streams and tokens, without connections.
struct resume_register_test : ::testing::Test {
  boost::asio::io_context io;
  name_register names;
  base::hub_limits limits;
  hub::directory own{limits};
  fan_out viewers{io, {}};
  shared_streams streams{io, own, viewers, names, 0};
  std::uint64_t numbers = 0;
  resume_register resumes{io, [this] { return ++numbers; }, std::chrono::minutes(10)};

  resume_register_test() {
    streams.connect({streams.here()});
    streams.on_token = [this](const std::string& name, const std::string& token) { resumes.take(name, token); };
  }
  std::unique_ptr<live_publication> publish() {
    auto made = streams.publish("live/a");
    return made ? std::move(*made) : nullptr;
  }
};

TEST_F(resume_register_test, an_end_leaves_nothing) {
  for (int i = 0; i < 100; ++i) {
    const auto name = "live/" + std::to_string(i);
    const auto token = resumes.issue(name, [] {});
    resumes.end(name, "another");
    EXPECT_EQ(resumes.size(), 1U);
    resumes.end(name, token);
    EXPECT_EQ(resumes.size(), 0U);
  }
}

// Its new publication may be on another shard, and its token with it.
TEST_F(resume_register_test, a_token_that_was_used_leaves_nothing) {
  for (int i = 0; i < 100; ++i) {
    const auto name = "live/" + std::to_string(i);
    int let_go = 0;
    const auto token = resumes.issue(name, [&let_go] { ++let_go; });
    EXPECT_FALSE(resumes.take(name, "another"));
    EXPECT_TRUE(resumes.take(name, token));
    EXPECT_FALSE(resumes.take(name, token));
    EXPECT_EQ(let_go, 1);
  }
  EXPECT_EQ(resumes.size(), 0U);
}

TEST_F(resume_register_test, a_publication_that_waited_and_was_followed_leaves_nothing) {
  auto first = publish();
  const auto token = resumes.issue("live/a", [] {});
  first->offer_token(token);
  resumes.linger("live/a", token, std::move(first));
  EXPECT_EQ(resumes.lingering(), 1U);
  EXPECT_TRUE(streams.take("live/a", token));
  const auto second = publish();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(resumes.lingering(), 1U) << "until its key frame";
  second->append(hub::testing::key(0));
  io.poll();
  EXPECT_EQ(resumes.lingering(), 0U);
  EXPECT_EQ(resumes.size(), 0U);
}

// Twice lost, the second time before a picture came.
TEST_F(resume_register_test, one_that_is_lost_before_its_turn_leaves_the_name_to_the_next) {
  auto first = publish();
  auto token = resumes.issue("live/a", [] {});
  first->offer_token(token);
  first->append(hub::testing::key(0));
  resumes.linger("live/a", token, std::move(first));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(streams.take("live/a", token));
    EXPECT_FALSE(streams.take("live/a", token)) << "good once";
    auto next = publish();
    ASSERT_NE(next, nullptr) << i;
    const auto its = resumes.issue("live/a", [] {});
    next->offer_token(its);
    resumes.linger("live/a", its, std::move(next));
    EXPECT_EQ(resumes.lingering(), 1U) << "the first: it is what viewers have";
    EXPECT_EQ(publish(), nullptr) << "nobody else has the name";
    EXPECT_FALSE(streams.take("live/a", token)) << "nor does what was shown before";
    token = its;
  }
  EXPECT_TRUE(streams.take("live/a", token));
  const auto last = publish();
  ASSERT_NE(last, nullptr);
  last->append(hub::testing::key(0));
  io.poll();
  EXPECT_EQ(resumes.size(), 0U);
  EXPECT_FALSE(last->waiting());
}

// The same, and its own shard does not know yet that it is lost.
TEST_F(resume_register_test, one_that_waits_makes_room_for_its_publishers_next) {
  auto first = publish();
  auto token = resumes.issue("live/a", [&first] { first->yield([] {}); });
  first->offer_token(token);
  EXPECT_TRUE(streams.take("live/a", token));
  auto second = publish();
  ASSERT_NE(second, nullptr);
  token = resumes.issue("live/a", [&second] { second.reset(); });
  second->offer_token(token);
  EXPECT_FALSE(streams.take("live/a", "another"));
  EXPECT_NE(second, nullptr);
  EXPECT_FALSE(streams.take("live/a", token)) << "not yet";
  EXPECT_EQ(second, nullptr);
  EXPECT_TRUE(streams.take("live/a", token));
  EXPECT_NE(publish(), nullptr);
}

// The old connection breaks only when its publisher is back already and waits for a key frame.
TEST_F(resume_register_test, a_publication_whose_next_one_has_a_token_does_not_take_it) {
  auto first = publish();
  const auto old = resumes.issue("live/a", [&first] { first->yield([] {}); });
  EXPECT_TRUE(resumes.take("live/a", old));
  auto second = publish();
  ASSERT_NE(second, nullptr);
  int let_go = 0;
  const auto token = resumes.issue("live/a", [&let_go] { ++let_go; });
  resumes.linger("live/a", old, std::move(first));
  EXPECT_EQ(resumes.lingering(), 0U);
  EXPECT_TRUE(resumes.take("live/a", token));
  EXPECT_EQ(let_go, 1);
}

}  // namespace
}  // namespace millrace::server
