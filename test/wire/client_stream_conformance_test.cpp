// Sections 8, 10 and 12 of doc/protocol/conformance.md for the client.
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::client_role;
using rtmp::message_type;
using test::client_case;
using test::client_script;

void begin_again(client_script& s) {
  s.link->close();
  s.connected = false;
  s.started.reset();
  s.down.reset();
  s.frames.clear();
}

// Up to the publish or play command, which is for the script to answer.
asio::awaitable<peer_ptr> accept_until_asked(client_script& s, std::string name) {
  auto c = co_await s.accept_connect_command();
  client_script::answer_connect(*c.at, c.connect.transaction);
  const auto create = co_await c.at->wait_command("createStream");
  c.at->send(rtmp::make_command(0, "_result", create.transaction, amf0::null{}, {1.0}));
  co_await c.at->wait_command(std::move(name));
  co_return c.at;
}

asio::awaitable<void> refusals_by_class(client_script& s) {
  struct row {
    std::string code, description;
    base::error_kind kind;
  };
  const std::vector<row> rows{{"NetStream.Publish.BadName", "Stream already publishing", base::error_kind::busy},
                              {"NetStream.Publish.BadName", "wrong stream key", base::error_kind::denied},
                              {"NetStream.Publish.Denied", "no", base::error_kind::denied},
                              {"NetStream.Publish.Failed", "too many streams", base::error_kind::busy}};
  for (const auto& one : rows) {
    s.start(client_role::publish);
    const auto at = co_await accept_until_asked(s, "publish");
    at->send(rtmp::make_on_status(1, {"error", one.code, one.description}));
    co_await s.until([&s] { return s.down.has_value(); }, "the client to give up after " + one.code);
    check(s.down->reason.kind == one.kind, one.code + " (" + one.description + ") was taken for '" +
                                               std::string(base::name(s.down->reason.kind)) + "', expected '" +
                                               std::string(base::name(one.kind)) + "'");
    const auto& text = s.down->reason.text;
    check(text.find(one.code) != std::string::npos && text.find(one.description) != std::string::npos,
          "the server's words are not in: " + text);
    begin_again(s);
  }
}

bytes key_frame(std::uint8_t filler) { return avc_frame(true, 100, filler); }

asio::awaitable<void> until_frame(client_script& s, bytes payload, std::string what) {
  co_await s.until(
      [&s, &payload] {
        return std::any_of(s.frames.begin(), s.frames.end(), [&payload](const media::frame& f) {
          const auto v = f.payload.view();
          return std::equal(payload.begin(), payload.end(), v.begin(), v.end());
        });
      },
      std::move(what));
}

asio::awaitable<void> taciturn_servers(client_script& s) {
  // Only Play.Start, no StreamBegin, no metadata.
  s.start(client_role::play);
  auto at = co_await s.accept_until_started();
  at->send_media(message_type::video, 1, 0, avc_config());
  at->send_media(message_type::video, 1, 0, key_frame(1));
  co_await until_frame(s, key_frame(1), "a frame of a server that says only Play.Start");
  begin_again(s);
  // Only StreamBegin.
  s.start(client_role::play);
  at = co_await accept_until_asked(s, "play");
  at->send(rtmp::make_user_control(rtmp::user_event::stream_begin, 1));
  at->send_media(message_type::video, 1, 0, avc_config());
  at->send_media(message_type::video, 1, 0, key_frame(2));
  co_await until_frame(s, key_frame(2), "a frame of a server that says only StreamBegin");
  check(s.started.has_value(), "the client has frames and does not know that it plays");
  begin_again(s);
  // Aggregates.
  s.start(client_role::play);
  at = co_await s.accept_until_started();
  base::byte_writer parts;
  for (const std::uint8_t filler : {std::uint8_t{3}, std::uint8_t{4}}) {
    const auto body = key_frame(filler);
    parts.u8(9)
        .u24(static_cast<std::uint32_t>(body.size()))
        .u24(filler * 40u)
        .u8(0)
        .u24(0)
        .bytes(body)
        .u32(static_cast<std::uint32_t>(11 + body.size()));
  }
  at->send_media(message_type::aggregate, 1, 5000, std::move(parts).take());
  co_await until_frame(s, key_frame(4), "the second frame of an aggregate");
  check(s.frames.size() == 2, "an aggregate of 2 frames gave " + std::to_string(s.frames.size()));
  check(s.frames[1].dts_ms - s.frames[0].dts_ms == 40,
        "the parts of an aggregate are " + std::to_string(s.frames[1].dts_ms - s.frames[0].dts_ms) + " ms apart, expected 40");
}

asio::awaitable<void> silence(client_script& s) {
  s.start(client_role::play);
  auto at = co_await s.accept_until_started();
  at->send_media(message_type::audio, 1, 40, {});
  at->send_media(message_type::video, 1, 80, key_frame(1));
  co_await until_frame(s, key_frame(1), "the frame behind a mark of silence");
  check(s.frames.size() == 2 && s.frames[0].kind == media::frame_kind::audio && s.frames[0].payload.empty(),
        "the mark of silence was lost");
  begin_again(s);

  s.start(client_role::publish);
  at = co_await s.accept_until_started();
  media::frame mark;
  mark.kind = media::frame_kind::audio;
  mark.dts_ms = 40;
  s.link->send(mark);
  s.link->flush();
  const auto got = co_await at->wait_type(message_type::audio);
  check(got.payload.empty() && got.timestamp == 40,
        "a mark of silence was sent as " + describe(got) + " at " + std::to_string(got.timestamp) + " ms");
}

const bool registered = test::register_client_cases({
    {"P16", "a refused publish: the server's words, and retry, wait or stop by its class", refusals_by_class},
    {"L11", "servers that say only Play.Start, only StreamBegin, or send aggregates", taciturn_servers},
    {"M8", "an empty audio message comes in and goes out as one", silence},
});

}  // namespace
}  // namespace millrace::conform
