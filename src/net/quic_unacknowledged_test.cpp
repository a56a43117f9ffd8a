// A peer that acknowledges all but one packet and whose windows are endless: what is sent behind it stays in memory, and has to end
// somewhere.
#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstddef>
#include <functional>

#include "support/quic_fixtures.hpp"
#include "support/quic_raw_peer.hpp"

namespace {

// Of a STREAM frame that came: true, and its packet is as good as lost.
std::function<bool(std::int64_t stream, std::uint64_t begin, std::uint64_t end)> denied;

// RFC 9000 section 19. Reads what a server sends in 1-RTT packets; false: the packet says something that is denied.
class frames {
 public:
  frames(const std::uint8_t* at, std::size_t size) : at_(at), end_(at + size) {}
  bool welcome() {
    while (at_ < end_) {
      if (!one()) return false;
    }
    return true;
  }

 private:
  bool one() {
    const auto type = number();
    if (type >= 0x08 && type <= 0x0f) {
      const auto stream = static_cast<std::int64_t>(number());
      const auto begin = (type & 4) != 0 ? number() : 0;
      const auto size = (type & 2) != 0 ? number() : static_cast<std::uint64_t>(end_ - at_);
      skip(size);
      return !denied(stream, begin, begin + size);
    }
    switch (type) {
      case 0x02:
      case 0x03:
        numbers(2);
        for (auto ranges = number() + 1; ranges > 0; --ranges) numbers(ranges > 1 ? 2 : 1);
        if (type == 3) numbers(3);
        break;
      case 0x04: numbers(3); break;
      case 0x05:
      case 0x11:
      case 0x15: numbers(2); break;
      case 0x06:
        number();
        skip(number());
        break;
      case 0x07: skip(number()); break;
      case 0x10:
      case 0x12:
      case 0x13:
      case 0x14:
      case 0x16:
      case 0x17:
      case 0x19: number(); break;
      case 0x18:
        numbers(2);
        skip(*at_ + 1u + 16u);
        break;
      case 0x1a:
      case 0x1b: skip(8); break;
      default: break;  // PADDING, PING, HANDSHAKE_DONE
    }
    return true;
  }
  std::uint64_t number() {
    const int more = (1 << (*at_ >> 6)) - 1;
    std::uint64_t value = *at_++ & 0x3f;
    for (int i = 0; i < more; ++i) value = value << 8 | *at_++;
    return value;
  }
  void numbers(std::uint64_t count) {
    while (count-- > 0) number();
  }
  void skip(std::uint64_t bytes) { at_ += bytes; }
  const std::uint8_t *at_, *end_;
};

int decrypt_or_deny(std::uint8_t* into, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* from,
                    std::size_t size, const std::uint8_t* nonce, std::size_t nonce_size, const std::uint8_t* head, std::size_t head_size) {
  const int rv = ngtcp2_crypto_decrypt_cb(into, aead, context, from, size, nonce, nonce_size, head, head_size);
  const bool short_header = (head[0] & 0x80) == 0;
  if (rv != 0 || !short_header || !denied) return rv;
  return frames(into, size - aead->max_overhead).welcome() ? 0 : NGTCP2_ERR_DECRYPT;
}

}  // namespace

// Each client of this program is made by it (CMakeLists.txt).
extern "C" int __real_ngtcp2_conn_client_new_versioned(ngtcp2_conn**, const ngtcp2_cid*, const ngtcp2_cid*, const ngtcp2_path*,
                                                       std::uint32_t, int, const ngtcp2_callbacks*, int, const ngtcp2_settings*, int,
                                                       const ngtcp2_transport_params*, const ngtcp2_mem*, void*);
extern "C" int __wrap_ngtcp2_conn_client_new_versioned(ngtcp2_conn** made, const ngtcp2_cid* to, const ngtcp2_cid* own,
                                                       const ngtcp2_path* path, std::uint32_t version, int callbacks_version,
                                                       const ngtcp2_callbacks* callbacks, int settings_version,
                                                       const ngtcp2_settings* settings, int params_version,
                                                       const ngtcp2_transport_params* params, const ngtcp2_mem* memory, void* user) {
  auto table = *callbacks;
  auto terms = *params;
  if (denied) {
    table.decrypt = decrypt_or_deny;
    terms.initial_max_data = terms.initial_max_stream_data_bidi_local = terms.initial_max_stream_data_uni = std::uint64_t{1} << 40;
    terms.initial_max_streams_uni = 1u << 20;
  }
  return __real_ngtcp2_conn_client_new_versioned(made, to, own, path, version, callbacks_version, &table, settings_version, settings,
                                                 params_version, &terms, memory, user);
}

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using test::chain_of;
using test::loopback;
using test::quic_world;
using test::run_until;

