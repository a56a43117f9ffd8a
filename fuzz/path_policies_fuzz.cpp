// What decides by the figures of a path, under any figures: queue_guard, repeat_policy, usual_rtt; and which socket of a group a connection id leads to.
#include "net/port_group.hpp"
#include "net/queue_guard.hpp"
#include "net/repeat_policy.hpp"
#include "operations.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;
using us = std::chrono::microseconds;

us some_time(operations& in) { return us(in.number(1 + static_cast<unsigned>(in(4)))); }

void guard_of(operations& in) {
  net::queue_guard guard;
  net::queue_guard::sample s;
  us now{1'000'000};
  while (in.more()) {
    now += us(in.number(2));
    s.bytes_delivered += in.number(in(16) == 0 ? 4 : 2);
    s.bytes_in_flight = in.number(in(16) == 0 ? 8 : 2);
    if (in.chance()) s.rtt = in(16) == 0 ? us(1 + in.number(5)) : us(20'000 + static_cast<std::int64_t>(in.number(2)));
    const auto room = guard.update(now, s);
    require(room == guard.room());
    // Something may always go when nothing is under way, and sound is not asked for.
    if (s.bytes_in_flight == 0) require(room >= net::queue_guard::bytes_min);
    require(guard.queue() >= us(0));
    if (in(64) == 0) guard.reset();
  }
}

void repeats_of(operations& in) {
  net::repeat_policy policy;
  net::repeat_policy::sample s;
  us now{1'000'000};
  while (in.more()) {
    now += us(in.number(in(8) == 0 ? 4 : 2));
    const auto packets = in.number(in(32) == 0 ? 4 : 1);
    s.packets_sent += packets;
    s.packets_lost += in(4) == 0 ? in(static_cast<std::size_t>(packets) + 1) : 0;
    s.bytes_sent += packets * 1'200;
    s.bytes_delivered += packets * 1'100;
    s.rtt = in(8) == 0 ? some_time(in) : us(30'000);
    s.waited = in(8) == 0 ? some_time(in) : us(0);
    const bool on = policy.update(now, s);
    require(on == policy.on() && policy.loss() >= 0 && policy.loss() <= 1);
    const bool urgent = in.chance();
    const bool taken = policy.take(now, in.number(2), urgent);
    require(!taken || (on && (urgent || !policy.suspended())));
    if (in(64) == 0) policy.reset(), require(!policy.on());
  }
}

void ids_of(operations& in) {
  const auto size = static_cast<std::uint32_t>(1 + in(net::port_group::size_max));
  const net::port_group group{static_cast<std::uint32_t>(in(size)), size};
  while (in.more()) {
    const auto bytes = in.some(20);
    std::vector<std::uint8_t> id(bytes.begin(), bytes.end());
    require(group.index_of(id) < size);
    group.claim(id);
    if (!id.empty()) require(group.index_of(id) == group.index);
    require(std::equal(id.begin() + (id.empty() ? 0 : 1), id.end(), bytes.begin() + (id.empty() ? 0 : 1)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(3)) {
    case 0: guard_of(in); break;
    case 1: repeats_of(in); break;
    default: ids_of(in);
  }
  return 0;
}
