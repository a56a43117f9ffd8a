#include "server/server_inner.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace log = base::log;

namespace {

// For back ends that serve several: the host and the process, which is another one after a restart.
std::string process_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host.front() = '\0';
  return fmt::format("{}-{}", host.front() == '\0' ? "millrace" : host.data(), getpid());
}

std::uint16_t some_tag() {
  std::uint16_t tag = 0;
  while (tag == 0) (void)!getrandom(&tag, sizeof tag, 0);  // of 2 bytes it cannot fail (man 2 getrandom)
  return tag;
}

}  // namespace

server::server(boost::asio::io_context& io, config settings)
    : io_(io), settings_(std::move(settings)), context_{settings_, {}, {}, {}}, leaving_(io), drained_by_(io), hls_timer_(io) {
  context_.hooks = std::make_shared<hook_caller>(settings_.hooks, process_name());
  const auto count = shard_count(settings_);
  for (std::size_t index = 0; index < count; ++index) {
    if (index > 0) workers_.push_back(std::make_unique<worker>());
    shards_.push_back(std::make_unique<shard>(index == 0 ? io_ : workers_.back()->io, context_, index, count));
  }
  std::vector<shared_streams::place> places;
  for (const auto& each : shards_) places.push_back(each->streams().here());
  for (const auto& each : shards_) each->streams().connect(places);
  take_control();
  hear_of_publications();
  // Packaged where it is published, so that no other shard needs the stream.
  context_.hls = std::make_unique<hls::service>(settings_.hls, [this](std::shared_ptr<hls::presentation> to) {
    auto holder = context_.names.holder(to->stream());
    if (!holder && context_.names.elsewhere(to->stream())) holder = 0;  // comes there as soon as it is watched
    if (!holder) return to->close(404, "nobody publishes " + base::escaped(to->stream()));
    boost::asio::post(shards_[*holder]->io(), [s = shards_[*holder]->weak(), to] {
      const auto one = s.lock();
      if (!one) return to->close(503, "the server is shutting down");
      (*one)->packagers().add(to);
    });
  }, [] { return std::chrono::steady_clock::now(); });
}

// What the API asks is asked of each shard on its own thread; who asked hears of it on theirs.
void server::take_control() {
  auto& control = context_.control;
  control.ready = [this] { return !stopping_; };
  control.pin = [this] {
    const std::lock_guard held(identity_mutex_);
    return identity_ ? identity_->pin : std::string();
  };
  control.collect = [this](boost::asio::io_context& asker, look_at what, std::function<void(snapshot&&)> done) {
    struct gathering {
      std::mutex lock;
      snapshot all;
      std::size_t missing;
    };
    auto sum = std::make_shared<gathering>();
    sum->all.shards.resize(shards_.size());
    sum->all.at = std::chrono::system_clock::now();
    sum->all.hooks = context_.hooks->counts();
    sum->all.memory = context_.memory.facts();
    sum->missing = shards_.size();
    auto told = std::make_shared<std::function<void(snapshot&&)>>(std::move(done));
    for (std::size_t index = 0; index < shards_.size(); ++index) {
      boost::asio::post(shards_[index]->io(), [s = shards_[index]->weak(), sum, told, what, index, &asker] {
        const auto one = s.lock();
        if (!one) return;
        auto facts = (*one)->look(what);
        const std::lock_guard held(sum->lock);
        sum->all.shards[index] = std::move(facts);
        if (--sum->missing > 0) return;
        boost::asio::post(asker, [sum, told] { (*told)(std::move(sum->all)); });
      });
    }
  };
  control.kick = [this](boost::asio::io_context& asker, std::uint64_t id, std::function<void(bool)> done) {
    if (id == 0) return boost::asio::post(asker, [done = std::move(done)] { done(false); });
    const auto index = static_cast<std::size_t>(id - 1) % shards_.size();
    boost::asio::post(shards_[index]->io(), [s = shards_[index]->weak(), id, done = std::move(done), &asker] {
      const auto one = s.lock();
      boost::asio::post(asker, [done, found = one && (*one)->kick(id)] { done(found); });
    });
  };
  control.newest_group = [this](boost::asio::io_context& asker, std::string name, std::function<void(std::vector<hub::frame_facts>&&)> done) {
    const auto index = context_.names.holder(name).value_or(0);
    boost::asio::post(shards_[index]->io(), [s = shards_[index]->weak(), name = std::move(name), done = std::move(done), &asker]() mutable {
      const auto one = s.lock();
      auto frames = one ? (*one)->newest_group(name) : std::vector<hub::frame_facts>();
      boost::asio::post(asker, [done = std::move(done), frames = std::move(frames)]() mutable { done(std::move(frames)); });
    });
  };
}

