// How a server gives its sockets to the process that takes over, and takes those of the one before.
#include <spawn.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cstring>

#include <fmt/format.h>

#include "base/escape.hpp"
#include "base/hex.hpp"
#include "base/log.hpp"
#include "server/server_inner.hpp"

namespace millrace::server {
namespace log = base::log;

namespace {

std::string some_secret() {
  std::array<std::uint8_t, 16> bytes{};
  (void)!getrandom(bytes.data(), bytes.size(), 0);
  return base::hex(bytes);
}

base::error local(const std::string& what) { return {base::error_kind::local, what + ": " + std::strerror(errno)}; }

}  // namespace

void server::hear_of_publications() {
  for (const auto& each : shards_) {
    each->streams().on_own = [weak = std::weak_ptr(alive_), &home = io_](const std::string& name, bool published) {
      boost::asio::post(home, [weak, name, published] {
        const auto self = weak.lock();
        if (!self) return;
        auto& names = (*self)->own_names_;
        if (published) {
          names.insert(name);
        } else if (const auto at = names.find(name); at != names.end()) {
          names.erase(at);
        }
        if ((*self)->sibling_) (*self)->sibling_->tell(name, names.contains(name));
      });
    };
  }
}

base::result<void> server::open_door(const std::string& secret) {
  if (door_) return {};
  net::listener_options options;
  options.address = {"127.0.0.1", 0};
  options.tls = options.quic = false;
  auto opened = net::listen(io_, std::move(options), [this](net::transport_ptr t, base::instant came) { shards_.front()->take(std::move(t), came); });
  if (!opened) return std::move(opened).error();
  door_ = std::move(*opened);
  door_secret_ = secret;
  shards_.front()->open_door(secret);
  return {};
}

void server::meet(int control, sibling_door door, std::function<void()> on_ready, std::function<void()> on_gone) {
  sibling::seams to{shards_.front()->streams(), context_.names, [] {
                      std::uint64_t number = 0;
                      (void)!getrandom(&number, sizeof number, 0);
                      return number;
                    },
                    std::move(on_ready), std::move(on_gone),
                    [this](const std::vector<std::string>& demanded) { take_recordings(demanded); },
                    [this](const std::string& name) { return context_.recordings && context_.recordings->wants(name); }};
  sibling_ = std::make_shared<sibling>(io_, control, std::move(to), std::move(door));
  for (const auto& name : std::set(own_names_.begin(), own_names_.end())) sibling_->tell(name, true);
  sibling_->start();
}

void server::take_in(net::listener_options& options, bool web, const net::listen_address& as, std::size_t index, int& channel) {
  options.inherited_tcp = options.inherited_udp = channel = -1;
  if (!inherited_) return;
  for (auto& one : web ? inherited_->http : inherited_->rtmp) {
    if (one.as.host != as.host || one.as.port != as.port || one.sockets.size() != inherited_->shards) continue;
    auto& sockets = one.sockets[index];
    if (options.tcp || options.tls) options.inherited_tcp = std::exchange(sockets.tcp, -1);
    if (!options.quic) return;
    options.inherited_udp = std::exchange(sockets.udp, -1);
    channel = std::exchange(sockets.channel, -1);
    return;
  }
}

// Who reads the QUIC of an address: all, where its sockets are opened here.
std::size_t server::quic_shards(const net::listen_address& as) const {
  if (inherited_) {
    for (const auto& one : inherited_->rtmp) {
      if (one.as.host == as.host && one.as.port == as.port && one.quic_shards() > 0) return one.quic_shards();
    }
  }
  return shards_.size();
}

// Of addresses that the configuration has no more: a socket that listens and that nobody accepts from would let clients hang. The old process has it open
// as well, and systemd may.
void server::close_what_is_left() {
  if (!inherited_) return;
  for (auto* const list : {&inherited_->rtmp, &inherited_->http}) {
    for (const auto& one : *list) {
      for (const auto& each : one.sockets) {
        if (each.tcp >= 0) ::shutdown(each.tcp, SHUT_RDWR);
        for (const int socket : {each.tcp, each.udp, each.channel}) {
          if (socket >= 0) ::close(socket);
        }
      }
    }
  }
}

// Copies for the child go into `theirs`: they are closed here once it has been started.
handed_listener server::hand_out(const net::listen_address& as, std::size_t number, bool web, std::vector<int>& theirs, std::uint16_t tag) {
  handed_listener out;
  out.as = as;
  for (std::size_t index = 0; index < shards_.size(); ++index) {
    out.sockets.push_back(ask(index, [&](shard& s) {
      handed_listener::of_shard one;
      const auto& all = web ? s.web().listeners() : s.listeners();
      if (number >= all.size()) return one;
      auto& from = *all[number];
      out.port = from.port();
      std::tie(one.tcp, one.udp) = from.sockets();
      std::array<int, 2> pair{-1, -1};
      if (one.udp >= 0 && ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) == 0) {
        from.join_sibling(pair[0], tag);
        one.channel = pair[1];
        theirs.push_back(pair[1]);
      }
      return one;
    }));
  }
  return out;
}

