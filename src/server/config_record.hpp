// `record.rules` of the configuration file.
#pragma once
#include <toml++/toml.h>

#include <string>
#include <utility>

#include "record/settings.hpp"

namespace millrace::server {

// What is wrong with a setting, for people; empty if nothing is. Most are wrong where their key stands; those of several lines say where.
struct fault {
  fault(std::string what = {}, toml::source_position where = {}) : text(std::move(what)), at(where) {}

  std::string text;
  toml::source_position at;
};

fault read_record_rules(record::settings& to, const toml::node& node);

}  // namespace millrace::server
