// What recordings need of a file system, call by call, so that a test can make it full, slow or gone.
#pragma once
#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "record/scan.hpp"

namespace millrace::record {

// The calls of POSIX with their meaning: negative results leave the reason in errno. The methods here are the system itself.
class disk {
 public:
  virtual ~disk() = default;
  virtual int open(const char* path, int flags, unsigned mode);
  virtual ssize_t pwritev(int fd, const iovec* parts, int count, off_t at);
  virtual ssize_t pread(int fd, void* to, std::size_t count, off_t at);
  virtual int fdatasync(int fd);
  virtual int ftruncate(int fd, off_t size);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
  virtual int close(int fd);
  // False: the file at `fd` has no name any more.
  virtual bool has_name(int fd);
  // Makes the directory of `path` and those above it; 0 or the error number.
  virtual int make_directories(const std::filesystem::path& path);
  struct room {
    std::uint64_t free = 0, total = 0;  // bytes; free is what somebody who is not root can have
  };
  virtual std::optional<room> space(const std::filesystem::path& directory);
};

// An open file. Whatever the system returns, half a write or EINTR, a call does all of it or says which error it was.
class disk_file {
 public:
  // O_EXCL: nothing that is there is ever written over. 0 or the error number.
  static int create(disk& on, const std::filesystem::path& path, std::optional<disk_file>& to);
  static int open(disk& on, const std::filesystem::path& path, bool to_write, std::optional<disk_file>& to);
  ~disk_file();
  disk_file(disk_file&& other) noexcept;
  disk_file& operator=(disk_file&&) = delete;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  // Behind the end, with one write if the system does that. After an error (its number, otherwise 0) the file is as long as before: half a fragment
  // helps nobody.
  int append(const base::send_chain& bytes);
  int overwrite(std::uint64_t at, base::bytes_view bytes);
  int shorten(std::uint64_t size);
  int sync();
  [[nodiscard]] bool has_name() const { return on_->has_name(fd_); }
  [[nodiscard]] std::optional<std::vector<std::uint8_t>> read(std::uint64_t at, std::size_t count) const;
  [[nodiscard]] read_at reader() const {
    return [this](std::uint64_t at, std::size_t count) { return read(at, count); };
  }

 private:
  disk_file(disk& on, int fd, std::uint64_t size) : on_(&on), fd_(fd), size_(size) {}
  int write_at(const iovec* parts, std::size_t count, std::uint64_t at);
  disk* on_;
  int fd_;
  std::uint64_t size_;
};

// A whole small file, written beside its place and moved there: what is there is the old one or the new one. 0 or the error number.
int replace_file(disk& on, const std::filesystem::path& path, std::string_view content);

// What a person can do about an error of the file system: "no space left on device: free some, or …".
std::string advice_for(int error_number);

}  // namespace millrace::record
