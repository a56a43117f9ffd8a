// Publish, play and media of the server role (RTMP 1.0 section 7.2.2).
#include <algorithm>
#include <utility>

#include "rtmp/control.hpp"
#include "rtmp/names.hpp"
#include "rtmp/server_impl.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {

server_session::impl::message_stream* server_session::impl::find(std::uint32_t msid) {
  const auto found = streams_.find(msid);
  return found == streams_.end() ? nullptr : &found->second;
}

// ---- publish ----------------------------------------------------------------------------------------------------

void server_session::impl::on_publish(const command& c) {
  auto* s = find(c.msid);
  if (!s) {
    write_status(c.msid, "error", "NetStream.Publish.Failed", "no such message stream: createStream first");
    return mark_refused();
  }
  if (s->used == use::publishing) {  // the publication that is there goes on
    return write_status(c.msid, "error", "NetStream.Publish.BadName", "this message stream publishes already");
  }
  if (s->used == use::playing) return write_status(c.msid, "error", "NetStream.Publish.Failed", "this message stream plays");

  publish_requested r;
  r.msid = c.msid;
  std::tie(r.name, r.query) = split_query(c.text_arg(0));
  r.type = c.text_arg(1);
  if (r.type != "record" && r.type != "append") r.type = "live";
  auto bad = bad_name("stream name", r.name, config_.limits->stream_name_bytes);
  if (!bad) bad = bad_query(r.query, config_.limits->query_bytes);
  if (bad) {
    write_status(c.msid, "error", "NetStream.Publish.BadName", *bad);
    return mark_refused();
  }
  s->used = use::publish_pending;
  s->name = r.name;
  request_pending_ = true;
  events_.push_back(std::move(r));
}

void server_session::impl::accept_publish(std::uint32_t msid, const std::string& resume) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::publish_pending) return;
  request_pending_ = false;
  s->used = use::publishing;
  s->was_used = true;
  s->last_media = now_;
  s->frames = {};
  framing_->set_partial_limit(config_.limits->partial_bytes);
  framing_->begin_publication(msid);
  framing_->write(make_user_control(user_event::stream_begin, msid));
  std::vector<amf0::member> extra;
  if (extension_.announced && !resume.empty()) append_extension(extra, {.announced = true, .resume = resume});
  const status start{"status", "NetStream.Publish.Start", s->name + " is now published"};
  framing_->write(make_command(msid, "onStatus", 0, amf0::null{}, {information(start, std::move(extra))}));
  auto early = std::exchange(early_, {});
  early_bytes_ = 0;
  for (auto& m : early) on_media(std::move(m));  // of another message stream: waits again
  drain_held();
}

void server_session::impl::reject(std::uint32_t msid, use pending, const status& why) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != pending) return;
  request_pending_ = false;
  s->used = use::idle;
  framing_->write(make_on_status(msid, why));
  mark_refused();
  drain_held();
}

void server_session::impl::on_unpublish_name(const command& c) {
  const auto name = split_query(c.text_arg(0)).first;
  for (auto& [msid, s] : streams_) {
    if (s.used == use::publishing && s.name == name) {
      end_use(msid, s);
      break;
    }
  }
  framing_->write(make_command(0, "onFCUnpublish", 0, amf0::null{}, {information({"status", "NetStream.Unpublish.Success", name})}));
  answer(c, amf0::undefined{});
}

void server_session::impl::on_delete_stream(const command& c) {
  const auto msid = to_id(c.number_arg(0, -1));
  auto* s = msid ? find(*msid) : nullptr;
  if (!s) return;  // gone already, or never there: nothing to end
  end_use(*msid, *s);
  streams_.erase(*msid);
  free_msids_.push_back(*msid);
}

// The peer is done with what the stream was used for.
void server_session::impl::end_use(std::uint32_t msid, message_stream& s) {
  if (s.used == use::publishing) {
    events_.push_back(publish_ended{msid});
    write_status(msid, "status", "NetStream.Unpublish.Success", s.name + " is no longer published");
    mark_unused();
  } else if (s.used == use::playing) {
    events_.push_back(play_ended{msid});
    mark_unused();
  }
  s.used = use::idle;
  s.frames = {};
}

// ---- media ------------------------------------------------------------------------------------------------------

