// A load against any RTMP server: publishers, players, and what they saw.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/link.hpp"
#include "load/media_source.hpp"
#include "load/player.hpp"
#include "load/process_figures.hpp"
#include "load/publisher.hpp"

namespace millrace::load {

struct run_options {
  rtmp::uri target;             // with several streams, "-2", "-3", … is put behind the name
  client::link_settings link;
  std::optional<rtmp::uri> play_target;  // where players go; nothing: where publishers go
  std::optional<http_target> play_http;  // or here, over HTTP-FLV
  unsigned streams = 1;         // players are spread over them
  bool publish = true;          // false: somebody else does
  unsigned players = 1;
  unsigned watching = std::numeric_limits<unsigned>::max();  // of the players: they look at every frame, the others count bytes
  double joins_per_second = 500;
  media_settings media;
  std::chrono::milliseconds settle{3'000};     // from the last player's start to what is measured
  std::chrono::milliseconds measured{10'000};
  unsigned stalled = 0;         // of the players: they read nothing for `stall`, from the beginning of what is measured
  std::chrono::milliseconds stall{10'000};
  double guests_per_second = 0;  // further players that come in the second half of what is measured
  std::chrono::milliseconds guest_stays{5'000};
  std::vector<int> pids;        // of the server
};

struct run_report {
  std::string url, transport;
  unsigned streams = 0, players = 0;
  double seconds = 0;
  double stream_bits_per_second = 0;  // message bodies of one stream; 0: not ours
  unsigned playing = 0, failed = 0, held = 0;  // held: got at least 98 % of the stream, give or take a key frame
  std::string first_failure;
  player_figures all;          // but the stalled ones and guests
  histogram delay_before_guests, delay_with_guests;
  player_figures stalled, guests;
  unsigned watching = 0;       // of the players: delays and losses are theirs
  unsigned stalled_players = 0, guests_come = 0, guests_failed = 0;
  double bits_per_second_least = 0, bits_per_second_middle = 0;  // of a player, on the pipe
  std::uint64_t bytes = 0;     // of all of them, in the time
  std::optional<process_figures> server;  // CPU in the time; memory at its end
  std::optional<std::uint64_t> rss_before_streams, rss_before_players;
  double generator_load = 0;   // share of one core
  std::vector<double> core_busy;  // of this machine's cores, whoever used them: share of the time
  double publisher_latest_ms = 0;
  [[nodiscard]] bool generator_too_slow() const { return generator_load > 0.9 || publisher_latest_ms > 50; }
};

std::string report_text(const run_report& r);
std::string report_json(const run_report& r);

class run {
 public:
  // `done` is called once, from the loop.
  run(boost::asio::io_context& io, run_options options, std::function<void(base::result<run_report>)> done);
  ~run();
  void start();
  // For a progress line: "joining: 312 of 800 play".
  [[nodiscard]] std::string progress() const;

 private:
  enum class phase : unsigned char { publishing, joining, settling, measuring, over };
  struct guest {
    std::unique_ptr<player> who;
    base::instant leaves;
  };
  [[nodiscard]] client::link_target target_of(unsigned stream, rtmp::client_role role) const;
  [[nodiscard]] std::unique_ptr<player> make_player(unsigned stream, player_figures& into, std::function<void()> done);
  void on_publisher();
  [[nodiscard]] bool watches(unsigned player) const;
  void join();
  void on_player();
  void begin_measuring();
  void half();
  void invite();
  void tick();
  void finish();
  void give_up(base::error why);
  void after(base::duration delay, void (run::*what)());

  boost::asio::io_context& io_;
  run_options options_;
  std::function<void(base::result<run_report>)> done_;
  boost::asio::steady_timer timer_, guest_timer_, stall_timer_, tick_timer_;
  phase phase_ = phase::publishing;
  std::vector<std::unique_ptr<publisher>> publishers_;
  std::vector<std::unique_ptr<player>> players_;
  std::vector<guest> guests_;
  player_figures figures_, stalled_figures_, guest_figures_;
  unsigned publishers_settled_ = 0, players_settled_ = 0;
  base::instant phase_began_{}, joined_from_{};
  unsigned guests_come_ = 0;
  double cpu_before_ = 0;
  std::vector<double> cores_before_;
  std::optional<process_figures> server_before_;
  run_report report_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // an expiry may be under way when its timer goes
};

}  // namespace millrace::load
