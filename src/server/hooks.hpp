// HTTP hooks: what an operator's back end is asked and told of connections, streams and recordings. The forms: hook_text.hpp.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "server/hook_text.hpp"

namespace millrace::server {

struct hook_counts {
  std::uint64_t asked = 0;     // questions and messages that went out
  std::uint64_t refused = 0;   // questions that were answered with no
  std::uint64_t failed = 0;    // not answered, or not understood: a question is refused then, a message is lost
};

// One for a server, owned by a shared_ptr; every method is for any thread.
class hook_caller : public std::enable_shared_from_this<hook_caller> {
 public:
  // `server`: what tells this process from others, for the back end.
  hook_caller(hook_settings set, std::string server);
  ~hook_caller();

  // Who is told, from now on.
  void use(hook_settings set);
  [[nodiscard]] bool wants(hook what) const;
  // Whom `set` names: that by which the asker saw that somebody has to be asked. If it names nobody the answer is no. `done` is called once, on another
  // thread or at once here.
  void ask(std::shared_ptr<const hook_settings> set, hook_question q, std::function<void(hook_answer&&)> done);
  // Says what has happened; what comes back is logged if it is no success, and else ignored.
  void tell(hook_question q);
  [[nodiscard]] hook_counts counts() const;

 private:
  struct inner;
  static void ask_next(const std::shared_ptr<inner>& in, const std::shared_ptr<const hook_settings>& set, std::shared_ptr<const hook_question> q, std::size_t index,
                       hook_answer so_far, std::function<void(hook_answer&&)> done);
  std::shared_ptr<inner> inner_;
  http::client client_;  // its thread ends before what it calls into
};

// A publication or a play that a back end was asked about: says when it is over, if the caller is still there. One thread at a time.
class hook_visit {
 public:
  hook_visit() = default;
  hook_visit(hook_caller& to, hook_question begun) : to_(to.weak_from_this()), begun_(std::move(begun)) {}
  hook_visit(hook_visit&& other) noexcept = default;  // which leaves nobody to tell there
  hook_visit& operator=(hook_visit&& other) noexcept {
    end();
    to_ = std::move(other.to_);
    begun_ = std::move(other.begun_);
    return *this;
  }
  ~hook_visit() { end(); }

 private:
  void end();
  std::weak_ptr<hook_caller> to_;
  hook_question begun_;
};

}  // namespace millrace::server
