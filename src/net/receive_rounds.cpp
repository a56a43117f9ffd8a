#include "net/receive_rounds.hpp"

#include <algorithm>

namespace millrace::net {

boost::asio::execution_context::id receive_rounds::id;

receive_rounds& receive_rounds::of(boost::asio::execution_context& context) { return boost::asio::use_service<receive_rounds>(context); }

void receive_rounds::join(reader& one) {
  readers_.push_back(&one);
  if (gathering_) one.gather(true);
}

void receive_rounds::leave(reader& one) {
  const auto found = std::find(readers_.begin(), readers_.end(), &one);
  if (found == readers_.end()) return;
  if (gathering_) one.gather(false);
  if (in_round_) {
    *found = nullptr;
  } else {
    readers_.erase(found);
  }
}

void receive_rounds::gather(bool on) {
  if (gathering_ == on) return;
  gathering_ = on;
  for (auto* const one : readers_) one->gather(on);
}

void receive_rounds::round() {
  in_round_ = true;
  for (std::size_t i = 0; i < readers_.size(); ++i) {  // may grow meanwhile
    if (readers_[i] != nullptr) readers_[i]->read_round();
  }
  in_round_ = false;
  std::erase(readers_, nullptr);
}

}  // namespace millrace::net
