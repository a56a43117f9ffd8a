#include "conform/report.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace millrace::conform {

std::size_t report::count(outcome how) const {
  return static_cast<std::size_t>(std::count_if(verdicts.begin(), verdicts.end(), [how](const verdict& v) { return v.how == how; }));
}

std::string line(const verdict& v) {
  const auto padded = [](std::string text, std::size_t width) { return text.size() < width ? text + std::string(width - text.size(), ' ') : text; };
  auto out = padded(v.id, 5) + padded(std::string(name(v.how)), 9) + v.title;
  if (!v.detail.empty()) out += "\n" + std::string(14, ' ') + v.detail;
  return out;
}

std::string summary(const report& r) {
  std::string out;
  for (const auto how : {outcome::passed, outcome::failed, outcome::refused, outcome::skipped}) {
    out += (out.empty() ? "" : ", ") + std::to_string(r.count(how)) + " " + std::string(name(how));
  }
  return out;
}

std::string json(const report& r) {
  boost::json::array tests;
  for (const auto& v : r.verdicts) {
    tests.push_back({{"id", v.id}, {"title", v.title}, {"outcome", name(v.how)}, {"detail", v.detail}, {"ms", v.took.count()}});
  }
  const boost::json::object out{{"url", r.url},
                                {"transport", r.transport},
                                {"server", r.server},
                                {"passed", r.count(outcome::passed)},
                                {"failed", r.count(outcome::failed)},
                                {"refused", r.count(outcome::refused)},
                                {"skipped", r.count(outcome::skipped)},
                                {"tests", std::move(tests)}};
  return boost::json::serialize(out);
}

}  // namespace millrace::conform
