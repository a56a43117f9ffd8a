// Whether a configuration record can be what it claims to be.
#pragma once
#include <cstdint>

#include "base/slice.hpp"

namespace millrace::media {

// False if `record`, as SequenceStart or a legacy sequence header carries it, breaks its codec's format so plainly that no decoder can
// start on it: wrong version, too short, lengths past its end, no parameter set. True for codecs that are not known here. Linear.
bool is_plausible_record(std::uint32_t codec, base::bytes_view record);

}  // namespace millrace::media
