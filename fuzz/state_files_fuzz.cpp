// Files of the state directory, which a person may have touched or a full disk cut: the list of publish keys, the ticket of a publication.
#include <sys/mman.h>
#include <unistd.h>

#include "client/resume_file.hpp"
#include "operations.hpp"
#include "seeds.hpp"
#include "server/publish_keys.hpp"

namespace {

using namespace millrace;
using fuzz::require;

constexpr std::string_view keys = R"({"keys":[{"id":"01234567","streams":"live/*","sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","made":1800000000,"note":"x","expires":1900000000}]})";

// A file without a place on a disk.
const std::string& file_with(base::bytes_view bytes) {
  static const int descriptor = memfd_create("state", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  require(descriptor >= 0 && ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return fuzz::write_seeds_if_asked(*argc, *argv, [](const fuzz::seed_folder& seeds) {
    seeds.add("keys", 0, base::as_bytes(keys));
    seeds.add("ticket", 1, base::as_bytes(client::format({"host", 1935, "0123456789abcdef"})));
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::bytes_view content(data + 1, size - 1);
  if (data[0] % 2 != 0) {
    const auto ticket = client::parse_resume_ticket(base::as_text(content));
    if (!ticket) return 0;
    require(!ticket->host.empty() && !ticket->token.empty());
    const auto again = client::parse_resume_ticket(client::format(*ticket));
    require(again && again->host == ticket->host && again->port == ticket->port && again->token == ticket->token);
    return 0;
  }
  const auto opened = server::publish_keys::open(file_with(content));
  if (!opened) {
    require(!opened.error().text.empty());
    return 0;
  }
  auto& list = **opened;
  const auto now = server::publish_keys::time(std::chrono::seconds(1'850'000'000));
  for (const auto& each : list.list()) {
    require(each.made.time_since_epoch() == std::chrono::floor<std::chrono::seconds>(each.made.time_since_epoch()));
    // A hash is no secret that opens anything.
    const auto answer = list.check(each.streams, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", now);
    require(answer.what != server::publish_keys::verdict::right);
  }
  require(list.check("live/a", std::nullopt, now).what != server::publish_keys::verdict::right);
  return 0;
}
