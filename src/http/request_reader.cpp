#include "http/request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>

namespace millrace::http {

namespace beast = boost::beast;
using parser = beast::http::request_parser<beast::http::string_body>;

struct request_reader::state {
  [[nodiscard]] std::string_view waiting() const { return std::string_view(bytes).substr(used); }

  std::string bytes;
  std::size_t used = 0;  // of them; dropped when they are the larger part, so that many small requests are not moved for each of them
  std::optional<parser> reading;
  bool broken = false;
};

request_reader::request_reader() : state_(std::make_unique<state>()) {}
request_reader::~request_reader() = default;

void request_reader::receive(base::bytes_view bytes) {
  auto& s = *state_;
  if (s.used > s.bytes.size() / 2) s.bytes.erase(0, std::exchange(s.used, 0));
  s.bytes.append(base::as_text(bytes));
}

std::size_t request_reader::waiting_bytes() const noexcept { return state_->waiting().size(); }

std::string request_reader::take_rest() {
  std::string rest(state_->waiting());
  state_->bytes.clear();
  state_->used = 0;
  return rest;
}

namespace {

request taken(parser& from) {
  auto message = from.release();
  request out;
  out.method = message.method_string();
  out.keep_alive = message.keep_alive();
  for (const auto& field : message.base()) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  const std::string target(message.target());
  if (!read_target(target, out)) out.path.clear();
  out.body = std::move(message.body());
  return out;
}

request_reader::failure explained(const beast::error_code& what) {
  using beast::http::error;
  if (what == error::header_limit) return {431, "the header is longer than " + std::to_string(request_reader::header_bytes_max) + " bytes"};
  if (what == error::body_limit) return {413, "the body is longer than " + std::to_string(request_reader::body_bytes_max) + " bytes"};
  if (what == error::bad_version) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return {400, what.message()};
}

// What another reader of the same bytes, a proxy in front of us say, might understand in another way than we do (RFC 9112 sections 3.2 and 6.1).
std::optional<request_reader::failure> ambiguous(const parser& from) {
  using beast::http::field;
  const auto& header = from.get();
  // Nothing here takes a body whose length is not said, and Beast's parser of chunks asserts what a last chunk in pieces does not hold to. With any
  // other coding it would take the body for the next request.
  if (header.count(field::transfer_encoding) != 0) return request_reader::failure{411, "say Content-Length: no Transfer-Encoding is taken"};
  if (header.count(field::host) > 1) return request_reader::failure{400, "more than one Host"};
  if (header.version() >= 11 && header.count(field::host) == 0) return request_reader::failure{400, "no Host"};
  return std::nullopt;
}

}  // namespace

std::optional<request> request_reader::poll(std::optional<failure>& failed) {
  auto& s = *state_;
  if (s.broken) return std::nullopt;
  if (!s.reading) {
    // Some clients send an empty line behind a body (RFC 9112 section 2.2).
    s.used = std::min(s.bytes.find_first_not_of("\r\n", s.used), s.bytes.size());
    if (s.waiting().empty()) return std::nullopt;
    s.reading.emplace();
    s.reading->header_limit(header_bytes_max);
    s.reading->body_limit(body_bytes_max);
  }
  beast::error_code error;
  // The header, then, if it may have one, the body.
  while (!error && !s.waiting().empty() && !s.reading->is_done()) {
    const auto used = s.reading->put(boost::asio::buffer(s.waiting()), error);
    s.used += used;
    if (s.reading->is_header_done()) {
      if (auto wrong = ambiguous(*s.reading)) {
        s.broken = true;
        failed = std::move(wrong);
        return std::nullopt;
      }
    }
    if (used == 0) break;
  }
  if (error == beast::http::error::need_more) error = {};
  if (!error && !s.reading->is_done() && s.reading->is_header_done() && s.reading->content_length_remaining().value_or(0) > body_bytes_max) {
    error = beast::http::error::body_limit;
  }
  if (error) {
    s.broken = true;
    failed = explained(error);
    return std::nullopt;
  }
  if (!s.reading->is_done()) return std::nullopt;
  auto out = taken(*s.reading);
  s.reading.reset();
  if (out.path.empty()) {
    s.broken = true;
    failed = failure{400, "the request target is neither a path nor a URL, or has a broken escape"};
    return std::nullopt;
  }
  return out;
}

}  // namespace millrace::http
