#include "conform/peer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/escape.hpp"
#include "net/quic_options.hpp"
#include "rtmp/chunk_writer.hpp"

namespace millrace::conform {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using rtmp::message_type;

std::string describe(const rtmp::message& m) {
  const auto sized = [&m](std::string what) { return what + ", " + std::to_string(m.payload.size()) + " bytes"; };
  switch (m.type) {
    case message_type::audio: return sized("audio");
    case message_type::video: return sized("video");
    case message_type::data_amf0: return sized("data");
    case message_type::command_amf0: {
      const auto c = rtmp::parse_command(m, {});
      if (!c) return "a command that cannot be read";
      const auto code = rtmp::read_status(c->arg(0)).code;
      return "command " + base::escaped(c->name) + (code.empty() ? "" : " " + base::escaped(code));
    }
    default: return sized("message type " + std::to_string(static_cast<unsigned>(m.type)));
  }
}

peer_ptr peer::start(asio::io_context& io, net::transport_ptr transport, milliseconds patience) {
  peer_ptr made(new peer(io, std::move(transport), patience));
  made->transport_->start(*made);
  return made;
}

peer::peer(asio::io_context& io, net::transport_ptr transport, milliseconds patience)
    : transport_(std::move(transport)),
      wake_(io),
      patience_(patience),
      roqr_(transport_->facts().alpn == net::roqr_alpn),
      reader_(base::rtmp_limits{}, 64u << 20) {}

peer::~peer() {
  if (transport_) transport_->abort();
}

// ---- transport --------------------------------------------------------------------------------------------------

void peer::on_receive(base::bytes_view some) {
  bytes_received_ += some.size();
  if (used_ == in_.size()) {
    in_.clear();
    used_ = 0;
  }
  append(in_, some);
  wake_.cancel();
}

void peer::on_closed(const net::close_info& info) {
  closed_ = info;
  transport_.reset();
  wake_.cancel();
}

void peer::finish_sending() {
  if (const auto last = std::exchange(transport_, nullptr)) last->close(net::close_code::no_error, "the script is over");
}

void peer::vanish() {
  if (const auto last = std::exchange(transport_, nullptr)) last->abort();
}

asio::awaitable<bool> peer::more(clock::time_point until) {
  const auto self = shared_from_this();
  const auto before = bytes_received_;
  while (bytes_received_ == before && !closed_ && transport_) {
    if (clock::now() >= until) co_return false;
    wake_.expires_at(until);
    co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return bytes_received_ != before;
}

// ---- bytes ------------------------------------------------------------------------------------------------------

void peer::need_chunks() const {
  if (roqr_) throw skip{"RoQR has no handshake and no chunks"};
}

const chunk_log& peer::chunks() const {
  need_chunks();
  return log_;
}

void peer::send_bytes(base::bytes_view raw) {
  need_chunks();
  send_raw(raw);
}

void peer::send_raw(base::bytes_view raw) {
  bytes_sent_ += raw.size();
  if (transport_ && !raw.empty()) transport_->send(base::send_chain(base::slice::copy_of(raw)));
}

asio::awaitable<bytes> peer::read_bytes(std::size_t count) {
  need_chunks();
  const auto until = clock::now() + patience_;
  while (in_.size() - used_ < count) {
    if (!co_await more(until)) {
      throw failure{"expected " + std::to_string(count) + " bytes, got " + std::to_string(in_.size() - used_) + instead()};
    }
  }
  const auto from = in_.begin() + static_cast<std::ptrdiff_t>(used_);
  bytes out(from, from + static_cast<std::ptrdiff_t>(count));
  used_ += count;
  co_return out;
}

asio::awaitable<std::size_t> peer::bytes_within(milliseconds quiet, std::size_t most) {
  const auto until = clock::now() + quiet;
  while (in_.size() - used_ < most && co_await more(until)) {
  }
  co_return in_.size() - used_;
}

// ---- handshake --------------------------------------------------------------------------------------------------

namespace {

bytes first_packet(std::uint8_t filler) {
  bytes out(1 + 1536, filler);
  out[0] = 3;
  for (int i = 1; i <= 8; ++i) out[static_cast<std::size_t>(i)] = 0;  // time 0, and zero: the simple form
  return out;
}

}  // namespace

asio::awaitable<void> peer::shake_hands_as_client() {
  const auto self = shared_from_this();
  if (roqr_) co_return;
  send_bytes(first_packet(0x5A));
  const auto s0s1 = co_await read_bytes(1 + 1536);
  if (s0s1[0] != 3) throw failure{"S0 is " + std::to_string(s0s1[0]) + ", expected version 3"};
  send_bytes(base::bytes_view(s0s1).subspan(1));
  co_await read_bytes(1536);
}

asio::awaitable<void> peer::shake_hands_as_server() {
  const auto self = shared_from_this();
  if (roqr_) co_return;
  const auto c0c1 = co_await read_bytes(1 + 1536);
  if (c0c1[0] != 3) throw failure{"C0 is " + std::to_string(c0c1[0]) + ", expected version 3"};
  auto answer = first_packet(0xA5);
  append(answer, base::bytes_view(c0c1).subspan(1));
  send_bytes(answer);
  co_await read_bytes(1536);
}

// ---- messages out -----------------------------------------------------------------------------------------------

void peer::send(const rtmp::message& m) {
  if (roqr_ && m.payload.empty()) throw skip{"RoQR cannot carry a message without payload"};
  send_raw((roqr_ ? rtmp::encode_roqr(rtmp::session_flow, m) : rtmp::encode_chunks(m, chunk_size_)).flatten());
}

void peer::call(std::string_view name, double transaction, const std::vector<rtmp::amf0::value>& args, std::uint32_t msid,
                const rtmp::amf0::value& object) {
  send(rtmp::make_command(msid, name, transaction, object, args));
}

void peer::send_media(message_type type, std::uint32_t msid, std::uint32_t timestamp, base::bytes_view payload) {
  rtmp::message m;
  m.type = type;
  m.msid = msid;
  m.csid = type == message_type::audio ? 4 : type == message_type::video ? 6 : 5;
  m.timestamp = timestamp;
  m.payload = base::slice::copy_of(payload);
  send(m);
}

void peer::set_chunk_size(std::uint32_t size) {
  send(rtmp::make_control(message_type::set_chunk_size, size));
  chunk_size_ = size;
}

// ---- messages in ------------------------------------------------------------------------------------------------

std::string peer::instead() const {
  if (closed_) return "; the connection ended: " + base::escaped(closed_->reason.text);
  std::string out;
  const std::size_t shown = std::min<std::size_t>(passed.size(), 6);
  for (std::size_t i = passed.size() - shown; i < passed.size(); ++i) out += (out.empty() ? "; came: " : ", ") + describe(passed[i]);
  return out.empty() ? "; nothing came" : out;
}

void peer::answer_ping(const rtmp::message& m) {
  if (!answers_pings || m.type != message_type::user_control) return;
  const auto c = rtmp::parse_user_control(m);
  if (c && c->known && c->event == rtmp::user_event::ping_request) send(rtmp::make_user_control(rtmp::user_event::ping_response, c->value));
}

base::result<std::optional<rtmp::message>> peer::read_message() {
  auto rest = base::bytes_view(in_).subspan(used_);
  if (roqr_) {
    auto frame = frames_.next(rest);
    used_ = in_.size() - rest.size();
    if (!frame) return std::move(frame).error();
    if (!*frame) return std::optional<rtmp::message>{};
    return std::optional<rtmp::message>(std::move((*frame)->message));
  }
  auto m = reader_.next(rest);
  const auto read = in_.size() - rest.size();
  log_.feed(base::bytes_view(in_).subspan(used_, read - used_));
  used_ = read;
  return m;
}

asio::awaitable<std::optional<rtmp::message>> peer::try_next(clock::time_point until) {
  const auto self = shared_from_this();
  while (true) {
    auto m = read_message();
    if (!m) throw failure{"what came is no valid RTMP: " + base::escaped(m.error().text)};
    if (*m) {
      answer_ping(**m);
      co_return std::move(*m);
    }
    if (!co_await more(until)) co_return std::nullopt;
  }
}

asio::awaitable<rtmp::message> peer::next() {
  wanted any = [](const rtmp::message&) { return true; };
  co_return co_await wait(std::move(any), "any message");
}

asio::awaitable<rtmp::message> peer::wait(wanted is, std::string what) {
  const auto until = clock::now() + patience_;
  while (auto m = co_await try_next(until)) {
    if (is(*m)) co_return std::move(*m);
    passed.push_back(std::move(*m));
  }
  throw failure{"expected " + what + (closed_ ? "" : " within " + std::to_string(patience_.count()) + " ms") + instead()};
}

asio::awaitable<rtmp::command> peer::wait_command(std::string name, double transaction) {
  std::optional<rtmp::command> found;
  wanted is = [&](const rtmp::message& m) {
    if (m.type != message_type::command_amf0 && m.type != message_type::command_amf3) return false;
    auto c = rtmp::parse_command(m, {});
    if (!c || c->name != name || (transaction != -1 && c->transaction != transaction)) return false;
    found = std::move(*c);
    return true;
  };
  const auto what = "command " + name + (transaction == -1 ? "" : " of transaction " + std::to_string(static_cast<long>(transaction)));
  co_await wait(std::move(is), what);
  co_return std::move(*found);
}

asio::awaitable<rtmp::status> peer::wait_status(std::string code) {
  rtmp::status found;
  wanted is = [&](const rtmp::message& m) {
    if (m.type != message_type::command_amf0) return false;
    auto c = rtmp::parse_command(m, {});
    if (!c || c->name != "onStatus") return false;
    found = rtmp::read_status(c->arg(0));
    if (found.code != code && found.level == "error") {
      throw failure{"expected onStatus " + code + ", got the error " + base::escaped(found.code + ": " + found.description)};
    }
    return found.code == code;
  };
  co_await wait(std::move(is), "onStatus " + code);
  co_return found;
}

asio::awaitable<rtmp::status> peer::wait_refusal() {
  const auto until = clock::now() + patience_;
  while (auto m = co_await try_next(until)) {
    if (m->type == message_type::command_amf0) {
      if (auto c = rtmp::parse_command(*m, {}); c && (c->name == "onStatus" || c->name == "_error")) {
        auto s = rtmp::read_status(c->arg(0));
        if (s.level == "error" || c->name == "_error") co_return s;
      }
    }
    passed.push_back(std::move(*m));
  }
  if (closed_) co_return rtmp::status{"error", "", closed_->reason.text};
  throw failure{"expected a refusal or a close within " + std::to_string(patience_.count()) + " ms" + instead()};
}

asio::awaitable<rtmp::message> peer::wait_media() {
  wanted is = [](const rtmp::message& m) {
    return m.type == message_type::audio || m.type == message_type::video || m.type == message_type::data_amf0;
  };
  co_return co_await wait(std::move(is), "an audio, video or data message");
}

void peer::need_type(message_type type) const {
  const auto number = static_cast<unsigned>(type);
  if (roqr_ && number <= 6 && type != message_type::user_control) throw skip{"RoQR has no message of type " + std::to_string(number)};
}

asio::awaitable<rtmp::message> peer::wait_type(message_type type) {
  need_type(type);
  wanted is = [type](const rtmp::message& m) { return m.type == type; };
  co_return co_await wait(std::move(is), "a message of type " + std::to_string(static_cast<unsigned>(type)));
}

asio::awaitable<void> peer::wait_closed(std::optional<milliseconds> limit) {
  const auto until = clock::now() + limit.value_or(patience_);
  while (auto m = co_await try_next(until)) passed.push_back(std::move(*m));
  if (!closed_) throw failure{"expected the connection to end within " + std::to_string(limit.value_or(patience_).count()) + " ms" + instead()};
}

asio::awaitable<void> peer::read_for(milliseconds span) {
  const auto until = clock::now() + span;
  while (auto m = co_await try_next(until)) passed.push_back(std::move(*m));
}

asio::awaitable<std::uint32_t> peer::barrier() {
  const double transaction = next_transaction();
  call("createStream", transaction);
  const auto answer = co_await wait_command("_result", transaction);
  const auto id = rtmp::to_id(answer.number_arg(0, -1));
  if (!id) throw failure{"createStream was answered without a message stream id"};
  co_return *id;
}

std::vector<std::string> peer::codes() const {
  std::vector<std::string> out;
  for (const auto& m : passed) {
    if (m.type != message_type::command_amf0) continue;
    const auto c = rtmp::parse_command(m, {});
    if (c && (c->name == "onStatus" || c->name == "_error")) out.push_back(rtmp::read_status(c->arg(0)).code);
  }
  return out;
}

}  // namespace millrace::conform
