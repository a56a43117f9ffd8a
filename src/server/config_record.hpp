// `record.rules` of the configuration file.
#pragma once
#include <toml++/toml.h>

#include <string>

#include "record/settings.hpp"

namespace millrace::server {

// What is wrong with it, for people; empty if nothing is.
std::string read_record_rules(record::settings& to, const toml::node& node);

}  // namespace millrace::server
