// What counts as one peer where peers are counted by address.
#pragma once
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>

namespace millrace::net {

// An IPv4 address in mapped form, or the first 64 bits of an IPv6 address: one home or server has a whole /64.
using address_block = std::array<std::uint8_t, 16>;
address_block block_of(const boost::asio::ip::address& address);

}  // namespace millrace::net
