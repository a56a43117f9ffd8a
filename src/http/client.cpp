#include "http/client.hpp"

#include <curl/curl.h>

#include <array>
#include <map>
#include <utility>

namespace millrace::http {
namespace {

constexpr std::chrono::milliseconds linger{100};  // part of the 2 s from SIGTERM to the end
constexpr long connections_per_host_max = 64, connections_kept_max = 64;

// Not thread-safe by itself, and to be done once in a process (man curl_global_init).
void init_library() {
  static const auto done = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)done;
}

}  // namespace

struct client::transfer {
  client_request request;
  handler done;
  client_response response;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};

  transfer(client_request r, handler d) : request(std::move(r)), done(std::move(d)) {}
  transfer(const transfer&) = delete;
  transfer& operator=(const transfer&) = delete;
  ~transfer() {
    curl_slist_free_all(headers);
    if (easy != nullptr) curl_easy_cleanup(easy);
  }

  static std::size_t write(char* bytes, std::size_t size, std::size_t count, void* own) {
    auto& body = static_cast<transfer*>(own)->response.body;
    const auto length = size * count;
    if (body.size() + length > answer_bytes_max) return 0;  // ends the transfer
    body.append(bytes, length);
    return length;
  }

  bool prepare() {
    easy = curl_easy_init();
    if (easy == nullptr) return false;
    headers = curl_slist_append(headers, ("Content-Type: " + request.content_type).c_str());
    headers = curl_slist_append(headers, "Expect:");  // no round trip for permission to send a short body
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // the operator's back end is where the setting says, whatever the environment says of proxies
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // The system's resolver is asked in a thread of libcurl's. Without this the end of a transfer waits for it, and all others and our own end with it.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &transfer::write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
    curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
    return true;
  }

  void finish(CURLcode code) {
    if (code != CURLE_OK) {
      response = {};
      response.failed = code == CURLE_WRITE_ERROR ? "the answer is longer than " + std::to_string(answer_bytes_max) + " bytes"
                        : error.front() != '\0'   ? std::string(error.data())
                                                  : std::string(curl_easy_strerror(code));
    } else {
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      response.status = static_cast<unsigned>(status);
      // The redirect's URL as curl completes it; the header as it was sent is what a name is taken from.
      curl_header* header = nullptr;
      if (curl_easy_header(easy, "Location", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) response.location = header->value;
    }
  }
};

client::client() { init_library(); }

client::~client() {
  {
    const std::lock_guard held(mutex_);
    stopping_ = true;
    if (multi_ != nullptr) curl_multi_wakeup(multi_);
  }
  if (thread_.joinable()) thread_.join();
}

void client::post(client_request what, handler done) {
  {
    const std::lock_guard held(mutex_);
    if (open_ < open_max && !stopping_) {
      if (multi_ == nullptr) {
        multi_ = curl_multi_init();
        curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, connections_per_host_max);
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections_kept_max);
        thread_ = std::thread([this] { run(); });
      }
      ++open_;
      waiting_.push_back(std::make_unique<transfer>(std::move(what), std::move(done)));
      curl_multi_wakeup(multi_);
      return;
    }
  }
  client_response none;
  none.failed = "more than " + std::to_string(open_max) + " requests wait for an answer";
  done(std::move(none));
}

std::size_t client::open() const {
  const std::lock_guard held(mutex_);
  return open_;
}

void client::run() {
  std::map<CURL*, std::unique_ptr<transfer>> running;
  const auto finish = [this](transfer& one, CURLcode code) {
    one.finish(code);
    one.done(std::move(one.response));
    const std::lock_guard held(mutex_);
    --open_;
  };
  auto deadline = std::chrono::steady_clock::time_point::max();
  while (true) {
    std::vector<std::unique_ptr<transfer>> fresh;
    bool stopping = false;
    {
      const std::lock_guard held(mutex_);
      fresh.swap(waiting_);
      stopping = stopping_;
    }
    for (auto& one : fresh) {
      if (!one->prepare() || curl_multi_add_handle(multi_, one->easy) != CURLM_OK) {
        finish(*one, CURLE_OUT_OF_MEMORY);
        continue;
      }
      running.emplace(one->easy, std::move(one));
    }
    int active = 0, left = 0;
    curl_multi_perform(multi_, &active);
    while (const auto* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto code = message->data.result;
      auto own = running.extract(message->easy_handle);
      curl_multi_remove_handle(multi_, own.key());
      finish(*own.mapped(), code);
    }
    const auto now = std::chrono::steady_clock::now();
    if (stopping) {
      deadline = std::min(deadline, now + linger);
      if (running.empty() || now >= deadline) break;
    }
    const auto wait = stopping ? std::chrono::ceil<std::chrono::milliseconds>(deadline - now) : std::chrono::milliseconds(60'000);
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr);  // curl's own timers and wakeup() end it earlier
  }
  for (auto& [easy, one] : running) {
    curl_multi_remove_handle(multi_, easy);
    finish(*one, CURLE_ABORTED_BY_CALLBACK);
  }
  running.clear();
  const std::lock_guard held(mutex_);
  curl_multi_cleanup(std::exchange(multi_, nullptr));
}

}  // namespace millrace::http
