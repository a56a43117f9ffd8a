#include "server/config_record.hpp"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/nearest.hpp"

namespace millrace::server {
namespace {

using record::rule;
// An empty text means success.
using reader = std::function<std::string(rule&, const toml::node&)>;

template <class E>
reader choice(E rule::*field, std::vector<std::pair<std::string_view, E>> choices) {
  return [=](rule& r, const toml::node& node) -> std::string {
    const auto value = node.value_exact<std::string>();
    std::string names;
    for (const auto& [name, member] : choices) {
      if (value && name == *value) {
        r.*field = member;
        return {};
      }
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
    }
    return "takes one of " + names;
  };
}

const std::map<std::string, reader, std::less<>>& known() {
  static const std::map<std::string, reader, std::less<>> all = {
      {"streams", [](rule& r, const toml::node& node) -> std::string {
         const auto value = node.value_exact<std::string>();
         if (!value || value->empty()) return "takes names such as \"live/*\"";
         r.streams = *value;
         return {};
       }},
      {"format", choice<record::format>(&rule::as, {{"mp4", record::format::mp4}, {"flv", record::format::flv}})},
      {"start", choice<bool>(&rule::on_demand, {{"publish", false}, {"demand", true}})},
      {"file", [](rule& r, const toml::node& node) -> std::string {
         const auto value = node.value_exact<std::string>();
         if (!value) return "takes a text in quotes";
         auto made = record::name_template::parse(*value);
         if (!made) return std::move(made).error().text;
         r.file = std::move(*made);
         return {};
       }},
      {"rotate_s", [](rule& r, const toml::node& node) -> std::string {
         const auto value = node.value<double>();
         // Less would be a file for every key frame or two.
         if (!value || !(*value == 0 || (*value >= 1 && *value <= 31 * 86'400))) return "takes seconds from 1 to 2678400, or 0 for never";
         r.rotate_after = std::chrono::milliseconds(static_cast<std::int64_t>(*value * 1000));
         return {};
       }},
      {"rotate_bytes", [](rule& r, const toml::node& node) -> std::string {
         const auto value = node.value_exact<std::int64_t>();
         if (!value || (*value != 0 && *value < (1 << 20))) return "takes a whole number of at least 1048576, or 0 for never";
         r.rotate_bytes = static_cast<std::uint64_t>(*value);
         return {};
       }},
  };
  return all;
}

}  // namespace

fault read_record_rules(record::settings& to, const toml::node& node) {
  static constexpr auto form = "takes tables: [[record.rules]] with lines like streams = \"live/*\"";
  const auto* const list = node.as_array();
  if (list == nullptr) return {form};
  to.rules.clear();
  for (const auto& item : *list) {
    const auto* const table = item.as_table();
    if (table == nullptr) return {form, item.source().begin};
    rule r;
    for (const auto& [key, value] : *table) {
      const auto found = known().find(key.str());
      if (found == known().end()) {
        std::vector<std::string_view> names;
        for (const auto& [name, read] : known()) names.push_back(name);
        return {fmt::format("{} is no setting of a rule; did you mean {}?", key.str(), base::nearest(key.str(), names)), key.source().begin};
      }
      if (auto wrong = found->second(r, value); !wrong.empty()) return {fmt::format("{}: {}", key.str(), wrong), key.source().begin};
    }
    if (r.streams.empty()) return {"streams is missing: which ones this rule is for", table->source().begin};
    to.rules.push_back(std::move(r));
  }
  return {};
}

}  // namespace millrace::server
