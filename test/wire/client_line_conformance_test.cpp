// Section 7 of doc/protocol/conformance.md for what lasts longer than one connection of the client: client::line, as push and pull use it.
#include "base/base64.hpp"
#include "client/line.hpp"
#include "net/md5.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::client_role;
using test::client_case;
using test::client_script;

// A line of the client and what became of it. Closed with this object.
struct watched final : client::line_handler {
  watched(client_script& script, client::link_settings settings = {}) : s(script) {
    client::line_options options;
    auto parsed = rtmp::parse_uri(s.uri("a"));
    if (!parsed) throw failure{parsed.error().text};
    options.target.uri = *std::move(parsed);
    options.target.role = client_role::publish;
    options.link = std::move(settings);
    options.what = "publishing";
    line = client::line::open(s.io(), std::move(options), *this);
  }
  ~watched() override { line->close(); }
  void on_line_up() override { up = true, s.note(); }
  void on_line_down(const client::link_end& end) override { down = end, s.note(); }

  client_script& s;
  client::line_ptr line;
  bool up = false;
  std::optional<client::link_end> down;
};

void refuse(const client_script::connecting& c, const std::string& description, std::vector<amf0::member> extra = {}) {
  const rtmp::status why{"error", "NetConnection.Connect.Rejected", description};
  c.at->send(rtmp::make_command(0, "_error", c.connect.transaction, amf0::null{}, {rtmp::information(why, std::move(extra))}));
  c.at->finish_sending();
}

void redirect(const client_script::connecting& c, const std::string& to) {
  refuse(c, "go elsewhere", {{"ex", amf0::object{{{"code", 302.0}, {"redirect", to}}}}});
}

std::string member(const rtmp::command& connect, std::string_view name) {
  const auto* found = connect.object.find(name);
  return found && found->text() ? *found->text() : std::string();
}

// Up to the accepted publish.
asio::awaitable<void> serve(const watched& w, client_script::connecting c) {
  client_script::answer_connect(*c.at, c.connect.transaction);
  const auto create = co_await c.at->wait_command("createStream");
  c.at->send(rtmp::make_command(0, "_result", create.transaction, amf0::null{}, {1.0}));
  const auto publish = co_await c.at->wait_command("publish");
  check(publish.text_arg(0).rfind("a", 0) == 0, "the client publishes '" + publish.text_arg(0) + "', expected 'a'");
  c.at->send(rtmp::make_on_status(1, {"status", "NetStream.Publish.Start", "go"}));
  co_await w.s.until([&w] { return w.up; }, "the client to publish");
}

asio::awaitable<void> follows_redirects(client_script& s) {
  const auto here = s.uri("a");
  const auto server = here.substr(0, here.find("/live/"));
  {
    const watched w(s);
    auto first = co_await s.accept_connect_command();
    redirect(first, server + "/elsewhere");
    auto second = co_await s.accept_connect_command();
    check(member(second.connect, "app") == "elsewhere",
          "after a redirect to /elsewhere the client connects to '" + member(second.connect, "app") + "'");
    redirect(second, "/again");  // relative to where it is now
    auto third = co_await s.accept_connect_command();
    check(member(third.connect, "app") == "again",
          "after a redirect to /again the client connects to '" + member(third.connect, "app") + "'");
    co_await serve(w, std::move(third));
  }
  // Round and round: that has an end.
  const watched w(s);
  for (int hops = 0; hops < 32; ++hops) {
    co_await s.until([&] { return w.down.has_value() || s.waiting(); }, "another connection or the end");
    if (w.down) {
      check(hops > 1, "the client gave up at the first redirect: " + w.down->reason.text);
      check(w.down->reason.text.find("redirect") != std::string::npos, "the reason does not name the redirects: " + w.down->reason.text);
      co_return;
    }
    auto next = co_await s.accept_connect_command();
    redirect(next, server + "/round");
  }
  throw failure{"the client followed 32 redirects in a row"};
}

std::string digest(const std::string& text) { return base::to_base64(net::md5(base::as_bytes(text))); }

// "…&name=value&…" of a query.
std::string parameter(const std::string& query, const std::string& name) {
  const auto at = query.find("&" + name + "=");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 2;
  return query.substr(from, query.find('&', from) - from);
}

asio::awaitable<void> user_and_password(client_script& s) {
  client::link_settings settings;
  settings.login = {"somebody", "s3cret"};
  const watched w(s, settings);
  auto first = co_await s.accept_connect_command();
  check(member(first.connect, "app").find("s3cret") == std::string::npos, "the password itself was sent");
  refuse(first, "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ");
  auto second = co_await s.accept_connect_command();
  const auto named = member(second.connect, "app");
  check(named.find("authmod=adobe") != std::string::npos && parameter(named, "user") == "somebody",
        "asked for a user name, the client sends '" + named + "'");
  refuse(second, "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=somebody&salt=SALT&challenge=CHAL&opaque=OPAQ");
  auto third = co_await s.accept_connect_command();
  const auto answered = member(third.connect, "app");
  const auto expected = digest(digest("somebodySALTs3cret") + "OPAQ" + parameter(answered, "challenge"));
  check(parameter(answered, "response") == expected,
        "the response is '" + parameter(answered, "response") + "', expected '" + expected + "'");
  co_await serve(w, std::move(third));
}

const bool registered = test::register_client_cases({
    {"N7", "redirects are followed, relative ones too, and not for ever", follows_redirects},
    {"N10", "user name and password are given as a digest when the server asks for them", user_and_password},
});

}  // namespace
}  // namespace millrace::conform
