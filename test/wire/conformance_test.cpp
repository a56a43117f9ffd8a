// The suite of src/conform against our own server, each script on each transport: conformance.H1/rtmp, H1/rtmps, H1/rtmpq, …
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "conform/suite.hpp"
#include "support/conform_target.hpp"
#include "support/peer.hpp"
#include "support/running_server.hpp"

namespace millrace::conform {
namespace {

class server_conformance : public testing::Test {
 public:
  server_conformance(test_case which, std::string transport) : which_(which), transport_(std::move(transport)) {}

  void TestBody() override {
    // Deadlines of a server are minutes; a test has none to spare.
    test::running_server s(true, [this](server::config& settings) {
      settings.rtmp.connect_deadline = milliseconds(1'500);
      settings.rtmp.idle_connection = milliseconds(4'000);
      const std::string id = which_.id;
      const bool slow_viewer = id == "L10" || id == "S22";
      if (slow_viewer) {
        settings.hub.viewer_age = milliseconds(500);
        settings.viewers.progress = std::chrono::minutes(10);  // it stands still for as long as a busy machine takes to publish to it
      }
      if (which_.slow && !slow_viewer) settings.rtmp.ping_after = milliseconds(1'000);  // who takes nothing answers no ping either
      if (id == "S13") settings.rtmp.publisher_silence = milliseconds(1'000);
      // A key for the scripts that try a wrong one; to nobody else it is a matter.
      for (const std::string one : {"P7", "S11"}) settings.access.publish_keys.push_back({"live/millrace-test-" + one + "-*", "right"});
    });
    auto where = test::conform_target(s, transport_);
    where.request_reconnect = [&s](const std::string& tc_url) { s.instance->request_reconnect(tc_url, "for a test"); };
    std::optional<verdict> got;
    boost::asio::co_spawn(s.io, run_case(s.io, where, which_), [&](const std::exception_ptr& thrown, verdict v) {
      if (thrown) std::rethrow_exception(thrown);
      got = std::move(v);
    });
    ASSERT_TRUE(test::run_until(s.io, [&] { return got.has_value(); }, std::chrono::seconds(50)));
    // Only a change of address cannot be tried on TCP. Any other skip would hide that something is gone.
    if (got->how == outcome::skipped && which_.id == std::string("Y7") && transport_ != "rtmpq" && transport_ != "roqr") GTEST_SKIP() << got->detail;
    if (got->how == outcome::skipped && transport_ == "roqr" && got->detail.starts_with("RoQR ")) return;  // chunks and their handshake
    EXPECT_TRUE(got->how == outcome::passed || got->how == outcome::refused) << got->id << ": " << got->title << "\n" << got->detail;
    // Of Enhanced RTMP, of commands and of media nothing is optional for us.
    EXPECT_TRUE(got->how == outcome::passed || std::string_view("NPDLSMEVXRQY").find(got->id[0]) == std::string_view::npos) << got->detail;
    if (!got->detail.empty()) RecordProperty("detail", got->detail);
  }

 private:
  const test_case which_;
  const std::string transport_;
};

const bool registered = [] {
  for (const auto& one : catalogue()) {
    for (const char* transport : {"rtmp", "rtmps", "rtmpq", "roqr"}) {
      testing::RegisterTest("conformance_server", (std::string(one.id) + "_" + transport).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [one, transport]() -> testing::Test* { return new server_conformance(one, transport); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace millrace::conform
