#!/bin/bash
# What ./x package --check tries inside the booted system, as root, with the package installed and its service started by the boot.
# shellcheck disable=SC2015  # die does not come back
set -uo pipefail
cd /srv || exit
unit=millrace.service
config=/etc/millrace/millrace.toml
server=rtmp://127.0.0.1/live/show
api=http://127.0.0.1:8080

die() {
  echo "FAILED: $1"
  systemctl --no-pager status $unit
  journalctl --no-pager -u $unit | tail -n 40
  exit 1
}
ok() { echo "ok: $1"; }
wait_for() { # SECONDS COMMAND…
  local until=$((SECONDS + $1))
  shift
  until "$@"; do ((SECONDS < until)) || return 1; sleep 0.2; done
}
answers() { curl -sf "$api/readyz" >/dev/null; }
bytes() { stat -c %s "$1" 2>/dev/null || echo 0; }
has() { (($(bytes "$1") > $2)); }
process() { systemctl show -P MainPID $unit; }

# --- what was installed
[[ $(dpkg-query -W -f '${db:Status-Status}' millrace) == installed ]] || die "dpkg does not call it installed"
[[ -z $(dpkg --verify millrace) ]] || die "files differ from their checksums: $(dpkg --verify millrace)"
for page in millrace millrace.toml $(millrace --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]\{1,\}\)   .*/millrace-\1/p'); do
  MANWIDTH=80 man "$page" 2>&1 | grep -q "SEE ALSO" || die "man $page"
done
ok "man millrace, a page for each command, millrace.toml"
cmp <(millrace serve --print-config 2>/dev/null) $config || die "the configuration is not that of serve --print-config"
[[ $(stat -c '%a %U %G' $config) == "640 root _millrace" ]] || die "who may read the configuration: $(stat -c '%a %U %G' $config)"
ok "the configuration is what serve --print-config says, for root and the service only"
systemctl cat $unit >/dev/null || die "systemctl cat"
verified=$(systemd-analyze verify $unit 2>&1) && [[ -z $verified ]] || die "systemd-analyze verify: $verified"
ok "systemd-analyze verify; $(systemd-analyze security --no-pager $unit | sed -n 's/.*Overall/overall/p')"

# --- the service
systemctl -q is-enabled $unit || die "it is not enabled"
wait_for 20 answers || die "it does not answer"
uid=$(stat -c %u "/proc/$(process)")
((uid >= 61184 && uid <= 65519)) || die "it runs as user $uid, which is none of systemd's dynamic ones"
[[ $(stat -c '%a' /var/lib/private/millrace/self-signed.key) == 600 ]] || die "no key in its state directory"
# As many descriptors as the unit asks for, or as the machine lets anybody have.
descriptors=$(sed -n 's/^Max open files *\([0-9]*\).*/\1/p' "/proc/$(process)/limits")
most=$(sed -n 's/^Max open files *[0-9]* *\([0-9]*\).*/\1/p' /proc/1/limits)
((descriptors == (most < 262144 ? most : 262144))) || die "it may have $descriptors descriptors"
ok "the boot has started it, as a user of its own ($uid), with its state in /var/lib/millrace"

