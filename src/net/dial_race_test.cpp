// The race on manual time: every rule of protocol.md section 2 that is a decision.
#include "net/dial_race.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using base::error_kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr auto tcp = transport_kind::tcp;
constexpr auto tls = transport_kind::tls;
constexpr auto quic = transport_kind::quic;

// Plays the driver: time moves by hand, actions become words.
class race_at {
  std::chrono::milliseconds offset_{0};  // before the race, whose start reads it

 public:
  explicit race_at(dial_race_plan plan) : race(std::move(plan), now()) {}

  base::instant now() const { return base::instant{} + 1h + offset_; }
  // Moves time to `offset` since the start, meeting every timeout on the way.
  race_at& at(std::chrono::milliseconds offset) {
    while (const auto next = race.poll_timeout()) {
      if (*next > base::instant{} + 1h + offset) break;
      offset_ = std::max(offset_, std::chrono::duration_cast<std::chrono::milliseconds>(*next - base::instant{} - 1h));
      race.on_timer(now());
      note();
    }
    offset_ = offset;
    return *this;
  }
  race_at& found(std::vector<dial_race::address> addresses = {{"v4", false}}) {
    race.resolved(now(), std::move(addresses));
    return note();
  }
  race_at& connected(std::size_t id, std::optional<std::chrono::microseconds> rtt = std::nullopt) {
    race.connected(now(), id, rtt);
    return note();
  }
  race_at& failed(std::size_t id, error_kind kind = error_kind::unreachable, std::string text = "connection refused") {
    race.failed(now(), id, {kind, std::move(text)});
    return note();
  }
  // What was done since the last call: "+0 start quic v4".
  std::vector<std::string> done() { return std::exchange(done_, {}); }

  dial_race race;

 private:
  race_at& note() {
    while (const auto next = race.poll_action()) {
      std::string text = "+" + std::to_string(offset_.count()) + " ";
      switch (next->what) {
        case dial_race::action::verb::start:
          text.append("start ").append(name(next->kind)).append(" ").append(race.addresses()[next->address].text);
          break;
        case dial_race::action::verb::cancel: text += "cancel " + std::to_string(next->attempt); break;
        case dial_race::action::verb::remember_success: text += "success " + std::to_string(next->rtt.count()) + " us"; break;
        case dial_race::action::verb::remember_failure: text += "failure"; break;
      }
      done_.push_back(std::move(text));
    }
    return *this;
  }
  std::vector<std::string> done_;
};

dial_race_plan quic_then(dial_target::tcp_side side) {
  dial_race_plan plan;
  plan.name = "example.org:1935";
  plan.quic = true;
  plan.tcp = side;
  return plan;
}
dial_race_plan quic_then_tls() { return quic_then(dial_target::tcp_side::tls); }

// --- who starts when ---

TEST(dial_race, Y3_QuicStartsAloneAndTlsAfterTheHeadStart) {
  race_at r(quic_then_tls());
  r.at(20ms).found();
  EXPECT_THAT(r.done(), ElementsAre("+20 start quic v4"));
  r.at(269ms);
  EXPECT_THAT(r.done(), IsEmpty());
  r.at(270ms);
  EXPECT_THAT(r.done(), ElementsAre("+270 start tls v4"));
}

TEST(dial_race, HardFailureEndsTheHeadStart) {
  race_at r(quic_then_tls());
  r.found().at(3ms).failed(0);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+3 start tls v4"));
  r.at(5ms).connected(1);
  EXPECT_EQ(r.race.winner(), 1u);
  EXPECT_TRUE(r.race.over());
  EXPECT_EQ(r.race.story().why, "fell back to TLS: QUIC failed: connection refused");
  EXPECT_THAT(r.done(), ElementsAre("+5 failure"));
}

TEST(dial_race, UnsupportedIsAHardFailureToo) {
  race_at r(quic_then(dial_target::tcp_side::plain));
  r.found().at(30ms).failed(0, error_kind::unsupported, "no common ALPN");
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+30 start tcp v4"));
  r.at(40ms).connected(1);
  EXPECT_EQ(r.race.story().why, "fell back to TCP: QUIC failed: no common ALPN");
}

