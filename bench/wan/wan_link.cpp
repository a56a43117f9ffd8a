// A bad network between two network namespaces: a TUN device in each and this process between them. For kernels without netem.
//
//   wan_link NS_A DEV_A NS_B DEV_B [--delay MS] [--jitter MS] [--loss PERCENT] [--burst PACKETS] [--rate KBIT] [--queue MS]
//            [--outage START:LENGTH[:EVERY]]… [--dip KBIT:START:LENGTH[:EVERY]]… [--seed N] [--rebind MS]
//            [--up-…/--down-… for one direction only]
//
// "up" is A to B; times are milliseconds since the first TCP or UDP packet (what comes before it is dropped), so they do not depend on how
// long programs take to start. --rebind: from then on B sees other source ports, as after a NAT forgot its table. Prints "ready" on
// standard output when both devices exist; ends on SIGTERM or SIGINT with the counters as JSON.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "link_model.hpp"
#include "packet.hpp"

namespace {

using namespace millrace::wan;
using clock_type = std::chrono::steady_clock;

volatile sig_atomic_t stop_asked = 0;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

// A TUN device belongs to the namespace in which it is made; the descriptor works from anywhere.
int open_tun(const std::string& space, const std::string& name) {
  const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there = ::open(("/run/netns/" + space).c_str(), O_RDONLY | O_CLOEXEC);
  if (home < 0 || there < 0) fail("network namespace " + space);
  if (::setns(there, CLONE_NEWNET) != 0) fail("entering network namespace " + space);
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) fail("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  if (::ioctl(device, TUNSETIFF, &request) != 0) fail("making " + name);
  if (::setns(home, CLONE_NEWNET) != 0) fail("coming back from " + space);
  ::close(home);
  ::close(there);
  return device;
}

class direction {
 public:
  // `rebind_at` since the first packet: from then on this end of every port is another; never: nanoseconds::max().
  direction(int from, int to, link_options options, port_of which, nanoseconds rebind_at)
      : from_(from), to_(to), model_(std::move(options)), which_(which), rebind_at_(rebind_at) {}

  void read_all(std::optional<clock_type::time_point>& first_packet) {
    std::array<char, 65536> packet;
    for (int i = 0; i < 256; ++i) {  // then the other direction has its turn
      const auto size = ::read(from_, packet.data(), packet.size());
      if (size <= 0) return;
      const std::span<char> bytes(packet.data(), static_cast<std::size_t>(size));
      if (!first_packet && !carries_ports(bytes)) continue;
      const auto here = clock_type::now();
      if (!first_packet) first_packet = here;
      const auto now = std::chrono::duration_cast<nanoseconds>(here - *first_packet);
      if (now >= rebind_at_) rewrite_port(bytes, which_);
      if (const auto out = model_.send(now, static_cast<std::size_t>(size))) {
        under_way_.push_back({*first_packet + std::chrono::duration_cast<clock_type::duration>(*out),
                              std::string(packet.data(), static_cast<std::size_t>(size))});
      }
    }
  }
  void deliver(clock_type::time_point now) {
    while (!under_way_.empty() && under_way_.front().due <= now) {
      // A full device queue loses the packet, as a real host's would.
      [[maybe_unused]] const auto written = ::write(to_, under_way_.front().bytes.data(), under_way_.front().bytes.size());
      late_ = std::max(late_, std::chrono::duration_cast<nanoseconds>(now - under_way_.front().due));
      under_way_.pop_front();
    }
  }
  [[nodiscard]] clock_type::time_point next_due() const {
    return under_way_.empty() ? clock_type::time_point::max() : under_way_.front().due;
  }
  [[nodiscard]] int from() const { return from_; }
  void print(const char* name) const {
    const auto& c = model_.counters();
    const auto put = [](const char* what, auto value, char after) {
      std::printf("\"%s\":%lld%c", what, static_cast<long long>(value), after);
    };
    std::printf("\"%s\":{", name);
    put("packets", c.packets, ',');
    put("bytes", c.bytes, ',');
    put("lost", c.lost, ',');
    put("queue_full", c.queue_full, ',');
    put("in_outage", c.in_outage, ',');
    put("latest_us", late_.count() / 1000, '}');
  }

 private:
  struct packet_under_way {
    clock_type::time_point due;
    std::string bytes;
  };
  int from_, to_;
  link_model model_;
  std::deque<packet_under_way> under_way_;  // the model never reorders
  port_of which_;
  nanoseconds rebind_at_;
  nanoseconds late_{0};  // the most that this process was behind its own plan
};

// A link does not wait for a processor. It needs a fiftieth of one, so nothing starves; where this is not allowed, "latest_us" tells.
void run_before_others() {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 50 us by default, which is a lot to a packet
  const sched_param least{.sched_priority = ::sched_get_priority_min(SCHED_RR)};
  ::sched_setscheduler(0, SCHED_RR, &least);
}

nanoseconds from_ms(double ms) { return nanoseconds(static_cast<std::int64_t>(ms * 1e6)); }

double number(std::string_view option, const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || value < 0)
    throw std::runtime_error(std::string(option) + ": '" + text + "' is no number of 0 or more");
  return value;
}

