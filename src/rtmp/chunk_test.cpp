#include <gmock/gmock.h>

#include <random>

#include "base/bytes.hpp"
#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/control.hpp"
#include "rtmp/wire_image.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using test::bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Builds chunks field by field, so that tests can say exactly what a peer sends.
class chunk {
 public:
  chunk(unsigned format, std::uint32_t csid) { w_.u8(static_cast<std::uint8_t>(format << 6 | csid)); }
  chunk& time(std::uint32_t v) {
    w_.u24(v);
    return *this;
  }
  chunk& length_type(std::uint32_t length, unsigned type) {
    w_.u24(length).u8(static_cast<std::uint8_t>(type));
    return *this;
  }
  chunk& msid(std::uint32_t v) {
    w_.u32_le(v);
    return *this;
  }
  chunk& u32(std::uint32_t v) {
    w_.u32(v);
    return *this;
  }
  chunk& body(std::size_t count, std::uint8_t value) {
    for (std::size_t i = 0; i < count; ++i) w_.u8(value);
    return *this;
  }
  chunk& raw(std::initializer_list<int> values) {
    for (int v : values) w_.u8(static_cast<std::uint8_t>(v));
    return *this;
  }
  operator bytes() const { return {w_.view().begin(), w_.view().end()}; }  // NOLINT

 private:
  base::byte_writer w_;
};