TEST(dial_race, HardFailureOnOneAddressTriesQuicOnTheNextBeforeTcp) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(1ms).failed(0);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v6", "+1 start quic v4"));
  r.at(100ms);
  EXPECT_THAT(r.done(), IsEmpty());
  r.connected(1);
  EXPECT_EQ(r.race.story().why, "QUIC as asked");
}

TEST(dial_race, FamiliesAlternateWithStaggerInEachTransport) {
  race_at r(quic_then_tls());
  r.found({{"a6", true}, {"b6", true}, {"a4", false}, {"b4", false}}).at(1'100ms);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic a6", "+250 start quic a4", "+250 start tls a6", "+500 start quic b6",
                                    "+500 start tls a4", "+750 start quic b4", "+750 start tls b6", "+1000 start tls b4"));
}

TEST(dial_race, ResolversPreferredFamilyComesFirst) {
  race_at r(quic_then_tls());
  r.found({{"a4", false}, {"b4", false}, {"a6", true}});
  EXPECT_THAT(r.race.addresses(),
              ElementsAre(::testing::Field(&dial_race::address::text, "a4"), ::testing::Field(&dial_race::address::text, "a6"),
                          ::testing::Field(&dial_race::address::text, "b4")));
}

TEST(dial_race, FailedTcpAddressDoesNotWaitForTheStagger) {
  dial_race_plan plan;
  plan.name = "h:1";
  race_at r(plan);
  r.found({{"v6", true}, {"v4", false}}).at(2ms).failed(0);
  EXPECT_THAT(r.done(), ElementsAre("+0 start tcp v6", "+2 start tcp v4"));
}

TEST(dial_race, NoQuicMeansNoQuicAttempt) {
  dial_race_plan plan;
  plan.name = "h:1";
  race_at r(plan);
  r.found().at(40ms).connected(0);
  EXPECT_THAT(r.done(), ElementsAre("+0 start tcp v4"));
  EXPECT_EQ(r.race.story().why, "TCP as asked");
  EXPECT_FALSE(r.race.story().fell_back);
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, RememberedFailureGivesNoHeadStartButStillRaces) {
  auto plan = quic_then_tls();
  plan.head_start = 0ms;
  plan.quic_failed_before = true;
  race_at r(plan);
  r.found();
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+0 start tls v4"));
  r.at(10ms).connected(1);
  EXPECT_EQ(r.race.story().why, "fell back to TLS: QUIC failed here before, so it got no head start, and TLS answered first");
}

TEST(dial_race, RememberedFailureAndQuicFirstSaysThatItWorksAgain) {
  auto plan = quic_then_tls();
  plan.head_start = 0ms;
  plan.quic_failed_before = true;
  race_at r(plan);
  r.found().at(10ms).connected(0, 4ms);
  EXPECT_EQ(r.race.story().why, "QUIC as asked, it works again");
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+0 start tls v4", "+10 cancel 1", "+10 success 4000 us"));
}

TEST(dial_race, NoMoreThanEightAddresses) {
  dial_race_plan plan;
  plan.name = "h:1";
  race_at r(plan);
  std::vector<dial_race::address> many;
  for (int i = 0; i < 100; ++i) many.push_back({"a" + std::to_string(i), false});
  r.found(many).at(9'999ms);
  EXPECT_EQ(r.done().size(), 8u);
}

// --- who wins ---

TEST(dial_race, FirstHandshakeWinsAndTheOthersAreCancelled) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(260ms);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v6", "+250 start quic v4", "+250 start tls v6"));
  r.connected(1, 1500us);
  EXPECT_EQ(r.race.winner(), 1u);
  EXPECT_TRUE(r.race.over());
  EXPECT_THAT(r.done(), ElementsAre("+260 cancel 0", "+260 cancel 2", "+260 success 1500 us"));
  EXPECT_EQ(r.race.story().steps[0].outcome, "lost the race");
  EXPECT_EQ(r.race.story().steps[1].outcome, "connected");
  EXPECT_EQ(r.race.story().connected, 260ms);
  EXPECT_FALSE(r.race.poll_timeout().has_value());
}

TEST(dial_race, LateWinnerIsNoWinner) {
  race_at r(quic_then_tls());
  r.found().at(260ms).connected(0).connected(1);
  EXPECT_EQ(r.race.winner(), 0u);
  r.failed(1);
  EXPECT_EQ(r.race.story().steps[1].outcome, "lost the race");
}