void server_session::impl::on_media(message&& m) {
  auto* s = find(m.msid);
  if (!s || s->used != use::publishing) return on_media_without_publication(m, s);
  s->last_media = now_;
  if (m.type == message_type::data_amf3 && !is_readable(m)) {
    ++media_dropped_;
    return;
  }
  const auto msid = m.msid;
  if (m.type != message_type::aggregate) {
    if (auto f = s->frames.build_one(now_, std::move(m), media_dropped_)) emit(msid, std::move(*f));
    return;
  }
  std::vector<media::frame> frames;
  if (auto ok = s->frames.build(now_, m, frames, media_dropped_); !ok) return fail(std::move(ok).error());
  for (auto& f : frames) emit(msid, std::move(f));
}

// Behind whatever waits already, so that the order stays.
void server_session::impl::emit(std::uint32_t msid, media::frame&& f) {
  if (events_.empty()) {
    frames_.push_back({msid, std::move(f)});
  } else {
    events_.push_back(frame_received{msid, std::move(f)});
  }
}

// RoQR draft, "Protocol Operation": what belongs to no known flow may be buffered within bounds; past them its stream is stopped.
void server_session::impl::on_media_without_publication(const message& m, const message_stream* s) {
  const bool early = framing_->may_have_overtaken() && (s ? !s->was_used : m.msid >= next_msid_);
  if (config_.framing == framing_kind::roqr) {
    if (early && early_.size() < config_.limits->early_messages && early_bytes_ + m.payload.size() <= config_.limits->early_bytes) {
      early_bytes_ += m.payload.size();
      early_.push_back(m);
      return;
    }
    framing_->refuse_flow();
  }
  ++media_dropped_;
}

// Type 15 is where AMF3 values come (marker 0x11), although objectEncoding was answered with 0. Players that speak AMF0 could not read
// them, so such a message goes no further. Type 18 passes through unread.
bool server_session::impl::is_readable(const message& data) {
  const auto body = amf0_body(data);
  auto values = body ? amf0::decode_all(*body, config_.amf, true) : base::result<std::vector<amf0::value>>(body.error());
  if (!values) notice("amf3 data", "data message of type 15 dropped: " + values.error().text);
  return values.has_value();
}

// ---- play -------------------------------------------------------------------------------------------------------

void server_session::impl::on_play(const command& c) { request_play(c, c.text_arg(0), c.number_arg(1, -2), c.boolean_arg(3, true)); }

// Section 7.2.2.2: a switch to another stream, described by an object. We switch at once, whatever the wished transition.
void server_session::impl::on_play2(const command& c) {
  const auto* options = c.arg(0);
  const auto* name = options ? options->find("streamName") : nullptr;
  const auto* start = options ? options->find("start") : nullptr;
  request_play(c, name && name->text() ? *name->text() : std::string(), start && start->number() ? *start->number() : -2, true);
}

void server_session::impl::request_play(const command& c, const std::string& full_name, double start, bool reset) {
  auto* s = find(c.msid);
  if (!s || s->used == use::publishing) {
    write_status(c.msid, "error", "NetStream.Play.Failed",
                 s ? "this message stream publishes" : "no such message stream: createStream first");
    return mark_refused();
  }
  end_use(c.msid, *s);  // a second play on one message stream switches
  play_requested r;
  r.msid = c.msid;
  std::tie(r.name, r.query) = split_query(full_name);
  // FFmpeg and librtmp count in milliseconds, so their -2000 and -1000 are the -2 and -1 of the specification.
  r.start = start >= 0 ? start : start == -1 || start == -1000 ? -1 : -2;
  auto bad = bad_name("stream name", r.name, config_.limits->stream_name_bytes);
  if (!bad) bad = bad_query(r.query, config_.limits->query_bytes);
  if (bad) {
    write_status(c.msid, "error", "NetStream.Play.Failed", *bad);
    return mark_refused();
  }
  s->used = use::play_pending;
  s->name = r.name;
  s->reset = reset;
  s->audio = s->video = true;
  s->paused = false;
  request_pending_ = true;
  events_.push_back(std::move(r));
}

