// Small files that must never be half written or readable by others: keys, secrets, certificates.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace millrace::net {

// The whole file, or nothing if it does not exist. Errors (kind local) name the file. Refuses more than 1 MiB.
base::result<std::optional<std::string>> read_state_file(const std::filesystem::path& file);

// Writes beside the file, syncs, renames and syncs the directory, so that a crash leaves the old file, the new one or none.
base::result<void> write_state_file(const std::filesystem::path& file, std::string_view content, unsigned mode);

// The state directory, made with mode 0700 if missing, and locked against other processes for the lifetime of this object: two
// servers that start at once agree on one key.
class state_directory_lock {
 public:
  static base::result<state_directory_lock> take(const std::filesystem::path& directory);
  state_directory_lock(state_directory_lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  state_directory_lock& operator=(state_directory_lock&&) = delete;
  ~state_directory_lock();

 private:
  explicit state_directory_lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace millrace::net