TEST(dial_race, BlackHoleFallsBackAfterTheHeadStart) {
  race_at r(quic_then_tls());
  r.found().at(290ms).connected(1);
  EXPECT_TRUE(r.race.decided());
  EXPECT_TRUE(r.race.story().fell_back);
  EXPECT_EQ(r.race.story().why, "fell back to TLS: no answer over UDP within 250 ms");
  EXPECT_EQ(r.race.story().steps[0].outcome, "lost the race");
}

TEST(dial_race, TcpFailureLeavesQuicInTheRace) {
  race_at r(quic_then_tls());
  r.found().at(260ms).failed(1).at(900ms).connected(0);
  EXPECT_EQ(r.race.winner(), 0u);
  EXPECT_FALSE(r.race.story().fell_back);
}

// --- certificates ---

TEST(dial_race, Y4_QuicCertificateFailureEndsTheDialAndCancelsTcp) {
  race_at r(quic_then(dial_target::tcp_side::plain));
  r.found().at(260ms);
  r.done();
  r.failed(0, error_kind::certificate, "self-signed certificate");
  EXPECT_TRUE(r.race.over());
  EXPECT_FALSE(r.race.winner());
  EXPECT_EQ(r.race.failure().kind, error_kind::certificate);
  EXPECT_EQ(r.race.failure().text, "example.org:1935 (QUIC): self-signed certificate");
  EXPECT_THAT(r.done(), ElementsAre("+260 cancel 1"));
  r.connected(1);
  EXPECT_FALSE(r.race.winner());
}

TEST(dial_race, TlsCertificateFailureEndsTheDialAndCancelsQuic) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(260ms);
  r.done();
  r.failed(2, error_kind::certificate, "expired");
  EXPECT_EQ(r.race.failure().kind, error_kind::certificate);
  EXPECT_THAT(r.done(), ElementsAre("+260 cancel 0", "+260 cancel 1"));
}

TEST(dial_race, CertificateFailureBeforeTheHeadStartStartsNoTcp) {
  race_at r(quic_then_tls());
  r.found().at(10ms).failed(0, error_kind::certificate, "pin").at(9s);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4"));
}

// --- TCP waits for a QUIC handshake that the server has answered ---

TEST(dial_race, TcpIsHeldWhileAnAnsweredQuicHandshakeGoesOn) {
  race_at r(quic_then(dial_target::tcp_side::plain));
  r.found({{"v6", true}, {"v4", false}}).at(260ms);
  r.race.answered(0);
  r.connected(2);
  r.done();
  EXPECT_FALSE(r.race.decided());
  EXPECT_EQ(r.race.held(), 2u);
  r.at(900ms);
  EXPECT_THAT(r.done(), IsEmpty());  // no second TCP attempt beside the one that is there
  r.connected(0, 400ms);
  EXPECT_EQ(r.race.winner(), 0u);
  EXPECT_EQ(r.race.story().why, "QUIC as asked");
  EXPECT_THAT(r.done(), ElementsAre("+900 cancel 1", "+900 cancel 2", "+900 success 400000 us"));
}

TEST(dial_race, LateCertificateFailureStillKeepsEveryByteOffTcp) {
  race_at r(quic_then(dial_target::tcp_side::plain));
  r.found().at(260ms);
  r.race.answered(0);
  r.connected(1);
  r.done();
  r.at(2s).failed(0, error_kind::certificate, "self-signed certificate");
  EXPECT_FALSE(r.race.winner());
  EXPECT_EQ(r.race.failure().kind, error_kind::certificate);
  EXPECT_THAT(r.done(), ElementsAre("+2000 cancel 1"));
}

TEST(dial_race, HeldTcpWinsWhenTheAnsweredHandshakeFails) {
  race_at r(quic_then_tls());
  r.found().at(260ms);
  r.race.answered(0);
  r.connected(1);
  r.done();
  r.at(3s).failed(0, error_kind::timeout, "no answer within 3 s");
  EXPECT_EQ(r.race.winner(), 1u);
  EXPECT_EQ(r.race.story().why, "fell back to TLS: QUIC failed: no answer within 3 s");
  EXPECT_THAT(r.done(), ElementsAre("+3000 failure"));
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, SecondTcpConnectionBesideAHeldOneIsGivenUp) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(600ms);
  r.race.answered(0);
  r.done();
  r.connected(2).connected(3);
  EXPECT_EQ(r.race.held(), 2u);
  EXPECT_THAT(r.done(), ElementsAre("+600 cancel 3"));
}

