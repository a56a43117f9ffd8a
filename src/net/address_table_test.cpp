#include "net/address_table.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::net {
namespace {

using verdict = address_table::verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

boost::asio::ip::address at(const char* text) { return boost::asio::ip::make_address(text); }
const base::instant start = base::instant{} + std::chrono::hours(1);

TEST(AddressTable, CountsWhatIsOpen) {
  const auto table = std::make_shared<address_table>(2);
  auto one = table->take(at("192.0.2.1"), start), two = table->take(at("192.0.2.1"), start);
  EXPECT_TRUE(one && two);
  EXPECT_FALSE(table->take(at("192.0.2.1"), start));
  EXPECT_EQ(table->look(at("192.0.2.1"), start), verdict::too_many);
  EXPECT_EQ(table->look(at("::ffff:192.0.2.1"), start), verdict::too_many);
  EXPECT_TRUE(table->take(at("192.0.2.2"), start));
  one.reset();
  EXPECT_TRUE(table->take(at("192.0.2.1"), start));
  two.reset();
  EXPECT_EQ(table->addresses(), 0U);
}

TEST(AddressTable, ANetworkOfIPv6IsOneAddress) {
  const auto table = std::make_shared<address_table>(1);
  const auto held = table->take(at("2001:db8::1"), start);
  EXPECT_FALSE(table->take(at("2001:db8::ffff:2"), start));
  EXPECT_TRUE(table->take(at("2001:db8:0:1::1"), start));
}

TEST(AddressTable, LoopbackIsNotCounted) {
  const auto table = std::make_shared<address_table>(1, 1);
  std::vector<std::shared_ptr<void>> held;
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(held.emplace_back(table->take(at(i % 2 == 0 ? "127.0.0.1" : "::1"), start)));
}

TEST(AddressTable, NewOnesHaveARateBehindABurst) {
  const auto table = std::make_shared<address_table>(100, 20);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(table->take(at("192.0.2.1"), start)) << i;  // each leaves at once
  EXPECT_EQ(table->look(at("192.0.2.1"), start), verdict::too_fast);
  EXPECT_FALSE(table->take(at("192.0.2.1"), start));
  EXPECT_TRUE(table->take(at("192.0.2.2"), start)) << "another address";
  EXPECT_TRUE(table->take(at("192.0.2.1"), start + milliseconds(50)));
  EXPECT_FALSE(table->take(at("192.0.2.1"), start + milliseconds(50)));
  int let_in = 0;
  for (int ms = 100; ms < 10'100; ++ms) let_in += table->take(at("192.0.2.1"), start + milliseconds(ms)) ? 1 : 0;
  EXPECT_NEAR(let_in, 200, 2);
  EXPECT_EQ(table->addresses(), 0U) << "nothing is open";
}

TEST(AddressTable, AFloodFromManyAddressesIsForgotten) {
  const auto table = std::make_shared<address_table>(2, 1);
  for (std::uint32_t i = 0; i < 200'000; ++i) table->take(boost::asio::ip::address_v4(0x0a00'0000 + i), start);
  const auto held = table->take(at("192.0.2.1"), start);
  EXPECT_TRUE(held);
  EXPECT_EQ(table->addresses(), 1U);
}

}  // namespace
}  // namespace millrace::net
