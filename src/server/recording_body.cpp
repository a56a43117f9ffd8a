#include "server/recording_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "http/range.hpp"

namespace millrace::server {
namespace {

constexpr std::size_t block_bytes = 256u << 10;

class recording_body final : public http::body_source {
 public:
  recording_body(boost::asio::io_context& io, std::shared_ptr<record::file_reader> file, http::byte_range range)
      : io_(io), file_(std::move(file)), at_(range.first), left_(range.count) {}

  state pull(base::instant, std::size_t budget, base::send_chain& out) override {
    if (failed_) return state::broken;
    if (!block_.empty()) {
      const auto some = block_.sub(0, budget);
      out.push_back(some);
      block_ = block_.sub(some.size());
    }
    if (block_.empty() && left_ == 0) return state::ended;
    if (block_.empty()) read();
    return block_.empty() ? state::waits : state::more;
  }

 private:
  void read() {
    if (std::exchange(reading_, true)) return;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, block_bytes));
    file_->read(at_, count, [weak = std::weak_ptr(alive_), &io = io_](base::result<base::slice> got) {
      // On the disk thread. This object lives and dies on the connection's.
      boost::asio::post(io, [weak, got = std::make_shared<base::result<base::slice>>(std::move(got))] {
        if (const auto self = weak.lock()) (*self)->on_read(std::move(*got));
      });
    });
  }

  void on_read(base::result<base::slice> got) {
    reading_ = false;
    failed_ = !got || got->empty();
    if (failed_) {
      base::log::warning("recording {}: {}", base::escaped(file_->facts().file), got ? "is shorter than it was" : got.error().text);
    } else {
      block_ = std::move(*got);
      at_ += block_.size();
      left_ -= std::min<std::uint64_t>(left_, block_.size());
    }
    wake();
  }

  boost::asio::io_context& io_;
  const std::shared_ptr<record::file_reader> file_;
  std::uint64_t at_, left_;
  base::slice block_;
  bool reading_ = false, failed_ = false;
  std::shared_ptr<recording_body*> alive_ = std::make_shared<recording_body*>(this);
};

}  // namespace

http::response recording_response(boost::asio::io_context& io, const http::request& r, const std::shared_ptr<record::file_reader>& file) {
  const auto size = file->size();
  const auto etag = fmt::format("\"{}-{}\"", file->facts().id, size);
  // What was downloaded before may have grown since (section 13.1.5).
  const auto if_range = r.header("if-range");
  const auto wish = http::read_range(if_range && *if_range != etag ? std::nullopt : r.header("range"), size);
  http::response out;
  if (!wish.satisfiable) {
    out = http::text_response(416, fmt::format("the recording has {} bytes", size));
    out.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return out;
  }
  const auto range = wish.part.value_or(http::byte_range{0, size});
  out.content_type = file->content_type();
  out.headers.emplace_back("Accept-Ranges", "bytes");
  out.headers.emplace_back("ETag", etag);
  out.headers.emplace_back("Cache-Control", "no-cache");
  if (wish.part) {
    out.status = 206;
    out.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", range.first, range.first + range.count - 1, size));
  }
  if (range.count > 0) {
    out.source = std::make_unique<recording_body>(io, file, range);
    out.source_bytes = range.count;
  }
  return out;
}

}  // namespace millrace::server