TEST(dial_race, SilenceOnOneAddressDoesNotHoldTcpWhenTheOtherFailed) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(300ms);
  r.race.answered(0);
  r.connected(2).failed(0);
  EXPECT_EQ(r.race.winner(), 2u);
  EXPECT_FALSE(r.race.over());  // the silent one goes on, only to learn
}

// --- what is remembered ---

TEST(dial_race, QuicFinishingWithinTwoSecondsStoresItsRttAndIsNoFailure) {
  race_at r(quic_then_tls());
  r.found().at(300ms).connected(1);
  EXPECT_FALSE(r.race.over());
  r.done();
  r.at(2'299ms).connected(0, 700ms);
  EXPECT_TRUE(r.race.over());
  EXPECT_EQ(r.race.winner(), 1u);
  EXPECT_THAT(r.done(), ElementsAre("+2299 success 700000 us"));
}

TEST(dial_race, WithoutAnRttTheHandshakesDurationStandsForIt) {
  race_at r(quic_then_tls());
  r.found().at(300ms).connected(1).at(800ms).connected(0);
  EXPECT_EQ(r.done().back(), "+800 success 800000 us");
}

TEST(dial_race, QuicSilentForTwoSecondsMoreIsAFailure) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(300ms).connected(2);
  r.done();
  r.at(2'299ms);
  EXPECT_THAT(r.done(), IsEmpty());
  r.at(2'301ms);
  EXPECT_THAT(r.done(), ElementsAre("+2300 failure", "+2300 cancel 0", "+2300 cancel 1"));
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, QuicFailingWhileLearningIsAFailureOnce) {
  race_at r(quic_then_tls());
  r.found({{"v6", true}, {"v4", false}}).at(300ms).connected(2);
  r.done();
  r.at(400ms).failed(0);
  EXPECT_THAT(r.done(), IsEmpty());
  r.at(500ms).failed(1);
  EXPECT_THAT(r.done(), ElementsAre("+500 failure"));
  EXPECT_TRUE(r.race.over());
  r.at(4s);
  EXPECT_THAT(r.done(), IsEmpty());
}

TEST(dial_race, CertificateFailureWhileLearningIsNotRemembered) {
  race_at r(quic_then(dial_target::tcp_side::plain));
  r.found().at(300ms).connected(1);
  r.done();
  r.failed(0, error_kind::certificate, "self-signed");
  EXPECT_THAT(r.done(), IsEmpty());
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, NothingIsRememberedWhenTheHostIsDown) {
  race_at r(quic_then_tls());
  r.found().at(1ms).failed(0).at(2ms).failed(1);
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+1 start tls v4"));
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, GivingUpWhileLearningCancelsWithoutAJudgement) {
  race_at r(quic_then_tls());
  r.found().at(300ms).connected(1);
  r.done();
  r.race.give_up(r.now());
  EXPECT_EQ(r.race.poll_action()->what, dial_race::action::verb::cancel);
  EXPECT_FALSE(r.race.poll_action());
  EXPECT_EQ(r.race.winner(), 1u);
}

// --- what the failure is ---

TEST(dial_race, AllRefused) {
  race_at r(quic_then_tls());
  r.found().at(1ms).failed(0, error_kind::unreachable, "port closed").at(2ms).failed(1);
  EXPECT_EQ(r.race.failure().kind, error_kind::unreachable);
  EXPECT_EQ(r.race.failure().text,
            "example.org:1935 refused the connection (quic v4: port closed; tls v4: connection refused): check that the server is running "
            "and that the port is right");
}

TEST(dial_race, TimeoutOfTheWholeDial) {
  race_at r(quic_then_tls());
  r.found().at(10s);
  EXPECT_EQ(r.race.failure().kind, error_kind::timeout);
  EXPECT_THAT(r.race.failure().text, HasSubstr("did not answer within 10 s (quic v4: no answer; tls v4: no answer)"));
  EXPECT_THAT(r.race.failure().text, HasSubstr("TCP and UDP port"));
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4", "+250 start tls v4", "+10000 cancel 0", "+10000 cancel 1"));
}

TEST(dial_race, QuicTimeoutAfterTcpFailedIsNotTheTellingOne) {
  race_at r(quic_then_tls());
  r.found().at(260ms).failed(1).at(3s).failed(0, error_kind::timeout, "no answer within 3 s");
  EXPECT_EQ(r.race.failure().kind, error_kind::unreachable);
}

TEST(dial_race, QuicOnlySaysHowToAllowAFallback) {
  race_at r(quic_then(dial_target::tcp_side::none));
  r.found().at(3s).failed(0, error_kind::timeout, "no answer within 3 s");
  EXPECT_THAT(r.done(), ElementsAre("+0 start quic v4"));
  EXPECT_EQ(r.race.failure().kind, error_kind::timeout);
  EXPECT_THAT(r.race.failure().text, HasSubstr("leave out transport=quic-only"));
}

TEST(dial_race, UnsupportedStaysUnsupported) {
  race_at r(quic_then(dial_target::tcp_side::none));
  r.found().failed(0, error_kind::unsupported, "no common ALPN");
  EXPECT_EQ(r.race.failure().kind, error_kind::unsupported);
  EXPECT_THAT(r.race.failure().text, HasSubstr("no common ALPN"));
}

TEST(dial_race, OneFamilyWithoutRouteDoesNotHideTheTimeoutOfTheOther) {
  dial_race_plan plan;
  plan.name = "h:1";
  race_at r(plan);
  r.found({{"v6", true}, {"v4", false}}).failed(0, error_kind::unreachable, "no route").at(5s).failed(1, error_kind::timeout, "gone");
  EXPECT_EQ(r.race.failure().kind, error_kind::timeout);
}

TEST(dial_race, UnknownHost) {
  race_at r(quic_then_tls());
  r.race.resolve_failed(r.now(), {error_kind::resolve, "unknown"});
  EXPECT_EQ(r.race.failure().kind, error_kind::resolve);
  EXPECT_TRUE(r.race.over());
}

TEST(dial_race, ResolverThatNeverAnswers) {
  race_at r(quic_then_tls());
  r.at(10s);
  EXPECT_EQ(r.race.failure().kind, error_kind::resolve);
  r.found();
  EXPECT_THAT(r.done(), IsEmpty());
}

TEST(dial_race, NoAddressAtAll) {
  race_at r(quic_then_tls());
  r.found({});
  EXPECT_EQ(r.race.failure().kind, error_kind::resolve);
}

TEST(dial_race, GivenUp) {
  race_at r(quic_then_tls());
  r.found();
  r.done();
  r.race.give_up(r.now());
  EXPECT_EQ(r.race.failure().kind, error_kind::closed);
  EXPECT_EQ(r.race.poll_action()->what, dial_race::action::verb::cancel);
}

// Whatever order the events come in: the race ends, with one winner or one failure, and everything started is ended or cancelled.
TEST(dial_race, EveryOrderOfEventsEnds) {
  std::uint32_t random = 1;
  const auto below = [&random](std::uint32_t n) {
    random = random * 1664525u + 1013904223u;
    return (random >> 16) % n;
  };
  for (int round = 0; round < 5'000; ++round) {
    dial_race_plan plan = quic_then(static_cast<dial_target::tcp_side>(below(3)));
    plan.quic = plan.tcp == dial_target::tcp_side::none || below(4) != 0;
    plan.name = "h:1";
    plan.head_start = std::chrono::milliseconds(below(3) * 150);
    base::instant now = base::instant{} + 1h;
    const auto start = now;
    dial_race race(plan, now);
    std::vector<int> open;  // 1: under way
    std::optional<std::size_t> handed;
    std::vector<dial_race::address> addresses;
    for (std::uint32_t i = 0; i < 1 + below(4); ++i) addresses.push_back({"a" + std::to_string(i), below(2) == 0});
    race.resolved(now, addresses);
    int steps = 0;
    while (!race.over()) {
      ASSERT_LT(++steps, 1000) << "round " << round;
      while (const auto next = race.poll_action()) {
        if (next->what == dial_race::action::verb::start) {
          ASSERT_EQ(next->attempt, open.size());
          open.push_back(1);
        } else if (next->what == dial_race::action::verb::cancel) {
          ASSERT_EQ(open[next->attempt], 1);
          open[next->attempt] = 0;
        }
      }
      // One that was held wins by what happens to another.
      if (race.winner() && !handed) {
        handed = race.winner();
        open[*handed] = 0;
        continue;
      }
      const auto what = below(4);
      if (what < 2 && !open.empty()) {
        const auto id = below(static_cast<std::uint32_t>(open.size()));
        if (open[id] == 0 || race.held() == id) continue;
        if (below(3) == 0) race.answered(id);
        open[id] = 0;
        if (what == 0) {
          race.connected(now, id, std::nullopt);
          if (race.held() == id || (!race.winner() && !race.over())) open[id] = 1;  // held, or cancelled beside a held one
          if (race.winner() == id) {
            ASSERT_FALSE(handed);
            handed = id;
          }
        } else {
          race.failed(now, id, {below(8) == 0 ? error_kind::certificate : error_kind::unreachable, "x"});
        }
      } else {
        const auto next = race.poll_timeout();
        ASSERT_TRUE(next);
        now = std::max(now, *next);
        race.on_timer(now);
      }
    }
    while (const auto next = race.poll_action()) {
      if (next->what == dial_race::action::verb::cancel) open[next->attempt] = 0;
      ASSERT_NE(next->what, dial_race::action::verb::start);
    }
    EXPECT_THAT(open, ::testing::Each(0)) << "round " << round;
    EXPECT_EQ(race.winner(), handed);
    if (!handed) {
      EXPECT_FALSE(race.failure().text.empty());
    }
    EXPECT_LE(now - start, 12s);
    EXPECT_FALSE(race.story().why.empty());
  }
}

// --- the memory ---

TEST(dial_memory, HeadStartFromTheRememberedRtt) {
  dial_memory memory;
  const base::instant now = base::instant{} + 1h;
  EXPECT_EQ(memory.head_start("h", 1, now), 250ms);
  memory.quic_succeeded("h", 1, 10ms);
  EXPECT_EQ(memory.head_start("h", 1, now), 150ms);
  memory.quic_succeeded("h", 1, 100ms);
  EXPECT_EQ(memory.head_start("h", 1, now), 250ms);
  memory.quic_succeeded("h", 1, 300ms);
  EXPECT_EQ(memory.head_start("h", 1, now), 650ms);
  memory.quic_succeeded("h", 1, 2s);
  EXPECT_EQ(memory.head_start("h", 1, now), 1s);
  EXPECT_EQ(memory.head_start("h", 2, now), 250ms);
  EXPECT_EQ(memory.head_start("g", 1, now), 250ms);
}

TEST(dial_memory, FailureLastsFiveMinutesDoublingToADay) {
  dial_memory memory;
  base::instant now = base::instant{} + 1h;
  auto expected = std::chrono::minutes(5);
  for (int i = 0; i < 40; ++i) {
    memory.quic_failed("h", 1, now);
    EXPECT_EQ(memory.find("h", 1)->quic_failed_until - now, std::min<std::chrono::minutes>(expected, 24h)) << i;
    EXPECT_EQ(memory.head_start("h", 1, memory.find("h", 1)->quic_failed_until - 1ms), 0ms);
    EXPECT_EQ(memory.head_start("h", 1, memory.find("h", 1)->quic_failed_until), 250ms);
    now = memory.find("h", 1)->quic_failed_until;
    expected = std::min<std::chrono::minutes>(expected * 2, 24h);
  }
  memory.quic_succeeded("h", 1, 100ms);
  EXPECT_EQ(memory.head_start("h", 1, now), 250ms);
  memory.quic_failed("h", 1, now);
  EXPECT_EQ(memory.find("h", 1)->quic_failed_until - now, 5min);
}

TEST(dial_memory, CopiesShareOneMemory) {
  dial_memory memory;
  dial_memory copy = memory;
  copy.quic_succeeded("h", 1, 300ms);
  EXPECT_EQ(memory.head_start("h", 1, base::instant{} + 1h), 650ms);
}

TEST(dial_memory, DoesNotGrowWithoutEnd) {
  dial_memory memory;
  for (int i = 0; i < 10'000; ++i) memory.quic_failed("h" + std::to_string(i), 1, base::instant{} + 1h);
  int kept = 0;
  for (int i = 0; i < 10'000; ++i) kept += memory.find("h" + std::to_string(i), 1) != nullptr ? 1 : 0;
  EXPECT_EQ(kept, 4096);
  EXPECT_NE(memory.find("h9999", 1), nullptr);
}

}  // namespace
}  // namespace millrace::net