bytes operator+(bytes a, const bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
bytes join(std::initializer_list<bytes> parts) {
  bytes all;
  for (const auto& part : parts) all = all + part;
  return all;
}

struct reading {
  std::vector<message> messages;
  std::optional<base::error> failure;
};

reading read(chunk_reader& reader, const bytes& stream, std::size_t piece = 0) {
  reading out;
  for (std::size_t at = 0; at < stream.size();) {
    const auto count = piece == 0 ? stream.size() - at : std::min(piece, stream.size() - at);
    base::bytes_view part(stream.data() + at, count);
    at += count;
    while (true) {
      auto m = reader.next(part);
      if (!m) {
        out.failure = m.error();
        return out;
      }
      if (!*m) break;
      out.messages.push_back(std::move(**m));
    }
    EXPECT_TRUE(part.empty());
  }
  return out;
}

reading read(const bytes& stream, std::size_t piece = 0, std::size_t partial_limit = 64u << 20) {
  chunk_reader reader(base::rtmp_limits{}, partial_limit);
  return read(reader, stream, piece);
}

// What a message is, payload included, for comparing whole lists.
std::vector<std::string> outline(const std::vector<message>& messages) {
  std::vector<std::string> out;
  for (const auto& m : messages) {
    out.push_back(std::to_string(static_cast<unsigned>(m.type)) + "/" + std::to_string(m.msid) + "/" + std::to_string(m.csid) + "@" +
                  std::to_string(m.timestamp) + " " + std::string(base::as_text(m.payload.view())));
  }
  return out;
}

// The stream gives `expected` whole, byte by byte, and in every piece size between.
void expect_messages(const bytes& stream, const std::vector<std::string>& expected) {
  for (std::size_t piece : {0u, 1u, 2u, 3u, 5u, 7u, 11u, 64u, 129u}) {
    auto r = read(stream, piece);
    ASSERT_FALSE(r.failure) << r.failure->text << " in pieces of " << piece;
    EXPECT_EQ(outline(r.messages), expected) << "in pieces of " << piece;
  }
}

void expect_failure(const bytes& stream, base::error_kind kind, std::string_view text) {
  for (std::size_t piece : {0u, 1u}) {
    auto r = read(stream, piece);
    ASSERT_TRUE(r.failure);
    EXPECT_EQ(r.failure->kind, kind);
    EXPECT_THAT(r.failure->text, HasSubstr(std::string(text)));
  }
}

std::string filled(std::size_t count, char value) { return std::string(count, value); }

message text_message(message_type type, std::uint32_t csid, std::uint32_t timestamp, std::string_view text) {
  message m;
  m.type = type;
  m.msid = 1;
  m.csid = csid;
  m.timestamp = timestamp;
  m.payload = base::slice::copy_of(base::as_bytes(text));
  return m;
}

TEST(chunk_reader, K1_basic_header_of_one_two_and_three_bytes) {
  for (std::uint32_t csid : {2u, 3u, 63u, 64u, 65u, 319u, 320u, 65599u}) {
    const auto stream = encode_chunks(text_message(message_type::audio, csid, 5, "x"), 128).flatten();
    EXPECT_EQ(stream.size(), 11 + 1 + (csid < 64 ? 1u : csid < 320 ? 2u : 3u));
    expect_messages(stream, {"8/1/" + std::to_string(csid) + "@5 x"});
  }
  // A longer form than needed: third byte * 256 + second + 64.
  expect_messages(bytes{0x01, 0x06, 0x00, 0, 0, 5, 0, 0, 1, 8, 1, 0, 0, 0, 'x'}, {"8/1/70@5 x"});
}

TEST(chunk_reader, K3_header_formats_byte_by_byte) {
  const auto stream =
      join({chunk(0, 4).time(1000).length_type(2, 8).msid(0x01020304).body(2, 'a'), chunk(1, 4).time(20).length_type(1, 9).body(1, 'b'),
            chunk(2, 4).time(30).body(1, 'c'), chunk(3, 4).body(1, 'd')});
  EXPECT_EQ(stream[8], 0x04);  // the message stream id is little-endian
  expect_messages(stream, {"8/16909060/4@1000 aa", "9/16909060/4@1020 b", "9/16909060/4@1050 c", "9/16909060/4@1080 d"});
}

TEST(chunk_reader, K4_inheritance_is_per_chunk_stream) {
  expect_messages(
      join({chunk(0, 4).time(100).length_type(1, 8).msid(1).body(1, 'a'), chunk(0, 6).time(200).length_type(2, 9).msid(2).body(2, 'v'),
            chunk(2, 4).time(10).body(1, 'b'), chunk(2, 6).time(40).body(2, 'w'), chunk(3, 4).body(1, 'c')}),
      {"8/1/4@100 a", "9/2/6@200 vv", "8/1/4@110 b", "9/2/6@240 ww", "8/1/4@120 c"});
}

TEST(chunk_reader, K5_format_3_after_format_0_repeats_the_timestamp_as_delta) {
  expect_messages(chunk(0, 4).time(20).length_type(1, 8).msid(1).body(1, 'a') + chunk(3, 4).body(1, 'b'), {"8/1/4@20 a", "8/1/4@40 b"});
}

TEST(chunk_reader, K6_format_1_on_a_fresh_chunk_stream_has_message_stream_0) {
  expect_messages(chunk(1, 2).time(0).length_type(6, 4).raw({0, 6, 0, 0, 0, 9}),
                  {std::string("4/0/2@0 ") + std::string("\0\6\0\0\0\11", 6)});
  expect_failure(chunk(2, 5).time(0), base::error_kind::protocol, "chunk stream 5: format 2 on an unused chunk stream");
  expect_failure(chunk(3, 5), base::error_kind::protocol, "chunk stream 5: format 3 on an unused chunk stream");
}

TEST(chunk_reader, K7_a_new_header_inside_an_unfinished_message_is_an_error) {
  for (unsigned format : {0u, 1u, 2u}) {
    expect_failure(chunk(0, 4).time(0).length_type(200, 9).msid(1).body(128, 'a') + chunk(format, 4), base::error_kind::protocol,
                   "inside an unfinished message (128 of 200 bytes)");
  }
}

TEST(chunk_reader, K8_chunk_streams_interleave_at_every_boundary) {
  std::vector<std::vector<bytes>> parts;  // chunks of four messages on four chunk streams
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::size_t length = 128 * 3 + 10 * i;
    const auto letter = static_cast<char>('a' + i);
    std::vector<bytes> chunks{
        chunk(0, 4 + i).time(i).length_type(static_cast<std::uint32_t>(length), 9).msid(1).body(128, static_cast<std::uint8_t>(letter))};
    for (std::size_t left = length - 128; left > 0; left -= std::min<std::size_t>(left, 128)) {
      chunks.push_back(chunk(3, 4 + i).body(std::min<std::size_t>(left, 128), static_cast<std::uint8_t>(letter)));
    }
    parts.push_back(chunks);
    texts.push_back("9/1/" + std::to_string(4 + i) + "@" + std::to_string(i) + " " + filled(length, letter));
  }
  std::mt19937 random(8);
  for (int round = 0; round < 200; ++round) {
    std::array<std::size_t, 4> next{};
    bytes stream;
    std::vector<std::string> expected;
    while (expected.size() < 4) {
      const auto i = random() % 4;
      if (next[i] == parts[i].size()) continue;
      stream = stream + parts[i][next[i]++];
      if (next[i] == parts[i].size()) expected.push_back(texts[i]);
    }
    auto r = read(stream, random() % 50);
    ASSERT_FALSE(r.failure);
    ASSERT_EQ(outline(r.messages), expected);
  }
}

