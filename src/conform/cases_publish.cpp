// Section 8, publish (RTMP 1.0 section 7.2.2.6, and the commands that Flash Media Live Encoder brought).
#include <algorithm>

#include "base/escape.hpp"
#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;

const char start[] = "NetStream.Publish.Start";
const char unpublished[] = "NetStream.Unpublish.Success";

std::string shown(const rtmp::status& s) { return "'" + base::escaped(s.code + ": " + s.description) + "'"; }

asio::awaitable<void> courtesies_before(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  begin_media(out);
  const auto in = co_await c.playing(name);
  co_await wait_video(in.at);
  // Another client asks to release the name, which is not its own.
  const auto other = co_await c.connected();
  other->call("releaseStream", 2, {name});
  other->call("FCPublish", 3, {name});
  other->call("releaseStream", 0, {name});
  other->call("FCPublish", 0, {name});
  co_await other->barrier();
  const auto frame = avc_frame(false, 200, 7);
  send_video(out, 40, frame);
  co_await wait_payload(in.at, frame, "the next frame of the publication that somebody else asked to release");
  // With a name of its own it then publishes.
  const auto mine = c.name("b");
  other->call("releaseStream", 4, {mine});
  other->call("FCPublish", 5, {mine});
  co_await c.publish_on(other, mine);
}

asio::awaitable<void> stream_ids(context& c) {
  const auto at = co_await c.connected();
  std::vector<std::uint32_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(co_await at->barrier());
  at->call("deleteStream", 0, {ids[1]});
  ids.erase(ids.begin() + 1);
  // One of them may be the deleted one, no other may come twice.
  for (int i = 0; i < 2; ++i) ids.push_back(co_await at->barrier());
  for (const auto id : ids) {
    check(id >= 1, "createStream gave the id 0");
    check(std::count(ids.begin(), ids.end(), id) == 1, "createStream gave the id " + std::to_string(id) + " while it was in use");
  }
  // A connection may not have them without end; what is refused is refused in words, and the connection lives.
  for (int i = 0; i < 200; ++i) {
    const auto transaction = at->next_transaction();
    at->call("createStream", transaction);
    bool refused = false;
    peer::wanted is = [&](const rtmp::message& m) {
      const auto answer = command_of(m);
      if (!answer || answer->transaction != transaction) return false;
      refused = answer->name == "_error";
      return true;
    };
    co_await at->wait(std::move(is), "an answer to createStream");
    if (!refused) continue;
    at->call("deleteStream", 0, {ids[0]});
    co_await at->barrier();
    co_return;
  }
  c.note("more than 200 message streams on one connection");
}

asio::awaitable<void> together_and_apart(context& c) {
  const auto together = co_await c.handshaken();
  const auto name = c.name();
  bytes flight;
  const auto put = [&flight](const rtmp::message& m) { append(flight, encode_as(m, 0, 0)); };
  const amf0::null none;
  put(rtmp::make_command(0, "connect", 1, c.connect_object()));
  together->send_bytes(flight);
  flight.clear();
  co_await together->wait_command("_result", 1);
  put(rtmp::make_command(0, "releaseStream", 2, none, {name}));
  put(rtmp::make_command(0, "FCPublish", 3, none, {name}));
  put(rtmp::make_command(0, "createStream", 4, none));
  together->send_bytes(flight);
  const auto answer = co_await together->wait_command("_result", 4);
  const auto msid = rtmp::to_id(answer.number_arg(0, -1));
  check(msid && *msid >= 1, "createStream was answered without an id");
  together->call("publish", 5, {c.publish_name(name), "live"}, *msid);
  co_await together->wait_status(start);

  const auto apart = co_await c.connected();
  const auto other = c.name("b");
  apart->call("releaseStream", 2, {other});
  co_await apart->bytes_within(milliseconds(20));  // so that they are read apart
  apart->call("FCPublish", 3, {other});
  co_await apart->bytes_within(milliseconds(20));
  co_await c.publish_on(apart, other);
}

asio::awaitable<void> types(context& c) {
  const std::vector<std::string> kinds{"live", "record", "append", ""};
  for (const auto& kind : kinds) {
    const auto at = co_await c.connected();
    const auto msid = co_await at->barrier();
    const auto name = c.publish_name(c.name(kind.empty() ? "untyped" : kind));
    if (kind.empty()) {
      at->call("publish", at->next_transaction(), {name}, msid);
    } else {
      at->call("publish", at->next_transaction(), {name, kind}, msid);
    }
    const auto answer = co_await wait_answer(at, start);
    if (answer.code != start && kind != "live") {
      check(!answer.code.empty(), "publish of type '" + kind + "' was closed without a word");
      c.note("type '" + kind + "' is refused: " + base::escaped(answer.code));
      continue;
    }
    check(answer.code == start, "publish of type '" + kind + "' was answered with " + shown(answer));
    co_await at->barrier();
    check(event_passed(*at, rtmp::user_event::stream_begin, msid), "no StreamBegin for the message stream that publishes");
  }
}

