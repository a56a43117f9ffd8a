// Runs cases beside a bystander and judges what they did to the server.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "hostile/report.hpp"

namespace millrace::hostile {

struct driver_options {
  std::function<std::optional<std::string>()> ended;  // how the server ended, if it has; empty: it is somebody else's
  std::function<void(const verdict&)> progress;
};

summary run_all(arena& in, const cases& all, const driver_options& options);

}  // namespace millrace::hostile
