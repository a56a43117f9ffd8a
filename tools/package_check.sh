# shellcheck shell=bash disable=SC2154
# ./x package --check: sourced by tools/package.sh. The package goes into a fresh Debian 12 that is booted in a container of systemd's, without a
# network but for loopback; what is tried in there is tools/package_check_inside.sh.

check_package() { # PACKAGE
  local work=$PWD/build/package-check mirror status
  local root=$work/root
  local -a nspawn=(systemd-nspawn -q --register=no --private-network --boot --console=pipe -D "$root")
  ((EUID == 0)) || die "./x package --check makes a system in a folder and boots it, which needs root"
  need package_check
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || die "no Debian mirror found in this machine's apt configuration"
  # A host with another init has no unit to make a scope in.
  [[ -d /run/systemd/system ]] || nspawn+=(--keep-unit)

  say "== a fresh Debian 12 in ${root#"$PWD/"}"
  rm -rf "$work"
  mkdir -p "$work"
  debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,man-db,curl,openssl bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 15 "$work/debootstrap.log" >&2; die "debootstrap failed; the whole story is in ${work#"$PWD/"}/debootstrap.log"; }
  cp "$1" "$root/srv/millrace.deb"
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends /srv/millrace.deb >"$work/install.log" 2>&1 ||
    { tail -n 15 "$work/install.log" >&2; die "the package does not install; the whole story is in ${work#"$PWD/"}/install.log"; }

  # Key frames every second: a player begins at one.
  ffmpeg -v error -f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i sine=r=48000 -t 6 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -c:a aac \
    "$root/srv/clip.flv"
  cp tools/package_check_inside.sh "$root/srv/check"
  cat >"$root/etc/systemd/system/check.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=HOME=/root LC_ALL=C.UTF-8
ExecStart=/bin/bash /srv/check
ExecStopPost=systemctl --no-block poweroff
StandardOutput=append:/srv/check.log
StandardError=append:/srv/check.log
TimeoutStartSec=240
END
  mkdir -p "$root/etc/systemd/system/default.target.wants"
  ln -s ../check.service "$root/etc/systemd/system/default.target.wants/"
  say "== it boots"
  status=0
  timeout --kill-after=20 300 "${nspawn[@]}" </dev/null >"$work/boot.log" 2>&1 || status=$?
  cat "$root/srv/check.log" 2>/dev/null || tail -n 30 "$work/boot.log"
  grep -qx 'all of it is well' "$root/srv/check.log" 2>/dev/null || die "the installed package failed (status of the container: $status); logs are in ${work#"$PWD/"}"
  rm -rf "$root"
}
