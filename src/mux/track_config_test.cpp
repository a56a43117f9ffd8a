#include "mux/track_config.hpp"

#include <gtest/gtest.h>

#include "media/codec.hpp"
#include "media/ex_header_cases.hpp"
#include "mux/mux_fixture.hpp"

namespace millrace::mux {
namespace {

namespace codecs = media::codecs;

track_config of(media::frame_kind kind, std::uint32_t codec, std::string_view record) {
  return config_of(kind,
                   {.codec = codec, .config = true, .frame = false, .key = false, .composition_ms = 0, .bytes = base::slice(base::bytes_of(record))})
      .value_or(track_config{});
}

TEST(track_config, codecs_are_named_as_rfc_6381_and_their_own_documents_say) {
  using enum media::frame_kind;
  EXPECT_EQ(codecs_text(of(video, codecs::avc, "0164001fffe100046764001f01000168")), "avc1.64001f");
  EXPECT_EQ(codecs_text(of(video, codecs::avc, "0142c00affe100046742c00a01000168")), "avc1.42c00a");
  EXPECT_EQ(codecs_text(of(video, codecs::hevc, "01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00")), "hvc1.1.6.L93.90");
  EXPECT_EQ(codecs_text(of(video, codecs::hevc, "01 22 20000000 b00000000000 99 f000 fc fd fa fa 0000 0f 00")), "hvc1.2.4.H153.B0");
  EXPECT_EQ(codecs_text(of(video, codecs::hevc, "01 41 60000000 000000000000 5d f000 fc fd f8 f8 0000 0f 00")), "hvc1.A1.6.L93");
  EXPECT_EQ(codecs_text(of(video, codecs::av1, "81 04 0c 00")), "av01.0.04M.08");
  EXPECT_EQ(codecs_text(of(video, codecs::av1, "81 0d cc 00")), "av01.0.13H.10");
  EXPECT_EQ(codecs_text(of(audio, codecs::aac, "1190")), "mp4a.40.2");
  EXPECT_EQ(codecs_text(of(audio, codecs::aac, "2b920800")), "mp4a.40.5");
  EXPECT_EQ(codecs_text(of(audio, codecs::aac, "f94a2c00")), "mp4a.40.42");  // xHE-AAC: 32 + 10
  EXPECT_EQ(codecs_text(of(audio, codecs::opus, "'OpusHead' 01 02 3801 80bb0000 0000 00")), "opus");
}

TEST(track_config, audio_specific_config_is_read) {
  const auto plain = of(media::frame_kind::audio, codecs::aac, "1210");
  EXPECT_EQ(plain.sample_rate, 44'100u);
  EXPECT_EQ(plain.channels, 2u);
  EXPECT_EQ(plain.samples_per_frame, 1024u);
  EXPECT_EQ(of(media::frame_kind::audio, codecs::aac, "1194").samples_per_frame, 960u);
  // HE-AAC: the core has half the rate, and its frames have 1024 samples of that.
  const auto he = of(media::frame_kind::audio, codecs::aac, "2b118800");
  EXPECT_EQ(he.sample_rate, 24'000u);
  EXPECT_EQ(he.time_scale, 24'000u);
  // A rate written out: index 15.
  EXPECT_EQ(of(media::frame_kind::audio, codecs::aac, "17 80 5d 80 10").sample_rate, 47'872u);
  EXPECT_EQ(of(media::frame_kind::audio, codecs::aac, "1710").codec, 0u) << "a reserved rate";
}

TEST(track_config, a_little_of_a_large_message_does_not_keep_all_of_it) {
  auto m = media::ex_cases::multitrack(media::frame_kind::video, media::ex_form::many_tracks, media::ex_packet::coded_frames_x,
                                       {{0, codecs::av1, {9}}, {1, codecs::av1, std::vector<std::uint8_t>(1'000)}});
  const auto payload = media::encode(m);
  const auto message = std::make_shared<const std::vector<std::uint8_t>>(payload.view().begin(), payload.view().end());
  media::frame f;
  f.kind = m.kind;
  f.payload = base::slice(message, *message);
  const auto small = body_of(f, 0);
  ASSERT_TRUE(small);
  EXPECT_EQ(base::as_text(small->bytes), base::as_text(base::bytes_of("09")));
  EXPECT_EQ(message.use_count(), 2);
  const auto large = body_of(f, 1);
  ASSERT_TRUE(large);
  EXPECT_EQ(large->bytes.size(), 1'000U);
  EXPECT_EQ(message.use_count(), 3) << "shared";
}

TEST(track_config, opus_packets_say_how_long_they_are) {
  const auto opus = of(media::frame_kind::audio, codecs::opus, "");
  EXPECT_EQ(opus.channels, 2u) << "no header is stereo";
  EXPECT_EQ(opus.record.size(), 19u);
  const auto samples = [&](std::string_view packet) { return samples_of(opus, base::bytes_of(packet)); };
  EXPECT_EQ(samples("fc 01"), 960u);   // CELT, 20 ms, one
  EXPECT_EQ(samples("e0 01"), 120u);   // 2.5 ms
  EXPECT_EQ(samples("18 01"), 2880u);  // SILK, 60 ms
  EXPECT_EQ(samples("61 01"), 960u);   // hybrid, 10 ms, two
  EXPECT_EQ(samples("ff 03"), 2880u);  // as many as it says
  EXPECT_EQ(samples("ff"), 0u);
  EXPECT_EQ(samples(""), 0u);
}

TEST(track_config, mp3_frames_describe_themselves) {
  const auto c = config_of_frame(
      media::frame_kind::audio,
      {.codec = codecs::mp3, .config = false, .frame = true, .key = false, .composition_ms = 0, .bytes = base::slice(base::bytes_of("fffb9064"))});
  ASSERT_TRUE(c);
  EXPECT_EQ(c->sample_rate, 44'100u);
  EXPECT_EQ(c->channels, 2u);
  EXPECT_EQ(samples_of(*c, base::bytes_of("fffb9064")), 1152u);
  EXPECT_EQ(samples_of(*c, base::bytes_of("fff39064")), 576u);
  EXPECT_EQ(samples_of(*c, base::bytes_of("00")), 0u);
}

TEST(track_config, bodies_are_taken_out_of_both_headers) {
  const auto legacy = body_of(testing::key(0, "000028"), 0);
  ASSERT_TRUE(legacy);
  EXPECT_TRUE(legacy->key && legacy->frame && !legacy->config);
  EXPECT_EQ(legacy->composition_ms, 40);
  EXPECT_EQ(legacy->bytes.size(), 16u);
  EXPECT_FALSE(body_of(testing::key(0), 1)) << "a message without tracks is track 0";
  const auto enhanced = body_of(testing::make(media::frame_kind::video, 0, "91 'hvc1' 000014 'body'"), 0);
  ASSERT_TRUE(enhanced);
  EXPECT_EQ(enhanced->codec, codecs::hevc);
  EXPECT_EQ(enhanced->composition_ms, 20);
  EXPECT_EQ(base::as_text(enhanced->bytes), "body");
  const auto over = body_of(testing::make(media::frame_kind::video, 0, "17 02 000000"), 0);
  EXPECT_TRUE(!over || !over->frame);
  EXPECT_FALSE(body_of(testing::make(media::frame_kind::audio, 0, ""), 0));
}

}  // namespace
}  // namespace millrace::mux
