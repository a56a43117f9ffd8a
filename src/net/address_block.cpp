#include "net/address_block.hpp"

#include <algorithm>

#include "net/endpoint_text.hpp"

namespace millrace::net {

address_block block_of(const boost::asio::ip::address& address) {
  const auto plain = unmapped(address);
  address_block made{};
  if (plain.is_v4()) {
    const auto bytes = plain.to_v4().to_bytes();
    made[10] = made[11] = 0xff;
    std::copy(bytes.begin(), bytes.end(), made.begin() + 12);
  } else {
    const auto bytes = plain.to_v6().to_bytes();
    std::copy_n(bytes.begin(), 8, made.begin());
  }
  return made;
}

}  // namespace millrace::net
