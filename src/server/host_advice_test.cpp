#include "server/host_advice.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "net/quic_options.hpp"

namespace millrace::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const host_facts ample{net::udp_buffer_bytes, net::udp_buffer_bytes, 65'536};

TEST(host_advice, nothing_is_said_of_what_is_enough_or_not_known) {
  EXPECT_TRUE(host_advice(ample, true).empty());
  EXPECT_TRUE(host_advice({std::nullopt, std::nullopt, 65'536}, true).empty());
}

TEST(host_advice, says_what_to_type) {
  auto host = ample;
  host.udp_send_max = 212'992;
  EXPECT_THAT(host_advice(host, true), ElementsAre(AllOf(HasSubstr("208 KiB"), HasSubstr("sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304"))));
  EXPECT_TRUE(host_advice(host, false).empty()) << "TCP sizes its buffers itself";
  host.descriptors_max = 1024;
  EXPECT_THAT(host_advice(host, false), ElementsAre(AllOf(HasSubstr("1024 file descriptors"), HasSubstr("ulimit -n 65536"), HasSubstr("LimitNOFILE=65536"))));
}

TEST(host_advice, looks_at_this_host) {
  const auto host = look_at_host();
  EXPECT_GT(host.descriptors_max, 0u);
  const auto limit = [](const char* file) {
    std::size_t value = 0;
    EXPECT_TRUE(std::ifstream(file) >> value) << file;
    return std::min<std::size_t>(value, net::udp_buffer_bytes);
  };
  EXPECT_EQ(host.udp_receive_max, limit("/proc/sys/net/core/rmem_max"));
  EXPECT_EQ(host.udp_send_max, limit("/proc/sys/net/core/wmem_max"));
}

}  // namespace
}  // namespace millrace::server
