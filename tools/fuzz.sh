# shellcheck shell=bash
# Running the libFuzzer targets; sourced by ./x, which built them.
# fuzz/corpus/NAME/ holds the seeds and every crash ever found: starting a target replays all of them first.

fuzz_names() {
  local program
  for program in build/fuzz/fuzz/*_fuzz; do
    [[ -x $program ]] || continue
    program=${program##*/}
    printf '%s\n' "${program%_fuzz}"
  done
}

fuzz_one() { # NAME SECONDS
  local name=$1 seconds=$2 program=build/fuzz/fuzz/$1_fuzz
  local grown=build/fuzz-corpus/$name seeds=fuzz/corpus/$name
  [[ -x $program ]] || { warn "no fuzz target $name; there are: $(fuzz_names | tr '\n' ' ')"; return 2; }
  mkdir -p "$grown" "$seeds"
  # What is new goes to build/ (only crashes are worth a commit); an input may take 10 s and 1 GiB at most.
  "$program" "$grown" "$seeds" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$seeds/crash-"
}

fuzz_all() { # SECONDS: each in turn, with one line for each
  local seconds=$1 name log failed=0
  mkdir -p build/fuzz-logs
  for name in $(fuzz_names); do
    log=build/fuzz-logs/$name.log
    if fuzz_one "$name" "$seconds" >"$log" 2>&1; then
      say "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, $(sed -n 's/^stat::average_exec_per_sec: *//p' "$log") a second, no finding"
    else
      say "fuzz $name: FAILED, the whole story is in $log"
      failed=$((failed + 1))
    fi
  done
  ((failed == 0))
}
