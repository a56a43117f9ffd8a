// HLS below HTTP, by operations: a stream whose publisher sends what it likes, and clients that ask for anything at any time. Every request is answered
// once, playlists keep to their rules and to what they said before, and what they list is there.
#include <charconv>
#include <map>

#include "hls/packager.hpp"
#include "hls/presentation.hpp"
#include "sound_and_picture.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

base::instant at_ms(std::int64_t ms) { return base::instant(std::chrono::milliseconds(ms)); }

hls::settings settings_of(operations& in) {
  hls::settings how;
  how.segment = std::chrono::milliseconds(100 * (1 + in(30)));
  how.part = std::chrono::milliseconds(50 * (1 + in(10)));
  how.segment_max = how.segment + std::chrono::milliseconds(100 * in(40));
  how.window = 1 + in(8);
  how.linger = 5s, how.idle = 60s, how.first_wait = 2s;
  how.limits.presentation_bytes = 2'000 + 100 * in(256);
  how.limits.open_part_bytes = 500 + 20 * in(256);
  how.limits.waits = 20;
  return how;
}

class run {
 public:
  explicit run(operations& in)
      : in_(in), how_(settings_of(in)), stream_(std::make_shared<hub::stream>("live/a b", base::hub_limits{})),
        to_(std::make_shared<hls::presentation>("live/a b", in.chance() ? mux::container::mpegts : mux::container::fmp4, how_)) {
    if (in.chance()) publisher_ = std::move(stream_->publish()).value();
    packer_.emplace(stream_, to_, hls::clocks{[this] { return at_ms(now_); }, at_ms(0), std::chrono::system_clock::time_point(1000s)});
  }

  void all() {
    while (in_.more()) {
      step();
      if (in_(4) == 0) look_at_playlist();
    }
    look_at_playlist();
    packer_.reset();
    to_->close(410, "over");
    require(to_->closed() && waiting_ == 0);
  }

 private:
  void step() {
    switch (in_(12)) {
      case 0:
        now_ += static_cast<std::int64_t>(in_(8) == 0 ? in_.number(2) : in_(256));
        packer_->on_timer(at_ms(now_));
        return to_->expire(at_ms(now_));
      case 1:
        if (in_(4) != 0) return;
        if (publisher_) publisher_.reset();
        else if (auto got = stream_->publish()) publisher_ = std::move(*got);
        return;
      case 2: dts_ = in_(4) == 0 ? static_cast<std::int64_t>(in_.number(3)) : dts_ + static_cast<std::int64_t>(in_(256)) * 10; return;
      case 3:
      case 4: return ask();
      default:
        for (auto count = 1 + in_(12); count > 0 && publisher_; --count) {
          const auto step = static_cast<std::int64_t>(in_(80));
          dts_ += step, now_ += step;
          auto f = fuzz::any_media(in_, dts_);
          f.arrival = at_ms(now_);
          publisher_->append(std::move(f));
          publisher_->flush();
        }
    }
  }

  void ask() {
    static constexpr std::array paths{".m3u8", "/index.m3u8", "/ts.m3u8", "/init-", "/seg-", "/part-"};
    const auto which = in_(paths.size());
    std::string path = paths[which], query;
    if (which == 3) path += std::to_string(in_(6)) + ".mp4";
    if (which == 4) path += std::to_string(any_number()) + (in_.chance() ? ".m4s" : ".ts");
    if (which == 5) path += std::to_string(any_number()) + "-" + std::to_string(in_(12)) + ".m4s";
    if (which < 3 && in_.chance()) {
      query = "_HLS_msn=" + std::to_string(any_number());
      if (in_.chance()) query += "&_HLS_part=" + std::to_string(in_(12));
      if (in_.chance()) query += "&_HLS_skip=YES";
    }
    const auto what = hls::parse_request(path, query);
    require(what.has_value());
    ++waiting_;
    const auto answered = std::make_shared<bool>(false);
    to_->get(*what, at_ms(now_), [this, answered](const hls::answer& a) {
      require(!std::exchange(*answered, true));
      --waiting_;
      require((a.status == 200) == a.why.empty() && (a.status != 200 || !a.content_type.empty()));
    });
    require(waiting_ <= how_.limits.waits);
  }
  std::uint64_t any_number() { return in_(8) == 0 ? in_.number(8) : first_msn_ + in_(12); }

