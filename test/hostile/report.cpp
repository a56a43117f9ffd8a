#include "hostile/report.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/escape.hpp"

namespace millrace::hostile {
namespace {

// Text of our own, with what a server said in it: escaped as for a log it is ASCII, and then only two characters mean something to JSON.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : base::escaped(text, 4000)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string field(const char* name, const std::string& value) { return quoted(name) + ": " + value; }
template <class Number>
std::string field(const char* name, Number value) {
  return field(name, std::to_string(value));
}

std::string megabytes(std::size_t size) { return std::to_string(size >> 20) + "." + std::to_string((size >> 10) % 1024 * 10 / 1024) + " MB"; }

}  // namespace

std::size_t summary::failures() const {
  return static_cast<std::size_t>(std::count_if(verdicts.begin(), verdicts.end(), [](const verdict& v) { return !v.failed.empty(); }));
}

std::string line(const verdict& of) {
  std::string out = of.skipped ? "skip   " : of.failed.empty() ? "pass   " : "FAIL   ";
  out += of.family + ": " + of.name + " (" + of.expected + ") " + std::to_string(of.took.count()) + " ms, gap " + std::to_string(of.gap.count()) + " ms";
  if (!of.failed.empty()) out += "\n       " + base::escaped(of.failed);
  return out;
}

std::string in_words(const summary& of) {
  std::map<std::string, std::pair<int, int>> families;  // run, failed
  std::size_t run = 0;
  for (const auto& v : of.verdicts) {
    if (v.skipped) continue;
    ++run;
    auto& counts = families[v.family];
    ++counts.first;
    counts.second += v.failed.empty() ? 0 : 1;
  }
  std::string out;
  for (const auto& [family, counts] : families) {
    out += family + ": " + std::to_string(counts.first) + " cases" + (counts.second == 0 ? "" : ", " + std::to_string(counts.second) + " FAILED") + "\n";
  }
  out += "bystander: largest gap " + std::to_string(of.largest_gap.count()) + " ms, idle " + std::to_string(of.idle_gap.count()) + " ms; " +
         std::to_string(of.frames) + " frames, " + std::to_string(of.frames_missing) + " missing\n";
  out += "server: " + megabytes(of.resident_before) + " before, " + megabytes(of.resident_after) + " after" +
         (of.memory_checked ? "" : " (not checked)") + "; " + std::to_string(of.descriptors_before) + " and " + std::to_string(of.descriptors_after) +
         " descriptors\n";
  for (const auto& fault : of.faults) out += "FAULT  " + base::escaped(fault) + "\n";
  return out + std::to_string(run - of.failures()) + " passed, " + std::to_string(of.failures() + of.faults.size()) + " failed";
}

std::string json(const summary& of) {
  std::string lines, faults;
  for (const auto& v : of.verdicts) {
    lines += (lines.empty() ? "\n  {" : ",\n  {") + field("family", quoted(v.family)) + ", " + field("name", quoted(v.name)) + ", " +
             field("expected", quoted(v.expected)) + ", " + field("outcome", quoted(v.skipped ? "skipped" : v.failed.empty() ? "passed" : "failed")) + ", " +
             field("detail", quoted(v.failed)) + ", " + field("ms", v.took.count()) + ", " + field("gap_ms", v.gap.count()) + "}";
  }
  for (const auto& fault : of.faults) faults += (faults.empty() ? "" : ", ") + quoted(fault);
  return "{" + field("idle_gap_ms", of.idle_gap.count()) + ", " + field("largest_gap_ms", of.largest_gap.count()) + ", " + field("frames", of.frames) + ", " +
         field("frames_missing", of.frames_missing) + ", " + field("resident_before", of.resident_before) + ", " + field("resident_after", of.resident_after) +
         ", " + field("memory_checked", std::string(of.memory_checked ? "true" : "false")) + ", " + field("descriptors_before", of.descriptors_before) + ", " +
         field("descriptors_after", of.descriptors_after) + ", " + field("faults", "[" + faults + "]") + ", " + field("cases", "[" + lines + "]") + "}\n";
}

}  // namespace millrace::hostile