asio::awaitable<void> start_names_its_stream(context& c) {
  const auto at = co_await c.connected();
  co_await at->barrier();
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {c.publish_name(c.name()), "live"}, msid);
  const auto answer = co_await wait_code(at, start);
  check(answer.msid == msid, "Publish.Start came on message stream " + std::to_string(answer.msid) + ", expected " + std::to_string(msid));
}

asio::awaitable<void> publish_type_and_answer(context& c) {
  co_await types(c);
  co_await start_names_its_stream(c);
}

asio::awaitable<void> wrong_streams(context& c) {
  for (const std::uint32_t msid : {std::uint32_t{0}, std::uint32_t{4711}}) {
    const auto at = co_await c.connected();
    at->call("publish", at->next_transaction(), {c.publish_name(c.name("nowhere")), "live"}, msid);
    const auto answer = co_await wait_answer(at, start);
    check(answer.code != start, "publish on message stream " + std::to_string(msid) + ", which was never created, was accepted");
    check(answer.code.rfind("NetStream.Publish.", 0) == 0, "publish on message stream " + std::to_string(msid) + ": " + shown(answer));
  }
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  out.at->call("publish", out.at->next_transaction(), {c.publish_name(c.name("b")), "live"}, out.msid);
  const auto again = co_await wait_answer(out.at, start);
  check(again.code != start, "a second publish on one message stream was accepted");
  if (again.code.empty()) throw refusal{"a second publish on one message stream ends the connection: " + base::escaped(again.description)};
  begin_media(out);
  const auto in = co_await c.playing(name);
  co_await wait_video(in.at);  // the first one goes on
}

asio::awaitable<void> name_taken(context& c) {
  const auto name = c.name();
  const auto first = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  begin_media(first);
  co_await wait_video(in.at);
  const auto second = co_await c.connected();
  const auto msid = co_await second->barrier();
  second->call("publish", second->next_transaction(), {c.publish_name(name), "live"}, msid);
  const auto answer = co_await wait_answer(second, start);
  if (answer.code == start) {
    // Taken over: the loser hears of it, and the viewers go on with the winner.
    if (!first.at->closed()) co_await first.at->wait_refusal();
    const on_stream winner{second, msid, name};
    begin_media(winner, 40, 9);
    co_await wait_payload(in.at, avc_frame(true, 100, 9), "the key frame of the publisher that took over");
    c.note("the newer publisher takes the name over");
    co_return;
  }
  check(answer.code == "NetStream.Publish.BadName", "a name that is taken was answered with " + shown(answer));
  const auto frame = avc_frame(false, 150, 3);
  send_video(first, 40, frame);
  co_await wait_payload(in.at, frame, "the first publisher's next frame");
}

asio::awaitable<void> wrong_key(context& c) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {c.name() + "?key=millrace-surely-wrong", "live"}, msid);
  const auto answer = co_await wait_answer(at, start);
  if (answer.code == start) throw skip{"anybody may publish there"};
  check(answer.code == "NetStream.Publish.Denied" || answer.code == "NetStream.Publish.BadName",
        "a wrong key was answered with " + shown(answer));
  check(!answer.description.empty(), "a wrong key was refused without a text");
  co_await at->wait_closed();
}

asio::awaitable<void> media_without_publication(context& c) {
  const auto name = c.name();
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  on_stream out{at, msid, name};
  const auto early = avc_frame(true, 100, 0xE1);
  send_video(out, 0, early);
  send_video({at, 4711, name}, 0, early);
  const auto gone = co_await at->barrier();
  at->call("deleteStream", 0, {gone});
  send_audio({at, gone, name}, 0, aac_frame());
  co_await at->barrier();
  const auto in = co_await c.playing(name);
  at->call("publish", at->next_transaction(), {c.publish_name(name), "live"}, msid);
  co_await at->wait_status(start);
  begin_media(out, 40);
  co_await wait_payload(in.at, avc_frame(true, 100, 1), "the first frame behind Publish.Start");
  check(count_passed(*in.at, early) == 0, "a frame from before publish reached a viewer");
}

