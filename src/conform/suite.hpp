// Runs scripts against a server, several at a time, and says how each ended.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <vector>

#include "conform/script.hpp"

namespace millrace::conform {

enum class outcome : unsigned char { passed, failed, refused, skipped };
std::string_view name(outcome how);  // "pass", "fail", "refused", "skipped"

struct verdict {
  std::string id, title;
  outcome how = outcome::passed;
  std::string detail;  // why not, and the script's notes
  milliseconds took{0};
};

// One script to its end, whatever it throws.
boost::asio::awaitable<verdict> run_case(boost::asio::io_context& io, const target& where, const test_case& which);

struct suite_options {
  std::vector<std::string> only;  // ids or prefixes of ids ("H", "T3"); empty: all
  bool slow = true;               // also the scripts that wait for the server's own deadlines
  std::size_t at_once = 4;
};

// Error kind usage when `only` names nothing.
base::result<std::vector<test_case>> choose(const suite_options& options);

// The verdicts in the order of `cases`; `progress` is called as each one ends.
boost::asio::awaitable<std::vector<verdict>> run_suite(boost::asio::io_context& io, const target& where, std::vector<test_case> cases,
                                                       std::size_t at_once, std::function<void(const verdict&)> progress);

// What the server says of itself in the answer to connect ("FMS/3,0,1,123"), or why there was no answer.
boost::asio::awaitable<base::result<std::string>> server_version(boost::asio::io_context& io, const target& where);

}  // namespace millrace::conform
