#include "server/process_facts.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace millrace::server {
namespace {

TEST(process_facts, every_open_descriptor_is_known) {
  struct stat directory{};
  if (::stat("/proc/self/fd", &directory) != 0 || directory.st_size == 0) GTEST_SKIP() << "this kernel is older than 6.2: they are counted now and then";
  boost::asio::thread_pool elsewhere(1);
  const auto before = look_at_process(elsewhere).descriptors_open;
  std::vector<int> more;
  for (int i = 0; i < 100; ++i) more.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto with = look_at_process(elsewhere).descriptors_open;
  for (const int each : more) ::close(each);
  EXPECT_GT(before, 2u);
  EXPECT_EQ(with, before + 100);
  EXPECT_EQ(look_at_process(elsewhere).descriptors_open, before);
}

}  // namespace
}  // namespace millrace::server
