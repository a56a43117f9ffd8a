#include "net/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "net/self_signed.hpp"
#include "net/state_files.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::net {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

unsigned mode_of(const std::filesystem::path& file) {
  struct stat facts {};
  EXPECT_EQ(::stat(file.c_str(), &facts), 0) << file;
  return facts.st_mode & 07777;
}

void put(const std::filesystem::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

class identity_files : public ::testing::Test {
 protected:
  test::temporary_directory directory_;
  const std::filesystem::path state_ = directory_.path() / "deep" / "state";
};

TEST_F(identity_files, SelfSignedIsMadeOnceAndStays) {
  const auto first = self_signed_identity(state_);
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_TRUE((*first)->self_signed_here);
  EXPECT_THAT((*first)->pin, MatchesRegex("[0-9a-f]{64}"));
  EXPECT_THAT((*first)->names, Contains("localhost"));
  EXPECT_THAT((*first)->names, Contains("127.0.0.1"));
  EXPECT_THAT((*first)->names, Contains("::1"));
  EXPECT_THAT((*first)->not_after, MatchesRegex("20[0-9][0-9]-[01][0-9]-[0-3][0-9]"));
  EXPECT_EQ(mode_of(state_), 0700u);
  EXPECT_EQ(mode_of(state_ / "self-signed.key"), 0600u);

  const auto second = self_signed_identity(state_);
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->pin, (*first)->pin);
  EXPECT_EQ((*second)->certificate_pem, (*first)->certificate_pem);
}

TEST_F(identity_files, HostNameIsAmongTheNames) {
  std::array<char, 256> host{};
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  const auto made = self_signed_identity(state_);
  ASSERT_TRUE(made);
  EXPECT_THAT((*made)->names, Contains(std::string(host.data())));
}

// The pin as everybody else computes it: by the openssl program.
TEST_F(identity_files, PinIsSha256OfTheSubjectPublicKeyInfo) {
  const auto made = self_signed_identity(state_);
  ASSERT_TRUE(made);
  const std::string command = "openssl x509 -in '" + (state_ / "self-signed.crt").string() +
                              "' -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r";
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 65> hex{};
  const auto got = std::fread(hex.data(), 1, 64, pipe);
  ::pclose(pipe);
  if (got != 64) GTEST_SKIP() << "no openssl program here";
  EXPECT_EQ((*made)->pin, std::string(hex.data()));
}

TEST_F(identity_files, CrashBetweenKeyAndCertificateKeepsTheKey) {
  const auto first = self_signed_identity(state_);
  ASSERT_TRUE(first);
  std::filesystem::remove(state_ / "self-signed.crt");
  const auto second = self_signed_identity(state_);
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ((*second)->pin, (*first)->pin);
}

TEST_F(identity_files, LostKeyIsAnErrorThatSaysWhatToDo) {
  ASSERT_TRUE(self_signed_identity(state_));
  std::filesystem::remove(state_ / "self-signed.key");
  const auto again = self_signed_identity(state_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, base::error_kind::local);
  EXPECT_THAT(again.error().text, HasSubstr("self-signed.key"));
  EXPECT_THAT(again.error().text, HasSubstr("delete the certificate"));
}

TEST_F(identity_files, NoTemporaryFileIsLeft) {
  ASSERT_TRUE(self_signed_identity(state_));
  ASSERT_TRUE(load_quic_secrets(state_));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(state_)) names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("self-signed.crt", "self-signed.key", "quic.secrets"));
}

TEST_F(identity_files, UnusableDirectoryIsNamed) {
  put(directory_.path() / "file", "x");
  const auto made = self_signed_identity(directory_.path() / "file" / "state");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, base::error_kind::local);
  EXPECT_THAT(made.error().text, HasSubstr((directory_.path() / "file").string()));
}

TEST_F(identity_files, LoadedFromFilesIsNotOurs) {
  ASSERT_TRUE(self_signed_identity(state_));
  const auto loaded = load_identity(state_ / "self-signed.crt", state_ / "self-signed.key");
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_FALSE((*loaded)->self_signed_here);
}

TEST_F(identity_files, EveryWrongFileIsNamed) {
  ASSERT_TRUE(self_signed_identity(state_));
  const auto certificate = state_ / "self-signed.crt";
  const auto key = state_ / "self-signed.key";
  const auto text_of = [](const std::filesystem::path& c, const std::filesystem::path& k) {
    const auto loaded = load_identity(c, k);
    EXPECT_FALSE(loaded);
    if (loaded) return std::string();
    EXPECT_EQ(loaded.error().kind, base::error_kind::local);
    return loaded.error().text;
  };
  const auto missing = directory_.path() / "missing.pem";
  EXPECT_THAT(text_of(missing, key), HasSubstr(missing.string() + ": no such file"));
  EXPECT_THAT(text_of(certificate, missing), HasSubstr(missing.string() + ": no such file"));
  const auto rubbish = directory_.path() / "rubbish.pem";
  put(rubbish, "not PEM at all");
  EXPECT_THAT(text_of(rubbish, key), HasSubstr(rubbish.string() + ": no certificate"));
  EXPECT_THAT(text_of(certificate, rubbish), HasSubstr(rubbish.string() + ": no private key"));
  const auto other = directory_.path() / "other.key";
  put(other, make_key_pem().value());
  EXPECT_THAT(text_of(certificate, other), HasSubstr(other.string() + ": this key does not belong to"));
  const auto damaged = directory_.path() / "damaged.pem";
  put(damaged, read_state_file(certificate).value().value() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_THAT(text_of(damaged, key), HasSubstr("certificate 2 of the chain is damaged"));
  EXPECT_THAT(text_of(directory_.path(), key), HasSubstr(directory_.path().string()));
}

TEST_F(identity_files, ExpiredIsRefusedWithItsDate) {
  // Our own code signs nothing for the past; the openssl program does, in one of its versions this way, in another that way.
  const auto key_file = directory_.path() / "old.key";
  const auto certificate_file = directory_.path() / "old.crt";
  put(key_file, make_key_pem().value());
  const std::string command =
      "openssl req -x509 -new -key '" + key_file.string() + "' -subj /CN=old -days -1 -out '" + certificate_file.string() + "' 2>/dev/null";
  if (std::system(command.c_str()) != 0) {  // NOLINT: fixed text
    const std::string other = "openssl x509 -new -signkey '" + key_file.string() + "' -subj /CN=old -days -1 -out '" +
                              certificate_file.string() + "' 2>/dev/null";
    if (std::system(other.c_str()) != 0) GTEST_SKIP() << "this openssl program makes no certificates of the past";
  }
  const auto loaded = load_identity(certificate_file, key_file);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text, HasSubstr("expired on 20"));
}

TEST_F(identity_files, QuicSecretsSurviveARestart) {
  const auto first = load_quic_secrets(state_);
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->stateless_reset.size(), 32u);
  EXPECT_EQ(first->token.size(), 32u);
  EXPECT_NE(first->stateless_reset, first->token);
  EXPECT_EQ(mode_of(state_ / "quic.secrets"), 0600u);
  const auto second = load_quic_secrets(state_);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->stateless_reset, first->stateless_reset);
  EXPECT_EQ(second->token, first->token);
}

TEST_F(identity_files, ShortSecretsAreAnError) {
  ASSERT_TRUE(load_quic_secrets(state_));
  put(state_ / "quic.secrets", "short");
  const auto loaded = load_quic_secrets(state_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text, HasSubstr("quic.secrets: 5 bytes instead of 64"));
}

}  // namespace
}  // namespace millrace::net
