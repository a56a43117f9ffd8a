// Bytes of a QUIC stream, in pieces, through roqr_reader. Every frame that comes out must survive being written and read again.
// `roqr_fuzz --write-seeds=DIR` writes the seeds from the unit test's table and ends.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "rtmp/roqr_cases.hpp"
#include "rtmp/roqr_frame.hpp"

namespace {

using namespace millrace;

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const rtmp::roqr_frame& x, const rtmp::roqr_frame& y) {
  const auto &a = x.message, &b = y.message;
  return x.flow == y.flow && a.type == b.type && a.msid == b.msid && a.csid == b.csid && a.timestamp == b.timestamp &&
         base::as_text(a.payload) == base::as_text(b.payload);
}

void write_seed(const std::string& directory, const char* name, const std::vector<std::uint8_t>& bytes) {
  if (bytes.size() > 1000) return;  // large seeds only slow the fuzzer down
  std::ofstream file(directory + '/' + name, std::ios::binary);
  file.put('\0');
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) {
    std::fprintf(stderr, "cannot write %s/%s\n", directory.c_str(), name);
    std::exit(1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static constexpr char option[] = "--write-seeds=";
  for (int i = 1; i < *argc; ++i) {
    if (std::strncmp((*argv)[i], option, sizeof option - 1) != 0) continue;
    const std::string directory = (*argv)[i] + sizeof option - 1;
    for (const auto& c : rtmp::roqr_cases::all_good()) write_seed(directory, c.name, c.bytes);
    for (const auto& c : rtmp::roqr_cases::all_bad()) write_seed(directory, c.name, c.bytes);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 32 + 1u;  // how large the pieces are
  base::bytes_view stream(data + 1, size - 1), left = stream, part;
  rtmp::roqr_reader whole{base::rtmp_limits{}}, pieces{base::rtmp_limits{}};
  while (true) {
    auto expected = whole.next(left);
    auto got = pieces.next(part);
    while (got && !*got && !stream.empty()) {
      part = stream.first(std::min(piece, stream.size()));
      stream = stream.subspan(part.size());
      got = pieces.next(part);
    }
    require(expected.has_value() == got.has_value());
    if (!expected) {
      require(expected.error().text == got.error().text);
      return 0;
    }
    require(expected->has_value() == got->has_value());
    require(whole.partial_bytes() == pieces.partial_bytes() && whole.partial_bytes() <= size);
    if (!*expected) return 0;
    require(same(**expected, **got));
    const auto again = rtmp::encode_roqr((*expected)->flow, (*expected)->message).flatten();
    rtmp::roqr_reader reader{base::rtmp_limits{}};
    base::bytes_view bytes = again;
    auto reread = reader.next(bytes);
    require(reread && *reread && bytes.empty() && same(**reread, **expected));
  }
}
