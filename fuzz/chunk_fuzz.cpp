// Bytes of a connection, in pieces, through chunk_reader. Every message that comes out must survive being written and read again.
#include <cstdint>
#include <cstdlib>

#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"

namespace {

using namespace millrace;

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const rtmp::message& a, const rtmp::message& b) {
  return a.type == b.type && a.msid == b.msid && a.csid == b.csid && a.timestamp == b.timestamp && a.payload.size() == b.payload.size() &&
         base::as_text(a.payload) == base::as_text(b.payload);
}

void rewrite(const rtmp::message& m) {
  if (m.csid < 2) return;
  const auto stream = rtmp::encode_chunks(m, 128).flatten();
  rtmp::chunk_reader reader(base::rtmp_limits{}, 64u << 20);
  base::bytes_view bytes = stream;
  auto again = reader.next(bytes);
  require(again && *again && bytes.empty() && same(**again, m));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The same stream whole and in pieces gives the same messages: the first byte says how large the pieces are.
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 32 + 1u;
  base::bytes_view stream(data + 1, size - 1);
  constexpr std::size_t partial_limit = 1u << 20;
  rtmp::chunk_reader whole(base::rtmp_limits{}, partial_limit);
  rtmp::chunk_reader pieces(base::rtmp_limits{}, partial_limit);
  base::bytes_view left = stream;
  base::bytes_view part;
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
    rewrite(**expected);
  }
}