server::~server() {
  if (sibling_) sibling_->close();
  door_.reset();
  // Each ends what it has on its own thread, while all the others are there.
  for (std::size_t index = 0; index < shards_.size(); ++index) ask(index, [](shard& s) { s.close(); return 0; });
  if (context_.disk) context_.disk->join();  // posts to their loops
  for (const auto& each : workers_) each->io.stop();
  for (const auto& each : workers_) {
    if (each->thread.joinable()) each->thread.join();
  }
  shards_.clear();
  context_.hls_viewers.clear();
  context_.recordings.reset();
  context_.hooks.reset();  // answers are posted to the loops
}

base::result<std::unique_ptr<server>> server::open(boost::asio::io_context& io, config settings, std::optional<inheritance> from) {
  if (from && settings.shards != from->shards) {
    if (settings.shards != 0) log::warning("shards = {}: the process before had {} and its sockets were made for so many: a restart changes that", settings.shards, from->shards);
    settings.shards = from->shards;
  }
  const auto count = shard_count(settings);
  try {  // loops and threads come with descriptors and stacks, and say by exceptions that there are none left
    std::unique_ptr<server> s(new server(io, std::move(settings)));
    s->inherited_ = std::move(from);
    s->tag_ = s->inherited_ && s->inherited_->our_tag != 0 ? s->inherited_->our_tag : some_tag();
    s->context_.disk = std::make_unique<boost::asio::thread_pool>(1);
    s->context_.control.disk = s->context_.disk.get();
    if (auto opened = s->open_recordings(); !opened) return std::move(opened).error();
    if (auto opened = s->open_keys(); !opened) return std::move(opened).error();
    if (auto opened = s->listen(); !opened) return std::move(opened).error();
    s->context_.control.addresses = s->addresses();
    s->start_threads();
    if (s->inherited_ && s->inherited_->control >= 0) {
      if (auto opened = s->open_door(s->inherited_->door.secret); !opened) return std::move(opened).error();
      // Without the other, nobody has the directory of recordings.
      s->meet(s->inherited_->control, s->inherited_->door, nullptr, [self = s.get()] { self->take_recordings({}); });
      s->sibling_->say_ready(s->door_->port());
    }
    s->close_what_is_left();
    s->inherited_.reset();
    return s;
  } catch (const std::runtime_error& none_left) {
    return base::error{base::error_kind::local, fmt::format("{} threads cannot be started: {}: raise the limits (ulimit -n, ulimit -u) or take fewer with --shards N",
                                                            count, none_left.what())};
  }
}

base::result<void> server::open_recordings() {
  record::service_parts parts{};
  parts.wait = inherited_ && inherited_->control >= 0;
  parts.on_complete = [this](const record::recording_facts& r) {
    if (!context_.hooks->wants(hook::record_done)) return;
    hook_question q;
    q.what = hook::record_done;
    std::tie(q.who.app, q.stream) = split_name(r.stream);
    std::error_code none;
    q.directory = std::filesystem::absolute(settings_.record.directory, none).string();
    q.file = r.file;
    context_.hooks->tell(std::move(q));
  };
  auto opened = record::service::open(settings_.record, std::move(parts));
  if (!opened) return std::move(opened).error().within("recordings");
  context_.recordings = *std::move(opened);
  context_.control.recordings = context_.recordings.get();
  for (const auto& each : shards_) each->record(*context_.recordings, context_.recordings->enabled() ? context_.disk.get() : nullptr);
  return {};
}

base::result<void> server::open_keys() {
  const auto state = state_directory(settings_);
  if (!state) return {};  // whoever needs one for more than this says so
  auto opened = publish_keys::open(*state / "publish-keys.json");
  if (!opened) return std::move(opened).error();
  context_.keys = *std::move(opened);
  context_.control.keys = context_.keys.get();
  for (const auto& each : shards_) each->let_publish_with(context_.keys.get());
  return {};
}

