// The verdicts of a run as a table for people and as JSON for scripts.
#pragma once
#include <string>
#include <vector>

#include "conform/suite.hpp"

namespace millrace::conform {

struct report {
  std::string url;        // without key
  std::string transport;  // "rtmp", "rtmps", "rtmpq"
  std::string server;     // what it says of itself
  std::vector<verdict> verdicts;

  [[nodiscard]] std::size_t count(outcome how) const;
};

// "H1   pass     version 3 is answered …"; a failure has its reason on the line below.
std::string line(const verdict& v);
// "31 pass, 2 fail, 1 refused, 0 skipped"
std::string summary(const report& r);
// One object: url, transport, server, passed, failed, refused, skipped, tests [{id, title, outcome, detail, ms}].
std::string json(const report& r);

}  // namespace millrace::conform
