// Who starts when, who wins, what is remembered and what the failure is (protocol.md 2): the race without sockets and clock.
//
// The four kinds of method of ARCHITECTURE.md. The driver's loop after anything that happened: perform poll_action until it is
// empty, then arm its timer with poll_timeout. Events of attempts that are over (cancelled, lost) are ignored.
#pragma once
#include <deque>

#include "net/dialer.hpp"

namespace millrace::net {

struct dial_race_plan {
  std::string name;  // "host:port", for texts
  bool quic = false;
  dial_target::tcp_side tcp = dial_target::tcp_side::plain;
  std::chrono::milliseconds head_start{250};
  bool quic_failed_before = false;  // remembered: the head start is 0 for that reason
  std::chrono::milliseconds stagger{250};
  std::chrono::milliseconds whole_dial{10'000};
};

class dial_race {
 public:
  using attempt_id = std::size_t;  // index into story().steps
  struct address {
    std::string text;  // "127.0.0.1:1935"
    bool v6 = false;
  };
  struct action {
    enum class verb : unsigned char { start, cancel, remember_success, remember_failure } what = verb::start;
    attempt_id attempt = 0;                     // start, cancel
    transport_kind kind = transport_kind::tcp;  // start
    std::size_t address = 0;                    // start: index into addresses()
    std::chrono::microseconds rtt{0};           // remember_success
  };

  dial_race(dial_race_plan plan, base::instant now);

  // Won or failed: the dial's caller may have its answer.
  [[nodiscard]] bool decided() const { return phase_ == phase::learning || phase_ == phase::over; }
  // Nothing further will happen; until then a losing QUIC attempt may be under way.
  [[nodiscard]] bool over() const { return phase_ == phase::over; }
  [[nodiscard]] std::optional<attempt_id> winner() const { return winner_; }
  [[nodiscard]] const base::error& failure() const { return failure_; }  // once decided without a winner
  [[nodiscard]] const dial_story& story() const { return story_; }
  // Connected over TCP or TLS, and kept until the QUIC handshakes that were answered have ended: wins, or is cancelled.
  [[nodiscard]] std::optional<attempt_id> held() const;
  // In the order of trying: families alternate, beginning with the one that came first.
  [[nodiscard]] const std::vector<address>& addresses() const { return addresses_; }

  void resolved(base::instant now, std::vector<address> found);
  void resolve_failed(base::instant now, base::error why);
  // The transport handshake is complete. Without a measured RTT the duration of the attempt stands for it.
  void connected(base::instant now, attempt_id attempt, std::optional<std::chrono::microseconds> rtt);
  void failed(base::instant now, attempt_id attempt, base::error why);
  // A packet of the server has come on a QUIC attempt. From here on TCP and TLS do not win before that handshake has ended: a
  // certificate that is not accepted must end the dial, however slow this machine is to look at it.
  void answered(attempt_id attempt);
  void on_timer(base::instant now);

  // The caller lost interest.
  void give_up(base::instant now);

  std::optional<action> poll_action();
  [[nodiscard]] std::optional<base::instant> poll_timeout() const;

 private:
  enum class phase : unsigned char { resolving, racing, learning, over };
  enum class state : unsigned char { under_way, held, connected, failed, stopped };
  struct attempt {
    transport_kind kind = transport_kind::tcp;
    state at = state::under_way;
    bool answered = false;
    base::instant started;
    base::error why;
  };
  struct side {
    bool wanted = false;
    transport_kind kind = transport_kind::tcp;
    std::size_t next = 0;  // address
    base::instant next_start{};
  };

  void advance(base::instant now);
  bool start_due(side& one, base::instant now);
  [[nodiscard]] bool exhausted(const side& one) const;
  [[nodiscard]] bool under_way(transport_kind kind) const;
  [[nodiscard]] bool answer_under_way() const;
  // Under way or held: has to be ended.
  [[nodiscard]] bool open(attempt_id id) const { return attempts_[id].at == state::under_way || attempts_[id].at == state::held; }
  void release_held(base::instant now);
  void stop_attempt(attempt_id id, base::instant now, std::string_view outcome);
  void win(base::instant now, attempt_id id, std::optional<std::chrono::microseconds> rtt);
  void fail(base::instant now, base::error why);
  void end_learning(base::instant now);
  [[nodiscard]] std::string why_won(const attempt& best) const;
  [[nodiscard]] std::chrono::microseconds since_start(base::instant now) const;
  side& side_of(transport_kind kind) { return kind == transport_kind::quic ? quic_ : tcp_; }

  const dial_race_plan plan_;
  const base::instant start_;
  phase phase_ = phase::resolving;
  side quic_, tcp_;
  std::vector<address> addresses_;
  std::vector<attempt> attempts_;  // parallel to story_.steps
  std::deque<action> actions_;
  std::optional<attempt_id> winner_;
  base::error failure_;
  base::instant learning_until_{};
  dial_story story_;
};

// What failed attempts add up to, for a person: kind and text of the dial's failure. `timed_out`: the whole dial took too long.
base::error sum_up_failures(const dial_race_plan& plan, const dial_story& story, const std::vector<const base::error*>& failures,
                            bool timed_out);

}  // namespace millrace::net
