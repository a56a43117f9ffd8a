#include "net/endpoint_text.hpp"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

namespace millrace::net {

boost::asio::ip::address unmapped(const boost::asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
}

std::string endpoint_text(const boost::asio::ip::address& address, std::uint16_t port) {
  const auto plain = unmapped(address);
  const auto number = std::to_string(port);
  return plain.is_v6() ? "[" + plain.to_string() + "]:" + number : plain.to_string() + ":" + number;
}

boost::asio::ip::address address_of(std::string_view endpoint) {
  auto host = endpoint.substr(0, endpoint.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(std::string(host), failed);
  return failed ? boost::asio::ip::address() : unmapped(address);
}

}  // namespace millrace::net
