// Names of streams and applications that mean something to a file system, a terminal, a log or a web page.
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

struct odd_name {
  const char* what;
  std::string text;
  expect outcome;  // what becomes of a publish; a play waits for a name that may be, and is refused where it may not
};

using namespace std::string_literals;

const std::vector<odd_name>& names() {
  static const std::vector<odd_name> all{
      {"of no bytes", "", expect::refused},
      {"..", "..", expect::refused},
      {".", ".", expect::refused},
      {"that leads upwards", "../../../../etc/passwd", expect::refused},
      {"that leads upwards in its middle", "a/../../b", expect::refused},
      {"that ends in /..", "a/..", expect::refused},
      {"that begins with /", "/etc/passwd", expect::refused},
      {"with a NUL", "a\0b"s, expect::refused},
      {"with a line feed", "a\nlevel=error forged", expect::refused},
      {"with a carriage return", "a\rb", expect::refused},
      {"with an escape sequence", "\x1b[2Ja", expect::refused},
      {"with DEL", "a\x7f", expect::refused},
      {"with a C1 control character", "a\xc2\x9b", expect::refused},
      {"that is no UTF-8: a lone continuation", "a\x80", expect::refused},
      {"that is no UTF-8: an overlong slash", "a\xc0\xaf", expect::refused},
      {"that is no UTF-8: a surrogate", "a\xed\xa0\x80", expect::refused},
      {"that is no UTF-8: above U+10FFFF", "a\xf5\x80\x80\x80", expect::refused},
      {"that is no UTF-8: cut", "a\xe2\x82", expect::refused},
      {"of 257 bytes", std::string(257, 'n'), expect::refused},
      {"of 60,000 bytes", std::string(60'000, 'n'), expect::refused},
      {"of a megabyte", std::string(1u << 20, 'n'), expect::refused},
      {"that is a query only", "?key=x", expect::refused},
      {"with a query of 1025 bytes", "a?" + std::string(1025, 'q'), expect::refused},
      {"with a NUL in its query", "a?k=\0"s, expect::refused},
      {"of 256 bytes", std::string(256, 'n'), expect::either},
      {"with percents", "%2e%2e%2f%00", expect::either},
      {"with backslashes", "..\\..\\windows", expect::either},
      {"that is HTML", "<script>alert(1)</script>", expect::either},
      {"that is SQL and a shell", "';drop table a;--`id`$(id)", expect::either},
      {"that is written from right to left", "a\xe2\x80\xae" "fdp", expect::either},
      {"of formats", "%s%n%x{}{0}", expect::either},
      {"with a hundred slashes", std::string(100, '/').insert(0, "a"), expect::either},
  };
  return all;
}

std::vector<attack> table() {
  std::vector<attack> out;
  for (const auto& odd : names()) {
    const auto text = odd.text;
    const bool refused = odd.outcome == expect::refused;
    out.push_back({std::string("publish a name ") + odd.what, from::stream, odd.outcome, [text](auto& s) { s.call("publish", {text, "live"}, s.msid); }});
    // A play of a name that may be and is not there waits for its publisher.
    out.push_back({std::string("play a name ") + odd.what, from::stream, refused ? expect::refused : expect::either, [text](auto& s) { s.call("play", {text}, s.msid); }});
    if (text.empty() || text.find('?') != text.npos) continue;  // those are lines of their own in commands.cpp
    out.push_back({std::string("connect to an application ") + odd.what, from::handshaken, refused ? expect::refused : expect::either,
                   [text](auto& s) { s.at->call("connect", 1, {}, 0, amf0::object{{{"app", text}}}); }});
  }
  return out;
}

}  // namespace

void add_names(cases& to) { add_attacks(to, "names", all_ways, table()); }

}  // namespace millrace::hostile
