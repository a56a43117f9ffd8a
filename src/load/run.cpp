#include "load/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace millrace::load {
namespace {

using std::chrono::milliseconds;

constexpr double held_share = 0.98;
constexpr milliseconds join_step{20}, tick_every{200};

base::instant clock_now() { return std::chrono::steady_clock::now(); }
double seconds(base::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

run::run(boost::asio::io_context& io, run_options options, std::function<void(base::result<run_report>)> done)
    : io_(io), options_(std::move(options)), done_(std::move(done)), timer_(io), guest_timer_(io), stall_timer_(io), tick_timer_(io) {
  options_.stalled = std::min(options_.stalled, options_.players);
  options_.watching = std::min(options_.watching, options_.players);
}

run::~run() = default;

client::link_target run::target_of(unsigned stream, rtmp::client_role role) const {
  client::link_target target{role == rtmp::client_role::play && options_.play_target ? *options_.play_target : options_.target, role, {}};
  if (stream > 0) target.uri.stream += "-" + std::to_string(stream + 1);
  return target;
}

std::unique_ptr<player> run::make_player(unsigned stream, player_figures& into, std::function<void()> done) {
  if (!options_.play_http) return std::make_unique<player>(io_, target_of(stream, rtmp::client_role::play), options_.link, into, std::move(done));
  return std::make_unique<player>(io_, options_.play_http->of_stream(stream), options_.link, into, std::move(done));
}

void run::after(base::duration delay, void (run::*what)()) {
  timer_.expires_after(delay);
  timer_.async_wait([this, what, alive = std::weak_ptr(alive_)](const boost::system::error_code& failure) {
    if (!failure && !alive.expired()) (this->*what)();
  });
}

void run::start() {
  phase_began_ = clock_now();
  tick();
  if (!options_.publish) return join();
  if (!options_.pids.empty()) {
    if (auto figures = figures_of(options_.pids)) report_.rss_before_streams = figures->rss_bytes;  // an error is told when it counts
  }
  for (unsigned i = 0; i < options_.streams; ++i) {
    const auto later = options_.media.key_every * i / options_.streams;
    publishers_.push_back(std::make_unique<publisher>(io_, target_of(i, rtmp::client_role::publish), options_.link, options_.media, later,
                                                      [this] { on_publisher(); }));
  }
}

void run::on_publisher() {
  if (++publishers_settled_ < publishers_.size()) return;
  // Their key frames have to be there before players come.
  phase_ = phase::joining;
  after(options_.media.key_every, &run::join);
}

// Spread evenly: whoever comes last is served last.
bool run::watches(unsigned player) const {
  const auto before = [this](std::uint64_t i) { return i * options_.watching / options_.players; };
  return player < options_.stalled || before(player) != before(player + 1);
}

void run::join() {
  if (phase_ != phase::joining || players_.empty()) {
    phase_ = phase::joining;
    phase_began_ = joined_from_ = clock_now();
    if (!options_.pids.empty()) {
      auto figures = figures_of(options_.pids);
      if (!figures) return give_up(figures.error());
      report_.rss_before_players = figures->rss_bytes;
    }
    if (options_.players == 0) {
      phase_ = phase::settling;
      return after(options_.settle, &run::begin_measuring);
    }
  }
  const auto due = static_cast<std::size_t>(std::ceil(options_.joins_per_second * (seconds(clock_now() - joined_from_) + seconds(join_step))));
  while (players_.size() < std::min<std::size_t>(due, options_.players)) {
    const auto index = static_cast<unsigned>(players_.size());
    auto& figures = index < options_.stalled ? stalled_figures_ : figures_;
    players_.push_back(make_player(index % options_.streams, figures, [this] { on_player(); }));
    if (!watches(index)) players_.back()->only_count();
  }
  if (players_.size() < options_.players) after(join_step, &run::join);
}

void run::on_player() {
  if (++players_settled_ < options_.players) return;
  phase_ = phase::settling;
  phase_began_ = clock_now();
  after(options_.settle, &run::begin_measuring);
}

void run::begin_measuring() {
  phase_ = phase::measuring;
  phase_began_ = clock_now();
  for (auto& one : publishers_) static_cast<void>(one->take_latest());
  for (auto& one : players_) one->begin_measuring();
  cpu_before_ = thread_cpu_seconds();
  cores_before_ = core_busy_seconds();
  if (!options_.pids.empty()) {
    auto figures = figures_of(options_.pids);
    if (!figures) return give_up(figures.error());
    server_before_ = *figures;
  }
  if (options_.stalled > 0) {
    for (unsigned i = 0; i < options_.stalled; ++i) players_[i]->stall(true);
    stall_timer_.expires_after(options_.stall);
    stall_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failure) {
      if (failure || alive.expired()) return;
      for (unsigned i = 0; i < options_.stalled; ++i) players_[i]->stall(false);
    });
  }
  if (options_.guests_per_second > 0) return after(options_.measured / 2, &run::half);
  after(options_.measured, &run::finish);
}