asio::awaitable<void> every_way_to_end(context& c) {
  const std::vector<std::vector<std::string>> ways{{"FCUnpublish", "deleteStream"},
                                                   {"closeStream"},
                                                   {"deleteStream"},
                                                   {"closeStream", "FCUnpublish", "deleteStream"},
                                                   {"deleteStream", "FCUnpublish", "closeStream"},
                                                   {"FCUnpublish"}};
  const auto name = c.name();
  const auto at = co_await c.connected();
  const auto in = co_await c.playing(name);
  std::size_t rounds = 0;
  for (const auto& way : ways) {
    const auto out = co_await c.publish_on(at, name);
    begin_media(out, static_cast<std::uint32_t>(1000 * rounds), static_cast<std::uint8_t>(rounds + 1));
    co_await wait_payload(in.at, avc_frame(true, 100, static_cast<std::uint8_t>(rounds + 1)),
                          "the key frame of publication " + std::to_string(rounds + 1));
    at->passed.clear();
    std::string shown_way;
    for (const auto& step : way) {
      shown_way += (shown_way.empty() ? "" : ", ") + step;
      if (step == "FCUnpublish") at->call(step, at->next_transaction(), {c.publish_name(name)});
      if (step == "closeStream") at->call(step, 0, {}, out.msid);
      if (step == "deleteStream") at->call(step, 0, {out.msid});
    }
    ++rounds;
    const auto spare = co_await at->barrier();
    at->call("deleteStream", 0, {spare});
    const auto told = count_code(*at, unpublished);
    check(told == 1, shown_way + ": NetStream.Unpublish.Success came " + std::to_string(told) + " times, expected once");
    co_await in.at->barrier();
    const auto noticed = count_code(*in.at, "NetStream.Play.UnpublishNotify");
    check(noticed == rounds, shown_way + ": after " + std::to_string(rounds) + " publications the viewer has " + std::to_string(noticed) +
                                 " NetStream.Play.UnpublishNotify");
  }
}

// Publishes on a new connection, again while the name is still taken, for as long as one wait may last.
asio::awaitable<on_stream> publish_when_free(context& c, std::string name) {
  const auto until = std::chrono::steady_clock::now() + c.where().patience;
  while (true) {
    const auto at = co_await c.connected();
    const auto msid = co_await at->barrier();
    at->call("publish", at->next_transaction(), {c.publish_name(name), "live"}, msid);
    const auto answer = co_await wait_answer(at, start);
    if (answer.code == start) co_return on_stream{at, msid, name};
    check(std::chrono::steady_clock::now() < until, "the name of a publisher that is gone is still taken: " + shown(answer));
    co_await at->bytes_within(milliseconds(50));
  }
}

asio::awaitable<void> publisher_lost(context& c) {
  const auto name = c.name();
  const auto in = co_await c.playing(name);
  std::uint8_t filler = 1;
  for (const bool orderly : {true, false, true}) {
    const auto out = co_await publish_when_free(c, name);
    begin_media(out, filler * 1000u, filler);
    co_await wait_payload(in.at, avc_frame(true, 100, filler), "the key frame of publication " + std::to_string(filler));
    ++filler;
    if (orderly) {
      out.at->finish_sending();
    } else {
      out.at->vanish();
    }
  }
  co_await publish_when_free(c, name);
}

asio::awaitable<void> several_on_one_connection(context& c) {
  const auto name_a = c.name(), name_b = c.name("b");
  const auto at = co_await c.connected();
  const auto a = co_await c.publish_on(at, name_a);
  const auto b = co_await c.publish_on(at, name_b);
  const auto viewer = co_await c.connected();
  const auto in_a = co_await c.play_on(viewer, name_a);
  const auto in_b = co_await c.play_on(viewer, name_b);
  begin_media(a, 0, 0xA1);
  begin_media(b, 500'000, 0xB1);
  const auto got_a = co_await wait_payload(viewer, avc_frame(true, 100, 0xA1), "the key frame of the first stream");
  const auto got_b = co_await wait_payload(viewer, avc_frame(true, 100, 0xB1), "the key frame of the second stream");
  check(got_a.msid == in_a.msid && got_b.msid == in_b.msid, "frames of two streams came on each other's message stream");
  // And a connection may do both.
  const auto back = co_await c.play_on(at, name_b);
  at->call("deleteStream", 0, {a.msid});
  const auto frame = avc_frame(true, 160, 0xB2);
  send_video(b, 500'040, frame);
  co_await wait_payload(viewer, frame, "a frame of the stream that was not ended");
  const auto returned = co_await wait_payload(at, frame, "the publisher's own frame, which it plays as well");
  check(returned.msid == back.msid, "the publisher's own frame came on message stream " + std::to_string(returned.msid));
}

}  // namespace

std::vector<test_case> publish_cases() {
  return {
      {"P1", "releaseStream and FCPublish before createStream harm nobody", courtesies_before},
      {"P2", "createStream gives fresh ids from 1, and not without end", stream_ids},
      {"P3", "releaseStream, FCPublish and createStream in one flight or one by one", together_and_apart},
      {"P4", "publish of every type: StreamBegin and NetStream.Publish.Start on that stream", publish_type_and_answer},
      {"P5", "publish on unknown, zero and used message streams is refused", wrong_streams},
      {"P6", "a name that is taken: BadName, or taken over and told; viewers stay", name_taken},
      {"P7", "a wrong key is refused in words, then closed", wrong_key},
      {"P8", "media before publish or for a stream that is gone goes nowhere", media_without_publication},
      {"P9", "FCUnpublish, closeStream, deleteStream in any order end a publication once", every_way_to_end},
      {"P10", "after FIN and after a crash the name is free at once", publisher_lost},
      {"P11", "several publications and plays of one connection are independent", several_on_one_connection},
  };
}

}  // namespace millrace::conform