# --- publishing with a key from the API, recorded into the state directory. Loopback has no right of its own any more.
sed -i -e '/^\[publish\]/,/^\[/s/^allow = .*/allow = ["192.0.2.1"]/' -e 's,^# directory = ,directory = ,' $config
printf '[[record.rules]]\nstreams = "live/*"\n' >>$config
systemctl restart $unit || die "it does not start with another configuration"
wait_for 20 answers || die "it does not answer with another configuration"
millrace -q push clip.flv "$server" 2>/dev/null
(($? == 6)) || die "publishing without a key was not refused"
secret=$(curl -sf -X POST "$api/api/v1/keys?streams=live/*" | sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p')
[[ -n $secret ]] || die "no key was made"
timeout 30 millrace -q pull --keep-trying "$server" seen.flv &
player=$!
millrace -q push clip.flv "$server?key=$secret" || die "push with the key: status $?"
wait $player || die "pull: status $?"
has seen.flv 50000 || die "the player saw $(stat -c %s seen.flv) bytes"
ok "published with a key that the API made, refused without; the player got $(stat -c %s seen.flv) bytes"
wait_for 20 compgen -G '/var/lib/private/millrace/recordings/live/*.mp4' >/dev/null || die "nothing was recorded"
ok "recorded: $(ls /var/lib/private/millrace/recordings/live)"
pin=$(journalctl -u $unit -o cat | sed -n 's/.* pin=\([0-9a-f]*\).*/\1/p' | tail -n 1)
millrace -q push clip.flv "rtmpq://127.0.0.1/live/show?key=$secret&pin=$pin&transport=quic-only" || die "push over QUIC: status $?"
ok "published over QUIC, by the pin that the journal shows"

# --- recordings elsewhere
install -d -m 2770 -g _millrace /srv/recordings
mkdir -p /etc/systemd/system/$unit.d
printf '[Service]\nReadWritePaths=/srv/recordings\nUMask=0027\n' >/etc/systemd/system/$unit.d/recordings.conf
sed -i 's,^directory = .*,directory = "/srv/recordings",' $config
systemctl daemon-reload
systemctl restart $unit && wait_for 20 answers || die "it does not start with recordings elsewhere"
millrace -q push --no-realtime clip.flv "$server?key=$secret" || die "push with recordings elsewhere: status $?"
wait_for 20 compgen -G '/srv/recordings/live/*.mp4' >/dev/null || die "nothing was recorded elsewhere"
ok "recorded elsewhere: $(stat -c '%A %G' /srv/recordings/live/*.mp4)"

# --- a certificate of the administrator's, taken over by a reload; and a reload of something wrong
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout /etc/millrace/privkey.pem -out /etc/millrace/fullchain.pem 2>/dev/null
chgrp _millrace /etc/millrace/privkey.pem
chmod 640 /etc/millrace/privkey.pem
sed -i -e 's,^# certificate = \("[^"]*"\).*,certificate = \1,' -e 's,^# key = \("[^"]*"\).*,key = \1,' $config
before=$(process)
systemctl reload $unit || die "reload failed"
serves_it() { openssl s_client -connect 127.0.0.1:1935 </dev/null 2>/dev/null | openssl x509 -noout -subject 2>/dev/null | grep -q 'CN = localhost'; }
wait_for 10 serves_it || die "it does not serve the certificate"
echo 'nonsense = 1' >>$config
systemctl reload $unit 2>/dev/null && die "a wrong configuration can be loaded"
answers && [[ $(process) == "$before" ]] || die "a wrong configuration stopped it"
sed -i '/^nonsense/d' $config
ok "a reload takes over a certificate, refuses a wrong configuration, and the server runs on"

# --- a port below 1024
cat >/etc/systemd/system/$unit.d/ports.conf <<'END'
[Service]
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
PrivateUsers=no
END
sed -i -e '/^\[http\]/,/^\[/s/^listen = .*/listen = ["127.0.0.1:8080", ":443"]/' $config
systemctl daemon-reload
systemctl restart $unit && wait_for 20 curl -sfk https://127.0.0.1/healthz -o /dev/null || die "it cannot have port 443"
ok "port 443 with CAP_NET_BIND_SERVICE"

# --- the same by a socket of systemd's, and without any right
rm /etc/systemd/system/$unit.d/ports.conf
mkdir -p /etc/systemd/system/millrace.socket.d
printf '[Socket]\nListenStream=[::]:443\n' >/etc/systemd/system/millrace.socket.d/ports.conf
sed -i -e '/^\[http\]/,/^\[/s/^listen = .*/listen = ["127.0.0.1:8080", "[::]:443"]/' $config
systemctl daemon-reload
[[ -z $(systemd-analyze verify millrace.socket 2>&1) ]] || die "systemd-analyze verify: $(systemd-analyze verify millrace.socket 2>&1)"
systemctl -q is-enabled millrace.socket && die "the socket unit is enabled by itself"
systemctl stop $unit
systemctl enable -q --now millrace.socket || die "the socket unit does not start"
curl -sfk --max-time 20 https://127.0.0.1/healthz -o /dev/null || die "a connection does not start the service"
[[ $(sed -n 's/^CapEff:\s*//p' "/proc/$(process)/status") == 0000000000000000 ]] || die "it has a capability"
pin=$(journalctl -u $unit -o cat | sed -n 's/.* pin=\([0-9a-f]*\).*/\1/p' | tail -n 1)
millrace -q push clip.flv "rtmpq://127.0.0.1/live/show?key=$secret&pin=$pin&transport=quic-only" || die "push over QUIC by systemd's socket: status $?"
(systemctl restart $unit) &
for _ in {1..40}; do curl -sfk --max-time 20 https://127.0.0.1/healthz -o /dev/null || die "a restart refused a connection"; done
wait $! || die "restart"
ok "port 443 by millrace.socket without a capability; a connection starts the service, none is refused while it starts again"

# --- upgrade, wrong configuration, removal
before=$(process)
dpkg -i millrace.deb >upgrade.log 2>&1 || die "a second installation: $(cat upgrade.log)"
grep -q '192.0.2.1' $config || die "the upgrade took the administrator's configuration away"
[[ $(stat -c '%a %G' $config) == "640 _millrace" ]] || die "the upgrade opened the configuration"
gone() { ! kill -0 "$before" 2>/dev/null; }
wait_for 20 answers && wait_for 10 gone && [[ $(process) != "$before" ]] || die "the upgrade did not hand over"
ok "an upgrade keeps the configuration"
pin=$(journalctl -u $unit -o cat | sed -n 's/.* pin=\([0-9a-f]*\).*/\1/p' | tail -n 1)
millrace -q push --no-reconnect --loop clip.flv "rtmp://127.0.0.1/live/on-air?key=$secret" &
publisher=$!
millrace -q pull --no-reconnect "rtmpq://127.0.0.1/live/on-air?pin=$pin&transport=quic-only" on-air.flv &
player=$!
wait_for 10 has on-air.flv 50000 || die "nothing is on air"
before=$(process)
dpkg -i millrace.deb >upgrade.log 2>&1 || die "an upgrade while on air: $(cat upgrade.log)"
[[ $(process) != "$before" ]] && answers || die "the upgrade did not hand over"
kill -0 "$before" $publisher $player || die "the upgrade cut somebody off"
wait_for 10 has on-air.flv $(($(bytes on-air.flv) + 50000)) || die "the player gets nothing after the upgrade"
millrace -q pull --no-reconnect "rtmp://127.0.0.1/live/on-air" after.flv &
after=$!
wait_for 10 has after.flv 50000 || die "who comes after the upgrade does not see who published before it"
two_files() { (($(compgen -G '/srv/recordings/live/on-air*.mp4' | wc -l) == 2)); }
wait_for 10 two_files || die "the new process does not record on: $(ls /srv/recordings/live)"
kill -INT $publisher $player $after
wait $publisher $player $after
wait_for 10 gone || die "the old process stays"
ok "an upgrade while on air cuts nobody off and records on; the old process goes when the last one has gone"
millrace -q push --no-reconnect --loop clip.flv "rtmp://127.0.0.1/live/stays?key=$secret" &
publisher=$!
wait_for 10 curl -sf --max-time 5 -o /dev/null "$api/live/stays.flv?picture" || die "nothing is on air again"
curl -sN "$api/live/stays.flv" >stays.flv & # cannot be asked to move, and keeps the old process
player=$!
wait_for 10 has stays.flv 50000 || die "the player that stays gets nothing"
before=$(process)
systemctl kill --kill-whom=main --signal=USR2 $unit
changed() { [[ $(process) != "$before" ]]; }
wait_for 20 changed || die "no process took over"
kill -KILL "$(process)"
back() { [[ $(process) == "$before" ]]; }
wait_for 10 back && wait_for 10 answers || die "the old process is not the service again"
kill $publisher $player
wait $publisher $player
ok "the old process is the service again when the one that had taken over dies"
systemctl disable -q $unit
dpkg -i millrace.deb >upgrade.log 2>&1
systemctl -q is-enabled $unit && die "an upgrade enabled what the administrator had disabled"
systemctl enable -q $unit
ok "an upgrade leaves a disabled service disabled"
echo 'nonsense = 1' >>$config
systemctl restart $unit
wait_for 10 systemctl -q is-failed $unit || die "a wrong configuration is tried again"
journalctl -u $unit -o cat | grep -q 'nonsense' || die "the journal does not say what is wrong"
ok "a wrong configuration ends it, and is named in the journal: $(journalctl -u $unit -o cat | grep -m 1 nonsense)"
sed -i '/^nonsense/d' $config
systemctl restart $unit && wait_for 20 answers || die "it does not come back"
dpkg -r millrace >remove.log 2>&1 || die "removal: $(cat remove.log)"
systemctl -q is-active $unit millrace.socket && die "removal did not stop it"
[[ -f $config && -d /var/lib/private/millrace ]] || die "removal took configuration or state away"
rm -f /etc/millrace/*.pem
dpkg -P millrace >purge.log 2>&1 || die "purge: $(cat purge.log)"
[[ ! -e /etc/millrace ]] || die "purge left $(ls /etc/millrace)"
[[ $(ls /var/lib/private/millrace) == recordings ]] || die "purge left $(ls /var/lib/private/millrace)"
[[ -z $(find /etc/systemd/system /var/lib/systemd -name '*millrace*' -not -path '*/millrace.*.d*') ]] ||
  die "purge left $(find /etc/systemd/system /var/lib/systemd -name '*millrace*' -not -path '*/millrace.*.d*')"
ok "removal keeps configuration and state, purge takes them and leaves the recordings"
echo "all of it is well"
