# shellcheck shell=bash
# ./x bench wan. Sourced by ./x: building is the user's, network namespaces are root's.

bench_wan() { # ARGUMENT…
  local -a as_root=() words=(/usr/bin/python3 bench/wan/run.py --millrace build/bench/millrace --wan-link build/bench/bench/wan_link "$@")
  local status=0
  need bench_wan
  if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    "${words[@]}"
    return
  fi
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "network namespaces and TUN devices need root, and this machine has no sudo: run this as root"
    as_root=(sudo)
  fi
  build bench
  "${as_root[@]}" "${words[@]}" || status=$?
  # What root wrote belongs to who asked for it, or build/ could not be removed.
  if ((EUID != 0)) && [[ -d build/wan ]]; then sudo chown -R "$(id -u):$(id -g)" build/wan; fi
  return "$status"
}