base::result<std::vector<config_change>> server::reload(config next) {
  std::shared_ptr<const net::identity> certificate;
  if (identity_ && !next.certificate.empty()) {
    auto loaded = net::load_identity(next.certificate, next.key);
    if (!loaded) return std::move(loaded).error();
    if ((*loaded)->certificate_pem != identity_->certificate_pem) certificate = *std::move(loaded);
  }
  if (context_.keys) {
    if (auto read = context_.keys->read_again(); !read) return std::move(read).error();
  }
  auto changed = changes(settings_, next);
  // Without a file the one in use goes on; what stands in for it is made at a start.
  if (next.certificate.empty()) {
    for (auto& one : changed) one.takes_effect = one.takes_effect && !one.setting.starts_with("tls.");
  }
  context_.hooks->use(next.hooks);
  for (std::size_t index = 0; index < shards_.size(); ++index) ask(index, [&](shard& s) { s.reload(next, certificate); return 0; });
  context_.grants.doubt();  // not before: a shard by the rules of before would find them right
  if (certificate) {
    {
      const std::lock_guard held(identity_mutex_);
      identity_ = std::move(certificate);
    }
    log::info("the certificate was replaced: pin={}, valid until {}", identity_->pin, identity_->not_after);
  }
  settings_.drain = next.drain;
  settings_.hand_over = next.hand_over;
  // What takes a restart stays different, so that it is said again next time.
  for (const auto& one : changed) {
    if (!one.takes_effect) continue;
    if (const auto now = next.written.find(one.setting); now != next.written.end()) settings_.written[one.setting] = now->second;
    else settings_.written.erase(one.setting);
  }
  return changed;
}

base::result<net::listener_options> server::listener_settings() {
  net::listener_options options;
  options.quic = settings_.quic;
  options.tls = settings_.tls;
  options.handshake_deadline = settings_.rtmp.connect_deadline;
  options.handshaking_max = std::max<std::size_t>(1, settings_.handshaking_max / shards_.size());  // the kernel spreads them
  if (settings_.quic || settings_.tls) {
    if (!settings_.certificate.empty()) {
      auto loaded = net::load_identity(settings_.certificate, settings_.key);
      if (!loaded) return std::move(loaded).error();
      identity_ = std::move(*loaded);
    } else {
      auto state = state_directory(settings_);
      if (!state) return std::move(state).error();
      auto made = net::self_signed_identity(*state);
      if (!made) return std::move(made).error();
      identity_ = std::move(*made);
    }
    options.certificate = identity_;
  }
  if (settings_.quic) {
    auto state = state_directory(settings_);
    if (!state) return std::move(state).error();
    auto secrets = net::load_quic_secrets(*state);
    if (!secrets) return std::move(secrets).error();
    options.quic_options.secrets = std::move(*secrets);
    options.quic_options.tag = tag_;
    options.quic_options.congestion = settings_.congestion;
    options.quic_options.redundancy = settings_.redundancy;
    options.quic_options.retry = settings_.retry;
    options.quic_options.idle_timeout = settings_.quic_idle_timeout;
  }
  return options;
}

base::result<void> server::listen() {
  auto options = listener_settings();
  if (!options) return std::move(options).error();
  const auto addresses = settings_.listen.empty() ? std::vector{net::listen_address{"::", 1935}} : settings_.listen;
  for (const auto& wanted : addresses) {
    auto address = wanted;
    options->addresses = std::make_shared<net::address_table>(settings_.connections_per_address_max, settings_.new_per_address_and_second);
    const auto quic_shards = this->quic_shards(wanted);
    for (std::size_t index = 0; index < shards_.size(); ++index) {
      options->address = address;
      options->group = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(shards_.size())};
      options->quic_group = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(quic_shards)};
      options->quic = settings_.quic && index < quic_shards;
      int channel = -1;
      take_in(*options, false, wanted, index, channel);
      if (auto opened = shards_[index]->listen(*options); !opened) return std::move(opened).error();
      if (channel >= 0) shards_[index]->listeners().back()->join_sibling(channel, inherited_->their_tag);
      address.port = shards_[index]->listeners().back()->port();  // the first one may have chosen it
    }
  }
  return listen_http(*options);
}

base::result<void> server::listen_http(const net::listener_options& common) {
  auto options = common;
  options.quic = false;
  options.tcp = true;
  options.tls = settings_.tls && options.certificate != nullptr;
  options.plain_scheme = "http";
  options.reserved_descriptors = 8;  // the API is wanted most when the others are refused
  options.tls_scheme = "https";
  options.address_option = "--http";
  for (const auto& wanted : settings_.web.listen) {
    auto address = wanted;
    options.addresses = std::make_shared<net::address_table>(settings_.connections_per_address_max, settings_.new_per_address_and_second);
    for (std::size_t index = 0; index < shards_.size(); ++index) {
      options.address = address;
      options.group = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(shards_.size())};
      int channel = -1;
      take_in(options, true, wanted, index, channel);
      if (auto opened = shards_[index]->web().listen(options); !opened) {
        if (!settings_.web.optional || index > 0) return std::move(opened).error().within("http");
        log::warning("no HTTP: {}, or none with --no-http", opened.error().text);
        break;
      }
      address.port = shards_[index]->web().listeners().back()->port();
    }
  }
  return {};
}

