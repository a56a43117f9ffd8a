// The same honest thing very often: what it takes has to come back. Ten thousand of each in the long form.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>

#include "hostile/attack.hpp"
#include "hostile/quic_liar.hpp"
#include "hostile/raw_tcp.hpp"

namespace millrace::hostile {
namespace {

using cycle = asio::awaitable<void> (*)(arena& in, way via);

constexpr std::size_t in_short = 100, in_full = 10'000, at_once = 8;

// `count` of them, some at a time: a lane begins its next one when the last has ended.
asio::awaitable<void> many(arena& in, way via, cycle one, std::size_t count) {
  struct shared {
    std::size_t left = 0, running = 0;
    std::exception_ptr thrown;
  };
  const auto state = std::make_shared<shared>();
  state->left = count;
  asio::steady_timer done(in.io, asio::steady_timer::time_point::max());
  const auto lane = [&in, via, one, state]() -> asio::awaitable<void> {
    while (state->left > 0 && !state->thrown) {
      --state->left;
      co_await one(in, via);
    }
  };
  for (std::size_t i = 0; i < std::min(at_once, count); ++i) {
    ++state->running;
    asio::co_spawn(in.io, lane(), [state, &done](std::exception_ptr thrown) {
      if (thrown) state->thrown = thrown;
      if (--state->running == 0) done.cancel();
    });
  }
  while (state->running > 0) {
    boost::system::error_code cancelled;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  if (state->thrown) std::rethrow_exception(state->thrown);
}

conform::target fresh(arena& in, way via) {
  auto where = in.target(via);
  where.run = in.fresh_name();
  return where;
}

asio::awaitable<void> opened(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.open();
  at->finish_sending();
}
asio::awaitable<void> opened_and_vanished(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.open();
  at->vanish();
}
asio::awaitable<void> connected(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.connected();
  at->finish_sending();
}
asio::awaitable<void> published(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto there = co_await c.publishing(where.run);
  conform::send_beginning(there, 0);
  there.at->call("deleteStream", there.at->next_transaction(), {there.msid});
  co_await there.at->barrier();
  there.at->finish_sending();
}
asio::awaitable<void> published_and_vanished(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto there = co_await c.publishing(where.run);
  conform::send_beginning(there, 0);
  co_await conform::ping(there.at, 1);
  there.at->vanish();
}
// Of a name that nobody publishes, another one each time.
asio::awaitable<void> played(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto there = co_await c.playing(where.run);
  there.at->finish_sending();
}
// Of the stream beside it.
asio::awaitable<void> watched(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto there = co_await c.playing("millrace-bystander-stream-a");
  co_await there.at->wait_media();
  there.at->finish_sending();
}
// Twelve names on one connection, each published and given up.
asio::awaitable<void> renamed(arena& in, way via) {
  const auto where = fresh(in, via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.connected();
  for (int i = 0; i < 12; ++i) {
    const auto there = co_await c.publish_on(at, where.run + "-" + std::to_string(i));
    at->call("deleteStream", at->next_transaction(), {there.msid});
  }
  co_await at->barrier();
  at->finish_sending();
}
asio::awaitable<void> begun(arena& in, way) {
  liar_options options;
  options.deaf = true;
  liar at(in, std::move(options));
  at.begin();
  co_await at.listen(milliseconds(1));
}
asio::awaitable<void> asked(arena& in, way) {
  auto at = co_await raw_tcp::open(in, in.http());
  co_await at.send("GET /live/" + in.fresh_name() + ".m3u8 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  co_await at.answer(soon);
}

struct kind {
  const char* name;
  cycle one;
};

}  // namespace

void add_cycles(cases& to) {
  static const std::vector<kind> kinds{
      {"connect, and end", opened},
      {"connect, and vanish", opened_and_vanished},
      {"RTMP connect, and end", connected},
      {"publish a new name, and end", published},
      {"publish a new name, and vanish", published_and_vanished},
      {"play a new name, and end", played},
      {"play a stream, and end", watched},
      {"publish twelve new names on one connection", renamed},
  };
  const auto add = [&to](std::string family, const kind& what, way via) {
    to.push_back({std::move(family), what.name, "each within 8 s; memory and descriptors come back", [what, via](arena& in) {
                    return many(in, via, what.one, in.full ? in_full : in_short);
                  }});
  };
  for (const auto via : all_ways) {
    for (const auto& what : kinds) add("cycles over " + std::string(name(via)), what, via);
  }
  add("cycles over rtmpq", {"handshake that is begun and left", begun}, way::rtmpq);
  add("cycles over HTTP", {"playlist of a new name", asked}, way::rtmp);
}

}  // namespace millrace::hostile
