// AMF0: decoding is bounded, and what was decoded survives encoding.
// The first byte chooses strict or lenient, so that both are reached from one corpus.
// `amf0_fuzz --write-seeds=DIR` writes the seeds from the good half of the unit test's table and ends.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "rtmp/amf0.hpp"
#include "rtmp/amf0_cases.hpp"

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
    for (const auto& c : amf0::cases::all_good()) write_seed(directory, c.name, c.bytes);
    std::exit(0);
  }
  return 0;
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