constexpr std::size_t some = 16u << 10, usual = 8u << 20, far_too_much = 4 * usual;

class quic_unacknowledged : public testing::Test {
 protected:
  void SetUp() override {
    denied = [this](std::int64_t stream, std::uint64_t begin, std::uint64_t end) { return denying_ && is_denied_(stream, begin, end); };
  }
  void TearDown() override {
    if (peer_) peer_->hang_up();
    denied = nullptr;
  }
  // The server's end.
  transport& connect(const char* alpn, std::function<bool(std::int64_t, std::uint64_t, std::uint64_t)> is_denied) {
    is_denied_ = std::move(is_denied);
    world_.listen();
    peer_ = test::quic_raw_peer::dial(world_.io, loopback(world_.server->port()), {}, alpn);
    EXPECT_TRUE(run_until(world_.io, [&] { return peer_->ready; }));
    peer_->say("hi", false);
    EXPECT_TRUE(run_until(world_.io, [&] { return world_.accepted.size() == 1; }));
    return *world_.accepted[0]->transport;
  }

  bool denying_ = true;
  std::function<bool(std::int64_t, std::uint64_t, std::uint64_t)> is_denied_;
  quic_world world_;
  std::shared_ptr<test::quic_raw_peer> peer_;
};

TEST_F(quic_unacknowledged, one_packet_uses_the_budget_up_until_it_is_acknowledged) {
  auto& server = connect(byte_stream_alpn, [](auto, auto begin, auto end) { return begin <= 100'000 && 100'000 < end; });
  std::size_t handed = 0;
  const auto feed = [&] {
    for (; server.send_budget() >= some; handed += some) server.send(chain_of(std::string(some, 'm')));
    return handed > far_too_much || (server.send_budget() == 0 && server.queued_bytes() == 0);
  };
  ASSERT_TRUE(run_until(world_.io, feed)) << handed << " handed over, " << server.queued_bytes() << " queued, " << server.held_bytes()
                                          << " held";
  EXPECT_LT(handed, far_too_much);
  EXPECT_GT(server.held_bytes(), usual / 2) << "what gives way when memory is short";
  denying_ = false;
  const int before = world_.accepted[0]->handler.writables;
  EXPECT_TRUE(run_until(world_.io, [&] { return world_.accepted[0]->handler.writables > before; }));
  EXPECT_GT(server.send_budget(), 0u);
  EXPECT_EQ(server.held_bytes(), 0u);
}

// Media without an end, so many messages a group.
class endless_media final : public base::group_source {
 public:
  std::optional<base::group_piece> next(base::instant, unsigned limit) override {
    if (limit <= urgency) return std::nullopt;
    const auto group = pieces++ / per_group;
    return base::group_piece{group, urgency, bytes_, pieces % per_group == 0};
  }
  void on_sent(std::uint64_t, std::uint64_t) override {}
  void on_stopped(std::uint64_t) override {}
  void on_closed(std::uint64_t) override {}
  std::optional<std::uint64_t> poll_reset() override { return std::exchange(reset, std::nullopt); }
  [[nodiscard]] std::size_t handed() const { return pieces * some; }

  static constexpr std::uint64_t per_group = 320;  // 5 MiB
  static constexpr unsigned urgency = 2;           // nothing is held back for the sake of others
  std::uint64_t pieces = 0;
  std::optional<std::uint64_t> reset;

 private:
  base::shared_chain bytes_ = std::make_shared<const base::send_chain>(chain_of(std::string(some, 'p')));
};

TEST_F(quic_unacknowledged, a_packet_of_each_group_ends_the_pulling_until_it_is_acknowledged) {
  auto& server = connect(roqr_alpn, [](auto stream, auto begin, auto end) { return stream % 4 == 3 && begin <= 1'000 && 1'000 < end; });
  endless_media source;
  server.pull_from(&source);
  server.pull();
  const auto stands = [&] { return source.handed() > usual && server.queued_bytes() == 0; };
  ASSERT_TRUE(run_until(world_.io, stands, 30s)) << source.handed() << " handed over, " << server.queued_bytes() << " queued";
  const auto further = source.handed() + 8 * some;
  EXPECT_FALSE(run_until(
      world_.io, [&] { return source.handed() > further; }, 500ms));
  EXPECT_GT(server.held_bytes(), usual / 2);
  denying_ = false;
  EXPECT_TRUE(run_until(world_.io, [&] { return source.handed() > further; })) << "and it goes on";
  server.pull_from(nullptr);
}

}  // namespace
}  // namespace millrace::net
