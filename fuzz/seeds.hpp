// `NAME_fuzz --write-seeds=DIR` writes the seeds of a corpus from the unit tests' table of cases, and ends.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace millrace::fuzz {

// One file per case; `first` is the byte by which the target chooses how it treats the rest.
class seed_folder {
 public:
  explicit seed_folder(std::string path) : path_(std::move(path)) {}
  void add(const char* name, std::uint8_t first, std::span<const std::uint8_t> bytes, std::size_t bytes_max = 1000) const {
    if (bytes.size() > bytes_max) return;  // large seeds only slow the fuzzer down
    std::ofstream file(path_ + '/' + name, std::ios::binary);
    file.put(static_cast<char>(first));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (file.flush()) return;
    std::fprintf(stderr, "cannot write %s/%s\n", path_.c_str(), name);
    std::exit(1);
  }

 private:
  std::string path_;
};

// For LLVMFuzzerInitialize: calls `write` with the folder if the option is there, and ends the program then.
template <class Write>
int write_seeds_if_asked(int argc, char** argv, const Write& write) {
  static constexpr std::string_view option = "--write-seeds=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with(option)) continue;
    write(seed_folder(std::string(word.substr(option.size()))));
    std::exit(0);
  }
  return 0;
}

}  // namespace millrace::fuzz