base::result<void> server::hand_over(const std::vector<std::string>& command, std::function<void()> left, std::function<void(int process)> serving) {
  if (::getpid() == 1) return base::error{base::error_kind::usage, "with the first process of a container all others end: start a new container instead"};
  if (stopping_) return base::error{base::error_kind::usage, "the server is stopping"};
  if (child_ || (sibling_ && sibling_->there())) return base::error{base::error_kind::busy, "another process is taking over already, or the one before has not gone yet"};
  if (auto opened = open_door(some_secret()); !opened) return opened;

  std::array<int, 2> control{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control.data()) != 0) return local("socketpair");
  inheritance all;
  std::vector<int> theirs{control[1]};
  all.shards = shards_.size();
  all.their_tag = tag_;
  do (void)!getrandom(&all.our_tag, sizeof all.our_tag, 0); while (all.our_tag == 0 || all.our_tag == tag_);
  all.door = {door_->port(), door_secret_};
  const auto addresses = settings_.listen.empty() ? std::vector{net::listen_address{"::", 1935}} : settings_.listen;
  for (std::size_t i = 0; i < addresses.size(); ++i) all.rtmp.push_back(hand_out(addresses[i], i, false, theirs, all.our_tag));
  for (std::size_t i = 0; i < settings_.web.listen.size(); ++i) {
    auto one = hand_out(settings_.web.listen[i], i, true, theirs, all.our_tag);
    if (one.sockets.front().tcp >= 0) all.http.push_back(std::move(one));
  }
  const auto line = to_json(all) + "\n";
  if (::write(control[0], line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    auto failed = local("hand over");
    for (const int each : theirs) ::close(each);
    ::close(control[0]);
    return failed;
  }

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const auto give = [&](int fd) {
    if (fd >= 0) posix_spawn_file_actions_adddup2(&actions, fd, fd);  // onto itself: not closed by exec any more
  };
  give(control[1]);
  for (const auto* list : {&all.rtmp, &all.http}) {
    for (const auto& one : *list) {
      for (const auto& each : one.sockets) {
        give(each.tcp);
        give(each.udp);
        give(each.channel);
      }
    }
  }
  const auto variable = std::string(hand_over_variable) + "=" + std::to_string(control[1]);
  std::vector<char*> arguments, variables;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (char** each = environ; *each != nullptr; ++each) variables.push_back(*each);
  variables.push_back(const_cast<char*>(variable.c_str()));
  variables.push_back(nullptr);
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, command.front().c_str(), &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  for (const int each : theirs) ::close(each);
  if (failed != 0) {
    ::close(control[0]);
    return base::error{base::error_kind::local, command.front() + " cannot be started: " + std::strerror(failed)};
  }
  auto watched = child_process::watch(io_, child, [this, left, serving](int status) { on_child_ended(status, left, serving); });
  if (!watched) {
    ::close(control[0]);
    return std::move(watched).error();
  }
  child_ = *std::move(watched);
  log::info("hand over: process {} was started", child);
  meet(control[0], {0, door_secret_},
       [this, child, left = std::move(left), serving = std::move(serving)] {
         if (stopping_) return;  // and so is the child
         successor_ = child;
         serving(child);
         give_recordings();
         leave(left);
       },
       nullptr);
  return {};
}

