// An RTMP peer moved by hand, message by message or byte by byte: the client that tries a server, or the server that tries a client.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conform/chunk.hpp"
#include "conform/chunk_log.hpp"
#include "net/transport.hpp"
#include "rtmp/chunk_reader.hpp"
#include "rtmp/command.hpp"
#include "rtmp/control.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::conform {

// How a script ends that does not pass. Scripts are stories of "send, expect, send"; a check that fails throws one of these and the
// runner catches it. (Elsewhere in millrace errors are values; a script would drown in them.)
struct failure {
  std::string text;  // what was expected and what came
};
// The peer said no in words, in a way that the rule allows; documented, not a fault.
struct refusal {
  std::string text;
};
// The rule cannot be tried here.
struct skip {
  std::string text;
};

using milliseconds = std::chrono::milliseconds;

class peer;
using peer_ptr = std::shared_ptr<peer>;

// Life: made around a transport (which it starts), dropped at the end of the script: that ends the connection. All waits are bounded by
// the patience given; a wait that runs out, or that the end of the connection makes pointless, throws `failure`, naming what was waited
// for and what came instead. One thread.
class peer final : public net::transport_handler, public std::enable_shared_from_this<peer> {
 public:
  static peer_ptr start(boost::asio::io_context& io, net::transport_ptr transport, milliseconds patience);
  ~peer() override;

  // Whether messages travel in RoQR frames. Then there is neither a handshake nor a chunk: a script that needs them skips itself.
  [[nodiscard]] bool roqr() const noexcept { return roqr_; }
  void need_type(rtmp::message_type type) const;  // skips the script where the mapping has no such message

  // --- bytes
  void send_bytes(base::bytes_view raw);
  // Exactly `count` bytes, ahead of any message reading.
  boost::asio::awaitable<bytes> read_bytes(std::size_t count);
  // What is there within `quiet`, at most `most` bytes; for "nothing comes before …".
  boost::asio::awaitable<std::size_t> bytes_within(milliseconds quiet, std::size_t most = 1);
  [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }

  // --- handshake: simple form, whole. Afterwards messages. Nothing in RoQR.
  boost::asio::awaitable<void> shake_hands_as_client();
  boost::asio::awaitable<void> shake_hands_as_server();

  // --- messages out: format 0 with our present chunk size (128 until set_chunk_size).
  void send(const rtmp::message& m);
  void send_chunk(const chunk& c) { send_bytes(encode(c)); }
  void call(std::string_view name, double transaction, const std::vector<rtmp::amf0::value>& args = {}, std::uint32_t msid = 0,
            const rtmp::amf0::value& object = rtmp::amf0::null{});
  void send_media(rtmp::message_type type, std::uint32_t msid, std::uint32_t timestamp, base::bytes_view payload);
  void set_chunk_size(std::uint32_t size);  // tells the peer and holds for what follows
  [[nodiscard]] std::uint32_t chunk_size() const noexcept { return chunk_size_; }

  // --- messages in. Everything that was passed over while waiting for something stays in `passed` (oldest first).
  using wanted = std::function<bool(const rtmp::message&)>;
  boost::asio::awaitable<rtmp::message> next();
  boost::asio::awaitable<rtmp::message> wait(wanted is, std::string what);
  // The next command of that name; with a transaction other than -1 also of that transaction.
  boost::asio::awaitable<rtmp::command> wait_command(std::string name, double transaction = -1);
  // The next onStatus whose code is `code` (whole). Fails at once on a status of level error that was not asked for.
  boost::asio::awaitable<rtmp::status> wait_status(std::string code);
  // The next onStatus or _error whose level is error, or the end of the connection: then the code is empty and the description is why.
  boost::asio::awaitable<rtmp::status> wait_refusal();
  // The next audio, video or data message.
  boost::asio::awaitable<rtmp::message> wait_media();
  boost::asio::awaitable<rtmp::message> wait_type(rtmp::message_type type);
  // The connection ends within `limit` (patience without). Messages until then go to `passed`.
  boost::asio::awaitable<void> wait_closed(std::optional<milliseconds> limit = std::nullopt);
  // Whatever comes within `span` goes to `passed`; the end of the connection ends it early.
  boost::asio::awaitable<void> read_for(milliseconds span);
  // Sends createStream and waits for its answer: proof that the peer still lives and has read everything before. Returns the new id.
  boost::asio::awaitable<std::uint32_t> barrier();

  [[nodiscard]] bool closed() const noexcept { return closed_.has_value(); }
  [[nodiscard]] const std::optional<net::close_info>& how_closed() const noexcept { return closed_; }
  std::vector<rtmp::message> passed;
  // Codes of all onStatus and _error seen so far in `passed`, in order.
  [[nodiscard]] std::vector<std::string> codes() const;

  // Every chunk of the messages read so far, by the letter.
  [[nodiscard]] const chunk_log& chunks() const;
  // PingRequest is answered as it is read, so that no peer is called dead for its script's patience.
  bool answers_pings = true;

  void finish_sending();  // an end in order, after what was sent
  void vanish();          // as a crash does it
  [[nodiscard]] net::transport* transport() { return transport_.get(); }
  [[nodiscard]] milliseconds patience() const noexcept { return patience_; }

  // Used by scripts for their own transactions.
  double next_transaction() { return transaction_++; }

 private:
  peer(boost::asio::io_context& io, net::transport_ptr transport, milliseconds patience);
  void on_receive(base::bytes_view some) override;
  void on_receive_done() override {}
  void on_writable() override {}
  void on_closed(const net::close_info& info) override;
  // Waits for more bytes; false when the time is up or the connection is over.
  boost::asio::awaitable<bool> more(std::chrono::steady_clock::time_point until);
  boost::asio::awaitable<std::optional<rtmp::message>> try_next(std::chrono::steady_clock::time_point until);
  void send_raw(base::bytes_view raw);
  base::result<std::optional<rtmp::message>> read_message();
  void need_chunks() const;
  void answer_ping(const rtmp::message& m);
  [[nodiscard]] std::string instead() const;

  net::transport_ptr transport_;
  boost::asio::steady_timer wake_;
  const milliseconds patience_;
  bytes in_;
  std::size_t used_ = 0;  // of in_
  const bool roqr_;
  rtmp::chunk_reader reader_;
  rtmp::roqr_reader frames_{base::rtmp_limits{}};
  std::uint32_t chunk_size_ = 128;
  chunk_log log_;
  std::uint64_t bytes_received_ = 0, bytes_sent_ = 0;
  std::optional<net::close_info> closed_;
  double transaction_ = 100;
};

// "command onStatus NetStream.Play.Start", "video, 712 bytes": a message in a few words.
std::string describe(const rtmp::message& m);

}  // namespace millrace::conform
