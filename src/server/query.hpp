// What the query behind a stream's name says, and how the secrets in it are compared and hidden. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace millrace::server {

// The first value of `name` in a query ("a=1&key=x"), percent-encoding left as sent.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name);
// What may be logged of a query: the values of parameters that millrace itself reads and that are no secrets. Of all others only the names are left, "***" for
// the values, since nobody knows what back ends of hooks take for keys.
std::string without_secrets(std::string_view query);
// The same for what stands behind the '?' of a URL.
std::string url_without_secrets(std::string_view url);
// Takes as long wherever the two differ; the length may show.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace millrace::server
