#include "server/hand_over.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {

constexpr std::size_t line_max = 1u << 20;
constexpr std::chrono::milliseconds look_every{250};
constexpr int looks_unwatched_max = 20;  // then nobody here wants it any more

boost::json::array listeners_json(const std::vector<handed_listener>& all) {
  boost::json::array out;
  for (const auto& one : all) {
    boost::json::array sockets;
    for (const auto& each : one.sockets) sockets.push_back(boost::json::array{each.tcp, each.udp, each.channel});
    out.push_back(boost::json::object{{"host", one.as.host}, {"as", one.as.port}, {"port", one.port}, {"sockets", std::move(sockets)}});
  }
  return out;
}

// Throws what Boost.JSON throws.
std::vector<handed_listener> listeners_of(const boost::json::value& all) {
  std::vector<handed_listener> out;
  for (const auto& one : all.as_array()) {
    handed_listener made;
    const auto& o = one.as_object();
    made.as = {std::string(o.at("host").as_string()), o.at("as").to_number<std::uint16_t>()};
    made.port = o.at("port").to_number<std::uint16_t>();
    for (const auto& each : o.at("sockets").as_array()) {
      const auto& s = each.as_array();
      made.sockets.push_back({s.at(0).to_number<int>(), s.at(1).to_number<int>(), s.at(2).to_number<int>()});
    }
    out.push_back(std::move(made));
  }
  return out;
}

std::set<int> descriptors_of(const inheritance& all) {
  std::set<int> out{all.control};
  for (const auto* list : {&all.rtmp, &all.http}) {
    for (const auto& one : *list) {
      for (const auto& each : one.sockets) out.insert({each.tcp, each.udp, each.channel});
    }
  }
  return out;
}

// Connections of the old process among them: whoever keeps a copy of a socket keeps its peer from seeing the end.
void close_all_but(const std::set<int>& wanted) {
  DIR* const all = ::opendir("/proc/self/fd");
  if (all == nullptr) return;
  std::vector<int> others;
  while (const auto* const one = ::readdir(all)) {
    int number = -1;
    const std::string_view name = one->d_name;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc{}) continue;
    if (number > 2 && number != ::dirfd(all) && !wanted.contains(number)) others.push_back(number);
  }
  ::closedir(all);
  for (const int each : others) ::close(each);
  for (const int each : wanted) {
    if (each > 2) ::fcntl(each, F_SETFD, FD_CLOEXEC);
  }
}

}  // namespace

std::size_t handed_listener::quic_shards() const {
  return static_cast<std::size_t>(std::count_if(sockets.begin(), sockets.end(), [](const of_shard& one) { return one.udp >= 0; }));
}

std::string to_json(const inheritance& all) {
  return boost::json::serialize(boost::json::object{{"hand_over", 1}, {"shards", all.shards}, {"their_tag", all.their_tag}, {"our_tag", all.our_tag},
                                                    {"port", all.door.port}, {"secret", all.door.secret},
                                                    {"rtmp", listeners_json(all.rtmp)}, {"http", listeners_json(all.http)}});
}

base::result<inheritance> parse_inheritance(std::string_view json) {
  try {
    const auto value = boost::json::parse(json);
    const auto& o = value.as_object();
    if (o.at("hand_over").to_number<int>() != 1) return base::error{base::error_kind::unsupported, "the old process speaks another version of the hand-over"};
    inheritance all;
    all.shards = o.at("shards").to_number<std::size_t>();
    all.their_tag = o.at("their_tag").to_number<std::uint16_t>();
    all.our_tag = o.at("our_tag").to_number<std::uint16_t>();
    all.door = {o.at("port").to_number<std::uint16_t>(), std::string(o.at("secret").as_string())};
    all.rtmp = listeners_of(o.at("rtmp"));
    all.http = listeners_of(o.at("http"));
    return all;
  } catch (const std::exception& wrong) {
    return base::error{base::error_kind::protocol, std::string("what the old process says is not understood: ") + wrong.what()};
  }
}

