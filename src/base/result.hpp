// A value or an error. Member names follow std::expected (C++23), which g++ 12 lacks in C++20 mode.
#pragma once
#include <cassert>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.hpp"

namespace millrace::base {

using failure_type = error;  // inside result the name `error` is the member function

template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit by design
  result(failure_type failure) : state_(std::in_place_index<1>, std::move(failure)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Asking for the value of a failed result, or the error of a good one, is a bug and asserts.
  T& value() & { assert(has_value()); return *std::get_if<0>(&state_); }
  const T& value() const& { assert(has_value()); return *std::get_if<0>(&state_); }
  T&& value() && { assert(has_value()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  failure_type& error() & { assert(!has_value()); return *std::get_if<1>(&state_); }
  const failure_type& error() const& { assert(!has_value()); return *std::get_if<1>(&state_); }
  failure_type&& error() && { assert(!has_value()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, failure_type> state_;
};

// The result of something that only succeeds or fails: `return {};` is success.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  result() = default;
  result(failure_type failure) : state_(std::move(failure)) {}  // NOLINT: implicit by design
  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  failure_type& error() & { assert(!has_value()); return *std::get_if<1>(&state_); }
  const failure_type& error() const& { assert(!has_value()); return *std::get_if<1>(&state_); }
  failure_type&& error() && { assert(!has_value()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<std::monostate, failure_type> state_;
};

}  // namespace millrace::base
