// doc/protocol/vectors/roqr.json is the table of cases in a form that others can read. With MILLRACE_WRITE_VECTORS=1 it is written.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/hex.hpp"
#include "rtmp/roqr_cases.hpp"

namespace millrace::rtmp {
namespace {

using base::hex;

// Numbers past 2^53 are no number in JSON that everybody reads alike.
std::string number(std::uint64_t n) { return n >> 53 == 0 ? std::to_string(n) : '"' + std::to_string(n) + '"'; }

std::string vectors() {
  std::ostringstream out;
  out << "{\n  \"specification\": \"draft-gregoire-rtmp-over-quic, RoQR Frame Format\",\n  \"frames\": [\n";
  const auto good = roqr_cases::all_good();
  for (const auto& c : good) {
    const auto& m = c.meaning.message;
    out << "    {\"name\": \"" << c.name << "\", \"bytes\": \"" << hex(c.bytes) << "\", \"flow\": " << number(c.meaning.flow)
        << ", \"timestamp\": " << m.timestamp << ", \"type\": " << static_cast<unsigned>(m.type) << ", \"message_stream\": " << m.msid
        << ", \"chunk_stream\": " << m.csid << ", \"payload\": \"" << hex(m.payload) << "\", \"shortest\": " << (c.canonical ? "true" : "false") << '}'
        << (&c == &good.back() ? "\n" : ",\n");
  }
  out << "  ],\n  \"refused\": [\n";
  const auto bad = roqr_cases::all_bad();
  for (const auto& c : bad) {
    out << "    {\"name\": \"" << c.name << "\", \"bytes\": \"" << hex(c.bytes) << "\", \"why\": \"" << c.why << "\"}" << (&c == &bad.back() ? "\n" : ",\n");
  }
  out << "  ]\n}\n";
  return out.str();
}

TEST(RoqrVectors, ThePublishedFileIsTheTable) {
  const std::string path = MILLRACE_VECTORS "/roqr.json";
  const auto text = vectors();
  if (std::getenv("MILLRACE_WRITE_VECTORS") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::stringstream published;
  published << file.rdbuf();
  EXPECT_TRUE(published.str() == text) << path << " is not what the table says: write it anew with MILLRACE_WRITE_VECTORS=1";
}

}  // namespace
}  // namespace millrace::rtmp