TEST(chunk_reader, K9_K10_set_chunk_size_between_two_chunks_of_a_message) {
  const bytes change = encode_chunks(make_control(message_type::set_chunk_size, 50), 128).flatten();
  expect_messages(join({chunk(0, 6).time(7).length_type(250, 9).msid(1).body(128, 'v'), change, chunk(3, 6).body(50, 'v'),
                        chunk(3, 6).body(50, 'v'), chunk(3, 6).body(22, 'v')}),
                  {"9/1/6@7 " + filled(250, 'v')});
}

TEST(chunk_reader, K10_chunk_size_limits) {
  for (std::uint32_t bad : {0u, 0x80000000u, 0xFFFFFFFFu}) {
    expect_failure(encode_chunks(make_control(message_type::set_chunk_size, bad), 128).flatten(), base::error_kind::protocol, "chunk size");
  }
  for (std::uint32_t large : {0xFFFFFFu, 0x1000000u, 0x7FFFFFFFu}) {
    chunk_reader reader(base::rtmp_limits{}, 1000);
    EXPECT_FALSE(read(reader, encode_chunks(make_control(message_type::set_chunk_size, large), 128).flatten()).failure);
    EXPECT_EQ(reader.chunk_size(), 0xFFFFFFu);
  }
  expect_failure(chunk(0, 2).time(0).length_type(3, 1).msid(0).body(3, 0), base::error_kind::protocol, "Set Chunk Size of 3 bytes");
}

