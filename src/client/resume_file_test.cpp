#include "client/resume_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace millrace::client {
namespace {

TEST(resume_file, what_is_written_is_read) {
  const auto read = parse_resume_ticket(format({"example.com", 1935, "0123abcd"}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->host, "example.com");
  EXPECT_EQ(read->port, 1935);
  EXPECT_EQ(read->token, "0123abcd");
}

TEST(resume_file, anything_else_is_no_ticket) {
  for (const auto* text : {"", "\n", "millrace-resume-1", "millrace-resume-1 host", "millrace-resume-1 host 1935", "millrace-resume-1 host 1935 \n",
                           "millrace-resume-1 host 99999 token\n", "millrace-resume-1 host 19x token\n", "millrace-resume-2 host 1935 token\n",
                           "millrace-resume-1  1935 token\n", "millrace-resume-1 host 1935 token\nmore"}) {
    EXPECT_FALSE(parse_resume_ticket(text)) << text;
  }
}

class resume_file_on_disk : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / ("resume_file_test." + std::to_string(::getpid()));
  const std::string file_ = folder_ / "ticket";
};

TEST_F(resume_file_on_disk, is_for_its_owner_alone) {
  ASSERT_TRUE(write_resume_file(file_, {"::1", 1, "t"}));
  struct stat facts {};
  ASSERT_EQ(::stat(file_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const auto read = read_resume_file(file_);
  ASSERT_TRUE(read);
  ASSERT_TRUE(*read);
  EXPECT_EQ((*read)->host, "::1");
}

TEST_F(resume_file_on_disk, need_not_be_there) {
  const auto read = read_resume_file(file_);
  ASSERT_TRUE(read);
  EXPECT_FALSE(*read);
}

TEST_F(resume_file_on_disk, may_be_empty_or_broken_or_of_a_later_version) {
  for (const auto* text : {"", "millrace-resume-1 host", "millrace-resume-2 host 1935 token\n"}) {
    std::ofstream(file_) << text;
    const auto read = read_resume_file(file_);
    ASSERT_TRUE(read) << text;
    EXPECT_FALSE(*read) << text;
  }
}

TEST_F(resume_file_on_disk, is_refused_where_it_is_somebody_elses) {
  for (const auto& text : {std::string("my notes\n"), std::string("\n"), std::string("millrace"), std::string(3 << 20, 'm')}) {
    std::ofstream(file_, std::ios::trunc) << text;
    const auto read = read_resume_file(file_);
    ASSERT_FALSE(read) << text.substr(0, 20);
    EXPECT_EQ(read.error().kind, base::error_kind::local);
    EXPECT_EQ(read.error().text, file_ + " is no file of --resume: choose another");
  }
  EXPECT_FALSE(read_resume_file(folder_)) << "a folder";
  EXPECT_FALSE(read_resume_file("/dev/null")) << "a device";
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_resume_file(pipe)) << "and nobody waits for what comes out of it";
}

TEST_F(resume_file_on_disk, says_what_is_in_the_way) {
  const auto written = write_resume_file(folder_ / "nowhere" / "ticket", {"h", 1, "t"});
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().text.find("nowhere"), std::string::npos) << written.error().text;
}

}  // namespace
}  // namespace millrace::client
