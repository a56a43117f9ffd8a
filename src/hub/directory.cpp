#include "hub/directory.hpp"

#include <map>

namespace millrace::hub {

// Streams are told apart by their address, because a name may get a new stream while the old one is on its way out.
struct directory::state {
  struct place {
    const stream* address = nullptr;
    std::weak_ptr<stream> held;
  };
  base::hub_limits limits;
  std::map<std::string, place, std::less<>> streams;
};

directory::directory(const base::hub_limits& limits) : state_(std::make_shared<state>()) { state_->limits = limits; }
directory::~directory() = default;

std::shared_ptr<stream> directory::open(std::string_view name) {
  auto found = state_->streams.find(name);
  if (found != state_->streams.end()) {
    if (auto held = found->second.held.lock()) return held;
  } else {
    found = state_->streams.emplace(std::string(name), state::place{}).first;
  }
  // The stream may outlive the directory, so its deleter shares the state.
  auto made = std::unique_ptr<stream>(new stream(std::string(name), state_->limits));
  const stream* const address = made.get();
  std::shared_ptr<stream> shared(made.release(), [owner = state_](stream* gone) {
    const auto at = owner->streams.find(gone->name());
    if (at != owner->streams.end() && at->second.address == gone) owner->streams.erase(at);
    delete gone;
  });
  found->second = {address, shared};
  return shared;
}

std::shared_ptr<stream> directory::find(std::string_view name) const {
  const auto found = state_->streams.find(name);
  return found == state_->streams.end() ? nullptr : found->second.held.lock();
}

std::vector<std::shared_ptr<stream>> directory::all() const {
  std::vector<std::shared_ptr<stream>> out;
  out.reserve(state_->streams.size());
  for (const auto& [name, at] : state_->streams) {
    if (auto held = at.held.lock()) out.push_back(std::move(held));
  }
  return out;
}

}  // namespace millrace::hub