TEST(chunk_reader, K11_every_chunk_size_gives_the_same_messages) {
  std::mt19937 random(11);
  std::string large(70'000, 0);
  for (auto& c : large) c = static_cast<char>(random());
  const std::vector<message> messages{text_message(message_type::video, 6, 1, large), text_message(message_type::audio, 4, 0xFFFFFE, "abc"),
                                      text_message(message_type::video, 6, 0x1000000, large.substr(0, 4096)),
                                      text_message(message_type::audio, 4, 5, "")};
  for (std::uint32_t size : {1u, 127u, 128u, 129u, 4096u, 60000u, 65536u, 0xFFFFFFu}) {
    chunk_writer writer;
    auto stream = writer.announce_chunk_size(size);
    for (const auto& m : messages) stream.append(writer.encode(m));
    auto r = read(stream.flatten(), size == 1 ? 1000 : 0);
    ASSERT_FALSE(r.failure) << r.failure->text;
    EXPECT_EQ(outline(r.messages), outline(messages)) << size;
  }
}

TEST(chunk_reader, K12_abort_drops_the_partial_message_of_that_chunk_stream_only) {
  const auto abort = [](std::uint32_t csid) { return encode_chunks(make_control(message_type::abort, csid), 128).flatten(); };
  const bytes video = chunk(0, 6).time(1).length_type(200, 9).msid(1).body(128, 'v');
  const bytes audio = chunk(0, 4).time(1).length_type(130, 8).msid(1).body(128, 'a');
  chunk_reader reader(base::rtmp_limits{}, 64u << 20);
  auto r = read(reader, join({video, audio, abort(6), abort(9), chunk(3, 4).body(2, 'a'), abort(4),
                              chunk(0, 6).time(2).length_type(3, 9).msid(1).body(3, 'w')}));
  ASSERT_FALSE(r.failure);
  EXPECT_EQ(outline(r.messages), (std::vector<std::string>{"8/1/4@1 " + filled(130, 'a'), "9/1/6@2 www"}));
  EXPECT_EQ(reader.partial_bytes(), 0u);
  // Format 3 after an abort begins a new message with the inherited header.
  expect_messages(join({video, abort(6), chunk(3, 6).body(128, 'x'), chunk(3, 6).body(72, 'x')}), {"9/1/6@2 " + filled(200, 'x')});
}

TEST(chunk_reader, K13_a_message_of_length_0_is_whole_at_its_header) {
  expect_messages(chunk(0, 4).time(3).length_type(0, 8).msid(1) + bytes(chunk(3, 4)), {"8/1/4@3 ", "8/1/4@6 "});
}

TEST(chunk_reader, of_media_only_the_beginning_may_be_kept) {
  base::rtmp_limits limits;
  limits.media_message_kept = 10;
  const bytes stream = join({chunk(0, 6).time(7).length_type(250, 9).msid(1).body(9, 'a').body(119, 'b'),
                             chunk(0, 4).time(8).length_type(6, 8).msid(1).body(6, 's'), chunk(3, 6).body(122, 'b'),
                             chunk(0, 3).time(0).length_type(20, 20).msid(0).body(20, 'c'), chunk(3, 6).body(128, 'd'), chunk(3, 6).body(122, 'e')});
  for (std::size_t piece : {0u, 1u, 3u, 64u}) {
    chunk_reader reader(limits, 100);
    const auto r = read(reader, stream, piece);
    ASSERT_FALSE(r.failure) << r.failure->text;
    EXPECT_EQ(outline(r.messages), (std::vector<std::string>{"8/1/4@8 ssssss", "9/1/6@7 aaaaaaaaab", "20/0/3@0 " + filled(20, 'c'), "9/1/6@14 dddddddddd"}));
    EXPECT_EQ(reader.partial_bytes(), 0u);
  }
}

TEST(chunk_reader, K14_limits) {
  base::rtmp_limits limits;
  limits.media_message_bytes = 8'388'608;
  chunk_reader large(limits, 64u << 20);
  auto r = read(large, chunk(0, 4).time(0).length_type(16'777'215, 9).msid(1));
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->kind, base::error_kind::limit);
  EXPECT_THAT(r.failure->text, HasSubstr("chunk stream 4: message of type 9: length 16777215 > limit 8388608"));
  // The failure is final.
  base::bytes_view nothing;
  EXPECT_FALSE(large.next(nothing).has_value());

  expect_failure(chunk(0, 3).time(0).length_type(70'000, 20).msid(0), base::error_kind::limit, "type 20: length 70000 > limit 65536");
  expect_failure(chunk(0, 3).time(0).length_type(300'000, 18).msid(0), base::error_kind::limit, "type 18: length 300000 > limit 262144");

  bytes many;
  for (std::uint32_t csid = 64; csid < 64 + 65; ++csid) {
    many = many + encode_chunks(text_message(message_type::audio, csid, 0, "a"), 128).flatten();
  }
  expect_failure(many, base::error_kind::limit, "more than 64 chunk streams");

  bytes partial;
  for (std::uint32_t csid = 4; csid < 14; ++csid) partial = partial + chunk(0, csid).time(0).length_type(1000, 9).msid(1).body(128, 'p');
  auto over = read(partial, 0, 1024);
  ASSERT_TRUE(over.failure);
  EXPECT_THAT(over.failure->text, HasSubstr("unfinished messages hold more than 1024 bytes"));
}

TEST(chunk_reader, K14_memory_follows_bytes_received) {
  // 60 announced messages of 16 MiB cost what was sent of them.
  chunk_reader reader(base::rtmp_limits{}, 64u << 20);
  bytes stream;
  for (std::uint32_t csid = 3; csid < 63; ++csid) stream = stream + chunk(0, csid).time(0).length_type(0xFFFFFF, 9).msid(1).body(128, 'p');
  EXPECT_FALSE(read(reader, stream).failure);
  EXPECT_EQ(reader.partial_bytes(), 60u * 128u);
}

TEST(chunk_reader, K15_truncation_anywhere_is_only_a_wait) {
  chunk_writer writer;
  auto chain = writer.announce_chunk_size(300);
  chain.append(writer.encode(text_message(message_type::video, 6, 0xFFFFFF, filled(1000, 'v'))));
  chain.append(writer.encode(text_message(message_type::audio, 4, 7, "abc")));
  const auto stream = chain.flatten();
  for (std::size_t cut = 0; cut < stream.size(); ++cut) {
    const auto r = read(bytes(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(cut)));
    EXPECT_FALSE(r.failure);
    EXPECT_LT(r.messages.size(), 2u);
  }
}

TEST(chunk_reader, T1_extended_timestamp_from_0xFFFFFF_on) {
  for (std::uint32_t time : {0xFFFFFEu, 0xFFFFFFu, 0x1000000u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    const auto stream = encode_chunks(text_message(message_type::audio, 4, time, "a"), 128).flatten();
    EXPECT_EQ(stream.size(), time < 0xFFFFFF ? 13u : 17u);
    expect_messages(stream, {"8/1/4@" + std::to_string(time) + " a"});
  }
}

TEST(chunk_reader, T2_extended_field_of_formats_1_and_2_is_a_delta) {
  expect_messages(join({chunk(0, 4).time(5).length_type(1, 8).msid(1).body(1, 'a'),
                        chunk(1, 4).time(0xFFFFFF).length_type(1, 8).u32(0x1000000).body(1, 'b'),
                        chunk(2, 4).time(0xFFFFFF).u32(0x2000000).body(1, 'c')}),
                  {"8/1/4@5 a", "8/1/4@16777221 b", "8/1/4@50331653 c"});
}

TEST(chunk_reader, T3_continuation_repeats_the_field) {
  const bytes with_field = join(
      {chunk(0, 6).time(0xFFFFFF).length_type(200, 9).msid(1).u32(0x1234567).body(128, 'v'), chunk(3, 6).u32(0x1234567).body(72, 'v')});
  expect_messages(with_field, {"9/1/6@19088743 " + filled(200, 'v')});
  EXPECT_EQ(encode_chunks(text_message(message_type::video, 6, 0x1234567, filled(200, 'v')), 128).flatten(), with_field);
}

TEST(chunk_reader, T4_continuation_without_the_field) {
  // The rest of the message is shorter than the field, and begins like it.
  const bytes first = chunk(0, 6).time(0xFFFFFF).length_type(130, 9).msid(1).u32(0x61626364).body(128, 'v');
  const bytes stream =
      join({first, chunk(3, 6).raw({0x61, 0x7A}), chunk(0, 6).time(0xFFFFFF).length_type(300, 9).msid(1).u32(0x61626364).body(128, 'w'),
            chunk(3, 6).body(128, 'w'), chunk(3, 6).body(44, 'w')});
  expect_messages(stream, {"9/1/6@1633837924 " + filled(128, 'v') + "az", "9/1/6@1633837924 " + filled(300, 'w')});
  // A mismatch in the very first byte delivers the message without waiting for more bytes.
  chunk_reader reader(base::rtmp_limits{}, 1000);
  auto r = read(reader, first + chunk(3, 6).body(2, 'v'));
  EXPECT_EQ(r.messages.size(), 1u);
  EXPECT_EQ(reader.habit(), chunk_reader::extended_habit::omits);
}

TEST(chunk_reader, T5_payload_that_equals_the_field_is_taken_for_it_only_from_a_peer_of_unknown_habit) {
  const bytes first = chunk(0, 6).time(0xFFFFFF).length_type(200, 9).msid(1).u32(0x61626364).body(128, 'v');
  // Unknown habit: trust the field.
  chunk_reader trusting(base::rtmp_limits{}, 1000);
  auto r = read(trusting, first + chunk(3, 6).raw({0x61, 0x62, 0x63, 0x64}).body(72, 'w'));
  ASSERT_EQ(r.messages.size(), 1u);
  EXPECT_EQ(r.messages[0].payload.view()[128], 'w');
  EXPECT_EQ(trusting.habit(), chunk_reader::extended_habit::repeats);
  // A peer that was seen to omit the field keeps its payload.
  chunk_reader knowing(base::rtmp_limits{}, 1000);
  read(knowing, first + chunk(3, 6).body(72, 'v'));
  ASSERT_EQ(knowing.habit(), chunk_reader::extended_habit::omits);
  r = read(knowing, first + chunk(3, 6).raw({0x61, 0x62, 0x63, 0x64}).body(68, 'w'));
  ASSERT_EQ(r.messages.size(), 1u);
  EXPECT_EQ(r.messages[0].payload.view()[128], 0x61);
}

TEST(chunk_reader, T5_senders_that_write_the_message_time_where_the_delta_belongs) {
  // Format 1 with an extended delta of 0x1000000 on top of 0x10: the message's time is 0x1000010.
  expect_messages(
      join({chunk(0, 6).time(0x10).length_type(1, 9).msid(1).body(1, 'a'),
            chunk(1, 6).time(0xFFFFFF).length_type(130, 9).u32(0x1000000).body(128, 'b'), chunk(3, 6).u32(0x1000010).body(2, 'b')}),
      {"9/1/6@16 a", "9/1/6@16777232 " + filled(130, 'b')});
}

TEST(chunk_reader, T6_format_3_that_begins_a_message_after_an_extended_delta) {
  expect_messages(join({chunk(0, 4).time(1).length_type(1, 8).msid(1).body(1, 'a'), chunk(2, 4).time(0xFFFFFF).u32(0x1000000).body(1, 'b'),
                        chunk(3, 4).u32(0x1000000).body(1, 'c'), chunk(3, 4).u32(0x1000001).body(1, 'd')}),
                  {"8/1/4@1 a", "8/1/4@16777217 b", "8/1/4@33554433 c", "8/1/4@50331650 d"});
}

TEST(chunk_reader, T7_crossing_0xFFFFFF_with_every_format) {
  const std::uint32_t start = 0xFFFFFF - 15'000;
  bytes stream = chunk(0, 4).time(start).length_type(1, 8).msid(1).body(1, 'a');
  std::vector<std::string> expected{"8/1/4@" + std::to_string(start) + " a"};
  std::uint32_t time = start;
  for (int i = 0; i < 30; ++i) {
    time += 1000;
    switch (i % 4) {
      case 0: stream = stream + chunk(2, 4).time(1000).body(1, 'a'); break;
      case 1: stream = stream + chunk(3, 4).body(1, 'a'); break;
      case 2: stream = stream + chunk(1, 4).time(1000).length_type(1, 8).body(1, 'a'); break;
      case 3: stream = stream + encode_chunks(text_message(message_type::audio, 4, time, "a"), 128).flatten(); break;
    }
    expected.push_back("8/1/4@" + std::to_string(time) + " a");
  }
  expect_messages(stream, expected);
}

TEST(chunk_reader, T8_delta_across_2_to_the_32) {
  expect_messages(
      join({chunk(0, 4).time(0xFFFFFF).length_type(1, 8).msid(1).u32(0xFFFFFFF0).body(1, 'a'), chunk(2, 4).time(0x20).body(1, 'b')}),
      {"8/1/4@4294967280 a", "8/1/4@16 b"});
}

TEST(chunk_reader, a_whole_message_takes_its_buffer_along) {
  chunk_writer writer;
  auto stream = writer.announce_chunk_size(wire_chunk_size);
  stream.append(writer.encode(text_message(message_type::video, 6, 0, filled(200'000, 'v'))));
  auto r = read(stream.flatten(), 16'384);
  ASSERT_EQ(r.messages.size(), 1u);
  EXPECT_EQ(r.messages[0].payload.size(), 200'000u);
}

TEST(wire_image, T3_K3_format_0_then_3_and_shared_payload) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = 0x1'0000'0000 + 0xFFFFFF;  // the wire carries it modulo 2^32
  f.payload = base::slice(bytes(150'000, 0x17));
  const auto chain = encode_wire(f);
  const auto& parts = chain.parts();
  ASSERT_EQ(parts.size(), 6u);
  EXPECT_THAT(bytes(parts[0].view().begin(), parts[0].view().end()),
              ElementsAre(0x06, 0xFF, 0xFF, 0xFF, 0x02, 0x49, 0xF0, 9, 1, 0, 0, 0, 0x00, 0xFF, 0xFF, 0xFF));
  EXPECT_EQ(parts[1].data(), f.payload.data());  // not copied
  EXPECT_EQ(parts[1].size(), wire_chunk_size);
  EXPECT_THAT(bytes(parts[2].view().begin(), parts[2].view().end()), ElementsAre(0xC6, 0x00, 0xFF, 0xFF, 0xFF));
  EXPECT_EQ(parts[3].data(), f.payload.data() + wire_chunk_size);
  EXPECT_EQ(parts[5].size(), 30'000u);
}

TEST(wire_image, another_head_goes_out_in_the_place_of_the_first_bytes) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = base::slice(bytes(150'000, 'p'));
  for (const std::size_t size : {std::size_t{5}, std::size_t{wire_chunk_size}, std::size_t{wire_chunk_size} + 7, std::size_t{150'000}}) {
    f.head = base::slice(bytes(size, 'h'));
    const auto chain = encode_wire(f);
    chunk_reader reader(base::rtmp_limits{}, 1u << 20);
    read(reader, encode_chunks(make_control(message_type::set_chunk_size, wire_chunk_size), 128).flatten());
    const auto r = read(reader, chain.flatten());
    ASSERT_EQ(r.messages.size(), 1u) << size;
    EXPECT_EQ(base::as_text(r.messages[0].payload), filled(size, 'h') + filled(150'000 - size, 'p')) << size;
    EXPECT_EQ(chain.parts()[1].data(), f.head.data());
  }
}

TEST(wire_image, T9_images_are_independent_of_order_and_of_what_was_dropped) {
  chunk_reader reader(base::rtmp_limits{}, 1u << 20);
  read(reader, encode_chunks(make_control(message_type::set_chunk_size, wire_chunk_size), 128).flatten());
  bytes stream;
  for (std::int64_t dts : {5000, 100, 0x1000000, 40}) {
    media::frame f;
    f.kind = media::frame_kind::audio;
    f.dts_ms = dts;
    f.payload = base::slice(bytes{0xAF, 1});
    stream = stream + encode_wire(f, 3).flatten();
  }
  const auto r = read(reader, stream);
  std::vector<std::uint32_t> times;
  for (const auto& m : r.messages) times.push_back(m.timestamp);
  EXPECT_THAT(times, ElementsAre(5000u, 100u, 0x1000000u, 40u));
  EXPECT_EQ(r.messages.at(0).msid, 3u);
}

TEST(chunk_writer, a_payload_that_no_receiver_could_read_is_not_sent) {
  message m;
  m.payload = base::slice(bytes(0x1000000, 0));
  EXPECT_TRUE(encode_chunks(m, 128).empty());
}

}  // namespace
}  // namespace millrace::rtmp
