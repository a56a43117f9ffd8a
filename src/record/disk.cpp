#include "record/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>
#include <utility>

namespace millrace::record {

int disk::open(const char* path, int flags, unsigned mode) { return ::open(path, flags | O_CLOEXEC, static_cast<mode_t>(mode)); }  // NOLINT: variadic
ssize_t disk::pwritev(int fd, const iovec* parts, int count, off_t at) { return ::pwritev(fd, parts, count, at); }
ssize_t disk::pread(int fd, void* to, std::size_t count, off_t at) { return ::pread(fd, to, count, at); }
int disk::fdatasync(int fd) { return ::fdatasync(fd); }
int disk::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int disk::rename(const char* from, const char* to) { return std::rename(from, to); }
int disk::unlink(const char* path) { return ::unlink(path); }
int disk::close(int fd) { return ::close(fd); }

bool disk::has_name(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 && facts.st_nlink > 0;
}

int disk::make_directories(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::create_directories(path.parent_path(), failure);
  return failure.value();
}

std::optional<disk::room> disk::space(const std::filesystem::path& directory) {
  struct statvfs facts {};
  int got = 0;
  while ((got = ::statvfs(directory.c_str(), &facts)) != 0 && errno == EINTR) {}
  if (got != 0) return std::nullopt;
  return room{std::uint64_t{facts.f_bavail} * facts.f_frsize, std::uint64_t{facts.f_blocks} * facts.f_frsize};
}

namespace {

int open_with(disk& on, const std::filesystem::path& path, int flags, int& fd) {
  while ((fd = on.open(path.c_str(), flags, 0644)) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

template <class Call>
int retried(Call call) {
  while (call() != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

int disk_file::create(disk& on, const std::filesystem::path& path, std::optional<disk_file>& to) {
  int fd = -1;
  if (const int failed = open_with(on, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, fd); failed != 0) return failed;
  to.emplace(disk_file(on, fd, 0));
  return 0;
}

int disk_file::open(disk& on, const std::filesystem::path& path, bool to_write, std::optional<disk_file>& to) {
  int fd = -1;
  // O_NONBLOCK: what lies there instead of a file must not make this thread wait.
  if (const int failed = open_with(on, path, (to_write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK, fd); failed != 0) return failed;
  struct stat facts {};
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    on.close(fd);
    return EINVAL;
  }
  to.emplace(disk_file(on, fd, static_cast<std::uint64_t>(facts.st_size)));
  return 0;
}

disk_file::disk_file(disk_file&& other) noexcept : on_(other.on_), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

disk_file::~disk_file() {
  if (fd_ >= 0) on_->close(fd_);
}

int disk_file::write_at(const iovec* parts, std::size_t count, std::uint64_t at) {
  std::vector<iovec> left(parts, parts + count);
  for (std::size_t first = 0; first < left.size();) {
    const auto some = static_cast<int>(std::min<std::size_t>(left.size() - first, IOV_MAX));
    const auto written = on_->pwritev(fd_, &left[first], some, static_cast<off_t>(at));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    // Nothing of something: no file system does that, and trying for ever helps nobody.
    if (written == 0) return EIO;
    at += static_cast<std::uint64_t>(written);
    auto done = static_cast<std::size_t>(written);
    while (first < left.size() && done >= left[first].iov_len) done -= left[first++].iov_len;
    if (done > 0) {
      left[first].iov_base = static_cast<char*>(left[first].iov_base) + done;
      left[first].iov_len -= done;
    }
  }
  return 0;
}

int disk_file::append(const base::send_chain& bytes) {
  if (bytes.empty()) return 0;
  std::vector<iovec> parts;
  parts.reserve(bytes.parts().size());
  for (const auto& part : bytes.parts()) parts.push_back({const_cast<std::uint8_t*>(part.data()), part.size()});  // NOLINT: pwritev only reads
  const int failed = write_at(parts.data(), parts.size(), size_);
  if (failed != 0) {
    shorten(size_);
    return failed;
  }
  size_ += bytes.size();
  return 0;
}

int disk_file::overwrite(std::uint64_t at, base::bytes_view bytes) {
  const iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};  // NOLINT: pwritev only reads
  return write_at(&part, 1, at);
}

int disk_file::shorten(std::uint64_t size) {
  const int failed = retried([&] { return on_->ftruncate(fd_, static_cast<off_t>(size)); });
  if (failed == 0) size_ = size;
  return failed;
}

int disk_file::sync() {
  return retried([&] { return on_->fdatasync(fd_); });
}

std::optional<std::vector<std::uint8_t>> disk_file::read(std::uint64_t at, std::size_t count) const {
  std::vector<std::uint8_t> out(count);
  std::size_t got = 0;
  while (got < count) {
    const auto some = on_->pread(fd_, out.data() + got, count - got, static_cast<off_t>(at + got));
    if (some < 0 && errno == EINTR) continue;
    if (some < 0) return std::nullopt;
    if (some == 0) break;
    got += static_cast<std::size_t>(some);
  }
  out.resize(got);
  return out;
}

int replace_file(disk& on, const std::filesystem::path& path, std::string_view content) {
  const auto beside = std::filesystem::path(path).concat(".new");
  on.unlink(beside.c_str());  // of a crash
  {
    std::optional<disk_file> file;
    int failed = disk_file::create(on, beside, file);
    if (failed == 0) failed = file->append(base::send_chain(base::slice::copy_of(base::as_bytes(content))));
    if (failed == 0) failed = file->sync();
    if (failed != 0) {
      on.unlink(beside.c_str());
      return failed;
    }
  }
  if (on.rename(beside.c_str(), path.c_str()) != 0) {
    const int failed = errno;
    on.unlink(beside.c_str());
    return failed;
  }
  // The rename itself lasts once the directory is written.
  int fd = -1;
  if (open_with(on, path.parent_path(), O_RDONLY | O_DIRECTORY, fd) == 0) {
    on.fdatasync(fd);
    on.close(fd);
  }
  return 0;
}

std::string advice_for(int error_number) {
  const auto text = std::generic_category().message(error_number);
  switch (error_number) {
    case ENOSPC: return text + ": free some space, or set record.directory to a disk that has more";
    case EDQUOT: return text + ": raise the quota of the user that runs millrace, or set record.directory to another disk";
    case EACCES:
    case EPERM: return text + ": make the directory writable for the user that runs millrace";
    case EROFS: return text + ": mount it for writing, or set record.directory to another disk";
    case ENOENT:
    case ENOTDIR: return text + ": make the directory again, or see whether its disk is mounted";
    case EIO: return text + ": look at the disk's health in the system's log";
    case EMFILE:
    case ENFILE: return text + ": raise the limit of open files (ulimit -n)";
    case EFBIG: return text + ": give the rule a rotate_bytes that the file system can hold";
    default: return text;
  }
}

}  // namespace millrace::record
