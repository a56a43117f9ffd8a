// Facts as JSON, the way /api/v1 gives them: snake_case, units last, times in RFC 3339 (UTC), what is not known left out.
#pragma once
#include <boost/json/fwd.hpp>
#include <string>

#include "server/facts.hpp"
#include "server/process_facts.hpp"
#include "server/reason_log.hpp"

namespace millrace::server {

std::string rfc3339(std::chrono::system_clock::time_point at);  // "2026-11-27T01:02:03.456Z"

boost::json::object to_json(const connection_facts& c);
boost::json::object to_json(const reason_event& e);
boost::json::object to_json(const stream_sample& s);
boost::json::object to_json(const hub::frame_facts& f);
// A stream as all shards know it; null if none does.
boost::json::value stream_json(const snapshot& all, const std::string& name);
boost::json::array streams_json(const snapshot& all);
boost::json::object server_json(const snapshot& all, const process_facts& process, const capacity& left);
boost::json::array reasons_json(const reason_log& log);
// The samples of all shards put together, second by second, oldest first, up to the newest that is whole: `all` needs one second more than that of each shard.
std::vector<stream_sample> merged_history(const snapshot& all, const std::string& name, std::size_t seconds);

}  // namespace millrace::server
