// Section 7 of doc/protocol/conformance.md for the client.
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::client_role;
using test::client_case;
using test::client_script;

void begin_again(client_script& s) {
  s.link->close();
  s.connected = false;
  s.started.reset();
  s.down.reset();
}

asio::awaitable<void> bandwidth_checks(client_script& s) {
  s.start(client_role::publish);
  const auto quiet = co_await s.accept_until_started();  // a server that says nothing but the answers
  check(!s.down, "the client did not publish to a server without bandwidth checks");
  begin_again(s);

  s.start(client_role::publish, "b");
  auto c = co_await s.accept_connect_command();
  c.at->call("onBWDone", 0);
  client_script::answer_connect(*c.at, c.connect.transaction);
  c.at->call("onBWDone", 0, {8192.0});
  c.at->call("_onbwcheck", 21, {std::string(1000, 'x')});
  co_await c.at->wait_command("_result", 21);
  c.at->call("_onbwdone", 0, {1000.0, 10.0, 0.0, 0.0});
  // createStream, and over RoQR publish too, may have come before or behind the answer to the check.
  const auto sent = [&c](std::string_view name) {
    for (const auto& m : c.at->passed) {
      if (const auto found = rtmp::parse_command(m, {}); found && found->name == name) return found->transaction;
    }
    return -1.0;
  };
  double transaction = sent("createStream");
  if (transaction < 0) {
    const auto create = co_await c.at->wait_command("createStream");
    transaction = create.transaction;
  }
  c.at->send(rtmp::make_command(0, "_result", transaction, amf0::null{}, {1.0}));
  if (sent("publish") < 0) co_await c.at->wait_command("publish");
  c.at->send(rtmp::make_on_status(1, {"status", "NetStream.Publish.Start", "go"}));
  co_await s.until([&s] { return s.started.has_value(); }, "the client to publish to a server with bandwidth checks");
}

const bool registered = test::register_client_cases({
    {"N9", "publishing works whether the server checks bandwidth or says nothing", bandwidth_checks},
});

}  // namespace
}  // namespace millrace::conform
