// Text that peers and files bring, on its way into logs, JSON, URLs and file names: what comes out is fit for where it goes, and where there is a way back it
// leads to what went in.
#include "base/base64.hpp"
#include "base/escape.hpp"
#include "base/hex.hpp"
#include "base/utf8.hpp"
#include "http/range.hpp"
#include "http/request.hpp"
#include "operations.hpp"
#include "record/file_name.hpp"
#include "record/writer.hpp"
#include "server/play_options.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

void escapes(const std::string& text) {
  const auto shown = base::escaped(text);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const auto c = static_cast<unsigned char>(shown[i]);
    require(c >= 0x20 && c != 0x7f && c != '"');
  }
  require(shown.size() <= 4 * 256 + 8);
  const auto valid = base::valid_utf8(text);
  require(base::valid_utf8(valid) == valid && valid.size() <= 3 * text.size());
  std::size_t at = 0;
  while (at < valid.size()) {
    const auto before = at;
    require(base::next_code_point(valid, at).has_value() && at > before && at <= before + 4);
  }
  require(base::hex(base::as_bytes(text)).size() == 2 * text.size());
  require(base::to_base64(base::as_bytes(text)).size() == (text.size() + 2) / 3 * 4);
}

void names(const std::string& text) {
  const auto escaped = record::escaped_name(text);
  require(!escaped.empty() && escaped.front() != '.');
  for (const char c : escaped) require(c != '/' && static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f);
  require(record::unescaped_name(escaped) == text);
  if (const auto back = record::unescaped_name(text)) require(record::escaped_name(*back) == text);
  const auto encoded = http::percent_encoded(text);
  require(http::percent_decoded(encoded) == text);
  http::request r;
  if (http::read_target(text, r)) require(!r.path.empty() && r.path.front() == '/' && r.path.find('\0') == std::string::npos);
}

void files(operations& in) {
  const auto pattern = in.text(60);
  auto how = record::name_template::parse(in.chance() ? pattern + "{stream}.{ext}" : pattern);
  const auto stream = in.text(300);
  const auto name = (how ? *how : record::name_template()).expand({stream, std::chrono::system_clock::time_point(std::chrono::seconds(in.number(4))), static_cast<unsigned>(in(3)), "mp4"});
  require(!name.empty() && name.front() != '/' && name.back() != '/' && name.ends_with(".mp4"));
  for (const auto& path : {name, record::numbered(name, 2)}) {
    for (std::size_t at = 0; at <= path.size();) {
      const auto end = std::min(path.find('/', at), path.size());
      const auto part = path.substr(at, end - at);
      require(!part.empty() && part.front() != '.' && part.size() <= 255 && part.find('\0') == std::string::npos);
      at = end + 1;
    }
  }
}

void values(operations& in) {
  const auto text = in.text(60);
  const auto total = in.number(1 + static_cast<unsigned>(in(8)));
  const auto wish = http::read_range(text, total);
  if (wish.part) require(wish.satisfiable && wish.part->count > 0 && wish.part->first < total && wish.part->count <= total - wish.part->first);
  if (const auto time = record::parse_utc(text)) {
    const auto again = record::parse_utc(record::utc_text(*time));
    require(again && *again == std::chrono::floor<std::chrono::milliseconds>(*time));
  }
  const auto options = server::read_play_options(text, {}, std::chrono::seconds(2), in.chance());
  if (options.policy.wanted_delay) require(options.policy.wanted_delay->count() >= 0 && *options.policy.wanted_delay <= std::chrono::seconds(10));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(4)) {
    case 0: escapes(std::string(base::as_text(in.rest()))); break;
    case 1: names(std::string(base::as_text(in.rest()))); break;
    case 2: files(in); break;
    default: values(in);
  }
  return 0;
}
