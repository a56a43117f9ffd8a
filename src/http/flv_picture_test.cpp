// `?picture`: the body ends as soon as there is something to see.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "http/flv_viewer.hpp"
#include "hub/hub_fixture.hpp"
#include "media/flv.hpp"

namespace millrace::http {
namespace {

using hub::testing::append, hub::testing::at_ms, hub::testing::audio, hub::testing::audio_config, hub::testing::inter, hub::testing::key, hub::testing::video_config;

// The kinds of the tags of an FLV file, in order: 'V' and 'A' configurations, 'K' key frame, 'v', 'a'.
std::string tags(const base::send_chain& file) {
  std::string out;
  const auto flat = file.flatten();
  for (std::size_t at = 13; at + 11 < flat.size();) {
    const auto size = static_cast<std::size_t>(flat[at + 1] << 16 | flat[at + 2] << 8 | flat[at + 3]);
    const bool config = flat[at + 12] == 0, video = flat[at] == 9;
    out += config ? (video ? 'V' : 'A') : !video ? 'a' : flat[at + 11] == 0x17 ? 'K' : 'v';
    at += 11 + size + 4;
  }
  return out;
}

struct looker {
  explicit looker(bool one_picture) {
    flv_options how;
    how.one_picture = one_picture;
    viewer.emplace(stream, nullptr, how);
  }
  body_source::state pull(std::int64_t ms) { return viewer->pull(at_ms(ms), 1 << 20, out); }

  std::shared_ptr<hub::stream> stream = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  std::unique_ptr<hub::publication> publisher = std::move(*stream->publish());
  std::optional<flv_viewer> viewer;
  base::send_chain out;
};

TEST(flv_picture, ends_with_the_picture_after_the_key_frame) {
  looker one(true);
  append(*one.publisher, {video_config(0), audio_config(0), key(0), audio(10)});
  EXPECT_EQ(one.pull(20), body_source::state::waits);  // how long the key frame lasts is not known yet
  append(*one.publisher, {inter(40), audio(50), inter(80)});
  EXPECT_EQ(one.pull(90), body_source::state::ended);
  EXPECT_EQ(tags(one.out), "VAKav");
}

TEST(flv_picture, a_new_configuration_is_no_picture) {
  looker one(true);
  append(*one.publisher, {video_config(0), key(0), video_config(20, 2)});
  EXPECT_EQ(one.pull(30), body_source::state::waits);
  append(*one.publisher, {key(40)});
  EXPECT_EQ(one.pull(50), body_source::state::ended);
}

TEST(flv_picture, others_play_on) {
  looker one(false);
  append(*one.publisher, {video_config(0), key(0), inter(40), inter(80)});
  EXPECT_EQ(one.pull(90), body_source::state::waits);
  EXPECT_EQ(tags(one.out), "VKvv");
}

}  // namespace
}  // namespace millrace::http
