#include "rtmp/extension.hpp"

#include "rtmp/amf0.hpp"

namespace millrace::rtmp {
namespace {

constexpr const char* member_name = "millrace";
constexpr double version = 1;
// A token of ours is 43 characters; what is much longer is none.
constexpr std::size_t token_bytes_max = 256;
constexpr std::size_t reason_bytes_max = 256;
// A queue that is older than that is a broken clock.
constexpr double queue_ms_max = 24.0 * 3600 * 1000;

}  // namespace

extension read_extension(const amf0::value& object) {
  extension out;
  const auto* own = object.find(member_name);
  const auto* v = own ? own->find("v") : nullptr;
  if (!v || !v->number() || *v->number() < version) return out;  // later versions add to the first
  out.announced = true;
  if (const auto* groups = own->find("groups"); groups && groups->boolean()) out.groups = *groups->boolean();
  if (const auto* reports = own->find("reports"); reports && reports->boolean()) out.reports = *reports->boolean();
  if (const auto* profile = own->find("profile"); profile && profile->text()) out.reliable = *profile->text() == "reliable";
  if (const auto* fell = own->find("fellBack"); fell && fell->text()) out.fell_back = fell->text()->substr(0, reason_bytes_max);
  if (const auto* resume = own->find("resume"); resume && resume->text() && resume->text()->size() <= token_bytes_max) out.resume = *resume->text();
  return out;
}

void append_extension(std::vector<amf0::member>& to, const extension& what) {
  if (!what.announced) return;
  amf0::object own{{{"v", version}}};
  if (what.groups) own.members.push_back({"groups", true});
  if (what.groups && what.reliable) own.members.push_back({"profile", "reliable"});
  if (what.reports) own.members.push_back({"reports", true});
  if (!what.fell_back.empty()) own.members.push_back({"fellBack", what.fell_back.substr(0, reason_bytes_max)});
  if (!what.resume.empty()) own.members.push_back({"resume", what.resume});
  to.push_back({member_name, std::move(own)});
}

amf0::value report_object(const publisher_report& report) { return amf0::object{{{"queueMs", static_cast<double>(report.queue_age.count())}}}; }

std::optional<publisher_report> read_report(const amf0::value* object) {
  const auto* queue = object ? object->find("queueMs") : nullptr;
  const auto ms = queue && queue->number() ? *queue->number() : -1;
  if (!(ms >= 0 && ms <= queue_ms_max)) return std::nullopt;  // not a number neither
  return publisher_report{std::chrono::milliseconds(static_cast<std::int64_t>(ms))};
}

}  // namespace millrace::rtmp
