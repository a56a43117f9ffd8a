#include "record/writer.hpp"

#include "record/flv_head.hpp"
#include "record/record_fixture.hpp"

namespace millrace::record {
namespace {

using namespace testing;

// A file in memory, as a recording would write it.
struct written {
  explicit written(format f, std::string stream = "live/a") : to(make_writer(f, {std::move(stream), epoch})) {}
  void push(const media::frame& f) {
    to->push(f);
    take();
  }
  void take() {
    const auto more = to->take().flatten();
    if (!more.empty()) ++pieces;
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  void finish(std::optional<std::int64_t> next = {}) {
    to->finish(next);
    take();
    for (const auto& p : to->patches(bytes.size(), to->duration_ms())) {
      ASSERT_LE(p.at + p.bytes.size(), bytes.size());
      std::copy(p.bytes.data(), p.bytes.data() + p.bytes.size(), bytes.begin() + static_cast<std::ptrdiff_t>(p.at));
    }
  }
  std::unique_ptr<writer> to;
  std::vector<std::uint8_t> bytes;
  std::size_t pieces = 0;
};

double number_after(const std::vector<std::uint8_t>& bytes, std::string_view name) {
  const auto text = base::as_text(bytes);
  const auto at = text.find(std::string(name) + std::string(1, '\0'));
  if (at == std::string_view::npos) return -1;
  base::byte_reader in(base::bytes_view(bytes).subspan(at + name.size() + 1));
  return in.f64().value_or(-1);
}

TEST(flv_writer, times_begin_at_0_and_heads_come_first) {
  written file(format::flv);
  file.push(metadata(7000));
  file.push(video_config(7000));
  file.push(audio_config(7000));
  EXPECT_TRUE(file.bytes.empty()) << "nothing before there is media";
  for (int i = 0; i < 50; ++i) {
    file.push(i % 25 == 0 ? key(7000 + i * 40) : inter(7000 + i * 40));
    file.push(audio(7000 + i * 40 + 5));
  }
  const auto unfinished = file.bytes;
  file.finish();
  ASSERT_EQ(file.bytes.size(), unfinished.size()) << "finishing moves nothing";
  EXPECT_EQ(file.to->duration_ms(), 2005);  // the last sound is at 1965, a picture lasts 40
  for (const auto& bytes : {unfinished, file.bytes}) {
    const auto frames = frames_of_flv(bytes);
    ASSERT_EQ(frames.size(), 1U + 2 + 100);
    EXPECT_EQ(frames[0].kind, media::frame_kind::data);
    EXPECT_TRUE(frames[1].config && frames[2].config);
    EXPECT_EQ(frames[1].dts_ms, 0);
    EXPECT_EQ(frames[3].dts_ms, 0);
    EXPECT_TRUE(frames[3].key);
    EXPECT_EQ(frames.back().dts_ms, 1965);
    EXPECT_EQ(scan_flv(reader_of(bytes), bytes.size()).duration_ms, 2005);
  }
  EXPECT_EQ(number_after(unfinished, "duration"), 0);
  EXPECT_DOUBLE_EQ(number_after(file.bytes, "duration"), 2.005);
  EXPECT_EQ(number_after(file.bytes, "filesize"), static_cast<double>(file.bytes.size()));
  // Once, although the publisher says a duration as well; what else he says stays.
  const auto text = std::string(base::as_text(file.bytes));
  EXPECT_EQ(text.find("duration"), text.rfind("duration"));
  EXPECT_NE(text.find("x264"), std::string::npos);
  EXPECT_EQ(file.bytes[4], 5);
}

TEST(flv_writer, the_index_says_where_key_frames_are) {
  written file(format::flv);
  file.push(video_config(0));
  for (int i = 0; i < 10'000; ++i) file.push(key(i * 40));
  file.finish();
  const std::string text(base::as_text(file.bytes));
  const auto at = text.find("filepositions");
  ASSERT_NE(at, std::string::npos);
  base::byte_reader in(base::bytes_view(file.bytes).subspan(at + 14));
  const auto count = in.u32().value();
  EXPECT_GT(count, flv_index_max / 4);
  EXPECT_LE(count, flv_index_max);
  for (std::uint32_t i = 0; i < count; ++i) {
    in.skip(1);
    const auto where = static_cast<std::size_t>(in.f64().value());
    ASSERT_LT(where + 20, file.bytes.size());
    EXPECT_EQ(file.bytes[where], 9);
    EXPECT_EQ(file.bytes[where + 11], 0x17);
  }
  EXPECT_EQ(file.bytes[4], 1) << "no sound";
}

TEST(flv_writer, times_past_24_and_32_bits) {
  const std::int64_t origin = (std::int64_t{1} << 32) - 500;  // the stream's own time crosses 2^32 amid the file
  written file(format::flv);
  file.push(video_config(origin));
  file.push(key(origin));
  file.push(inter(origin + 1000));
  file.push(key(origin + (1 << 24) - 1));
  file.push(key(origin + (1 << 24)));
  file.push(key(origin + (1 << 24) + 1));
  file.finish();
  const auto frames = frames_of_flv(file.bytes);
  ASSERT_EQ(frames.size(), 7U);
  EXPECT_EQ(frames[3].dts_ms, 1000);
  EXPECT_EQ(frames[4].dts_ms, (1 << 24) - 1);
  EXPECT_EQ(frames[5].dts_ms, 1 << 24);
  EXPECT_EQ(frames[6].dts_ms, (1 << 24) + 1);
  // Long before players take a time for a negative one, another file begins; at a key frame only.
  const std::int64_t late = origin + (std::int64_t{1} << 31) - 3'600'000;
  EXPECT_FALSE(file.to->needs_new_file(inter(late)));
  EXPECT_TRUE(file.to->needs_new_file(key(late)));
  EXPECT_FALSE(file.to->needs_new_file(key(origin + 86'400'000)));
}

TEST(flv_writer, a_publisher_that_says_anything_of_itself) {
  for (const auto& said : {std::string("\x02\x00\x0aonMetaData", 13), std::string("\x02\x00\x0aonMetaData\x08\xff\xff\xff\xff", 18),
                           std::string("\x02\x00\x0aonMetaData\x03\x00\x05width\x00", 22), std::string("\x02\x00\x0aonMetaData\x0a\xff\xff\xff\xff", 18)}) {
    written file(format::flv);
    auto f = metadata(0);
    f.payload = base::slice::copy_of(base::as_bytes(said));
    file.push(f);
    file.push(key(0));
    file.finish();
    EXPECT_EQ(frames_of_flv(file.bytes).size(), 2U);
    EXPECT_TRUE(read_flv_head(file.bytes).has_value());
    // What keeps room for the index is texts that a reader with a small buffer can take (FFmpeg's: 1023 bytes).
    EXPECT_EQ(base::as_text(file.bytes).find(std::string(1001, ' ')), std::string_view::npos);
    EXPECT_NE(base::as_text(file.bytes).find(std::string(1000, ' ')), std::string_view::npos);
  }
  // More than there is room for: the index stays.
  written file(format::flv);
  auto f = metadata(0);
  base::byte_writer out;
  out.u8(2).u16(10).text("onMetaData").u8(3);
  for (int i = 0; i < 3; ++i) out.u16(2).text("a" + std::to_string(i)).u8(2).u16(20'000).text(std::string(20'000, 'x'));
  out.u16(0).u8(9);
  f.payload = std::move(out).take_slice();
  file.push(f);
  file.push(key(0));
  file.finish();
  EXPECT_EQ(frames_of_flv(file.bytes).size(), 2U);
  EXPECT_NE(base::as_text(file.bytes).find("filepositions"), std::string_view::npos);
}

TEST(flv_writer, the_mark_names_stream_and_begin) {
  written file(format::flv, "live/\xff <x>");
  file.push(key(0));
  const auto mark = read_flv_head(file.bytes);
  ASSERT_TRUE(mark);
  EXPECT_EQ(unescaped_name(mark->stream), "live/\xff <x>");
  EXPECT_EQ(mark->start, "2026-01-31T00:00:00.000Z");
  EXPECT_EQ(parse_utc(mark->start), epoch);
}

TEST(fmp4_writer, a_fragment_every_second_and_at_key_frames) {
  written file(format::mp4);
  file.push(video_config(7000));
  file.push(audio_config(7000));
  for (int i = 0; i < 250; ++i) {
    file.push(i % 50 == 0 ? key(7000 + i * 40) : inter(7000 + i * 40));
    file.push(audio(7000 + i * 40));
  }
  const auto unfinished = file.bytes;
  EXPECT_GE(file.pieces, 9U);
  EXPECT_GE(scan_mp4(reader_of(unfinished), unfinished.size()).duration_ms, 8'900) << "a crash costs a second";
  file.finish();
  const auto whole = scan_mp4(reader_of(file.bytes), file.bytes.size());
  EXPECT_TRUE(whole.readable);
  EXPECT_NEAR(static_cast<double>(whole.duration_ms), 10'000, 50);
  EXPECT_NEAR(static_cast<double>(file.to->duration_ms()), 10'000, 50);
  EXPECT_EQ(unescaped_name(whole.stream), "live/a");
  EXPECT_EQ(parse_utc(whole.start), epoch);
  EXPECT_EQ(mux::testing::runs(file.bytes).front().begin, 0U) << "times of a file begin at 0";
  // Cut anywhere: what is whole is found, and nothing else.
  std::size_t last = 0;
  for (std::size_t size = 0; size < file.bytes.size(); size += 97) {
    const auto facts = scan_mp4(reader_of(file.bytes), size);
    ASSERT_LE(facts.whole_bytes, size);
    ASSERT_GE(facts.whole_bytes, last);
    last = static_cast<std::size_t>(facts.whole_bytes);
  }
}

TEST(fmp4_writer, a_frame_that_cannot_be_written_is_counted_and_ends_nothing) {
  written file(format::mp4);
  file.push(audio_config(0));
  file.push(mux::testing::make(media::frame_kind::audio, 0, "af 01 fff100"));  // said to be ADTS, and too short for it
  for (int ms = 20; ms < 6000; ms += 20) {
    EXPECT_FALSE(file.to->needs_new_file(audio(ms)));
    file.push(audio(ms));
  }
  file.finish();
  EXPECT_EQ(file.to->not_carried(), 1U);
  EXPECT_GT(scan_mp4(reader_of(file.bytes), file.bytes.size()).duration_ms, 5'900);
}

// A sample's duration has 31 bits, in 1/90000 s: 6.6 hours.
TEST(fmp4_writer, a_hole_of_hours_needs_another_file) {
  written file(format::mp4);
  file.push(video_config(0));
  for (int ms = 0; ms < 2000; ms += 40) file.push(ms % 1000 == 0 ? key(ms) : inter(ms));
  EXPECT_FALSE(file.to->needs_new_file(key(3'600'000)));
  EXPECT_TRUE(file.to->needs_new_file(key(25'000'000)));
  media::frame cue = key(25'000'000);
  cue.kind = media::frame_kind::data;
  EXPECT_FALSE(file.to->needs_new_file(cue)) << "it is not in the file";
  file.finish(25'000'000);
  EXPECT_EQ(file.to->not_carried(), 0U);
  EXPECT_EQ(scan_mp4(reader_of(file.bytes), file.bytes.size()).duration_ms, 2'000);
}

TEST(fmp4_writer, sound_that_comes_first_waits_for_the_picture) {
  written file(format::mp4);
  file.push(video_config(0));
  file.push(audio_config(0));
  for (int ms = 0; ms < 5000; ms += 20) file.push(audio(ms));
  EXPECT_TRUE(file.bytes.empty());
  file.push(key(5000));
  for (int ms = 5040; ms < 7000; ms += 40) file.push(inter(ms));
  file.finish();
  EXPECT_EQ(mux::testing::find(file.bytes, "moov/trak").size(), 2U);
}

TEST(fmp4_writer, another_configuration_needs_another_file) {
  written file(format::mp4);
  file.push(video_config(0));
  for (int ms = 0; ms < 3000; ms += 40) file.push(ms % 1000 == 0 ? key(ms) : inter(ms));
  file.push(video_config(3000));
  EXPECT_FALSE(file.to->needs_new_file(key(3000))) << "the same again changes nothing";
  file.push(video_config(3000, true));
  EXPECT_TRUE(file.to->needs_new_file(key(3000)));
}

// Fragments end by time, and times are what a publisher says.
TEST(fmp4_writer, times_that_stand_still_fill_no_memory) {
  written file(format::mp4);
  file.push(video_config(0));
  file.push(key(0));
  const auto large = mux::testing::make(media::frame_kind::video, 0, "27 01 000000 000fffff '" + std::string(0xfffff, 'a') + "'");
  for (std::size_t i = 1; i <= 100; ++i) {
    file.push(large);
    ASSERT_LE(i * large.payload.size(), file.bytes.size() + (34u << 20)) << "so much is in memory";
  }
  file.finish();
  const auto whole = scan_mp4(reader_of(file.bytes), file.bytes.size());
  EXPECT_TRUE(whole.readable);
  EXPECT_EQ(whole.whole_bytes, file.bytes.size());
  EXPECT_GT(file.bytes.size(), 100 * large.payload.size());
}

TEST(fmp4_writer, and_neither_do_many_small_frames) {
  written file(format::mp4);
  file.push(video_config(0));
  file.push(key(0));
  const auto small = inter(0);
  for (int i = 0; i < 200'000 && file.bytes.empty(); ++i) file.push(small);
  EXPECT_FALSE(file.bytes.empty());
}

TEST(fmp4_writer, a_codec_that_it_cannot_carry_is_said_once_and_the_other_track_goes_on) {
  written file(format::mp4);
  file.push(audio_config(0));
  const auto vp6 = mux::testing::make(media::frame_kind::video, 0, "14 00 112233");
  for (int ms = 0; ms < 4000; ms += 20) {
    file.push(audio(ms));
    file.push(vp6);
  }
  file.finish();
  const auto error = file.to->poll_error();
  ASSERT_TRUE(error);
  EXPECT_NE(error->text.find("MP4 cannot carry"), std::string::npos) << error->text;
  EXPECT_FALSE(file.to->poll_error());
  EXPECT_EQ(file.to->not_carried(), 200U);
  EXPECT_GT(scan_mp4(reader_of(file.bytes), file.bytes.size()).duration_ms, 3'900);
}

using file_bytes = std::vector<std::uint8_t>;

file_bytes box(std::string_view type, std::initializer_list<file_bytes> content) {
  base::byte_writer out;
  std::size_t size = 8;
  for (const auto& each : content) size += each.size();
  out.u32(static_cast<std::uint32_t>(size)).text(type);
  for (const auto& each : content) out.bytes(each);
  return std::move(out).take();
}
file_bytes words(std::initializer_list<std::uint32_t> values) {
  base::byte_writer out;
  for (const auto value : values) out.u32(value);
  return std::move(out).take();
}

// Whoever can write into the directory could keep the server busy for hours with a small file: a thousand times 4 G samples of no bytes each.
TEST(scan_mp4, samples_that_say_nothing_are_counted_at_once) {
  file_bytes runs;
  for (int i = 0; i < 1000; ++i) {
    const auto run = box("trun", {words({0, 0xFFFF'FFFF})});
    runs.insert(runs.end(), run.begin(), run.end());
  }
  const auto head = words({0, 0, 0});  // version and flags, two times
  const auto track = box("trak", {box("tkhd", {head, words({1})}), box("mdia", {box("mdhd", {head, words({1'000'000})})})});
  const auto moov = box("moov", {track, box("mvex", {box("trex", {words({0, 1, 1, 20})})})});
  const auto moof = box("moof", {box("traf", {box("tfhd", {words({0, 1})}), box("tfdt", {words({0, 0})}), runs})});
  file_bytes file;
  for (const auto& each : {box("ftyp", {words({0, 0})}), moov, moof, box("mdat", {})}) file.insert(file.end(), each.begin(), each.end());
  const auto facts = scan_mp4(reader_of(file), file.size());
  EXPECT_TRUE(facts.readable);
  EXPECT_EQ(facts.whole_bytes, file.size());
  EXPECT_EQ(facts.duration_ms, 85'899'345'900) << "1000 * (2^32 - 1) * 20 / 1e6 s";
}

// Eight hours of pictures at 30/s and sound of 44.1 kHz, both in RTMP's milliseconds: they stay in step in the file.
class long_writers : public ::testing::TestWithParam<format> {};
TEST_P(long_writers, eight_hours_stay_in_step) {
  constexpr std::int64_t hours = 8 * 3'600'000;
  const auto f = GetParam();
  auto to = make_writer(f, {"live/a", epoch});
  to->push(video_config(0));
  to->push(audio_config(0, 44'100));
  std::int64_t picture = 0, sound = 0;
  auto key_frame = key(0), inter_frame = inter(0), audio_frame = audio(0);
  const auto at = [](media::frame& frame, std::int64_t ms) -> const media::frame& {
    frame.dts_ms = ms + 5'000'000;
    return frame;
  };
  std::vector<std::uint8_t> tail;  // what the last piece said
  std::uint64_t written = 0;
  double worst = 0;
  const auto look = [&] {
    const auto chain = to->take();
    if (chain.empty()) return;
    written += chain.size();
    tail = chain.flatten();
    if (f != format::mp4) return;
    double end[2] = {-1, -1};
    for (const auto& r : mux::testing::runs(tail)) end[r.track - 1] = static_cast<double>(r.end()) / (r.track == 1 ? 90'000 : 44'100);
    if (end[0] >= 0 && end[1] >= 0) worst = std::max(worst, std::abs(end[0] - end[1]));
  };
  for (std::int64_t ms = 0; ms < hours; ms = ++picture * 1000 / 30) {
    to->push(at(picture % 60 == 0 ? key_frame : inter_frame, ms));
    while (sound * 1024 * 1000 / 44'100 <= ms) to->push(at(audio_frame, sound++ * 1024 * 1000 / 44'100));
    if (picture % 30 == 0) look();
  }
  to->finish(hours + 5'000'000);
  look();
  EXPECT_NEAR(static_cast<double>(to->duration_ms()), static_cast<double>(hours), 40);
  EXPECT_GT(written, 20u << 20);
  // A fragment ends between two frames of sound, so that its ends differ by one at most; drift would add up.
  EXPECT_LT(worst, 0.060) << extension(f);
  if (f == format::flv) {
    const auto header = media::flv::encode_header(true, true);
    std::vector<std::uint8_t> as_file(header.data(), header.data() + header.size());
    as_file.insert(as_file.end(), tail.begin(), tail.end());
    std::int64_t newest[2] = {0, 0};
    for (const auto& each : frames_of_flv(as_file)) newest[each.kind == media::frame_kind::video ? 1 : 0] = each.dts_ms;
    EXPECT_LT(std::abs(newest[0] - newest[1]), 33);
    EXPECT_NEAR(static_cast<double>(newest[1]), static_cast<double>(hours), 40);
  }
}
INSTANTIATE_TEST_SUITE_P(formats, long_writers, ::testing::Values(format::flv, format::mp4),
                         [](const auto& each) { return std::string(extension(each.param)); });

TEST(utc_text, there_and_back) {
  using std::chrono::milliseconds;
  EXPECT_EQ(utc_text(epoch + milliseconds(86'399'999)), "2026-01-31T23:59:59.999Z");
  for (const auto* bad : {"", "2026-01-31", "2026-02-30T00:00:00.000Z", "2026-01-31T25:00:00.000Z", "2026-01-31T00:00:00.000Zx", "2026-01-31T00:00:-1.000Z"})
    EXPECT_FALSE(parse_utc(bad).has_value()) << bad;
}

}  // namespace
}  // namespace millrace::record
