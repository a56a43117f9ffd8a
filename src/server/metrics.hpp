// /metrics: the text format of Prometheus, version 0.0.4.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "record/service.hpp"
#include "server/facts.hpp"
#include "server/process_facts.hpp"
#include "server/reason_log.hpp"

namespace millrace::server {

struct metric {
  std::string_view name;  // "millrace_viewers"
  std::string_view type;  // "gauge", "counter"
  std::string_view help;
};
// All there are, in the order in which they come. doc/guide/metrics.md lists the same, and a test compares.
std::span<const metric> metrics();

std::string metrics_text(const snapshot& all, const process_facts& process, const capacity& left, const reason_log& reasons, const record::service_facts& recordings);

}  // namespace millrace::server