// What was measured so far is one half; the other one is with guests.
void run::half() {
  report_.delay_before_guests = std::exchange(figures_.delay, {});
  joined_from_ = clock_now();
  invite();
  after(options_.measured / 2, &run::finish);
}

void run::invite() {
  const auto now = clock_now();
  const auto due = static_cast<unsigned>(options_.guests_per_second * seconds(now - joined_from_));
  for (; guests_come_ < due; ++guests_come_) {
    guests_.push_back({make_player(guests_come_ % options_.streams, guest_figures_, nullptr), now + options_.guest_stays});
  }
  for (const auto& one : guests_) {
    if (one.leaves <= now && one.who->is() == player::state::failed) ++report_.guests_failed;
  }
  std::erase_if(guests_, [now](const guest& one) { return one.leaves <= now; });
  guest_timer_.expires_after(join_step);
  guest_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failure) {
    if (!failure && !alive.expired()) invite();
  });
}

// A publisher that fails takes its players' media away: there is nothing to measure then.
void run::tick() {
  for (const auto& one : publishers_) {
    if (one->is() == publisher::state::failed) return give_up(base::error(*one->failure()).within("publisher"));
  }
  tick_timer_.expires_after(tick_every);
  tick_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failure) {
    if (!failure && !alive.expired() && phase_ != phase::over) tick();
  });
}

std::string run::progress() const {
  const auto since = seconds(clock_now() - phase_began_);
  switch (phase_) {
    case phase::publishing: return fmt::format("{} of {} publish", publishers_settled_, publishers_.size());
    case phase::joining: return fmt::format("joining: {} of {} play", players_settled_, options_.players);
    case phase::settling: return fmt::format("settling: {:.0f} of {:.0f} s", since, seconds(options_.settle));
    case phase::measuring: return fmt::format("measuring: {:.0f} of {:.0f} s", since, seconds(options_.measured));
    case phase::over: break;
  }
  return "done";
}

void run::give_up(base::error why) {
  if (phase_ == phase::over) return;
  phase_ = phase::over;
  timer_.cancel();
  done_(std::move(why));
}

void run::finish() {
  phase_ = phase::over;
  guest_timer_.cancel();
  auto& r = report_;
  r.seconds = seconds(clock_now() - phase_began_);
  r.core_busy = core_busy_seconds();
  for (std::size_t i = 0; i < r.core_busy.size() && i < cores_before_.size(); ++i) r.core_busy[i] = (r.core_busy[i] - cores_before_[i]) / r.seconds;
  r.generator_load = (thread_cpu_seconds() - cpu_before_) / r.seconds;
  if (server_before_) {
    auto figures = figures_of(options_.pids);
    if (!figures) return done_(figures.error());
    r.server = since(*server_before_, std::move(*figures));
  }
  r.url = options_.target.display(true);
  r.streams = options_.streams;
  r.players = options_.players;
  r.watching = options_.watching;
  if (options_.publish) r.stream_bits_per_second = 8 * media_source::bytes_per_second(options_.media);
  for (auto& one : publishers_) r.publisher_latest_ms = std::max(r.publisher_latest_ms, 1e3 * seconds(one->take_latest()));
  std::vector<double> rates;
  // One key frame more or less is in the time by chance.
  const double enough = options_.publish ? held_share * media_source::bytes_per_second(options_.media) * r.seconds - media_source::key_frame_bytes(options_.media) : 0;
  for (unsigned i = 0; i < players_.size(); ++i) {
    const auto& one = *players_[i];
    if (one.is() != player::state::playing) {
      ++r.failed;
      if (r.first_failure.empty() && one.failure()) r.first_failure = one.failure()->text;
      continue;
    }
    ++r.playing;
    r.bytes += one.bytes();
    if (i < options_.stalled) continue;
    rates.push_back(8 * static_cast<double>(one.bytes()) / r.seconds);
    if (options_.publish && static_cast<double>(one.bytes()) >= enough) ++r.held;
  }
  if (!rates.empty()) {
    std::sort(rates.begin(), rates.end());
    r.bits_per_second_least = rates.front();
    r.bits_per_second_middle = rates[rates.size() / 2];
  }
  r.stalled_players = options_.stalled;
  if (options_.guests_per_second > 0) r.delay_with_guests = figures_.delay;
  r.all = std::move(figures_);
  r.stalled = std::move(stalled_figures_);
  r.guests = std::move(guest_figures_);
  r.guests_come = guests_come_;
  done_(std::move(r));
}

}  // namespace millrace::load
