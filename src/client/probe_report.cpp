#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/escape.hpp"
#include "client/probe.hpp"

namespace millrace::client {
namespace {

namespace json = boost::json;

std::string version_text(const net::transport_facts& f) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (part.empty()) return;
    if (!out.empty()) out += ", ";
    out += part;
  };
  if (f.quic_version != 0) add(fmt::format("QUIC version {:#x}", f.quic_version));
  add(f.tls);
  if (!f.alpn.empty()) add("ALPN " + f.alpn);
  if (!f.congestion_control.empty()) add("congestion control " + f.congestion_control);
  if (f.rtt) add(fmt::format("rtt {:.1f} ms", static_cast<double>(f.rtt->count()) / 1000.0));
  return out;
}

json::value optional_text(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::value error_value(const std::optional<base::error>& e) {
  if (!e) return nullptr;
  return json::object{{"kind", base::name(e->kind)}, {"text", base::escaped(e->text, 1024)}};
}

json::object facts_value(const net::transport_facts& f) {
  json::object out;
  out["remote"] = f.remote;
  out["alpn"] = optional_text(f.alpn);
  out["tls"] = optional_text(f.tls);
  out["quic_version"] = f.quic_version != 0 ? json::value(f.quic_version) : json::value(nullptr);
  out["congestion_control"] = optional_text(f.congestion_control);
  out["rtt_ms"] = f.rtt ? json::value(static_cast<double>(f.rtt->count()) / 1000.0) : json::value(nullptr);
  return out;
}

}  // namespace

std::string probe_text(const probe_report& report) {
  std::string out = fmt::format("{}  host {} port {}\n", report.url, report.host, report.port);
  for (const auto& t : report.transports) {
    out += fmt::format("{:<5} {:<4}", net::name(t.kind), t.answers ? "ok" : "no");
    const char* between = " ";
    for (const auto& s : t.steps) {
      out += fmt::format("{}{} {:.1f} ms", between, s.name, s.ms);
      if (s.round_trips) out += fmt::format(" ({} RT)", *s.round_trips);
      between = ", ";
    }
    if (t.answers && !t.steps.empty()) out += fmt::format(", in all {:.1f} ms", t.steps.back().total_ms);
    if (t.failure) out += fmt::format("{}{}: {}", between, base::name(t.failure->kind), base::escaped(t.failure->text, 1024));
    out += '\n';
    if (t.facts) {
      const auto versions = version_text(*t.facts);
      if (!versions.empty()) out += "           " + versions + "\n";
    }
    if (t.certificate) {
      const auto& c = *t.certificate;
      out += "           certificate " + base::escaped(c.text, 1024) + "\n";
      if (!c.pin.empty()) out += "           pin " + c.pin + "\n";
      out += std::string("           ") + (c.verified ? "verified: " : "not verified: ") + base::escaped(c.why, 1024) + "\n";
    }
  }
  const auto& c = report.choice;
  if (c.kind) {
    out += fmt::format("choice {}{}", net::name(*c.kind), c.why.empty() ? "" : ": " + c.why);
    if (c.failure) out += "; then " + base::escaped(c.failure->text, 1024);
  } else {
    out += "choice none: " + (c.failure ? base::escaped(c.failure->text, 1024) : std::string("nothing answered"));
  }
  out += '\n';
  return out;
}

std::string probe_json(const probe_report& report) {
  json::array transports;
  for (const auto& t : report.transports) {
    json::array steps;
    for (const auto& s : t.steps) {
      steps.push_back(json::object{{"name", s.name},
                                   {"ms", s.ms},
                                   {"total_ms", s.total_ms},
                                   {"round_trips", s.round_trips ? json::value(*s.round_trips) : json::value(nullptr)}});
    }
    json::object one{{"transport", net::name(t.kind)}, {"ok", t.answers}, {"reached", t.reached}};
    one["steps"] = std::move(steps);
    one["error"] = error_value(t.failure);
    one["facts"] = t.facts ? json::value(facts_value(*t.facts)) : json::value(nullptr);
    if (t.certificate) {
      one["certificate"] = json::object{{"text", base::escaped(t.certificate->text, 1024)},
                                        {"pin", t.certificate->pin},
                                        {"verified", t.certificate->verified},
                                        {"why", base::escaped(t.certificate->why, 1024)}};
    } else {
      one["certificate"] = nullptr;
    }
    transports.push_back(std::move(one));
  }
  json::array attempts;
  for (const auto& s : report.choice.steps) {
    attempts.push_back(json::object{{"transport", net::name(s.kind)},
                                    {"address", s.address},
                                    {"started_ms", static_cast<double>(s.started.count()) / 1000.0},
                                    {"ended_ms", s.ended.count() > 0 ? json::value(static_cast<double>(s.ended.count()) / 1000.0) : json::value(nullptr)},
                                    {"outcome", base::escaped(s.outcome, 1024)}});
  }
  json::object choice{{"ok", report.choice.ok}};
  choice["transport"] = report.choice.kind ? json::value(net::name(*report.choice.kind)) : json::value(nullptr);
  choice["why"] = report.choice.why;
  choice["fell_back"] = report.choice.fell_back;
  choice["attempts"] = std::move(attempts);
  choice["error"] = error_value(report.choice.failure);
  json::object out{{"url", report.url}, {"host", report.host}, {"port", report.port}};
  out["transports"] = std::move(transports);
  out["choice"] = std::move(choice);
  return json::serialize(out);
}

}  // namespace millrace::client
