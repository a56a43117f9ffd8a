#include "server/publish_keys.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "base/hex.hpp"
#include "base/pattern.hpp"
#include "base/utf8.hpp"
#include "net/state_files.hpp"

namespace millrace::server {
namespace json = boost::json;

namespace {

using std::chrono::seconds;
constexpr std::size_t id_bytes = 4, secret_bytes = 16, hash_digits = 64;
constexpr seconds lasts_max = std::chrono::hours(24 * 366 * 100);

std::string random_digits(std::size_t bytes) {
  std::array<std::uint8_t, secret_bytes> out{};
  // Fails only where the system has no randomness at all, and then nothing that speaks TLS or QUIC came up.
  if (RAND_bytes(out.data(), static_cast<int>(bytes)) != 1) return {};
  return base::hex({out.data(), bytes});
}

std::string hash_of(std::string_view secret) {
  std::array<std::uint8_t, 32> out{};
  (void)EVP_Digest(secret.data(), secret.size(), out.data(), nullptr, EVP_sha256(), nullptr);
  return base::hex(out);
}

std::int64_t unix_seconds(publish_keys::time at) { return std::chrono::duration_cast<seconds>(at.time_since_epoch()).count(); }
// Nothing for what the clock cannot count to.
std::optional<publish_keys::time> from_unix(std::int64_t s) {
  constexpr auto last = std::chrono::floor<seconds>(publish_keys::time::max().time_since_epoch()).count();
  if (s < 0 || s > last) return std::nullopt;
  return publish_keys::time(seconds(s));
}

bool all_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Nothing for what no allowance can be. What is not said is not limited.
std::optional<allowance> allowance_in(const json::object& o) {
  allowance out;
  for (const auto name : allowance::names) {
    const auto* const found = o.if_contains(name);
    if (found != nullptr && (!found->is_int64() || !out.set(name, found->get_int64()).empty())) return std::nullopt;
  }
  return out;
}

// Control characters would end a line of the log or of a terminal.
bool is_text(std::string_view text) {
  return base::valid_utf8(text) == text && std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<std::string> pattern_fault(std::string_view streams) {
  if (streams.find('/') == std::string_view::npos || streams.starts_with('/') || streams.ends_with('/')) return "a key is for APP/NAME; * stands for any characters: live/studio, live/*";
  if (streams.size() > publish_keys::pattern_bytes_max) return fmt::format("longer than {} bytes", publish_keys::pattern_bytes_max);
  if (!is_text(streams) || streams.find('?') != std::string_view::npos) return "a stream's name is UTF-8 without control characters and without ?";
  return std::nullopt;
}

const json::string* text_in(const json::object& o, std::string_view name) {
  const auto* const found = o.if_contains(name);
  return found ? found->if_string() : nullptr;
}

}  // namespace

base::result<publish_keys::keys> publish_keys::read(const std::filesystem::path& file) {
  auto content = net::read_state_file(file);
  if (!content) return std::move(content).error();
  keys out;
  if (!*content) return out;
  const auto broken = [&](std::string_view what) {
    return base::error{base::error_kind::input, fmt::format("{}: {}: restore it from a copy, or move it away and make the keys anew", file.string(), what)};
  };
  boost::system::error_code failed;
  const auto value = json::parse(**content, failed);
  const auto* const object = failed ? nullptr : value.if_object();
  const auto* const list = object && object->if_contains("keys") ? object->at("keys").if_array() : nullptr;
  if (list == nullptr) return broken("this is no list of publish keys");
  for (const auto& each : *list) {
    const auto* const o = each.if_object();
    if (o == nullptr) return broken("a key is no object");
    const auto *id = text_in(*o, "id"), *streams = text_in(*o, "streams"), *hash = text_in(*o, "sha256"), *note = text_in(*o, "note");
    const auto* const made = o->if_contains("made");
    if (!id || !streams || !hash || !made || !made->is_int64() || hash->size() != hash_digits || !all_hex(*hash)) return broken("a key lacks something");
    const auto made_at = from_unix(made->as_int64());
    if (!made_at) return broken("a key was made at a time that there is not");
    key k{{.id = std::string(*id), .streams = std::string(*streams), .note = note ? std::string(*note) : std::string(), .made = *made_at, .expires = {}, .used = {}, .allows = {}}, std::string(*hash)};
    if (const auto* const expires = o->if_contains("expires"); expires && expires->is_int64()) {
      k.facts.expires = from_unix(expires->as_int64());
      if (!k.facts.expires) return broken("a key expires at a time that there is not");
    }
    const auto allows = allowance_in(*o);
    if (!allows) return broken("a key has a limit that cannot be");
    k.facts.allows = *allows;
    out.push_back(std::move(k));
  }
  return out;
}

base::result<std::unique_ptr<publish_keys>> publish_keys::open(std::filesystem::path file) {
  auto there = read(file);
  if (!there) return std::move(there).error();
  std::unique_ptr<publish_keys> out(new publish_keys(std::move(file)));
  out->all_ = *std::move(there);
  return out;
}

base::result<void> publish_keys::change(const std::function<base::result<void>(keys&)>& how) {
  const std::lock_guard one_at_a_time(changing_);
  const auto lock = net::state_directory_lock::take(file_.parent_path());
  if (!lock) return lock.error();
  auto next = read(file_);
  if (!next) return std::move(next).error();
  if (auto done = how(*next); !done) return done;
  json::array list;
  for (const auto& k : *next) {
    json::object o{{"id", k.facts.id}, {"streams", k.facts.streams}, {"sha256", k.hash}, {"made", unix_seconds(k.facts.made)}};
    if (!k.facts.note.empty()) o["note"] = k.facts.note;
    if (k.facts.expires) o["expires"] = unix_seconds(*k.facts.expires);
    for (const auto name : allowance::names) {
      if (const auto most = k.facts.allows.get(name); most != 0) o[name] = most;
    }
    list.push_back(std::move(o));
  }
  if (auto written = net::write_state_file(file_, json::serialize(json::object{{"keys", std::move(list)}}) + "\n", 0600); !written) return written;
  take(*std::move(next));
  return {};
}

void publish_keys::take(keys&& next) {
  const std::lock_guard held(mutex_);
  for (auto& k : next) {
    const auto before = std::find_if(all_.begin(), all_.end(), [&](const key& old) { return old.facts.id == k.facts.id; });
    if (before != all_.end()) k.facts.used = before->facts.used;
  }
  all_ = std::move(next);
}

base::result<void> publish_keys::read_again() {
  const std::lock_guard one_at_a_time(changing_);
  auto there = read(file_);
  if (!there) return std::move(there).error();
  take(*std::move(there));
  return {};
}

base::result<publish_keys::made> publish_keys::make(std::string streams, std::string note, std::optional<seconds> lasts, time now, const allowance& allows) {
  if (auto bad = pattern_fault(streams)) return base::error{base::error_kind::usage, *bad};
  if (note.size() > note_bytes_max || !is_text(note)) return base::error{base::error_kind::usage, fmt::format("a note is UTF-8 of at most {} bytes without control characters", note_bytes_max)};
  if (lasts && (*lasts < seconds(1) || *lasts > lasts_max)) return base::error{base::error_kind::usage, "a key lasts a second at least and a hundred years at most"};
  made out;
  out.secret = random_digits(secret_bytes);
  out.facts.streams = std::move(streams);
  out.facts.note = std::move(note);
  out.facts.made = std::chrono::floor<seconds>(now);
  out.facts.allows = allows;
  if (lasts) out.facts.expires = out.facts.made + *lasts;
  if (out.secret.empty()) return base::error{base::error_kind::local, "the system has no randomness"};
  auto done = change([&](keys& all) -> base::result<void> {
    if (all.size() >= keys_max) return base::error{base::error_kind::limit, fmt::format("there are {} keys, which is the most: withdraw some", keys_max)};
    do {
      out.facts.id = random_digits(id_bytes);
    } while (std::any_of(all.begin(), all.end(), [&](const key& k) { return k.facts.id == out.facts.id; }));
    all.push_back({out.facts, hash_of(out.secret)});
    return {};
  });
  if (!done) return std::move(done).error();
  return out;
}

base::result<void> publish_keys::withdraw(const std::string& id) {
  return change([&](keys& all) -> base::result<void> {
    if (std::erase_if(all, [&](const key& k) { return k.facts.id == id; }) == 0) return base::error{base::error_kind::not_found, "there is no key " + id};
    return {};
  });
}

std::vector<publish_key_facts> publish_keys::list() const {
  const std::lock_guard held(mutex_);
  std::vector<publish_key_facts> out;
  out.reserve(all_.size());
  for (const auto& k : all_) out.push_back(k.facts);
  return out;
}

publish_keys::answer publish_keys::check(std::string_view stream, std::optional<std::string_view> secret, time now) {
  const auto given = secret ? hash_of(*secret) : std::string(hash_digits, '-');
  const std::lock_guard held(mutex_);
  answer out;
  for (auto& k : all_) {
    if (!base::matches_pattern(k.facts.streams, stream)) continue;
    const bool same = CRYPTO_memcmp(given.data(), k.hash.data(), hash_digits) == 0;
    const bool over = k.facts.expires && now >= *k.facts.expires;
    if (same && !over) {
      k.facts.used = std::chrono::floor<seconds>(now);
      return {verdict::right, k.facts.id, k.facts.allows};
    }
    if (same) return {verdict::expired, k.facts.id};
    if (!over) out.what = verdict::wrong;
  }
  return out;
}

}  // namespace millrace::server