// Numbers between colons, `least` to `most` of them.
std::vector<double> numbers(std::string_view option, std::string text, std::size_t least, std::size_t most) {
  std::vector<double> out;
  for (std::size_t at = 0; at <= text.size();) {
    const auto colon = std::min(text.find(':', at), text.size());
    out.push_back(number(option, text.substr(at, colon - at).c_str()));
    at = colon + 1;
  }
  if (out.size() < least || out.size() > most)
    throw std::runtime_error("--" + std::string(option) + " wants " + std::to_string(least) + " to " + std::to_string(most) +
                             " numbers with colons between them, not '" + text + "'");
  return out;
}

phase phase_of(const std::vector<double>& ms, std::size_t from) {
  return {from_ms(ms[from]), from_ms(ms[from + 1]), from_ms(ms.size() > from + 2 ? ms[from + 2] : 0)};
}

void set(link_options& link, std::string_view option, const char* text) {
  if (option == "outage") {
    link.outages.push_back(phase_of(numbers(option, text, 2, 3), 0));
    return;
  }
  if (option == "dip") {
    const auto found = numbers(option, text, 3, 4);
    link.dips.push_back({phase_of(found, 1), static_cast<std::uint64_t>(found[0] * 1000)});
    return;
  }
  const double value = number(option, text);
  if (option == "delay")
    link.delay = from_ms(value);
  else if (option == "jitter")
    link.jitter = from_ms(value);
  else if (option == "loss")
    link.loss = value / 100;
  else if (option == "burst")
    link.burst = value;
  else if (option == "rate")
    link.rate = static_cast<std::uint64_t>(value * 1000);
  else if (option == "queue")
    link.queue = from_ms(value);
  else
    throw std::runtime_error("unknown option --" + std::string(option));
}

int run(int count, char** arguments) {
  if (count < 5) throw std::runtime_error("usage: wan_link NS_A DEV_A NS_B DEV_B [options]; the source says which");
  link_options up, down;
  std::uint64_t seed = 1;
  nanoseconds rebind_at = nanoseconds::max();
  for (int i = 5; i < count; ++i) {
    std::string_view option = arguments[i];
    if (!option.starts_with("--") || i + 1 == count) throw std::runtime_error("'" + std::string(option) + "' is no option with a value");
    option.remove_prefix(2);
    const char* value = arguments[++i];
    if (option == "seed") {
      seed = static_cast<std::uint64_t>(number(option, value));
    } else if (option == "rebind") {
      rebind_at = from_ms(number(option, value));
    } else if (option.starts_with("up-")) {
      set(up, option.substr(3), value);
    } else if (option.starts_with("down-")) {
      set(down, option.substr(5), value);
    } else {
      set(up, option, value);
      set(down, option, value);
    }
  }
  up.seed = seed * 2;
  down.seed = seed * 2 + 1;

  const int a = open_tun(arguments[1], arguments[2]), b = open_tun(arguments[3], arguments[4]);
  struct sigaction on_stop {};
  on_stop.sa_handler = [](int) { stop_asked = 1; };
  ::sigaction(SIGTERM, &on_stop, nullptr);
  ::sigaction(SIGINT, &on_stop, nullptr);
  // Taken only while waiting: one that came between the look at stop_asked and the wait would be seen with the next packet, or never.
  sigset_t stops, while_waiting;
  ::sigemptyset(&stops);
  ::sigaddset(&stops, SIGTERM);
  ::sigaddset(&stops, SIGINT);
  ::sigprocmask(SIG_BLOCK, &stops, &while_waiting);
  ::sigdelset(&while_waiting, SIGTERM);
  ::sigdelset(&while_waiting, SIGINT);
  run_before_others();
  std::printf("ready\n");
  std::fflush(stdout);

  direction there(a, b, up, port_of::source, rebind_at), back(b, a, down, port_of::destination, rebind_at);
  std::optional<clock_type::time_point> first_packet;
  while (stop_asked == 0) {
    const auto now = clock_type::now();
    there.deliver(now);
    back.deliver(now);
    const auto due = std::min(there.next_due(), back.next_due());
    timespec wait{};
    if (due != clock_type::time_point::max()) {
      const auto left = std::max<std::int64_t>(std::chrono::duration_cast<nanoseconds>(due - clock_type::now()).count(), 0);
      wait.tv_sec = left / 1'000'000'000;
      wait.tv_nsec = left % 1'000'000'000;
    }
    std::array<pollfd, 2> ready{{{a, POLLIN, 0}, {b, POLLIN, 0}}};
    if (::ppoll(ready.data(), ready.size(), due == clock_type::time_point::max() ? nullptr : &wait, &while_waiting) < 0) continue;
    if (ready[0].revents != 0) there.read_all(first_packet);
    if (ready[1].revents != 0) back.read_all(first_packet);
  }
  std::printf("{");
  there.print("up");
  std::printf(",");
  back.print("down");
  // On the clock that the whole machine shares; 0: there was none.
  const auto first = first_packet ? std::chrono::duration_cast<nanoseconds>(first_packet->time_since_epoch()).count() : 0;
  std::printf(",\"first_ns\":%lld}\n", static_cast<long long>(first));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "wan_link: %s\n", failed.what());
    return 1;
  }
}
