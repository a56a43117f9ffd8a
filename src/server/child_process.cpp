#include "server/child_process.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>

namespace millrace::server {

base::result<std::unique_ptr<child_process>> child_process::watch(boost::asio::io_context& io, int number, std::function<void(int status)> ended) {
  // By its number: glibc 2.36 declares the function for C only.
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, number, 0));
  if (descriptor < 0) {
    const std::string why = std::strerror(errno);
    ::kill(number, SIGKILL);
    ::waitpid(number, nullptr, 0);
    return base::error{base::error_kind::local, "process " + std::to_string(number) + " cannot be watched: " + why};
  }
  std::unique_ptr<child_process> made(new child_process(io, number, descriptor, std::move(ended)));
  made->wait();
  return base::result<std::unique_ptr<child_process>>(std::move(made));
}

child_process::child_process(boost::asio::io_context& io, int number, int descriptor, std::function<void(int status)> ended)
    : number_(number), descriptor_(io, descriptor), ended_(std::move(ended)) {}

void child_process::ask_to_stop() const { ::kill(number_, SIGTERM); }  // not reaped, so that the number is nobody else's

void child_process::wait() {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code failed) {
    if (failed) return;  // this object may be gone
    int status = 1 << 8;  // where nobody may know how it ended, because SIGCHLD is ignored: not well
    if (::waitpid(number_, &status, WNOHANG) == 0) return wait();
    std::exchange(ended_, nullptr)(status);
  });
}

}  // namespace millrace::server
