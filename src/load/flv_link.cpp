#include "load/flv_link.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <charconv>

#include "base/escape.hpp"
#include "load/media_source.hpp"

namespace millrace::load {

namespace asio = boost::asio;

namespace {

constexpr std::size_t head_bytes_max = 16u << 10;

base::error no_url(std::string_view url) {
  return {base::error_kind::usage, "'" + std::string(url) + "' is no URL of HTTP-FLV: write http://HOST:PORT/APP/NAME.flv"};
}

}  // namespace

base::result<http_target> parse_http_target(std::string_view url) {
  http_target out;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    out.tls = true;
    out.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return no_url(url);
  }
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return no_url(url);
  out.path = rest.substr(slash);
  auto authority = rest.substr(0, slash);
  // A colon behind the last bracket begins the port.
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto text = authority.substr(colon + 1);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out.port);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || out.port == 0) return no_url(url);
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') authority = authority.substr(1, authority.size() - 2);
  out.host = authority;
  if (out.host.empty() || out.path.find(".flv") == std::string::npos) return no_url(url);
  boost::system::error_code failed;
  asio::ip::make_address(out.host, failed);
  out.host_is_ip = !failed;
  return out;
}

http_target http_target::of_stream(unsigned index) const {
  auto out = *this;
  if (index > 0) out.path.insert(out.path.find(".flv"), "-" + std::to_string(index + 1));
  return out;
}

std::shared_ptr<flv_link> flv_link::open(asio::io_context& io, const http_target& target, const net::verify_options& verify, client::link_handler& handler) {
  std::shared_ptr<flv_link> made(new flv_link(io, target, handler));
  made->dial(verify);
  return made;
}

flv_link::~flv_link() {
  if (transport_) transport_->abort();
}

void flv_link::dial(const net::verify_options& verify) {
  net::dial_target to;
  to.host = target_.host;
  to.host_is_ip = target_.host_is_ip;
  to.port = target_.port;
  to.tcp = target_.tls ? net::dial_target::tcp_side::tls : net::dial_target::tcp_side::plain;
  to.verify = verify;
  dialing_ = true;
  asio::co_spawn(io_, net::dial(std::move(to), net::dial_options()),
                 asio::bind_cancellation_slot(cancel_dial_.slot(), [self = shared_from_this()](std::exception_ptr failure, std::variant<net::dialed, net::dial_failure> outcome) {
                   self->dialing_ = false;
                   if (failure) outcome = net::dial_failure{{base::error_kind::closed, "the dial was cancelled"}, {}};
                   self->on_dialed(std::move(outcome));
                 }));
}

void flv_link::on_dialed(std::variant<net::dialed, net::dial_failure> outcome) {
  if (auto* const failed = std::get_if<net::dial_failure>(&outcome)) return down(std::move(failed->reason));
  auto made = std::get<net::dialed>(std::move(outcome)).transport;
  if (handler_ == nullptr) {
    if (made) made->abort();
    return;
  }
  transport_ = std::move(made);
  const auto host = target_.host_is_ip && target_.host.find(':') != std::string::npos ? "[" + target_.host + "]" : target_.host;
  const auto request = "GET " + target_.path + " HTTP/1.1\r\nHost: " + host + ":" + std::to_string(target_.port) + "\r\nUser-Agent: millrace-bench\r\n\r\n";
  transport_->start(*this);
  transport_->send(base::send_chain(base::slice::copy_of(base::as_bytes(request))));
}

void flv_link::on_receive(base::bytes_view bytes) {
  const auto self = shared_from_this();  // the handler may drop us
  if (!started_) {
    head_ += base::as_text(bytes);
    const auto end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (head_.size() > head_bytes_max) down({base::error_kind::protocol, "the response has no end of its header"});
      return;
    }
    if (!head_.starts_with("HTTP/1.1 200") && !head_.starts_with("HTTP/1.0 200")) {
      return down({base::error_kind::denied, "the server says: " + base::escaped(head_.substr(0, head_.find('\r')))});
    }
    if (head_.find("chunked") < end) return down({base::error_kind::unsupported, "chunked bodies are not read here"});
    started_ = true;
    const auto body = std::exchange(head_, {}).substr(end + 4);
    handler_->on_link_started({});
    if (handler_ == nullptr || body.empty()) return;
    return on_receive(base::as_bytes(body));
  }
  if (auto read = reader_.receive(std::chrono::steady_clock::now(), bytes); !read) return down(std::move(read).error());
  while (handler_ != nullptr) {
    auto frame = reader_.poll_frame();
    if (!frame) return;
    handler_->on_link_frame(*std::move(frame));
  }
}

void flv_link::on_closed(const net::close_info& info) {
  transport_.reset();
  down(info.reason);
}

void flv_link::down(base::error why) {
  if (const auto gone = std::exchange(transport_, nullptr)) gone->abort();
  client::link_end end;
  end.reason = std::move(why);
  end.was_running = started_;
  if (auto* const told = std::exchange(handler_, nullptr)) told->on_link_down(end);
}

void flv_link::close() {
  handler_ = nullptr;
  // Posted: a signal must not be emitted from inside the coroutine that it cancels.
  if (dialing_) asio::post(io_, [self = shared_from_this()] { if (self->dialing_) self->cancel_dial_.emit(asio::cancellation_type::terminal); });
  if (const auto gone = std::exchange(transport_, nullptr)) gone->close(net::close_code::no_error, "done");
}

}  // namespace millrace::load
