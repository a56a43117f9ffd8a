// Bytes of a QUIC stream, in pieces, through roqr_reader. Every frame that comes out must survive being written and read again.
// `roqr_fuzz --write-seeds=DIR` writes the seeds from the unit test's table and ends.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rtmp/roqr_cases.hpp"
#include "rtmp/roqr_frame.hpp"
#include "seeds.hpp"

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

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return millrace::fuzz::write_seeds_if_asked(*argc, *argv, [](const millrace::fuzz::seed_folder& seeds) {
    for (const auto& c : rtmp::roqr_cases::all_good()) seeds.add(c.name, 0, c.bytes);
    for (const auto& c : rtmp::roqr_cases::all_bad()) seeds.add(c.name, 0, c.bytes);
  });
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
