#include "record/playback.hpp"

#include <utility>

namespace millrace::record {

base::result<std::unique_ptr<playback>> open_playback(format as, read_at read, std::uint64_t size) {
  return as == format::flv ? open_flv_playback(std::move(read), size) : open_mp4_playback(std::move(read), size);
}

}  // namespace millrace::record
