// Conformance N7, Q4, Q5: where a server may send us, and how that is read.
#include "rtmp/redirect.hpp"

#include <gmock/gmock.h>

namespace millrace::rtmp {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string pin(64, 'a');
const std::string other_pin(64, 'b');

uri parsed(const std::string& text) {
  auto u = parse_uri(text);
  EXPECT_TRUE(u.has_value()) << text;
  return *u;
}

struct row {
  std::string current, reference;
  std::string plain;  // of the target
  std::string app_query;
};

TEST(redirect, Q4_references_are_resolved_against_the_current_uri) {
  for (const auto& r : std::vector<row>{
           {"rtmp://h/live/show?key=1", "", "rtmp://h/live/show?key=1", ""},
           {"rtmp://h/live/show?key=1", "rtmp://o:1936/app", "rtmp://o:1936/app/show?key=1", ""},
           {"rtmp://h/live/show?key=1", "rtmp://o", "rtmp://o/live/show?key=1", ""},
           {"rtmp://h/live/show?key=1", "rtmp://o/", "rtmp://o/live/show?key=1", ""},
           {"rtmp://h:1940/live/show", "//192.0.2.1/app", "rtmp://192.0.2.1/app/show", ""},
           {"rtmps://h/live/show", "//o/app", "rtmps://o/app/show", ""},
           {"rtmp://h:1940/live/show?key=1", "/app/sub/", "rtmp://h:1940/app/sub/show?key=1", ""},
           {"rtmp://h/a/b/show", "c", "rtmp://h/a/c/show", ""},
           {"rtmp://h/live/show", "rtmp://[2001:db8::1]:1940/x", "rtmp://[2001:db8::1]:1940/x/show", ""},
           {"rtmp://h/live/show?key=1", "rtmp://o/app?vhost=v&token=a=b", "rtmp://o/app/show?key=1", "vhost=v&token=a=b"},
           {"rtmp://h/live/show?key=1", "/app?vhost=v", "rtmp://h/app/show?key=1", "vhost=v"},
           {"rtmp://h/live/show?key=1", "rtmp://o/app/show?key=2", "rtmp://o/app/show?key=2", ""},
           {"rtmp://h/live/show", "RTMP://o/app", "rtmp://o/app/show", ""},
           {"rtmp://h/live", "rtmp://o/app", "rtmp://o/app/", ""},
       }) {
    const auto got = follow_redirect(parsed(r.current), r.reference, {});
    ASSERT_TRUE(got.has_value()) << r.reference << ": " << got.error().text;
    EXPECT_EQ(got->to.plain(), r.plain) << r.current << " + " << r.reference;
    EXPECT_EQ(got->app_query, r.app_query);
  }
}

TEST(redirect, Q5_the_scheme_decides_the_transport_and_the_quic_wish_must_stand_in_the_new_uri) {
  struct wish {
    std::string current, reference;
    bool quic, tls;
    fallback to;
  };
  for (const auto& w : std::vector<wish>{
           {"rtmp://h/live/s", "rtmpq://o/live", true, true, fallback::rtmps},
           {"rtmp://h/live/s", "rtmps://o/live", false, true, fallback::none},
           {"rtmp://h/live/s?transport=quic", "rtmp://o/live", false, false, fallback::none},
           {"rtmps://h/live/s?transport=quic", "rtmps://o/live", false, true, fallback::none},
           {"rtmps://h/live/s", "rtmps://o/live?transport=quic", true, true, fallback::rtmps},
           {"rtmpq://h/live/s", "//o/live", true, true, fallback::rtmps},
           {"rtmp://h/live/s?transport=quic", "//o/live", false, false, fallback::none},
           {"rtmps://h/live/s?transport=quic", "/other", true, true, fallback::rtmps},
           {"rtmpq://h/live/s?fallback=none", "/other", true, true, fallback::none},
       }) {
    const auto got = follow_redirect(parsed(w.current), w.reference, {});
    ASSERT_TRUE(got.has_value()) << w.reference << ": " << got.error().text;
    EXPECT_EQ(got->to.use_quic, w.quic) << w.current << " + " << w.reference;
    EXPECT_EQ(got->to.use_tls_when_tcp, w.tls) << w.current << " + " << w.reference;
    EXPECT_EQ(got->to.fall_back_to, w.to) << w.current << " + " << w.reference;
  }
}

TEST(redirect, Q5_encryption_is_not_lost_without_consent) {
  for (const auto* current : {"rtmps://h/live/s", "rtmpq://h/live/s", "rtmps://h/live/s?transport=quic"}) {
    for (const auto* reference : {"rtmp://o/live?t=secret", "rtmp://h/live?t=secret", "rtmp://o/live?transport=quic&t=secret",
                                  "rtmpq://o/live?fallback=rtmp&t=secret"}) {
      const auto refused = follow_redirect(parsed(current), reference, {});
      ASSERT_FALSE(refused.has_value()) << current << " + " << reference;
      EXPECT_EQ(refused.error().kind, base::error_kind::denied);
      EXPECT_THAT(refused.error().text, HasSubstr("--allow-plain-redirect"));
      EXPECT_THAT(refused.error().text, Not(HasSubstr("secret")));
      EXPECT_TRUE(follow_redirect(parsed(current), reference, {{}, true}).has_value());
    }
  }
  // Who allowed plain RTMP in the first place loses nothing.
  EXPECT_TRUE(follow_redirect(parsed("rtmpq://h/live/s?fallback=rtmp"), "rtmp://o/live", {}).has_value());
  EXPECT_TRUE(follow_redirect(parsed("rtmp://h/live/s?transport=quic"), "rtmp://o/live", {}).has_value());
}

TEST(redirect, Q5_a_pin_stays_in_force_until_the_server_names_another) {
  const auto current = parsed("rtmps://h/live/s?pin=" + pin);
  EXPECT_EQ(follow_redirect(current, "rtmps://o/live", {})->to.pin, pin);
  EXPECT_EQ(follow_redirect(current, "rtmpq://o/live", {})->to.pin, pin);
  EXPECT_EQ(follow_redirect(current, "/other", {})->to.pin, pin);
  EXPECT_EQ(follow_redirect(current, "rtmps://o/live?pin=" + other_pin, {})->to.pin, other_pin);
  EXPECT_EQ(follow_redirect(current, "rtmps://o/live?pin=" + other_pin, {})->app_query, "");
}

TEST(redirect, what_is_no_uri_is_an_error_of_the_server) {
  for (const auto* reference :
       {"http://o/live", "rtmp://user:pw@o/live", "rtmp://o:99999/live", "rtmp://o b/live", "://o", "rtmp:///live"}) {
    const auto got = follow_redirect(parsed("rtmp://h/live/s"), reference, {});
    ASSERT_FALSE(got.has_value()) << reference;
    EXPECT_EQ(got.error().kind, base::error_kind::protocol) << reference;
  }
}

}  // namespace
}  // namespace millrace::rtmp
