#include "rtmp/extension.hpp"

#include "rtmp/amf0.hpp"

namespace millrace::rtmp {
namespace {

constexpr const char* member_name = "millrace";
constexpr double version = 1;
// A token of ours is 43 characters; what is much longer is none.
constexpr std::size_t token_bytes_max = 256;

}  // namespace

extension read_extension(const amf0::value& object) {
  extension out;
  const auto* own = object.find(member_name);
  const auto* v = own ? own->find("v") : nullptr;
  if (!v || !v->number() || *v->number() < version) return out;  // later versions add to the first
  out.announced = true;
  if (const auto* groups = own->find("groups"); groups && groups->boolean()) out.groups = *groups->boolean();
  if (const auto* profile = own->find("profile"); profile && profile->text()) out.reliable = *profile->text() == "reliable";
  if (const auto* resume = own->find("resume"); resume && resume->text() && resume->text()->size() <= token_bytes_max) out.resume = *resume->text();
  return out;
}

void append_extension(std::vector<amf0::member>& to, const extension& what) {
  if (!what.announced) return;
  amf0::object own{{{"v", version}}};
  if (what.groups) own.members.push_back({"groups", true});
  if (what.groups && what.reliable) own.members.push_back({"profile", "reliable"});
  if (!what.resume.empty()) own.members.push_back({"resume", what.resume});
  to.push_back({member_name, std::move(own)});
}

}  // namespace millrace::rtmp
