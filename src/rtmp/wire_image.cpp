#include "rtmp/wire_image.hpp"

#include "rtmp/chunk_writer.hpp"
#include "rtmp/flows.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::rtmp {

base::send_chain encode_wire(const media::frame& f, std::uint32_t msid, wire_format format) {
  message m;
  m.msid = msid;
  m.timestamp = static_cast<std::uint32_t>(f.dts_ms);  // modulo 2^32, which is what the wire carries
  m.payload = f.payload;
  switch (f.kind) {
    case media::frame_kind::audio:
      m.type = message_type::audio;
      m.csid = chunk_streams::audio;
      break;
    case media::frame_kind::video:
      m.type = message_type::video;
      m.csid = chunk_streams::video;
      break;
    case media::frame_kind::data:
      m.type = message_type::data_amf0;
      m.csid = chunk_streams::data;
      break;
  }
  if (format == wire_format::roqr) return encode_roqr(session_flow, m, f.head);
  if (format == wire_format::roqr_group) return encode_roqr(flow_of(msid, f.kind), m, f.head);
  return encode_chunks(m, wire_chunk_size, f.head);
}

}  // namespace millrace::rtmp