  std::optional<hls::answer> now(std::string_view path, std::string_view query = {}) {
    std::optional<hls::answer> got;
    const auto to = std::make_shared<std::optional<hls::answer>*>(&got);
    to_->get(hls::parse_request(path, query).value(), at_ms(now_), [to](hls::answer a) {
      if (*to) **to = std::move(a);
    });
    *to = nullptr;
    return got;
  }
  void there(const std::string& name) {
    const auto got = now("/" + name);
    require(got && got->status == 200 && !got->body.empty());
  }

  static std::int64_t ms_of(std::string_view seconds) {
    std::int64_t whole = 0, part = 0;
    const auto dot = seconds.find('.');
    std::from_chars(seconds.data(), seconds.data() + std::min(dot, seconds.size()), whole);
    if (dot == std::string_view::npos) return whole * 1000;
    const auto digits = seconds.substr(dot + 1, 3);
    std::from_chars(digits.data(), digits.data() + digits.size(), part);
    for (auto i = digits.find_first_not_of("0123456789") == std::string_view::npos ? digits.size() : digits.find_first_not_of("0123456789"); i < 3; ++i) part *= 10;
    return whole * 1000 + part;
  }
  static std::string quoted(std::string_view line) {
    const auto at = line.find("URI=\"") + 5;
    return std::string(line.substr(at, line.find('"', at) - at));
  }

  void look_at_playlist() {
    const auto got = now(to_->container() == mux::container::mpegts ? "/ts.m3u8" : "/index.m3u8");
    if (!got || got->status != 200) return;
    const auto bytes = got->body.flatten();
    std::string_view text = base::as_text(bytes);
    require(text.starts_with("#EXTM3U\n") && text.ends_with("\n"));
    std::uint64_t msn = 0;
    std::int64_t target = 0, part_target = 0, duration = 0;
    while (!text.empty()) {
      const auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(line.size() + 1);
      const auto value = line.substr(std::min(line.size(), line.find(':') + 1));
      if (line.starts_with("#EXT-X-TARGETDURATION:")) target = ms_of(value) / 1000;
      if (line.starts_with("#EXT-X-PART-INF:")) part_target = ms_of(line.substr(line.find('=') + 1));
      if (line.starts_with("#EXT-X-MEDIA-SEQUENCE:")) {
        std::from_chars(value.data(), value.data() + value.size(), msn);
        require(msn >= first_msn_);
        first_msn_ = msn;
      }
      if (line.starts_with("#EXT-X-MAP:")) there(quoted(line));
      if (line.starts_with("#EXT-X-PART:")) {
        const auto ms = ms_of(line.substr(line.find("DURATION=") + 9));
        require(part_target > 0 && ms <= part_target);
        there(quoted(line));
      }
      if (line.starts_with("#EXTINF:")) duration = ms_of(value);
      if (line.empty() || line.front() == '#') continue;
      // RFC 8216 section 4.3.3.1; and what was said of a segment holds.
      require((duration + 500) / 1000 <= target);
      const auto known = segments_.emplace(msn, duration);
      require(known.first->second == duration);
      ++msn;
      there(std::string(line));
    }
    // RFC 8216 section 6.2.1, draft section 4.4.3.7.
    require(target > 0 && (target_ == 0 || target_ == target) && (part_target_ == 0 || part_target_ == part_target));
    target_ = target;
    part_target_ = part_target;
  }

  operations& in_;
  const hls::settings how_;
  std::int64_t now_ = 0, dts_ = 0;
  std::shared_ptr<hub::stream> stream_;
  std::shared_ptr<hls::presentation> to_;
  std::unique_ptr<hub::publication> publisher_;
  std::optional<hls::packager> packer_;
  std::size_t waiting_ = 0;
  std::uint64_t first_msn_ = 0;
  std::map<std::uint64_t, std::int64_t> segments_;
  std::int64_t target_ = 0, part_target_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
