#include "media/codec_record.hpp"

#include <gtest/gtest.h>

#include "media/ex_header_cases.hpp"
#include "media/tag_header.hpp"

namespace millrace::media {
namespace {

using base::bytes_of;
using bytes = std::vector<std::uint8_t>;

TEST(codec_record, M1_V4_X3_X4_samples_are_good_and_no_cut_of_them_is_read_past) {
  const auto check = [](frame_kind kind, std::uint32_t codec, std::size_t least) {
    SCOPED_TRACE(codec_name(kind, codec));
    const auto record = ex_cases::sample_record(codec);
    EXPECT_TRUE(is_plausible_record(codec, record));
    for (std::size_t size = 0; size < record.size(); ++size) {
      const bytes cut(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(is_plausible_record(codec, cut), size >= least) << size;
    }
  };
  check(frame_kind::video, codecs::avc, 19);
  check(frame_kind::video, codecs::hevc, ex_cases::sample_record(codecs::hevc).size());
  check(frame_kind::video, codecs::av1, 4);
  check(frame_kind::audio, codecs::aac, 2);
  check(frame_kind::audio, codecs::flac, 42);
}

TEST(codec_record, M1_what_no_decoder_can_start_on) {
  const auto good = [](std::uint32_t codec, const char* written) { return is_plausible_record(codec, bytes_of(written)); };
  EXPECT_FALSE(good(codecs::avc, "00 64001f ff e1 0001 67 01 0001 68")) << "version";
  EXPECT_FALSE(good(codecs::avc, "01 64001f ff e0 00")) << "no parameter set: an encoder that sent its header too early";
  EXPECT_FALSE(good(codecs::avc, "01 64001f ff e1 00ff 67 01 0001 68")) << "length past the end";
  EXPECT_FALSE(good(codecs::avc, "01 64001f ff e1 0000 01 0001 68")) << "empty parameter set";
  EXPECT_FALSE(good(codecs::avc, "00000001 67")) << "Annex B";
  EXPECT_TRUE(good(codecs::avc, "01 64001f ff e1 0001 67 01 0001 68 fd f8 f8 00")) << "what high profiles add";
  EXPECT_FALSE(good(codecs::hevc, "02 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00"));
  EXPECT_FALSE(good(codecs::hevc, "01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 01 a1 0001 00ff 42"));
  EXPECT_FALSE(good(codecs::av1, "01 05 0c 00")) << "no marker";
  EXPECT_FALSE(good(codecs::aac, "00 10")) << "no object type";
  EXPECT_FALSE(good(codecs::aac, "12"));
  EXPECT_FALSE(good(codecs::flac, "84 000022"));
  EXPECT_FALSE(good(codecs::opus, "'OpusTags'"));
  EXPECT_TRUE(good(codecs::opus, ""));
  EXPECT_TRUE(good(codecs::vp9, "01"));
  EXPECT_TRUE(good(fourcc("abcd"), "00"));
}

// Such a record is passed and kept, since a decoder may know better, but it is named to who runs the server.
TEST(codec_record, M1_named_with_either_header) {
  for (const auto& [kind, written] : std::initializer_list<std::pair<frame_kind, const char*>>{{frame_kind::video, "17 00 000000 01"},
                                                                                               {frame_kind::video, "90 'avc1' 0001"},
                                                                                               {frame_kind::video, "1c 00 000000 09"},
                                                                                               {frame_kind::audio, "af 00 00"},
                                                                                               {frame_kind::audio, "90 'mp4a' 0000"}}) {
    const auto info = inspect(kind, bytes_of(written));
    EXPECT_TRUE(info.valid && info.config) << written;
    EXPECT_EQ(info.fault, header_fault::odd_record) << written;
  }
  EXPECT_EQ(inspect_audio(bytes_of("af 00 1210")).fault, header_fault::none);
  EXPECT_EQ(inspect_video(bytes_of("17 00 000000 01 64001f ff e1 0001 67 01 0001 68")).fault, header_fault::none);
}

}  // namespace
}  // namespace millrace::media
