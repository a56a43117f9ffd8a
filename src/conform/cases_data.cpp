// Section 9, metadata and data messages.
#include <algorithm>

#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::message;

amf0::value metadata(double width) {
  return amf0::ecma_array{{{"width", width}, {"height", 240.0}, {"videocodecid", 7.0}, {"audiocodecid", 10.0}}};
}

// The values behind the name, encoded: to be compared as bytes.
bytes body_of(const message& m) {
  const auto v = m.payload.view();
  return bytes(v.begin(), v.end());
}
bytes encoded(const std::vector<amf0::value>& values) { return body_of(rtmp::make_data(1, values)); }

asio::awaitable<void> metadata_is_kept(context& c) {
  for (const bool marked : {true, false}) {
    const auto name = c.name(marked ? "marked" : "bare");
    const auto out = co_await c.publishing(name);
    std::vector<amf0::value> values{"onMetaData", metadata(320)};
    const auto expected = encoded(values);
    if (marked) values.insert(values.begin(), "@setDataFrame");
    send_data(out, 0, values);
    begin_media(out);
    co_await out.at->barrier();
    for (int i = 0; i < 2; ++i) {  // every later viewer
      const auto in = co_await c.playing(name);
      const auto got = co_await wait_data(in.at, "onMetaData");
      const auto found = body_of(got);
      check_equal(expected, found, marked ? "metadata sent with @setDataFrame" : "metadata sent bare");
      co_await wait_video(in.at);
    }
  }
}

// The order against media is kept for who is there.
asio::awaitable<void> order_is_kept(on_stream out, on_stream early) {
  send_data(out, 0, {"@setDataFrame", "onMetaData", metadata(320)});
  send_data(out, 0, {"@setDataFrame", "onMillrace", metadata(1)});
  send_video(out, 0, avc_config());
  send_data(out, 0, {"@setDataFrame", "onMillrace", metadata(2)});
  send_video(out, 0, avc_frame(true));
  co_await wait_data(early.at, "onMillrace");
  co_await wait_payload(early.at, avc_config(), "the configuration behind the first onMillrace");
  const auto second = co_await wait_data(early.at, "onMillrace");
  const auto found = body_of(second);
  check_equal(encoded({"onMillrace", metadata(2)}), found, "the second onMillrace");
  co_await wait_payload(early.at, avc_frame(true), "the key frame behind the second onMillrace");
}

asio::awaitable<void> metadata_is_cleared(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto early = co_await c.playing(name);
  co_await order_is_kept(out, early);
  send_data(out, 40, {"@clearDataFrame", "onMetaData"});
  // A viewer that starts on an older key frame may get what was in force there.
  send_video(out, 40, avc_frame(true, 100, 2));
  co_await out.at->barrier();
  const auto late = co_await c.playing(name);
  co_await wait_payload(late.at, avc_frame(true, 100, 2), "the key frame behind @clearDataFrame");
  co_await late.at->barrier();
  std::size_t metadata_seen = 0, others_seen = 0;
  for (const auto& m : late.at->passed) {
    if (m.type != rtmp::message_type::data_amf0) continue;
    if (data_name(m) == "onMetaData") ++metadata_seen;
    if (data_name(m) == "onMillrace") ++others_seen;
  }
  check(metadata_seen == 0, "a viewer that came after @clearDataFrame still got onMetaData");
  if (others_seen != 1) c.note("data of other names is not kept for late viewers");
}

asio::awaitable<void> other_data_passes(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const auto in = co_await c.playing(name);
  begin_media(out);
  co_await wait_video(in.at);
  send_data(out, 0, {"|RtmpSampleAccess", false, false});
  const std::vector<std::vector<amf0::value>> events{
      {"onTextData", amf0::object{{{"text", "gr\xC3\xBC\xC3\x9F"}, {"trackid", 1.0}}}},
      {"onCuePoint", amf0::object{{{"name", "x"}, {"time", 1.5}, {"type", "event"}}}},
      {"onFI", amf0::object{{{"sd", "25-11-2026"}, {"st", "12:00:00.000"}}}},
      {"onMillrace", 1.0, amf0::null{}, amf0::strict_array{{amf0::value("a"), amf0::value(true)}}}};
  for (const auto& values : events) {
    send_data(out, 40, values);
    const auto got = co_await wait_data(in.at, *values.front().text());
    const auto found = body_of(got);
    check_equal(encoded(values), found, *values.front().text());
  }
  co_await out.at->barrier();
  const auto late = co_await c.playing(name);
  co_await wait_video(late.at);
  const auto forbidden = encoded({"|RtmpSampleAccess", false, false});
  check(count_passed(*late.at, forbidden) == 0, "the publisher's |RtmpSampleAccess was kept for a later viewer");
}

asio::awaitable<void> passes_unchanged(context& c, amf0::value info, std::string what) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  const std::vector<amf0::value> values{"onMetaData", std::move(info)};
  auto marked = values;
  marked.insert(marked.begin(), "@setDataFrame");
  send_data(out, 0, marked);
  begin_media(out);
  co_await out.at->barrier();
  const auto in = co_await c.playing(name);
  const auto got = co_await wait_data(in.at, "onMetaData");
  const auto found = body_of(got);
  check_equal(encoded(values), found, what);
  co_await wait_video(in.at);
  out.at->call("deleteStream", 0, {out.msid});  // the name is used again
  co_await out.at->barrier();
}

asio::awaitable<void> codec_numbers(context& c) {
  const std::vector<std::pair<amf0::value, amf0::value>> codecs{
      {7.0, 10.0}, {1635135537.0, 1332770163.0}, {"avc1", "mp4a"}, {amf0::null{}, amf0::undefined{}}};
  for (const auto& [video, audio] : codecs) {
    amf0::value info = amf0::ecma_array{{{"videocodecid", video}, {"audiocodecid", audio}}};
    co_await passes_unchanged(c, std::move(info), "metadata with other forms of codec ids");
  }
}

asio::awaitable<void> track_maps(context& c) {
  const amf0::object full{{{"width", 1280.0}, {"height", 720.0}, {"videocodecid", 1635135537.0}}};
  const amf0::object delta{{{"width", 640.0}}};
  const amf0::object audio{{{"audiodatarate", 128.0}, {"channels", 2.0}}};
  amf0::value info = amf0::ecma_array{{{"width", 1920.0},
                                       {"height", 1080.0},
                                       {"videoTrackIdInfoMap", amf0::object{{{"1", full}, {"2", delta}}}},
                                       {"audioTrackIdInfoMap", amf0::object{{{"1", audio}}}}}};
  co_await passes_unchanged(c, std::move(info), "metadata with maps of tracks");
}

asio::awaitable<void> no_metadata(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  begin_media(out);
  co_await out.at->barrier();
  const auto in = co_await c.playing(name);
  co_await wait_payload(in.at, avc_config(), "the configuration");
  co_await wait_payload(in.at, avc_frame(true, 100, 1), "the key frame");
}

}  // namespace

std::vector<test_case> data_cases() {
  return {
      {"D1", "onMetaData, marked @setDataFrame or bare, reaches every later viewer without the mark", metadata_is_kept},
      {"D2", "@clearDataFrame takes it away; names are kept apart, the order against media is kept", metadata_is_cleared},
      {"D3", "other data passes untouched; |RtmpSampleAccess is not kept", other_data_passes},
      {"D4", "codec ids of every form pass through", codec_numbers},
      {"D5", "maps of tracks pass through", track_maps},
      {"D6", "a publisher without metadata plays", no_metadata},
  };
}

}  // namespace millrace::conform
