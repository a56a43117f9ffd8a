#include "server/publish_keys.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "server/access.hpp"

namespace millrace::server {
namespace {

using std::chrono::seconds;
using verdict = publish_keys::verdict;

struct publish_key_store : testing::Test {
  std::filesystem::path directory = std::filesystem::temp_directory_path() / ("millrace-keys-" + std::to_string(::getpid()) + testing::UnitTest::GetInstance()->current_test_info()->name());
  std::filesystem::path file = directory / "publish-keys.json";
  publish_keys::time now{seconds(1'800'000'000)};

  publish_key_store() { std::filesystem::create_directories(directory); }
  ~publish_key_store() override { std::filesystem::remove_all(directory); }
  std::unique_ptr<publish_keys> open() { return publish_keys::open(file).value(); }
  std::string content() {
    std::stringstream out;
    out << std::ifstream(file).rdbuf();
    return out.str();
  }
};

TEST_F(publish_key_store, a_key_opens_the_streams_that_it_is_for_also_after_a_restart) {
  const auto made = open()->make("live/studio", "the van", {}, now).value();
  EXPECT_EQ(made.secret.size(), 32u);
  const auto keys = open();
  EXPECT_EQ(keys->check("live/studio", made.secret, now).what, verdict::right);
  EXPECT_EQ(keys->check("live/studio", made.secret, now).id, made.facts.id);
  EXPECT_EQ(keys->check("live/studio", "guessed", now).what, verdict::wrong);
  EXPECT_EQ(keys->check("live/studio", std::nullopt, now).what, verdict::wrong);
  EXPECT_EQ(keys->check("live/other", made.secret, now).what, verdict::no_key);
  ASSERT_EQ(keys->list().size(), 1u);
  EXPECT_EQ(keys->list()[0].note, "the van");
  EXPECT_EQ(keys->list()[0].used, now);
}

TEST_F(publish_key_store, the_file_holds_no_secret_and_is_for_its_user_only) {
  const auto made = open()->make("live/*", "", {}, now).value();
  EXPECT_EQ(content().find(made.secret), std::string::npos);
  struct stat facts{};
  ASSERT_EQ(::stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(publish_key_store, a_key_that_was_withdrawn_opens_nothing) {
  const auto keys = open();
  const auto one = keys->make("live/*", "", {}, now).value(), other = keys->make("live/*", "", {}, now).value();
  ASSERT_TRUE(keys->withdraw(one.facts.id));
  EXPECT_EQ(keys->check("live/a", one.secret, now).what, verdict::wrong);
  EXPECT_EQ(keys->check("live/a", other.secret, now).what, verdict::right);
  EXPECT_EQ(keys->withdraw(one.facts.id).error().kind, base::error_kind::not_found);
  ASSERT_TRUE(keys->withdraw(other.facts.id));
  EXPECT_EQ(keys->check("live/a", other.secret, now).what, verdict::no_key);
}

TEST_F(publish_key_store, a_key_ends_with_its_time) {
  const auto keys = open();
  const auto made = keys->make("live/a", "", seconds(60), now).value();
  EXPECT_EQ(keys->check("live/a", made.secret, now + seconds(59)).what, verdict::right);
  EXPECT_EQ(open()->check("live/a", made.secret, now + seconds(60)).what, verdict::expired);
  EXPECT_EQ(keys->check("live/a", "guessed", now + seconds(60)).what, verdict::no_key) << "and no longer guards its stream";
}

TEST_F(publish_key_store, what_cannot_be_is_refused) {
  const auto keys = open();
  for (const std::string bad : {"live", "/live", "live/", "live/a?key=x", "live/a\nb", "live/\xff"}) {
    const auto refused = keys->make(bad, "", {}, now);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().kind, base::error_kind::usage);
  }
  EXPECT_FALSE(keys->make("live/" + std::string(600, 'x'), "", {}, now));
  EXPECT_FALSE(keys->make("live/a", std::string(201, 'x'), {}, now));
  EXPECT_FALSE(keys->make("live/a", "two\nlines", {}, now));
  EXPECT_FALSE(keys->make("live/a", "", seconds(0), now));
  EXPECT_TRUE(keys->list().empty());
}

TEST_F(publish_key_store, two_servers_with_one_directory_lose_none_of_each_others_keys) {
  const auto first = open(), second = open();
  const auto a = first->make("live/a", "", {}, now).value();
  const auto b = second->make("live/b", "", {}, now).value();
  EXPECT_EQ(open()->list().size(), 2u);
  EXPECT_EQ(second->check("live/a", a.secret, now).what, verdict::right);
}

TEST_F(publish_key_store, a_file_that_is_broken_is_named_and_left_alone) {
  for (const std::string text : {"", "{", "[]", R"({"keys": [{"id": "x"}]})", R"({"keys": [1]})"}) {
    std::ofstream(file) << text;
    const auto opened = publish_keys::open(file);
    ASSERT_FALSE(opened) << text;
    EXPECT_NE(opened.error().text.find(file.string()), std::string::npos);
    EXPECT_EQ(content(), text);
    std::filesystem::remove(file);
  }
}

TEST_F(publish_key_store, a_time_that_the_clock_cannot_count_to_breaks_a_file) {
  const std::string front = R"({"keys": [{"id": "x", "streams": "*", "sha256": ")" + std::string(64, '0') + R"(", )";
  for (const std::string text : {R"("made": 18000000000000}]})", R"("made": -1}]})", R"("made": 1, "expires": 9223372036854775807}]})"}) {
    std::ofstream(file) << front + text;
    EXPECT_FALSE(publish_keys::open(file)) << text;
    std::filesystem::remove(file);
  }
  std::ofstream(file) << front + R"("made": 1, "expires": 9223372036}]})";
  EXPECT_TRUE(publish_keys::open(file));
}

TEST_F(publish_key_store, limits_are_kept) {
  const allowance most{.at_once = 2, .kbps = 8000, .session = std::chrono::hours(2)};
  const auto made = open()->make("live/*", "", {}, now, most).value();
  const auto plain = open()->make("live/*", "", {}, now).value();
  EXPECT_EQ(open()->check("live/a", made.secret, now).allows, most);
  EXPECT_EQ(open()->check("live/a", plain.secret, now).allows, allowance{});
  EXPECT_EQ(open()->list().front().allows, most);
  const std::string front = R"({"keys": [{"id": "x", "streams": "*", "sha256": ")" + std::string(64, '0') + R"(", "made": 1, )";
  for (const std::string text : {R"("at_once": -1}]})", R"("kbps": "8000"}]})", R"("session_s": 1e9}]})"}) {
    std::ofstream(file) << front + text;
    EXPECT_FALSE(publish_keys::open(file)) << text << ": what cannot be read must not become no limit";
  }
}

TEST_F(publish_key_store, decides_with_the_rules) {
  const auto keys = open();
  const auto made = keys->make("live/a", "", seconds(60), now).value();
  const auto far = boost::asio::ip::make_address("192.0.2.7");
  const auto rules = default_access_rules();
  EXPECT_TRUE(may_publish(rules, far, "live/a", "key=" + made.secret, keys.get(), now).allowed);
  EXPECT_EQ(may_publish(rules, far, "live/a", "key=no", keys.get(), now).why, "wrong key");
  EXPECT_NE(may_publish(rules, far, "live/a", "", keys.get(), now).why.find("?key="), std::string::npos);
  EXPECT_NE(may_publish(rules, far, "live/a", "key=" + made.secret, keys.get(), now + seconds(60)).why.find("expired"), std::string::npos);
  EXPECT_FALSE(may_publish(rules, far, "live/b", "key=" + made.secret, keys.get(), now).allowed);
  EXPECT_TRUE(may_publish(rules, boost::asio::ip::make_address("127.0.0.1"), "live/a", "", keys.get(), now).allowed) << "the address rule";
}

}  // namespace
}  // namespace millrace::server
