// A file that lies in memory, for what reads recordings.
#pragma once
#include <memory>
#include <vector>

#include "operations.hpp"
#include "record/scan.hpp"

namespace millrace::fuzz {

inline record::read_at file_of(std::vector<std::uint8_t> bytes) {
  const auto kept = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
  return [kept](std::uint64_t at, std::size_t count) -> std::optional<std::vector<std::uint8_t>> {
    if (at >= kept->size()) return std::vector<std::uint8_t>();
    const auto end = std::min<std::uint64_t>(kept->size(), at + count);
    return std::vector<std::uint8_t>(kept->begin() + static_cast<std::ptrdiff_t>(at), kept->begin() + static_cast<std::ptrdiff_t>(end));
  };
}

}  // namespace millrace::fuzz
