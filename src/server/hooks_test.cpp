#include "server/hooks.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

// Whoever asks has to be asked about, so that nobody is there to answer cannot mean yes.
TEST(Hooks, NobodyToAskIsANo) {
  hook_caller caller({}, "host-1");
  hook_question q;
  q.what = hook::publish;
  std::optional<hook_answer> heard;
  auto only_play = std::make_shared<hook_settings>();
  only_play->urls[static_cast<std::size_t>(hook::play)] = {"http://127.0.0.1:1/"};
  caller.ask(only_play, q, [&](hook_answer&& answer) { heard = std::move(answer); });
  ASSERT_TRUE(heard);
  EXPECT_FALSE(heard->allowed);
  EXPECT_EQ(caller.counts().asked, 0U);
}

}  // namespace
}  // namespace millrace::server
