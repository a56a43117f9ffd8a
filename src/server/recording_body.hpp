// A recording, or a part of it, as the body of a response.
#pragma once
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include "http/request.hpp"
#include "http/response.hpp"
#include "record/service.hpp"

namespace millrace::server {

// Answers with all of `file` or with the range that `r` asks for. Reading is done on the disk thread, a block ahead of the network.
http::response recording_response(boost::asio::io_context& io, const http::request& r, const std::shared_ptr<record::file_reader>& file);

}  // namespace millrace::server
