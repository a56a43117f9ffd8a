#!/usr/bin/env bash
# ./x run: a server, a clip sent to it over QUIC, the same clip played back over QUIC and over plain RTMP.
# Started by ./x from the root of the repository, after the build. Ends with 0 only if pictures arrived on both ways.
# shellcheck disable=SC2317  # the trap's functions are reachable
set -euo pipefail

millrace=${MILLRACE:-build/release/millrace}
dir=${MILLRACE_RUN_DIR:-build/run}
fps=30
share_least=95  # per cent of the sent frames that each way has to show

say() { printf '%s\n' "$*"; }
die() { printf 'run: %s\n' "$1" >&2; exit "${2:-1}"; }
usage() { die "usage: ./x run [--seconds N] [--listen ADDR:PORT]" 2; }

seconds='' listen=127.0.0.1:1935
while (($# > 0)); do
  case $1 in
    --seconds) seconds=${2:-}; [[ $seconds =~ ^[1-9][0-9]*$ ]] || usage; shift ;;
    --listen) listen=${2:-}; [[ $listen == *:* ]] || usage; shift ;;
    *) usage ;;
  esac
  shift
done
port=${listen##*:}
# What listens on every address is reached over loopback.
host=${listen%:*}
case $host in '' | 0.0.0.0) host=127.0.0.1 ;; '[::]') host='[::1]' ;; esac

# --- children: every one of them ends with this script ---------------------------------------------------------------
children=()
stop_children() {
  local pid
  trap - EXIT INT TERM
  for pid in "${children[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${children[@]}"; do
    timeout 3 tail -s 0.1 --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
}
trap stop_children EXIT
trap 'stopped=1; say; say "stopping"; exit 0' INT TERM
stopped=

await_line() { # FILE PID REGEX SECONDS: waits for a line of a log; fails at once when the process that writes it is gone
  timeout "$4" grep -qEm1 "$3" < <(exec tail -n +1 -f --pid="$2" "$1" 2>/dev/null)
}
await_end() { timeout "$2" tail -s 0.1 --pid="$1" -f /dev/null; } # PID SECONDS

# --- the steps ---------------------------------------------------------------------------------------------------------
make_clip() { # 10 s of moving picture and sound, a key frame every 2 s; made once
  [[ -s $dir/clip.flv ]] && return
  say "making a clip: $dir/clip.flv"
  ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=640x360:rate=$fps:duration=10" -f lavfi -i "sine=frequency=440:beep_factor=4:duration=10" \
    -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 -keyint_min 60 -sc_threshold 0 -b:v 1200k -maxrate 1200k -bufsize 1200k \
    -c:a aac -b:a 96k -ar 44100 -f flv "$dir/clip.part" || die "ffmpeg made no clip"
  mv "$dir/clip.part" "$dir/clip.flv"
}

start_server() {
  : >"$dir/server.log"  # await_line may look before the child has made it
  "$millrace" serve --listen "$listen" --state "$dir/state" >"$dir/server.log" 2>&1 &
  server=$!
  children+=("$server")
  if ! await_line "$dir/server.log" "$server" 'ready: rtmp' 15; then
    cat "$dir/server.log" >&2
    local status=1
    if ! kill -0 "$server" 2>/dev/null; then wait "$server" || status=$?; fi
    ((status != 7)) || say "pick another address: ./x run --listen 127.0.0.1:19350" >&2
    die "the server did not start" "$status"
  fi
  pin=$(sed -n 's/.*ready.* pin=\([0-9a-f]\{64\}\).*/\1/p' "$dir/server.log" | head -n 1)
  [[ -n $pin ]] || die "the server's ready line names no pin: $(grep 'ready: ' "$dir/server.log")"
  http=$(sed -n 's/.*ready.* \(http:[^ ]*\).*/\1/p' "$dir/server.log" | head -n 1)
  sed -n 's/.*\(ready:.*\)/server  \1/p' "$dir/server.log" | head -n 1
}

decode() { # WAY INPUT: decodes everything, one line per picture in WAY.frames; keeps what came as WAY.flv and one picture as a PNG
  rm -f "$dir/picture-$1.png" "$dir/$1.frames" "$dir/$1.flv"
  ffmpeg -nostdin -v error -i "$2" \
    -map 0:v -fps_mode passthrough -f framecrc -y "$dir/$1.frames" \
    -map 0:a -f null - \
    -map 0 -c copy -f flv -y "$dir/$1.flv" \
    -map 0:v -vf "select=gte(n\,$((fps * 3 / 2)))" -frames:v 1 -update 1 -y "$dir/picture-$1.png" >"$dir/$1-decode.log" 2>&1 &
  decoder[$1]=$!
  children+=("$!")
}

start_players() { # before the publisher, so that "all that was sent" has one meaning
  rm -f "$dir/pull.fifo"
  mkfifo "$dir/pull.fifo"
  "$millrace" pull "rtmpq://$host:$port/live/demo?pin=$pin" - >"$dir/pull.fifo" 2>"$dir/pull.log" &
  pull=$!
  children+=("$pull")
  decode rtmpq "$dir/pull.fifo"
  decode rtmp "rtmp://$host:$port/live/demo"
  await_line "$dir/server.log" "$server" 'plays live/demo over rtmpq' 15 || die "the player over QUIC did not connect: $(tail -n 3 "$dir/pull.log")"
  await_line "$dir/server.log" "$server" 'plays live/demo over rtmp$' 15 || die "ffmpeg did not connect: $(tail -n 3 "$dir/rtmp-decode.log")"
}

