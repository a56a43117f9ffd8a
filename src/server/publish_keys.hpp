// Publish keys that an operator makes and withdraws while the server runs (API, page). Only their hashes are kept.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "server/allowance.hpp"

namespace millrace::server {

struct publish_key_facts {
  using time = std::chrono::system_clock::time_point;  // whole seconds
  std::string id;       // eight hexadecimal digits: names it in the API and in the log, opens nothing
  std::string streams;  // pattern of "app/name"; '*' stands for any run of characters
  std::string note;     // of who made it, for people
  time made{};
  std::optional<time> expires;
  std::optional<time> used;  // last, since the server started
  allowance allows;
};

// A file in the state directory. Thread-safe; what changes it waits for the disk, so it is no call for an event loop.
class publish_keys {
 public:
  static constexpr std::size_t keys_max = 1'000, pattern_bytes_max = 512, note_bytes_max = 200;
  using time = publish_key_facts::time;

  // A file that is not there holds no keys. Errors (kinds local, input) name the file and say what to do.
  static base::result<std::unique_ptr<publish_keys>> open(std::filesystem::path file);

  // What another process changed in the file, or a person. Kinds local, input: what was known stays.
  base::result<void> read_again();

  struct made {
    publish_key_facts facts;
    std::string secret;  // told this once: 32 hexadecimal digits
  };
  // Kinds usage (a pattern, a note or a limit that cannot be), limit, local.
  base::result<made> make(std::string streams, std::string note, std::optional<std::chrono::seconds> lasts, time now, const allowance& allows = {});
  // Who publishes with it goes on until the connection ends. Kinds not_found, local.
  base::result<void> withdraw(const std::string& id);
  [[nodiscard]] std::vector<publish_key_facts> list() const;

  enum class verdict : unsigned char { no_key, wrong, expired, right };  // no_key: none is for this stream
  struct answer {
    verdict what = verdict::no_key;
    std::string id = {};  // right, expired
    allowance allows = {};  // right
  };
  [[nodiscard]] answer check(std::string_view stream, std::optional<std::string_view> secret, time now);

 private:
  struct key {
    publish_key_facts facts;
    std::string hash;  // SHA-256 of the secret: as random as that is long, it needs no salt and no slow hash
  };
  using keys = std::vector<key>;
  explicit publish_keys(std::filesystem::path file) : file_(std::move(file)) {}
  static base::result<keys> read(const std::filesystem::path& file);
  // What another server of the same directory changed meanwhile is kept.
  void take(keys&& next);
  base::result<void> change(const std::function<base::result<void>(keys&)>& how);

  const std::filesystem::path file_;
  std::mutex changing_;       // held over the disk
  mutable std::mutex mutex_;  // of all_; inside changing_
  keys all_;
};

}  // namespace millrace::server
