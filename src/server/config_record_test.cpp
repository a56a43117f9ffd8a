#include <gtest/gtest.h>

#include "server/config.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

std::string failure(std::string_view text) {
  const auto parsed = parse_config(text, "m.toml");
  return parsed ? std::string() : parsed.error().text;
}

TEST(config_record, the_example_equals_the_defaults) {
  const auto parsed = parse_config(example_config(), "example");
  ASSERT_TRUE(parsed) << parsed.error().text;
  const record::settings defaults;
  EXPECT_FALSE(parsed->record.enabled());
  EXPECT_TRUE(parsed->record.rules.empty());
  EXPECT_EQ(parsed->record.linger, defaults.linger);
  EXPECT_EQ(parsed->record.free_bytes_min, defaults.free_bytes_min);
  EXPECT_EQ(parsed->record.queue_bytes, defaults.queue_bytes);
  EXPECT_EQ(parsed->record.queue_age, defaults.queue_age);
}

// What stands behind '#' is what an operator takes the '#' away from.
TEST(config_record, the_rule_of_the_example_equals_the_defaults_too) {
  std::string text(example_config());
  const auto begin = text.find("# [[record.rules]]"), end = text.find("[drain]");
  ASSERT_NE(begin, std::string::npos);
  for (auto at = begin; at < end && at != std::string::npos; at = text.find("\n# ", at)) {
    if (text[at] == '\n') ++at;
    text.replace(at, 2, "  ");  // as long, so that `end` stays right
  }
  const auto parsed = parse_config(text, "example");
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->record.rules.size(), 1U);
  const auto& r = parsed->record.rules[0];
  const record::rule defaults;
  EXPECT_EQ(r.streams, "live/*");
  EXPECT_EQ(r.as, defaults.as);
  EXPECT_EQ(r.file.text(), defaults.file.text());
  EXPECT_EQ(r.rotate_after, defaults.rotate_after);
  EXPECT_EQ(r.rotate_bytes, defaults.rotate_bytes);
  EXPECT_EQ(r.on_demand, defaults.on_demand);
}

TEST(config_record, reads_what_an_operator_writes) {
  const auto parsed = parse_config("[record]\ndirectory = \"rec\"\nlinger_s = 0\nfree_bytes_min = 5000000000\nqueue_bytes = 1048576\nqueue_s = 2.5\n"
                                   "[[record.rules]]\nstreams = \"live/x\"\nformat = \"flv\"\nfile = \"{date}/{stream}.{n}.{ext}\"\nrotate_s = 1.5\n"
                                   "rotate_bytes = 2000000\n[[record.rules]]\nstreams = \"*\"\nstart = \"demand\"\n", "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().text;
  const auto& r = parsed->record;
  EXPECT_TRUE(r.enabled());
  EXPECT_EQ(r.linger, 0ms);
  EXPECT_EQ(r.free_bytes_min, 5'000'000'000u);
  EXPECT_EQ(r.queue_bytes, 1u << 20);
  EXPECT_EQ(r.queue_age, 2'500ms);
  ASSERT_EQ(r.rules.size(), 2U);
  EXPECT_EQ(r.rules[0].as, record::format::flv);
  EXPECT_EQ(r.rules[0].file.text(), "{date}/{stream}.{n}.{ext}");
  EXPECT_EQ(r.rules[0].rotate_after, 1'500ms);
  EXPECT_EQ(r.rules[0].rotate_bytes, 2'000'000u);
  EXPECT_TRUE(record::rule_for(r, "live/x", false).has_value());
  EXPECT_FALSE(record::rule_for(r, "live/y", false).has_value());
  EXPECT_TRUE(record::rule_for(r, "live/y", true).has_value());
}

TEST(config_record, says_which_line_and_what_would_be_right) {
  EXPECT_EQ(failure("[record]\ndirectry = \"x\""), "m.toml:2: record.directry is no setting; did you mean record.directory? (millrace serve --print-config shows all)");
  EXPECT_EQ(failure("[record]\nlinger_s = -1"), "m.toml:2: record.linger_s: takes seconds from 0 to 86400");
  EXPECT_NE(failure("[record]\nqueue_bytes = 1").find("record.queue_bytes: takes a whole number from 1048576"), std::string::npos);
  EXPECT_NE(failure("[record]\nqueue_s = 0").find("record.queue_s: takes seconds"), std::string::npos);
  EXPECT_NE(failure("[record]\nfree_bytes_min = -1").find("record.free_bytes_min: takes a whole number"), std::string::npos);
  EXPECT_NE(failure("[record]\nrules = \"live/*\"").find("record.rules: takes tables"), std::string::npos);
  const auto rule = [](std::string_view line) { return failure("[[record.rules]]\nstreams = \"live/*\"\n" + std::string(line)); };
  EXPECT_EQ(rule("formt = \"mp4\""), "m.toml:3: record.rules: formt is no setting of a rule; did you mean format?");
  EXPECT_EQ(rule("format = \"mkv\""), "m.toml:3: record.rules: format: takes one of \"mp4\", \"flv\"");
  EXPECT_EQ(rule("start = true"), "m.toml:3: record.rules: start: takes one of \"publish\", \"demand\"");
  EXPECT_TRUE(rule("file = \"{strem}.{ext}\"").starts_with("m.toml:3: record.rules: file: {strem} is no field of a file name; did you mean {stream}?"));
  EXPECT_EQ(rule("rotate_s = 0.5"), "m.toml:3: record.rules: rotate_s: takes seconds from 1 to 2678400, or 0 for never");
  EXPECT_EQ(rule("rotate_s = nan"), rule("rotate_s = 0.5"));
  EXPECT_EQ(rule("rotate_bytes = 1000"), "m.toml:3: record.rules: rotate_bytes: takes a whole number of at least 1048576, or 0 for never");
  EXPECT_EQ(rule("[[record.rules]]\nstreams = \"a\"\n\nformat = \"mkv\""), "m.toml:6: record.rules: format: takes one of \"mp4\", \"flv\"") << "of the second rule";
  EXPECT_EQ(rule("[[record.rules]]\nformat = \"mp4\""), "m.toml:3: record.rules: streams is missing: which ones this rule is for");
}

}  // namespace
}  // namespace millrace::server
