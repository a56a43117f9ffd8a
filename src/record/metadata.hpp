// Which data message is onMetaData.
#pragma once
#include "hub/records.hpp"
#include "media/frame.hpp"

namespace millrace::record {

inline bool is_metadata(const media::frame& f) { return f.kind == media::frame_kind::data && hub::data_name(f.payload) == "onMetaData"; }

}  // namespace millrace::record