start_publisher() {
  rm -f "$dir/push.stats"
  "$millrace" push --loop --stats "$dir/push.stats" "$dir/clip.flv" "rtmpq://$host:$port/live/demo?pin=$pin" >"$dir/push.log" 2>&1 &
  push=$!
  children+=("$push")
  await_line "$dir/server.log" "$server" 'publishes live/demo' 15 || die "the publisher did not connect: $(tail -n 3 "$dir/push.log")"
  say "sending $dir/clip.flv over $(sed -n 's/.*publishes live\/demo over \([a-z]*\).*/\1/p' "$dir/server.log" | tail -n 1)"
}

stat_of() { grep -F '"state":"live"' "$dir/push.stats" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p" | tail -n 1; } # KEY: from the last second of push --stats
# The clip has a constant frame rate, so the media time that the publisher sent counts its pictures.
sent_pictures() { local ms; ms=$(sed -n 's/.*"position_ms":\([0-9]*\).*/\1/p' "$dir/push.stats" | tail -n 1); say $((${ms:-0} * fps / 1000)); }
pictures() { grep -c '^0,' "$dir/$1.frames" 2>/dev/null || true; }

report_way() { # WAY SECONDS TEXT
  local n bytes
  n=$(pictures "$1")
  bytes=$(stat -c %s "$dir/$1.flv" 2>/dev/null || echo 0)
  say "played  $3: $n pictures decoded, $((bytes * 8 / 1000 / $2)) kb/s${sent:+, $((100 * n / sent)) % of $sent sent}"
  [[ ! -s $dir/$1-decode.log ]] || sed 's/^/        ffmpeg: /' "$dir/$1-decode.log" | head -n 5
}

where_to_point() {
  cat <<END

OBS       server  rtmp://$host:$port/live    stream key  any name
ffmpeg    ffmpeg -re -i FILE -c copy -f flv rtmp://$host:$port/live/NAME
player    ffplay rtmp://$host:$port/live/demo          (mpv and VLC take the same)
browser   ${http:-none: port 8080 is taken}
over QUIC $millrace pull 'rtmpq://$host:$port/live/demo?pin=$pin' - | ffplay -
log       $dir/server.log
END
}

judge() { # exit status: pictures on both ways, at least share_least per cent of what was sent
  local way ok=0
  for way in rtmpq rtmp; do
    if (($(pictures "$way") * 100 < sent * share_least)) || (($(pictures "$way") == 0)); then
      say "FAILED: $way shows fewer than $share_least % of the $sent frames sent"
      ok=1
    elif [[ ! -s $dir/picture-$way.png ]]; then
      say "FAILED: no picture of $way was written"
      ok=1
    else
      say "picture $dir/picture-$way.png"
    fi
  done
  return "$ok"
}

# --- the story ---------------------------------------------------------------------------------------------------------
declare -A decoder=()
[[ -x $millrace ]] || die "$millrace is missing: start this through ./x run"
mkdir -p "$dir"
make_clip
start_server
start_players
start_publisher

play_for=${seconds:-8}
if await_end "$push" "$play_for"; then
  tail -n 5 "$dir/push.log" >&2
  die "the publisher ended early"
fi
sent='' transport=$(stat_of transport)
if [[ -n $seconds ]]; then
  # The publisher leaves; both players end by themselves on the server's word.
  kill -INT "$push"
  await_end "$push" 5 || die "the publisher did not end"
  await_end "$pull" 5 || true
  await_end "${decoder[rtmp]}" 5 || kill -INT "${decoder[rtmp]}"
  sent=$(sent_pictures)
  ((sent > 0)) || die "the publisher's statistics name no media time: $(tail -n 1 "$dir/push.stats")"
else
  kill -INT "${decoder[rtmp]}"
fi
kill -INT "$pull" 2>/dev/null || true
await_end "$pull" 5 || die "the player over QUIC did not end"
for way in rtmpq rtmp; do await_end "${decoder[$way]}" 10 || kill -KILL "${decoder[$way]}"; done

say "sent    over ${transport:-nothing} ($(stat_of why)): $(sent_pictures) pictures, $(($(stat_of bytes) * 8 / $(stat_of running_ms))) kb/s, RTT $(printf %.1f "$(stat_of rtt_ms)") ms"
report_way rtmpq "$play_for" "over QUIC (millrace pull | ffmpeg)"
report_way rtmp "$play_for" "over TCP (ffmpeg rtmp://)"
if [[ -n $seconds ]]; then
  judge
  exit
fi
where_to_point
say
say "running until Ctrl-C"
while [[ -z $stopped ]] && kill -0 "$server" 2>/dev/null && kill -0 "$push" 2>/dev/null; do wait -n "$server" "$push" || true; done
die "the server or the publisher ended: see $dir/server.log and $dir/push.log"