void server::on_child_ended(int status, const std::function<void()>& left, const std::function<void(int process)>& serving) {
  const int child = std::exchange(child_, nullptr)->number();
  sibling_->close();
  if (stopping_) return;
  if (!successor_) return log::error("hand over: process {} ended before it was ready, its own output says why: this one goes on", child);
  leaving_.cancel();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    log::info("process {}, which had taken over, was stopped: so is this one", child);
    return left();
  }
  successor_.reset();
  take_back();
  log::error("process {}, which had taken over, has ended by {}: this one is the server again", child,
             WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : fmt::format("exit status {}", WEXITSTATUS(status)));
  serving(::getpid());
}

// As it was before the hand-over; who was connected there comes back by itself.
void server::take_back() {
  if (context_.keys) {
    if (auto read = context_.keys->read_again(); !read) log::error("publish keys: those of before the hand-over are in force: {}", read.error().text);
  }
  take_recordings(recordings_given_);
  for (std::size_t index = 0; index < shards_.size(); ++index) ask(index, [](shard& s) { s.take_back(); return 0; });
}

// Two processes cannot record into one directory. What is recorded here ends in order and goes on there in another file; what is published here comes there
// as to a viewer.
void server::give_recordings() {
  if (!context_.recordings || !context_.recordings->enabled()) return;
  recordings_given_ = context_.recordings->facts().demanded;
  context_.recordings->give_away([weak = std::weak_ptr(alive_), &home = io_, to = std::weak_ptr(sibling_)] {
    boost::asio::post(home, [weak, to] {
      const auto self = weak.lock();
      if (const auto there = to.lock(); self && there && there == (*self)->sibling_) there->give_recordings((*self)->recordings_given_);
    });
  });
}

void server::take_recordings(const std::vector<std::string>& demanded) {
  if (!context_.recordings || !context_.recordings->enabled()) return;
  context_.recordings->take([weak = std::weak_ptr(alive_), &home = io_] {
    boost::asio::post(home, [weak] {
      if (const auto self = weak.lock(); self && (*self)->sibling_ && (*self)->sibling_->there()) (*self)->sibling_->look();
    });
  });
  for (const auto& name : demanded) {
    if (auto begun = context_.recordings->start(name); !begun) log::warning("hand over: {} is not recorded any more: {}", base::escaped(name), begun.error().text);
  }
}

void server::leave(std::function<void()> left) {
  for (std::size_t index = 0; index < shards_.size(); ++index) ask(index, [](shard& s) { s.leave_to_sibling(); return 0; });
  const auto asked = request_reconnect({}, "another process takes over");
  log::info("process {} has taken over: {} connections were asked to come back there, {} are served here for up to {:.0f} s", *successor_, asked, connections(),
            std::chrono::duration<double>(settings_.hand_over).count());
  leave_when_empty(std::move(left), std::chrono::steady_clock::now() + settings_.hand_over);
}

void server::leave_when_empty(std::function<void()> left, base::instant by) {
  leaving_.expires_after(std::chrono::milliseconds(500));
  leaving_.async_wait([this, left = std::move(left), by](boost::system::error_code failed) mutable {
    if (failed || stopping_ || !successor_) return;  // cancelled when this was due already
    std::size_t here = 0;
    for (const auto& each : shards()) here += each.connections + each.web_connections;
    if (here > 0 && std::chrono::steady_clock::now() < by) return leave_when_empty(std::move(left), by);
    log::info("leaving to process {}: {}", *successor_, here == 0 ? "nobody is here any more" : fmt::format("the time is over, {} connections are left", here));
    left();
  });
}

}  // namespace millrace::server
