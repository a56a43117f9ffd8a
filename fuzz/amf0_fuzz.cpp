// AMF0: decoding is bounded, and what was decoded survives encoding.
// The first byte chooses strict or lenient, so that both are reached from one corpus.
// `amf0_fuzz --write-seeds=DIR` writes the seeds from the good half of the unit test's table and ends.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "rtmp/amf0.hpp"
#include "rtmp/amf0_cases.hpp"
#include "seeds.hpp"

namespace {

namespace amf0 = millrace::rtmp::amf0;
namespace base = millrace::base;

void check(bool holds) {
  if (!holds) std::abort();
}

std::size_t count_of(const amf0::value& v) {
  std::size_t count = 1;
  if (const auto* members = v.members()) {
    for (const auto& m : *members) count += count_of(m.val);
  }
  if (const auto* array = std::get_if<amf0::strict_array>(&v.get())) {
    for (const auto& item : array->items) count += count_of(item);
  }
  return count;
}

base::byte_writer encoded(const std::vector<amf0::value>& values) {
  base::byte_writer to;
  for (const auto& v : values) amf0::encode(to, v);
  return to;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return millrace::fuzz::write_seeds_if_asked(*argc, *argv, [](const millrace::fuzz::seed_folder& seeds) {
    for (const auto& c : amf0::cases::all_good()) seeds.add(c.name, 0, c.bytes);
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool lenient = (data[0] & 1) != 0;
  const base::bytes_view bytes(data + 1, size - 1);
  const base::amf_limits limits;

  const auto values = amf0::decode_all(bytes, limits, lenient);
  if (!values) {
    const auto kind = values.error().kind;
    check(kind == base::error_kind::protocol || kind == base::error_kind::limit);
    check(!values.error().text.empty());
    // Whatever the lenient reader refuses, the strict one refuses too.
    if (lenient) check(!amf0::decode_all(bytes, limits, false));
    return 0;
  }
  std::size_t count = 0;
  for (const auto& v : *values) count += count_of(v);
  check(count <= limits.elements);

  // Encoding is canonical from the first time on, and it is accepted strictly.
  const auto once = encoded(*values);
  const auto back = amf0::decode_all(once.view(), limits, false);
  check(back.has_value());
  const auto twice = encoded(*back);
  check(std::ranges::equal(once.view(), twice.view()));
  return 0;
}
