#include "record/file_name.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

namespace millrace::record {
namespace {

using namespace std::chrono_literals;

constexpr auto start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 31) + 23h + 5min + 9s + 999ms;

std::string expand(std::string_view text, std::string_view stream) {
  auto made = name_template::parse(text);
  return made ? made->expand({stream, start, 3, "flv"}) : made.error().text;
}

TEST(file_name, fields_of_the_template) {
  EXPECT_EQ(expand(name_template::usual, "live/a"), "live/a-2026-01-31-23-05-09.flv");
  EXPECT_EQ(expand("{date}/{app}_{stream}.{n}.{ext}", "live/a"), "2026-01-31/live_a.3.flv");
}

TEST(file_name, a_name_never_leaves_its_folder) {
  struct {
    std::string name, expected;
  } const table[] = {
      {"live/../../x", "live/%2E.%2F..%2Fx.flv"},
      {"../x", "%2E./x.flv"},
      {"live/..", "live/%2E..flv"},
      {"live/.", "live/%2E.flv"},
      {"live/.hidden", "live/%2Ehidden.flv"},
      {"live/a/b", "live/a%2Fb.flv"},
      {"live//", "live/%2F.flv"},
      {"live/", "live/%.flv"},
      {"live", "%/live.flv"},
      {"", "%/%.flv"},
      {"/", "%/%.flv"},
      {"live/%00", "live/%2500.flv"},
      {std::string("live/a\0b", 8), "live/a%00b.flv"},
      {"live/<script>", "live/%3Cscript%3E.flv"},
      {"live/a b\n\x7f", "live/a%20b%0A%7F.flv"},
      {"live/\xc3\xa9", "live/%C3%A9.flv"},
      {"live/\xff\xc3", "live/%FF%C3.flv"},
      {"live/a~b", "live/a%7Eb.flv"},
      {"live/a\\b:c*?\"|", "live/a%5Cb%3Ac%2A%3F%22%7C.flv"},
      {"live/-rf", "live/-rf.flv"},
  };
  for (const auto& [name, expected] : table) EXPECT_EQ(expand("{app}/{stream}.{ext}", name), expected);
}

TEST(file_name, long_names_are_cut_and_stay_apart) {
  std::string wide;
  while (wide.size() < 256) wide += "\xe6\x97\xa5";
  std::set<std::string> made;
  for (const std::string& name : {std::string(256, 'a'), std::string(255, 'a'), std::string(255, 'a') + "b", std::string(4096, 'a'), wide, wide + "x",
                                  std::string(300, '/'), std::string(78, 'a') + "/" + std::string(78, 'a'), std::string(77, 'a') + "/" + std::string(78, 'a')}) {
    const auto path = expand(name_template::usual, "live/" + name);
    for (const auto& part : std::filesystem::path(path)) EXPECT_LE(part.string().size(), 240U) << path;
    EXPECT_TRUE(made.insert(path).second) << path;
  }
  // Cut text cannot be had in another way: '~' is escaped.
  const auto cut = expand("{stream}.{ext}", "live/" + std::string(256, 'a'));
  const auto text = cut.substr(0, cut.size() - 4);
  EXPECT_NE(expand("{stream}.{ext}", "live/" + text), cut);
  // Never within an escape.
  for (std::size_t i = 70; i < 90; ++i) {
    const auto name = expand("{stream}.{ext}", "live/" + std::string(i, 'a') + wide);
    const auto tilde = name.find('~');
    ASSERT_NE(tilde, std::string::npos);
    EXPECT_TRUE(unescaped_name(name.substr(0, tilde)).has_value()) << name;
  }
}

TEST(file_name, no_two_names_are_escaped_alike) {
  std::set<std::string> seen;
  std::size_t count = 0;
  for (int a = -1; a < 256; ++a) {
    for (int b = -1; b < (a < 0 ? 0 : 256); ++b) {
      std::string name;
      if (a >= 0) name += static_cast<char>(a);
      if (b >= 0) name += static_cast<char>(b);
      const auto text = escaped_name(name);
      seen.insert(text);
      ++count;
      ASSERT_EQ(unescaped_name(text), name);
    }
  }
  EXPECT_EQ(seen.size(), count);
  for (const auto* bad : {"", "%4", "%zz", "%41", "a b", ".a", "%2f"}) {
    if (*bad != '\0') {
      EXPECT_FALSE(unescaped_name(bad).has_value()) << bad;
    }
  }
}

TEST(file_name, what_a_template_may_not_be) {
  const auto says = [](std::string_view text) { return expand(text, "live/a"); };
  EXPECT_EQ(says("{strem}.{ext}"),
            "{strem} is no field of a file name; did you mean {stream}? (there are {app}, {stream}, {date}, {time}, {n} and {ext})");
  EXPECT_NE(says("{part}{stream}.{ext}").find("did you mean"), std::string::npos);
  EXPECT_EQ(says("{stream"), "'{' without '}'");
  EXPECT_EQ(says("stream}"), "'}' without '{'");
  EXPECT_EQ(says("/{stream}.{ext}"), "is relative to the directory: it may not start with '/'");
  EXPECT_EQ(says("a//{stream}.{ext}"), "has an empty part before a '/'");
  EXPECT_EQ(says("../{stream}.{ext}"), "a part of it may not start with '.'");
  EXPECT_EQ(says("a/.{stream}.{ext}"), "a part of it may not start with '.'");
  EXPECT_EQ(says("{date}.{ext}"), "has to have {stream} in it, or streams could not be told apart");
  EXPECT_EQ(says("{stream}.mp4"), "has to end in \".{ext}\"");
  EXPECT_EQ(says("{stream}\n.{ext}"), "takes printable ASCII without '\\'");
  EXPECT_EQ(says(std::string(300, 'a') + "{stream}.{ext}"), "may become longer than a file name can be");
  EXPECT_EQ(says("{app}{stream}{app}.{ext}"), "may become longer than a file name can be");
}

TEST(file_name, numbered_for_files_that_are_there) {
  EXPECT_EQ(numbered("live/a.mp4", 1), "live/a.mp4");
  EXPECT_EQ(numbered("live/a.mp4", 2), "live/a-2.mp4");
  EXPECT_EQ(numbered("li.ve/a", 3), "li.ve/a-3");
}

}  // namespace
}  // namespace millrace::record
