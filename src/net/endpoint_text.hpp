// Addresses as people write them.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::net {

// An IPv4 client of a "::" socket shows up as ::ffff:a.b.c.d; everywhere above the socket it is the IPv4 address it is.
boost::asio::ip::address unmapped(const boost::asio::ip::address& address);
// "127.0.0.1:1935", "[::1]:1935"
std::string endpoint_text(const boost::asio::ip::address& address, std::uint16_t port);
// The address of such a text, unmapped; an unspecified one if it is none.
boost::asio::ip::address address_of(std::string_view endpoint);

}  // namespace millrace::net
