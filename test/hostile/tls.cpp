// TLS records and handshakes (RFC 8446 sections 4 and 5) that no client sends, on the port that RTMP shares with TLS.
#include <random>

#include "hostile/raw_tcp.hpp"

namespace millrace::hostile {
namespace {

using namespace std::string_literals;

std::string number(std::size_t value, int bytes_wide) {
  std::string out;
  for (int i = bytes_wide - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string record(int type, std::string_view body, std::size_t announced = std::string::npos) {
  return static_cast<char>(type) + "\x03\x01"s + number(announced == std::string::npos ? body.size() : announced, 2) + std::string(body);
}
std::string handshake(int type, std::string_view body, std::size_t announced = std::string::npos) {
  return static_cast<char>(type) + number(announced == std::string::npos ? body.size() : announced, 3) + std::string(body);
}
// A ClientHello that could be one, with these extensions.
std::string hello(std::string_view extensions, std::string_view suites = "\x13\x01\x13\x02\x13\x03", std::string_view session = "", std::size_t announced = std::string::npos) {
  std::string body = "\x03\x03" + std::string(32, 'r') + number(session.size(), 1) + std::string(session);
  body += number(suites.size(), 2) + std::string(suites) + "\x01\0"s;
  body += number(announced == std::string::npos ? extensions.size() : announced, 2) + std::string(extensions);
  return handshake(1, body);
}
std::string extension(int type, std::string_view body, std::size_t announced = std::string::npos) {
  return number(static_cast<std::size_t>(type), 2) + number(announced == std::string::npos ? body.size() : announced, 2) + std::string(body);
}
std::string often(std::string_view what, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += what;
  return out;
}
std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string out(size, '\0');
  for (auto& byte : out) byte = static_cast<char>(random());
  return out;
}
const std::string versions = extension(43, "\x02\x03\x04"), groups = extension(10, "\0\x02\0\x1d"s), schemes = extension(13, "\0\x02\x04\x03"s);

struct junk {
  const char* name;
  std::string sent;
  bool waits = false;  // what is sent could go on: closed by the deadline
};

const std::vector<junk>& all_junk() {
  static const std::vector<junk> all{
      {"0x16 and nothing", "\x16", true},
      {"a record's head and nothing", record(22, "", 512), true},
      {"a record of no bytes", record(22, ""), true},
      {"1000 records of no bytes", often(record(22, ""), 1000)},
      {"a record of 65,535", record(22, noise(4000), 65'535)},
      {"a record of 16,385", record(22, noise(16'385))},
      {"a record of SSL 2", "\x16\x80\x2e\x01\0\x02\0\x15\0\0\0\x10"s + noise(100)},
      {"a record of version 9.9", "\x16\x09\x09\x02\0"s + noise(512)},
      {"a ClientHello of noise", record(22, handshake(1, noise(500)))},
      {"a ClientHello of 16 MB is announced", record(22, handshake(1, noise(4000), 0xFFFFFF))},
      {"a ClientHello in records of one byte", [] { std::string out; for (const char c : hello(versions + groups + schemes)) out += record(22, std::string(1, c)); return out; }(), true},
      {"a ClientHello cut in the middle", record(22, hello(versions)).substr(0, 40), true},
      {"a ClientHello without a suite", record(22, hello(versions, ""))},
      {"a ClientHello with 30,000 suites", [] { std::string out; const auto whole = hello(versions, noise(60'000)); for (std::size_t i = 0; i < whole.size(); i += 16'000) out += record(22, whole.substr(i, 16'000)); return out; }()},
      {"a ClientHello with half a suite", record(22, hello(versions, "\x13"))},
      {"a ClientHello with a session id of 255", record(22, hello(versions, "\x13\x01", std::string(255, 's')))},
      {"a ClientHello without extensions", record(22, hello(""))},
      {"a ClientHello whose extensions are longer than it", record(22, hello(versions, "\x13\x01", "", 65'535))},
      {"a ClientHello with an extension longer than it", record(22, hello(extension(0, "a", 60'000)))},
      {"a ClientHello with one extension 3000 times", record(22, hello(often(extension(23, ""), 3000)))},
      {"a ClientHello with 3000 extensions that nobody knows", [] { std::string out; for (int i = 0; i < 3000; ++i) out += extension(0x2000 + i, ""); return record(22, hello(versions + out)); }()},
      {"a ClientHello of TLS 1.0 only", record(22, hello(extension(43, "\x02\x03\x01")))},
      {"a ClientHello of TLS 9.9 only", record(22, hello(extension(43, "\x02\x09\x09")))},
      {"a ClientHello with a name of 16,000 bytes", record(22, hello(versions + extension(0, number(16'003 - 0, 2) + "\0"s + number(16'000, 2) + std::string(16'000, 'a'))))},
      {"a ClientHello with a NUL in its name", record(22, hello(versions + extension(0, "\0\x06\0\0\x03""a\0b"s)))},
      {"a ClientHello whose ALPN is empty", record(22, hello(versions + groups + schemes + extension(16, "\0\0"s)))},
      {"a ClientHello whose ALPN holds an empty one", record(22, hello(versions + groups + schemes + extension(16, "\0\x01\0"s)))},
      {"a ClientHello with a key share of 65,535", record(22, hello(versions + groups + schemes + extension(51, "\xff\xff\0\x1d\xff\xff"s)))},
      {"a ClientHello with a key share of no bytes", record(22, hello(versions + groups + schemes + extension(51, "\0\x04\0\x1d\0\0"s)))},
      {"a ClientHello with a key share of zeros", record(22, hello(versions + groups + schemes + extension(51, "\0\x24\0\x1d\0\x20"s + std::string(32, '\0'))))},
      {"a ClientHello with a binder of nobody", record(22, hello(versions + groups + schemes + extension(45, "\x01\x01") + extension(41, "\0\x26\0\x20"s + noise(32) + "\0\0\0\0\0\x21\x20"s + noise(32))))},
      {"a ClientHello that offers early data, and early data", record(22, hello(versions + groups + schemes + extension(42, ""))) + often(record(23, noise(1000)), 100)},
      {"two ClientHellos", often(record(22, hello(versions + groups + schemes)), 2)},
      {"a ServerHello from a client", record(22, handshake(2, "\x03\x03" + noise(60)))},
      {"a Finished first", record(22, handshake(20, noise(32)))},
      {"a KeyUpdate first", record(22, handshake(24, "\0"s))},
      {"1000 KeyUpdates", often(record(22, handshake(24, "\x01")), 1000)},
      {"1000 HelloRequests", often(record(22, handshake(0, "")), 1000)},
      {"an alert first", record(22, "") + record(21, "\x02\x28")},
      {"1000 warnings behind a ClientHello", record(22, hello(versions + groups + schemes)) + often(record(21, "\x01\x5a"), 1000)},
      {"1000 ChangeCipherSpecs", record(22, hello(versions + groups + schemes)) + often(record(20, "\x01"), 1000)},
      {"application data behind a ClientHello", record(22, hello(versions + groups + schemes)) + often(record(23, noise(16'000)), 50)},
      {"heartbeats", record(22, hello(versions)) + often(record(24, "\x01\xff\xff"), 50)},
      {"a megabyte of noise behind 0x16 03 01", record(22, noise(1u << 20), 16'000)},
  };
  return all;
}

asio::awaitable<void> throw_at(arena& in, const junk& what) {
  auto at = co_await raw_tcp::open(in, in.tcp());
  co_await at.send(what.sent);
  co_await at.answer(what.waits ? after_deadline : soon);
}

// A handshake that was begun and is given up, many times: none of it stays.
asio::awaitable<void> begun(arena& in) {
  const auto whole = record(22, hello(versions + groups + schemes));
  for (int i = 0; i < (in.full ? 5000 : 200); ++i) {
    auto at = co_await raw_tcp::open(in, in.tcp());
    co_await at.send(whole.substr(0, 1 + static_cast<std::size_t>(i) % whole.size()));
  }
}

}  // namespace

void add_tls(cases& to) {
  for (const auto& what : all_junk()) {
    to.push_back({"TLS", what.name, what.waits ? "closed by the deadline, within 9 s" : "closed within 8 s", [&what](arena& in) { return throw_at(in, what); }, what.waits});
  }
  to.push_back({"TLS", "handshakes that break off, each elsewhere", "others are served meanwhile, and nothing of them stays", begun});
}

}  // namespace millrace::hostile
