#include "rtmp/media_message.hpp"

#include <optional>

#include "base/bytes.hpp"
#include "media/tag_header.hpp"
#include "rtmp/amf0.hpp"
#include "rtmp/command.hpp"

namespace millrace::rtmp {
namespace {

// An AMF0 string or long string at the front; `from` moves past it.
std::optional<std::string_view> leading_string(base::byte_reader& from) {
  const auto marker = from.u8();
  std::optional<std::size_t> length;
  if (marker == 0x02) {
    if (auto n = from.u16()) length = *n;
  } else if (marker == 0x0C) {
    if (auto n = from.u32()) length = *n;
  }
  if (!length) return std::nullopt;
  const auto text = from.take(*length);
  if (!text) return std::nullopt;
  return base::as_text(*text);
}

}  // namespace

std::int64_t dts_clock::widen(std::uint32_t timestamp) {
  constexpr std::uint32_t half = 0x8000'0000u;
  constexpr std::uint32_t minute_ms = 60'000;
  if (!begun_) {
    begun_ = true;
    last_ms_ = timestamp;
    return last_ms_;
  }
  // Some peers count modulo 2^31: a step from just below it to just above 0 is that and no restart.
  const auto last = static_cast<std::uint32_t>(last_ms_);
  if (timestamp < minute_ms && last < half && last >= half - minute_ms) counts_31_bits_ = true;
  auto step = static_cast<std::int32_t>(timestamp - last);
  // The 31-bit difference, sign-extended.
  if (counts_31_bits_) step = static_cast<std::int32_t>((timestamp - last) << 1) >> 1;
  last_ms_ += step;
  return last_ms_;
}

base::result<std::vector<message>> split_aggregate(const message& m) {
  std::vector<message> parts;
  base::byte_reader from(m.payload);
  std::optional<std::uint32_t> first_time;
  const auto refused = [&m](const std::string& why) {
    return base::error{base::error_kind::protocol, "aggregate message of " + std::to_string(m.payload.size()) + " bytes: " + why};
  };
  const auto broken = [&refused](std::size_t at) { return refused("part at " + std::to_string(at) + " runs past it"); };
  for (std::size_t count = 0; !from.at_end(); ++count) {
    if (count == aggregate_parts_max) return refused("more than " + std::to_string(aggregate_parts_max) + " parts");
    const auto start = from.position();
    const auto type = from.u8();
    const auto size = from.u24();
    const auto time_low = from.u24();
    const auto time_high = from.u8();
    if (!from.skip(3) || !type || !size || !time_low || !time_high) return broken(start);
    const auto body = from.take(*size);
    if (!body || !from.skip(4)) return broken(start);  // behind it is its back pointer
    const auto time = *time_low | static_cast<std::uint32_t>(*time_high) << 24;
    if (!first_time) first_time = time;
    message part;
    part.type = static_cast<message_type>(*type);
    if (part.type != message_type::audio && part.type != message_type::video && part.type != message_type::data_amf0) continue;
    part.msid = m.msid;
    part.csid = m.csid;
    part.timestamp = m.timestamp + (time - *first_time);
    if (!body->empty()) part.payload = base::slice::copy_of(*body);
    parts.push_back(std::move(part));
  }
  return parts;
}

data_body read_data(const message& m) {
  data_body d;
  const auto body = amf0_body(m);
  if (!body) return d;
  base::byte_reader from(*body);
  auto name = leading_string(from);
  std::size_t start = 0;
  if (name == "@setDataFrame") {
    start = from.position();
    name = leading_string(from);
  }
  if (!name) return d;
  d.name = *name;
  d.clear = d.name == "@clearDataFrame";
  d.payload = body->sub(start);
  return d;
}

base::result<void> frame_builder::build(base::instant now, const message& m, std::vector<media::frame>& out, std::uint64_t& dropped) {
  const auto take = [&](message&& one) {
    if (auto f = build_one(now, std::move(one), dropped)) out.push_back(std::move(*f));
  };
  if (m.type != message_type::aggregate) {
    take(message(m));
    return {};
  }
  auto parts = split_aggregate(m);
  if (!parts) return parts.error();
  for (auto& part : *parts) take(std::move(part));
  return {};
}

std::optional<media::frame> frame_builder::build_one(base::instant now, message&& m, std::uint64_t& dropped) {
  std::optional<media::frame> made;
  auto& f = made.emplace();
  f.arrival = now;
  if (m.type == message_type::audio || m.type == message_type::video) {
    f.kind = m.type == message_type::audio ? media::frame_kind::audio : media::frame_kind::video;
    f.payload = std::move(m.payload);
  } else {
    auto data = read_data(m);
    if (data.name.empty() || data.name == "|RtmpSampleAccess" || data.name == "onStatus") {
      ++dropped;
      return std::nullopt;
    }
    f.kind = media::frame_kind::data;
    f.payload = std::move(data.payload);
  }
  f.dts_ms = clock_.widen(m.timestamp);
  media::classify(f);
  return made;
}

base::slice with_set_data_frame(const base::slice& payload) {
  base::byte_reader from(payload);
  if (leading_string(from) != "onMetaData") return payload;
  base::byte_writer to;
  amf0::encode(to, "@setDataFrame");
  to.bytes(payload);
  return std::move(to).take_slice();
}

}  // namespace millrace::rtmp
