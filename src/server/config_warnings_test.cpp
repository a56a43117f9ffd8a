#include <gmock/gmock.h>

#include "server/config.hpp"

namespace millrace::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> said_of(const std::string& text) {
  const auto parsed = parse_config(text, "m.toml");
  EXPECT_TRUE(parsed) << parsed.error().text;
  return warnings(*parsed);
}

TEST(config_warnings, the_example_has_none) {
  EXPECT_THAT(said_of(std::string(example_config())), IsEmpty());
  // Neither have its keys, once somebody takes the '#' away.
  std::string text(example_config());
  for (const auto* key : {"# \"live/*\"", "# \"guests/*\""}) {
    ASSERT_NE(text.find(key), std::string::npos);
    text.erase(text.find(key), 2);
  }
  EXPECT_EQ(parse_config(text, "m.toml")->access.publish_keys.size(), 2U);
  EXPECT_THAT(said_of(text), IsEmpty());
}

TEST(config_warnings, secrets_that_not_every_client_can_send) {
  const auto key = [](const std::string& secret) { return said_of("[publish.keys]\n\"live/*\" = '" + secret + "'\n"); };
  for (const auto* good : {"12345678", "let-me-in", "9f86d081884c7d65", "A.b_c~d!e@f:g=="}) EXPECT_THAT(key(good), IsEmpty()) << good;
  for (const auto* bad : {"let me in", "letme%20in", "letme&in", "letme#in", "letme?in", "letme+in", "letme/in", "letme\"in", "letme\\in", "letme\tin", "letme\u00e9in"}) {
    EXPECT_THAT(key(bad), ElementsAre(HasSubstr("publish.keys: the secret of \"live/*\" has characters"))) << bad;
    EXPECT_THAT(key(bad), ElementsAre(Not(HasSubstr("letme")))) << "it stays secret";
  }
  EXPECT_THAT(said_of("[publish.keys]\n\"a/*\" = { secret = \"for guests\", at_once = 2 }\n\"b/*\" = \"for-guests\"\n"), ElementsAre(HasSubstr("the secret of \"a/*\"")));
}

TEST(config_warnings, rules_that_record_nothing) {
  const std::string rules = "[[record.rules]]\nstreams = \"live/*\"\n";
  EXPECT_THAT(said_of(rules), ElementsAre("record.rules does nothing without record.directory"));
  EXPECT_THAT(said_of("[record]\ndirectory = \"r\"\n" + rules), IsEmpty());
  EXPECT_THAT(said_of("[record]\ndirectory = \"r\"\n"), IsEmpty());
}

}  // namespace
}  // namespace millrace::server
