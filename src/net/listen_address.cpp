// Where to listen, as people write it, and what it means when the system refuses.
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "base/escape.hpp"
#include "net/listener.hpp"

namespace millrace::net {
namespace {

base::error wrong(std::string_view text, std::string_view what) {
  return {base::error_kind::usage, "listen address '" + base::escaped(text) + "': " + std::string(what) +
                                       "; write ADDR:PORT, [IPV6]:PORT, ADDR or PORT, for example 0.0.0.0:1935"};
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failure == std::errc() && end == text.data() + text.size();
}

bool only_digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

}  // namespace

base::result<listen_address> parse_listen_address(std::string_view text) {
  listen_address made;
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.empty()) return wrong(text, "it is empty");
  if (text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return wrong(text, "the ']' is missing");
    host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return wrong(text, "after ']' comes ':PORT' or nothing");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (only_digits(text)) {
    host = {};
    port = text;
    has_port = true;
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (has_port && !parse_port(port, made.port)) return wrong(text, "the port is no number from 0 to 65535");

  if (host.empty() || host == "*") host = "::";
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code failure;
  const auto address = boost::asio::ip::make_address(std::string(host), failure);
  if (failure) return wrong(text, "'" + base::escaped(host) + "' is no IP address");
  made.host = address.to_string();
  return made;
}

}  // namespace millrace::net
