#include "net/state_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace millrace::net {
namespace {

constexpr std::size_t largest_file = 1u << 20;

base::error file_error(std::string_view what, const std::filesystem::path& file, int number, std::string_view advice) {
  std::string text = "cannot ";
  text.append(what).append(" ").append(file.string()).append(": ").append(std::generic_category().message(number));
  if (!advice.empty()) text.append(": ").append(advice);
  return {base::error_kind::local, std::move(text)};
}

class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

bool write_all(int to, std::string_view content) {
  while (!content.empty()) {
    const auto written = ::write(to, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

base::result<std::optional<std::string>> read_state_file(const std::filesystem::path& file) {
  const descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0 && errno == ENOENT) return std::optional<std::string>();
  if (in.get() < 0) return file_error("read", file, errno, "make it readable for the user that runs millrace");
  std::string content;
  std::array<char, 8192> buffer{};
  for (;;) {
    const auto got = ::read(in.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", file, errno, "");
    if (got == 0) return std::optional<std::string>(std::move(content));
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > largest_file) {
      return base::error{base::error_kind::local, file.string() + " is larger than 1 MiB: this is not a certificate, key or secret"};
    }
  }
}

base::result<void> write_state_file(const std::filesystem::path& file, std::string_view content, unsigned mode) {
  static constexpr std::string_view advice = "check the rights and the free space of that directory, or choose another one";
  std::string temporary = file.string() + ".XXXXXX";
  const descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));  // mkostemp makes it with mode 0600
  if (out.get() < 0) return file_error("create", file, errno, advice);
  if (!write_all(out.get(), content) || ::fchmod(out.get(), static_cast<mode_t>(mode)) != 0 || ::fsync(out.get()) != 0 ||
      ::rename(temporary.c_str(), file.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    return file_error("write", file, number, advice);
  }
  const descriptor directory(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
  return {};
}

base::result<state_directory_lock> state_directory_lock::take(const std::filesystem::path& directory) {
  static constexpr std::string_view advice = "choose a state directory that the user who runs millrace may write to";
  if (directory.empty()) return base::error{base::error_kind::local, "no state directory given for the self-made certificate and secrets"};
  std::error_code failure;
  const auto parent = std::filesystem::absolute(directory, failure).lexically_normal().parent_path();
  if (!failure) std::filesystem::create_directories(parent, failure);
  if (failure) return file_error("create", parent, failure.value(), advice);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return file_error("create", directory, errno, advice);
  const int opened = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return file_error("open the directory", directory, errno, advice);
  while (::flock(opened, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    break;  // a file system without locks: the rename is still atomic, only two first starts at once could disagree
  }
  return state_directory_lock(opened);
}

state_directory_lock::~state_directory_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace millrace::net
