// Conformance N10. The expected responses were computed apart from this code.
#include "rtmp/auth_dialogue.hpp"

#include <gmock/gmock.h>

#include <set>

#include "rtmp/rejection.hpp"

namespace millrace::rtmp {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Not MD5, but as good to see what was put together how: the first 15 bytes of the text and its length.
std::array<std::uint8_t, 16> front_of(base::bytes_view text) {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < 15 && i < text.size(); ++i) out[i] = text[i];
  out[15] = static_cast<std::uint8_t>(text.size());
  return out;
}

status refusal(std::string description) { return {"error", "NetConnection.Connect.Rejected", std::move(description)}; }

const char adobe_first[] = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";

TEST(auth_dialogue, N10_adobe_goes_through_three_connects) {
  auth_dialogue d({"us", "pw"}, front_of, 0x89abcdef);
  ASSERT_TRUE(wants_dialogue(refusal(adobe_first)));
  EXPECT_EQ(d.answer(refusal(adobe_first), "live").value(), "authmod=adobe&user=us");
  const auto last = d.answer(
      refusal("[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=us&salt=SA==&challenge=CH==&opaque=OP== : "), "live");
  // md5("us" "SA==" "pw") as base64, then its first 15 characters and 24 + 4 + 8 bytes in all.
  const std::string first = "dXNTQT09cHcAAAAAAAAACA==";
  EXPECT_EQ(last.value(), "authmod=adobe&user=us&challenge=89abcdef&response=ZFhOVFFUMDljSGNBQUFBJA==&opaque=OP==") << first;
  const auto again = d.answer(refusal(adobe_first), "live");
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().kind, base::error_kind::denied);
  EXPECT_THAT(again.error().text, HasSubstr("did not accept"));
  d.succeeded();
  EXPECT_TRUE(d.answer(refusal(adobe_first), "live").has_value()) << "a later session begins anew";
}

TEST(auth_dialogue, N10_adobe_uses_the_challenge_where_there_is_no_opaque) {
  auth_dialogue with_challenge({"u", ""}, front_of, 1);
  const auto answer =
      with_challenge.answer(refusal("[ authmod=adobe ] : ?reason=needauth&salt=&challenge=0123456789ABCDEF&x"), "live").value();
  EXPECT_THAT(answer, Not(HasSubstr("opaque")));
  EXPECT_THAT(answer, StartsWith("authmod=adobe&user=u&challenge=00000001&response="));
}

TEST(auth_dialogue, N10_limelight) {
  auth_dialogue d({"us", "pw"}, front_of, 0x12345678);
  EXPECT_EQ(d.answer(refusal("[ code=403 need auth; authmod=llnw ]"), "live").value(), "authmod=llnw&user=us");
  const auto last = d.answer(refusal("[ authmod=llnw ] : ?reason=needauth&user=us&nonce=NONCE"), "live").value();
  EXPECT_EQ(last, "authmod=llnw&user=us&nonce=NONCE&cnonce=12345678&nc=00000001&response=3735373333613663363937363635335e");
}

TEST(auth_dialogue, refusals_end_it) {
  struct row {
    const char* description;
    const char* says;
  };
  for (const auto& row :
       {row{"[ authmod=adobe ] : ?reason=authfailed", "did not accept"}, row{"[ authmod=adobe ] : ?reason=nosuchuser", "does not know"},
        row{"[ authmod=llnw ] : ?reason=authfail", "did not accept"}, row{"[ code=403 need auth; authmod=\x1b[31m ]", "\\x1b[31m"}}) {
    auth_dialogue d({"name", "secret"}, front_of, 1);
    const auto answer = d.answer(refusal(row.description), "live");
    ASSERT_FALSE(answer.has_value()) << row.description;
    EXPECT_EQ(answer.error().kind, base::error_kind::denied);
    EXPECT_THAT(answer.error().text, HasSubstr(row.says));
    EXPECT_THAT(answer.error().text, Not(HasSubstr("secret")));
  }
  auth_dialogue nobody({"", ""}, front_of, 1);
  EXPECT_THAT(nobody.answer(refusal(adobe_first), "live").error().text, HasSubstr("user name"));
  auth_dialogue endless({"u", "p"}, front_of, 1);
  EXPECT_TRUE(endless.answer(refusal(adobe_first), "live").has_value());
  EXPECT_FALSE(endless.answer(refusal(adobe_first), "live").has_value());
}

TEST(auth_dialogue, user_names_are_escaped_and_challenges_differ) {
  auth_dialogue d({"a&b=c d\xc3\xa9", "p"}, front_of, 7);
  EXPECT_EQ(d.answer(refusal(adobe_first), "live").value(), "authmod=adobe&user=a%26b%3Dc%20d%C3%A9");
  std::set<std::string> challenges;
  for (int i = 0; i < 20; ++i) {
    d.succeeded();
    const auto answer = d.answer(refusal("[ authmod=adobe ] : ?reason=needauth&salt=s&challenge=c"), "live").value();
    challenges.insert(answer.substr(answer.find("challenge="), 18));
  }
  EXPECT_EQ(challenges.size(), 20U);
}

}  // namespace
}  // namespace millrace::rtmp
