# shellcheck shell=bash
# ./x bench engine. Sourced by ./x.

bench_engine() { # ARGUMENT…
  need bench_engine
  [[ " $* " == *" --help "* || " $* " == *" -h "* ]] || build bench
  /usr/bin/python3 bench/engine/run.py --millrace build/bench/millrace --floor build/bench/bench/floor "$@"
}