void server_session::impl::accept_play(std::uint32_t msid, bool recorded) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::play_pending) return;
  request_pending_ = false;
  s->used = use::playing;
  s->was_used = true;
  s->recorded = recorded;
  if (recorded) framing_->write(make_user_control(user_event::stream_is_recorded, msid));
  framing_->write(make_user_control(user_event::stream_begin, msid));
  if (s->reset) write_status(msid, "status", "NetStream.Play.Reset", "Playing and resetting " + s->name);
  write_status(msid, "status", "NetStream.Play.Start", "Started playing " + s->name);
  framing_->write(make_data(msid, {"|RtmpSampleAccess", true, true}));
  framing_->write(make_data(msid, {"onStatus", amf0::object{{{"code", "NetStream.Data.Start"}}}}));
  drain_held();
}

void server_session::impl::notify(std::uint32_t msid, bool publishing) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::playing) return;
  framing_->write_behind_media(msid, make_user_control(publishing ? user_event::stream_begin : user_event::stream_eof, msid));
  const status what{"status", publishing ? "NetStream.Play.PublishNotify" : "NetStream.Play.UnpublishNotify",
                    s->name + (publishing ? " is now published" : " is no longer published")};
  framing_->write_behind_media(msid, make_on_status(msid, what));
}

void server_session::impl::notify_play(std::uint32_t msid, const status& what) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::playing) return;
  framing_->write(make_on_status(msid, what));
}

void server_session::impl::end_by_server(std::uint32_t msid, use active, const status& why) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != active) return;
  s->used = use::idle;
  if (active == use::playing) framing_->write_behind_media(msid, make_user_control(user_event::stream_eof, msid));
  framing_->write_behind_media(msid, make_on_status(msid, why));
  mark_unused();
  if (active == use::publishing) mark_refused();
}

void server_session::impl::on_pause(const command& c) {
  auto* s = find(c.msid);
  if (!s || s->used != use::playing) return;
  s->paused = c.boolean_arg(0, true);
  write_status(c.msid, "status", s->paused ? "NetStream.Pause.Notify" : "NetStream.Unpause.Notify",
               (s->paused ? "Pausing " : "Unpausing ") + s->name);
  events_.push_back(pause_requested{c.msid, s->paused});
}

// Section 7.2.2.8. Milliseconds, as everywhere in a seek.
void server_session::impl::on_seek(const command& c) {
  auto* s = find(c.msid);
  if (!s || s->used != use::playing || !s->recorded) return write_status(c.msid, "error", "NetStream.Seek.Failed", "a live stream cannot be sought");
  const auto ms = c.number_arg(0, 0);
  events_.push_back(seek_requested{c.msid, ms > 0 && ms < 1e15 ? static_cast<std::int64_t>(ms) : 0});
}

void server_session::impl::finish_seek(std::uint32_t msid, const base::result<std::int64_t>& at_ms) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::playing) return;
  if (!at_ms) return write_status(msid, "error", "NetStream.Seek.InvalidTime", at_ms.error().text);
  framing_->write(make_user_control(user_event::stream_begin, msid));
  write_status(msid, "status", "NetStream.Seek.Notify", "Seeking " + s->name + " to " + std::to_string(*at_ms) + " ms");
}

void server_session::impl::complete_play(std::uint32_t msid) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::playing) return;
  framing_->write_behind_media(msid, make_data(msid, {"onPlayStatus", amf0::object{{{"level", "status"}, {"code", "NetStream.Play.Complete"}}}}));
  end_by_server(msid, use::playing, {"status", "NetStream.Play.Stop", "Stopped playing " + s->name + ": its end"});
}

void server_session::impl::tell_length(double transaction, double seconds) {
  if (phase_ == phase::connected) framing_->write(make_command(0, "_result", transaction, amf0::null{}, {seconds}));
}

void server_session::impl::on_receive_track(const command& c, bool audio) {
  auto* s = find(c.msid);
  if (!s || s->used != use::playing) return;
  (audio ? s->audio : s->video) = c.boolean_arg(0, true);
  events_.push_back(receive_changed{c.msid, s->audio, s->video});
}

void server_session::impl::send(base::instant now, std::uint32_t msid, const media::frame& frame, const base::shared_chain& wire) {
  auto* s = find(msid);
  if (phase_ != phase::connected || !s || s->used != use::playing || s->paused) return;
  if ((frame.kind == media::frame_kind::audio && !s->audio) || (frame.kind == media::frame_kind::video && !s->video)) return;
  framing_->write_media(now, msid, frame, now, wire);  // the viewer's own age limit counted what was before
}

}  // namespace millrace::rtmp