void server::start_threads() {
  for (const auto& each : shards_) each->every_second();
  watch_hls();
  for (const auto& each : workers_) each->thread = std::thread([&io = each->io] { io.run(); });
}

// Waits of requests have ends.
void server::watch_hls() {
  hls_timer_.expires_after(std::chrono::milliseconds(250));
  hls_timer_.async_wait([weak = std::weak_ptr(alive_)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self) return;
    (*self)->context_.hls->on_timer();
    (*self)->context_.hls_viewers.end_silent(std::chrono::steady_clock::now());
    (*self)->watch_hls();
  });
}

std::vector<std::string> server::addresses() const {
  std::vector<std::string> all;
  for (const auto& one : shards_.front()->listeners()) {
    const auto some = one->addresses();
    all.insert(all.end(), some.begin(), some.end());
  }
  for (const auto& one : shards_.front()->web().listeners()) {
    const auto some = one->addresses();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::uint16_t server::http_port() const {
  const auto& listeners = shards_.front()->web().listeners();
  return listeners.empty() ? 0 : listeners.front()->port();
}

std::uint16_t server::port() const {
  const auto& listeners = shards_.front()->listeners();
  return listeners.empty() ? 0 : listeners.front()->port();
}

std::vector<shard_facts> server::shards() const {
  std::vector<shard_facts> all;
  for (std::size_t index = 0; index < shards_.size(); ++index) all.push_back(ask(index, [](const shard& s) { return s.facts(); }));
  return all;
}

std::size_t server::connections() const {
  std::size_t sum = 0;
  for (const auto& each : shards()) sum += each.connections;
  return sum;
}

net::listener_counters server::counters() const {
  net::listener_counters sum;
  for (std::size_t index = 0; index < shards_.size(); ++index) sum += ask(index, [](const shard& s) { return s.counters(); });
  return sum;
}

std::optional<hub::stream_facts> server::stream(std::string_view name) const {
  const auto holder = context_.names.holder(name);
  std::optional<hub::stream_facts> found;
  std::size_t viewers = 0;
  for (std::size_t index = 0; index < shards_.size(); ++index) {
    auto one = ask(index, [name](const shard& s) { return s.stream(name); });
    if (!one) continue;
    viewers += one->viewers;
    if (!found || index == holder) found = std::move(one);
  }
  if (!found) return std::nullopt;
  found->published = holder.has_value();
  found->viewers = viewers;
  return found;
}

std::size_t server::request_reconnect(const std::string& tc_url, const std::string& why) {
  std::size_t sum = 0;
  for (std::size_t index = 0; index < shards_.size(); ++index) sum += ask(index, [&](shard& s) { return s.request_reconnect(tc_url, why); });
  return sum;
}

void server::shut_down(std::function<void()> done) {
  on_ended_ = std::move(done);
  stopping_ = true;
  if (child_ && !successor_) child_->ask_to_stop();  // it would go on alone
  // Who was asked to leave holds up the end of everybody, on whatever shard.
  const auto one_less = [weak = std::weak_ptr(alive_)] {
    const auto self = weak.lock();
    if (self && (*self)->draining_ > 0 && --(*self)->draining_ == 0) (*self)->end_all();
  };
  std::size_t asked = 0;
  for (std::size_t index = 0; index < shards_.size(); ++index) {
    const auto count = ask(index, [&](shard& s) { return s.drain([one_less, &home = io_] { boost::asio::post(home, one_less); }); });
    asked += count;
    if (count > 0) ++draining_;
  }
  if (asked == 0) return end_all();
  log::info("stopping: {} of {} connections were asked to reconnect, served on for up to {:.1f} s", asked, connections(),
            std::chrono::duration<double>(settings_.drain).count());
  drained_by_.expires_after(settings_.drain);
  drained_by_.async_wait([weak = std::weak_ptr(alive_)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (!failed && self && std::exchange((*self)->draining_, 0) > 0) (*self)->end_all();
  });
}

void server::end_all() {
  log::info("stopping: {} connections to end", connections());
  drained_by_.cancel();
  ending_ = shards_.size();
  const auto one_less = [weak = std::weak_ptr(alive_)] {
    const auto self = weak.lock();
    if (self && --(*self)->ending_ == 0) std::exchange((*self)->on_ended_, nullptr)();
  };
  for (std::size_t index = 1; index < shards_.size(); ++index) {
    boost::asio::post(shards_[index]->io(), [s = shards_[index].get(), one_less, &home = io_] {
      s->end_all([one_less, &home] { boost::asio::post(home, one_less); });
    });
  }
  shards_.front()->end_all(one_less);
}

}  // namespace millrace::server