base::result<std::optional<inheritance>> take_inheritance() {
  const auto* const text = std::getenv(hand_over_variable);
  if (text == nullptr) return std::optional<inheritance>();
  const std::string number = text;
  ::unsetenv(hand_over_variable);  // not for what this process starts
  int control = -1;
  std::from_chars(number.data(), number.data() + number.size(), control);
  std::string line;
  // At start-up nothing else is to be done, so this may block; the old process writes it before it starts this one.
  for (char c = 0; line.size() < line_max;) {
    pollfd ready{control, POLLIN, 0};
    if (::poll(&ready, 1, 5'000) <= 0 || ::read(control, &c, 1) != 1) {
      return base::error{base::error_kind::local, std::string(hand_over_variable) + " is set, but no server hands over there: unset it to start one by itself"};
    }
    if (c == '\n') break;
    line += c;
  }
  auto all = parse_inheritance(line);
  if (!all) return std::move(all).error();
  all->control = control;
  close_all_but(descriptors_of(*all));
  return std::optional(std::move(*all));
}

// ---- the two of them ----------------------------------------------------------------------------------------------

sibling::sibling(boost::asio::io_context& io, int control, seams to, sibling_door door) : io_(io), control_(io), to_(std::move(to)), door_(std::move(door)), in_(line_max), timer_(io) {
  control_.assign(boost::asio::local::stream_protocol(), control);
}

void sibling::start() {
  read();
  look();
}

void sibling::say_ready(std::uint16_t port) { send(boost::json::serialize(boost::json::object{{"ready", port}})); }

void sibling::tell(const std::string& name, bool published) {
  // Names of streams are UTF-8: others were refused.
  send(boost::json::serialize(boost::json::object{{published ? "published" : "ended", name}}));
}

void sibling::give_recordings(const std::vector<std::string>& demanded) {
  send(boost::json::serialize(boost::json::object{{"recordings", boost::json::value_from(demanded)}}));
}

void sibling::send(std::string line) {
  if (!there()) return;
  out_ += std::move(line) + '\n';
  if (writing_.empty()) write();
}

void sibling::write() {
  writing_ = std::exchange(out_, {});
  boost::asio::async_write(control_, boost::asio::buffer(writing_), [weak = weak_from_this()](boost::system::error_code failed, std::size_t) {
    const auto self = weak.lock();
    if (!self || failed) return;  // reading says so too
    self->writing_.clear();
    if (!self->out_.empty()) self->write();
  });
}

void sibling::read() {
  boost::asio::async_read_until(control_, in_, '\n', [weak = weak_from_this()](boost::system::error_code failed, std::size_t size) {
    const auto self = weak.lock();
    if (!self) return;
    if (failed) return self->gone();
    const auto* const begin = static_cast<const char*>(self->in_.data().data());
    const std::string line(begin, size - 1);
    self->in_.consume(size);
    self->take(line);
    if (self->there()) self->read();
  });
}

void sibling::take(const std::string& line) {
  boost::system::error_code wrong;
  const auto value = boost::json::parse(line, wrong);
  if (wrong || !value.is_object()) return log::warning("the other process says what is not understood: {}", escaped(line, 200));
  const auto& o = value.as_object();
  if (const auto* port = o.if_contains("ready"); port != nullptr && port->is_int64()) {
    door_.port = static_cast<std::uint16_t>(port->as_int64());
    if (to_.on_ready) to_.on_ready();
  }
  if (const auto* name = o.if_contains("published"); name != nullptr && name->is_string()) {
    const std::string text(name->as_string());
    theirs_.insert(text);
    to_.names.set_elsewhere(text, true);
    look();
  }
  if (const auto* name = o.if_contains("ended"); name != nullptr && name->is_string()) {
    const std::string text(name->as_string());
    theirs_.erase(text);
    to_.names.set_elsewhere(text, false);
  }
  if (const auto* demanded = o.if_contains("recordings"); demanded != nullptr && demanded->is_array() && to_.on_recordings) {
    std::vector<std::string> names;
    for (const auto& name : demanded->get_array()) {
      if (name.is_string()) names.emplace_back(name.get_string());
    }
    to_.on_recordings(names);
    look();
  }
}

bool sibling::wanted(const std::string& name) const { return to_.names.watched(name) || (to_.records && to_.records(name)); }

// Who watches or records here what the other has, and who does no longer. An own publisher who was asked to leave counts with its viewers: they go on with what comes
// from there, from its first key frame.
void sibling::look() {
  for (const auto& name : theirs_) {
    if (door_.port == 0 || followed_.contains(name) || !wanted(name) || !to_.names.may_follow(name)) continue;
    auto by = std::make_shared<stream_follower>(io_, to_.streams, name, to_.random(), [weak = weak_from_this(), name] {
      if (const auto self = weak.lock()) self->followed_.erase(name);
    });
    followed_[name].by = by;
    by->start(door_);
  }
  for (auto at = followed_.begin(); at != followed_.end();) {
    at->second.unwatched = wanted(at->first) ? 0 : at->second.unwatched + 1;
    if (at->second.unwatched <= looks_unwatched_max) {
      ++at;
      continue;
    }
    at->second.by->stop();
    at = followed_.erase(at);
  }
  timer_.expires_after(look_every);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (!failed && self && self->there()) self->look();
  });
}

void sibling::gone() {
  close();
  if (to_.on_gone) to_.on_gone();
}

void sibling::close() {
  boost::system::error_code ignored;
  control_.close(ignored);
  timer_.cancel();
  for (const auto& [name, one] : std::exchange(followed_, {})) one.by->stop();
  for (const auto& name : std::exchange(theirs_, {})) to_.names.set_elsewhere(name, false);
}

}  // namespace millrace::server
