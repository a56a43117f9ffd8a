// What the files of server share: its threads, and how their shards are asked. Private to server*.cpp.
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "server/server.hpp"

namespace millrace::server {

struct server::worker {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy = boost::asio::make_work_guard(io);
  std::thread thread;
};

template <class Question>
auto server::ask(std::size_t index, Question question) const {
  auto& one = *shards_[index];
  if (index == 0 || !workers_[index - 1]->thread.joinable()) return question(one);
  std::promise<decltype(question(one))> answer;
  boost::asio::post(one.io(), [&] { answer.set_value(question(one)); });
  return answer.get_future().get();
}

}  // namespace millrace::server
