// User name and password as Adobe's and Limelight's servers ask for them, from the client's side. No specification was published; the
// dialogue is what encoders and servers agree on:
//   1. The server refuses connect with "… authmod=adobe …" (or llnw) in the description and closes.
//   2. The client connects again, with "authmod=adobe&user=NAME" in the query of app; the refusal now holds "?reason=needauth&…" with
//      what to compute with: salt and challenge or opaque for Adobe, a nonce for Limelight.
//   3. The client connects a third time, with the response. A further refusal says that name or password are wrong.
// Only digests travel. Pure: randomness and MD5 are passed in.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

// Never logged and never part of an error's text.
struct credentials {
  std::string user;
  std::string password;
};

using md5_function = std::array<std::uint8_t, 16> (*)(base::bytes_view);

class auth_dialogue {
 public:
  auth_dialogue(credentials who, md5_function md5, random_seed seed) : who_(std::move(who)), md5_(md5), random_(seed) {}

  // The query that the next connect has to carry behind app and tcUrl, without '?'. Error (kind denied) when the server is not content
  // with what it got, asks for something unknown, or there is no user name. Call it when wants_dialogue(refusal).
  base::result<std::string> answer(const status& refusal, std::string_view app);
  // A session came up: the next refusal begins a new dialogue.
  void succeeded() noexcept { step_ = step::none; }

 private:
  enum class step : unsigned char { none, named, answered };
  std::string adobe_response(std::string_view salt, std::string_view challenge, std::string_view opaque);
  std::string limelight_response(std::string_view nonce, std::string_view app);
  [[nodiscard]] std::string base64_md5(std::string_view text) const;
  [[nodiscard]] std::string hex_md5(std::string_view text) const;
  std::string client_challenge();

  credentials who_;
  md5_function md5_;
  random_seed random_;
  step step_ = step::none;
};

}  // namespace millrace::rtmp
