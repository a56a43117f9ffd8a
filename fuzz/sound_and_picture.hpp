// Media that a container can carry, made out of choices: mostly right, with bytes of the input in it now and then.
#pragma once
#include "mux/mux_fixture.hpp"
#include "operations.hpp"

namespace millrace::fuzz {

inline media::frame any_media(operations& in, std::int64_t dts_ms) {
  namespace made = mux::testing;
  switch (in(16)) {
    case 0: return made::video_config(dts_ms, in.chance());
    case 1: return made::audio_config(dts_ms, in.chance() ? 48'000 : 44'100);
    case 2:
    case 3: return made::key(dts_ms);
    case 4:
    case 5:
    case 6: return made::inter(dts_ms);
    case 7: return made::inter(dts_ms, "000028");
    case 8:
    case 9:
    case 10: return made::audio(dts_ms);
    case 11: {
      // A right message with some bytes changed.
      auto f = in.chance() ? made::key(dts_ms) : in.chance() ? made::video_config(dts_ms) : made::audio_config(dts_ms);
      std::vector<std::uint8_t> bytes(f.payload.view().begin(), f.payload.view().end());
      for (auto count = 1 + in(4); count > 0; --count) bytes[in(bytes.size())] = in.byte();
      f.payload = base::slice(std::move(bytes));
      media::classify(f);
      return f;
    }
    default: {
      // Any message of any codec.
      static constexpr std::array<std::array<std::uint8_t, 5>, 10> heads{{{0x90, 'a', 'v', 'c', '1'}, {0x91, 'h', 'v', 'c', '1'}, {0x90, 'h', 'v', 'c', '1'}, {0x90, 'a', 'v', '0', '1'},
                                                                          {0x93, 'a', 'v', '0', '1'}, {0x90, 'O', 'p', 'u', 's'}, {0x91, 'f', 'L', 'a', 'C'}, {0x91, 'a', 'c', '-', '3'},
                                                                          {0x2f, 1, 2, 3, 4}, {0x91, '.', 'm', 'p', '3'}}};
      const auto& head = heads[in(heads.size())];
      std::vector<std::uint8_t> bytes(head.begin(), head.end());
      const auto more = in.some(60);
      bytes.insert(bytes.end(), more.begin(), more.end());
      media::frame f;
      f.kind = in.chance() ? media::frame_kind::video : media::frame_kind::audio;
      f.dts_ms = dts_ms;
      f.payload = base::slice(std::move(bytes));
      media::classify(f);
      return f;
    }
  }
}

}  // namespace millrace::fuzz
