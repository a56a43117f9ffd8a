// The failure of a dial in words that say what to do.
#include <algorithm>

#include "net/dial_race.hpp"

namespace millrace::net {
namespace {

// The kind that says most about a set of failures: "no IPv6 route" beside "no answer over IPv4" is noise.
int weight(base::error_kind kind) {
  switch (kind) {
    case base::error_kind::unreachable: return 1;
    case base::error_kind::timeout: return 2;
    case base::error_kind::closed: return 0;
    default: return 3;
  }
}

std::string details(const dial_story& story) {
  std::string text;
  for (const auto& step : story.steps) {
    if (!text.empty()) text += "; ";
    text.append(name(step.kind)).append(" ").append(step.address).append(": ").append(step.outcome.empty() ? "no answer" : step.outcome);
  }
  return text.empty() ? text : " (" + text + ")";
}

}  // namespace

base::error sum_up_failures(const dial_race_plan& plan, const dial_story& story, const std::vector<const base::error*>& failures,
                            bool timed_out) {
  using base::error_kind;
  const bool quic_only = plan.quic && plan.tcp == dial_target::tcp_side::none;
  const bool with_tcp = plan.tcp != dial_target::tcp_side::none;
  const std::string ports = quic_only ? "UDP" : plan.quic ? "TCP and UDP" : "TCP";
  const std::string no_fallback = quic_only ? "; to let it fall back to TCP, leave out transport=quic-only or fallback=none" : "";

  auto kind = timed_out ? error_kind::timeout : error_kind::unreachable;
  if (!timed_out) {
    int most = -1;
    for (std::size_t i = 0; i < failures.size() && i < story.steps.size(); ++i) {
      // Where both were tried, TCP decides: it is what every server has.
      if (plan.quic && with_tcp && story.steps[i].kind == transport_kind::quic) continue;
      if (weight(failures[i]->kind) > most) {
        most = weight(failures[i]->kind);
        kind = failures[i]->kind;
      }
    }
  }
  const std::string tail = details(story) + ": ";
  switch (kind) {
    case error_kind::timeout:
      return {kind, plan.name + " did not answer within " + std::to_string(plan.whole_dial.count() / 1000) + " s" + tail +
                        "check the address, and that no firewall drops its " + ports + " port" + no_fallback};
    case error_kind::unsupported:
      return {kind, plan.name + " answered, but cannot do what was asked" + tail + "use a scheme that this server offers" + no_fallback};
    case error_kind::unreachable: {
      const bool refused = std::any_of(failures.begin(), failures.end(),
                                       [](const base::error* one) { return one->text.find("refused") != std::string::npos; });
      if (refused)
        return {kind,
                plan.name + " refused the connection" + tail + "check that the server is running and that the port is right" + no_fallback};
      return {kind, plan.name + " cannot be reached" + tail + "check the network and the address" + no_fallback};
    }
    default: return {kind, plan.name + " cannot be connected" + details(story) + no_fallback};
  }
}

}  // namespace millrace::net
