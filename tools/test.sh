# shellcheck shell=bash disable=SC2154
# ./x test: sourced by ./x. Each part leaves its log in build/test-logs and adds to the three sums.

passed=0 failed=0 skipped=0
logs=build/test-logs

run_tests() {
  local preset=dev regex='' fuzz_seconds=2
  local -a parts=()
  while (($# > 0)); do
    case $1 in
      --unit | --e2e | --fuzz | --structure | --matrix) parts+=("${1#--}") ;;
      -R) regex=${2:?-R wants a regular expression}; shift ;;
      --fuzz-seconds) fuzz_seconds=${2:?--fuzz-seconds wants a number}; shift ;;
      --preset) preset=${2:?--preset wants a name}; shift ;;
      *) die "unknown option of test: $1 (see ./x help)" 2 ;;
    esac
    shift
  done
  ((${#parts[@]} > 0)) || parts=(structure unit fuzz e2e)
  need build test

  mkdir -p "$logs"
  local part started
  for part in "${parts[@]}"; do
    # Build first what the part needs, so that a build failure is seen as itself.
    case $part in
      unit | e2e | matrix) (build "$preset") || { say "0 passed, 1 failed"; exit 1; } ;;
      fuzz) (build fuzz) || { say "0 passed, 1 failed"; exit 1; } ;;
    esac
  done
  for part in "${parts[@]}"; do
    started=$SECONDS
    "test_$part"
    say "$part: done in $((SECONDS - started)) s"
  done

  if ((skipped > 0)); then
    say "$passed passed, $failed failed, $skipped skipped"
  else
    say "$passed passed, $failed failed"
  fi
  ((failed == 0 && passed > 0))
}

add_junit() { # FILE STATUS: adds the sums of a JUnit file; a runner that left none, or failed without a failed test, is a failure
  local head tests failures errors skips
  # CTest spreads the attributes over lines, pytest does not.
  head=$(head -c 4000 "$1" 2>/dev/null | tr '\n\t' '  ' | sed -n 's/.*\(<testsuite [^>]*>\).*/\1/p' || true)
  if [[ -z $head ]]; then failed=$((failed + 1)); return; fi
  attribute() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$head"; }
  tests=$(attribute tests) failures=$(attribute failures) errors=$(attribute errors) skips=$(($(attribute skipped) + 0))
  skips=$((skips + $(attribute disabled) + 0))
  failures=$((${failures:-0} + ${errors:-0}))
  if (($2 != 0 && failures == 0)); then failures=1 tests=$((${tests:-0} + 1)); fi
  failed=$((failed + failures)) skipped=$((skipped + ${skips:-0}))
  passed=$((passed + ${tests:-0} - failures - ${skips:-0}))
}

sanitizer_settings() {
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}
}

run_pytest() { # NAME PATH…
  pytest_alone "$@" 2>&1 | tee "$logs/$1.log" || true
  add_pytest "$1"
}

pytest_alone() { # NAME ARGUMENT…: leaves NAME.xml and NAME.status
  local name=$1 status=0
  shift
  rm -f "$logs/$name.xml" "$logs/$name.status"
  # Debian's Python: another one in front of it on the PATH has no pytest.
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -ra --tb=short --durations=5 \
    ${regex:+-k "$regex"} --junitxml="$logs/$name.xml" "$@" || status=$?
  echo "$status" >"$logs/$name.status"
}

add_pytest() { # NAME
  local status
  status=$(cat "$logs/$1.status" 2>/dev/null || echo 1)
  # 5: no test has a name that matches -R.
  if ((status == 5)) && [[ -n $regex ]]; then return; fi
  add_junit "$logs/$1.xml" "$status"
}

test_structure() { say "== structure of the source"; run_pytest structure test/structure; }

test_unit() {
  say "== unit and wire tests"
  sanitizer_settings
  if [[ -n $regex ]]; then test_unit_by_name; else test_unit_whole; fi
  if [[ -z $regex || console =~ $regex ]]; then test_unit_console; fi
}

# What the console computes, without a browser; test_e2e has one.
test_unit_console() {
  local log=$logs/unit-console.log status=0 ok bad
  if [[ ${MILLRACE_CONSOLE:-ON} == OFF ]]; then return; fi
  (cd console && node --test --test-reporter=tap) >"$log" 2>&1 || status=$?
  ok=$(sed -n 's/^# pass //p' "$log") bad=$(sed -n 's/^# fail //p' "$log")
  if ((status != 0)); then
    bad=$((${bad:-0} > 0 ? bad : 1))
    say "console: FAILED, all of it in $log"
    grep -A12 '^ *not ok' "$log" | head -n 60 || tail -n 20 "$log"
  fi
  passed=$((passed + ${ok:-0})) failed=$((failed + ${bad:-0}))
}

# Whole programs, the long ones in slices: a process for each of the 1500 tests would spend most of its time on starting.
# The wire tests run once with a server of one shard and once with two.
test_unit_whole() {
  local program name slices slice server_shards shown
  local -a runs=()
  rm -f "$logs"/unit-*.log
  for program in "build/$preset"/millrace_*_test; do
    name=$(basename "$program" _test) name=${name#millrace_} slices=1
    case $name in wire) slices=6 ;; net) slices=3 ;; client | rtmp | server | sim) slices=2 ;; esac
    for server_shards in 1 2; do
      ((server_shards == 1)) || [[ $name == wire ]] || continue
      for ((slice = 0; slice < slices; slice++)); do runs+=("$name $slices $slice $server_shards"); done
    done
  done
  # One more than there are cores: many tests wait for a peer's deadline. The longest come first.
  # shellcheck disable=SC2016  # for the inner shell to expand
  printf '%s\n' "${runs[@]}" | sort -k2,2nr | xargs -P "$((jobs + 1))" -L 1 bash -c '
    GTEST_TOTAL_SHARDS=$3 GTEST_SHARD_INDEX=$4 MILLRACE_TEST_SHARDS=$5 \
      timeout 600 "build/$0/millrace_$2_test" --gtest_color=no >"$1/unit-$2-$5-$4.log" 2>&1
    echo "exit status $?" >>"$1/unit-$2-$5-$4.log"' "$preset" "$logs" || true
  for shown in "${runs[@]}"; do
    read -r name slices slice server_shards <<<"$shown"
    add_gtest "$logs/unit-$name-$server_shards-$slice.log"
  done
  list_conformance
}

add_gtest() { # FILE: adds the sums of a GoogleTest program's output; one that did not come to its end is a failure
  local ok skips bad slow
  sum() { sed -n "s/^\[ *$1 *\] \([0-9]*\) tests\{0,1\}[.,].*/\1/p" "$2" | tail -n 1; }
  ok=$(sum PASSED "$1") skips=$(sum SKIPPED "$1") bad=$(sum FAILED "$1")
  if ! grep -q '^exit status 0$' "$1"; then
    bad=${bad:-1}
    say "unit: FAILED, all of it in $1"
    grep -E -A30 ': Failure$|ERROR: |runtime error: |^\[  FAILED  \]|^exit status' "$1" | tail -n 150 || true
    [[ -n $ok ]] || tail -n 30 "$1"  # it broke off: the last test that began is where
  fi
  # No single test may take a minute, whatever the machine does beside it.
  slow=$(sed -n "s/^\[       OK \] \(.*\) (\([0-9]*\) ms)$/\2 \1/p" "$1" | awk -v most=60000 '$1 > most')
  if [[ -n $slow ]]; then
    say "unit: FAILED, longer than 60 s: $slow (ms, test)"
    bad=$((${bad:-0} + $(wc -l <<<"$slow"))) ok=$((ok - $(wc -l <<<"$slow")))
  fi
  passed=$((passed + ${ok:-0})) skipped=$((skipped + ${skips:-0})) failed=$((failed + ${bad:-0}))
}

# doc/protocol/conformance.md says what each id means; those that are unit tests carry it in their names.
list_conformance() {
  local side transport ids
  for side in server client; do
    for transport in rtmp rtmps rtmpq; do
      ids=$(sed -n "s/^\[       OK \] conformance_$side\.\([A-Z][0-9]*[a-z]*\)_$transport .*/\1/p" "$logs"/unit-wire-*.log | sort -V | uniq)
      say "conformance, $side on $transport: $(wc -w <<<"$ids") ids pass: ${ids//$'\n'/ }"
    done
  done
}

test_unit_by_name() {
  local status=0
  rm -f "$logs/unit.xml"
  ctest --test-dir "build/$preset" -j "$((jobs + 1))" --output-on-failure --no-tests=error --timeout 60 -R "$regex" \
    --output-junit "$PWD/$logs/unit.xml" >"$logs/unit.log" 2>&1 || status=$?
  if ((status != 0)); then
    grep -vE '^ *[0-9]+/[0-9]+ Test .* Passed|^ +Start ' "$logs/unit.log" | tail -n 200 || true
  else
    grep -E 'tests passed|Total Test time' "$logs/unit.log" || true
  fi
  if grep -q 'No tests were found' "$logs/unit.log"; then return; fi
  add_junit "$logs/unit.xml" "$status"
}

test_fuzz() {
  say "== fuzz smoke, $fuzz_seconds s each"
  source tools/fuzz.sh
  local name
  local -a names=() running=()
  mapfile -t names < <(fuzz_names)
  if [[ -n $regex ]]; then mapfile -t names < <(printf '%s\n' "${names[@]}" | grep -E "$regex" || true); fi
  # Two at a time: each is one thread.
  reap() {
    if wait "${running[0]%%:*}"; then
      passed=$((passed + 1))
      say "fuzz ${running[0]#*:}: $(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/fuzz-${running[0]#*:}.log") inputs, no finding"
    else
      failed=$((failed + 1))
      say "fuzz ${running[0]#*:}: FAILED"
      tail -n 40 "$logs/fuzz-${running[0]#*:}.log"
    fi
    running=("${running[@]:1}")
  }
  for name in "${names[@]}"; do
    [[ -n $name ]] || continue
    fuzz_one "$name" "$fuzz_seconds" >"$logs/fuzz-$name.log" 2>&1 &
    running+=("$!:$name")
    ((${#running[@]} < 2)) || reap
  done
  while ((${#running[@]} > 0)); do reap; done
  if ((${#names[@]} == 0)) && [[ -z $regex ]]; then say "fuzz: no target was built"; failed=$((failed + 1)); fi
}

test_e2e() {
  say "== end to end, with real peers"
  sanitizer_settings
  export MILLRACE=$PWD/build/$preset/millrace
  # The conformance suite mostly waits for a server's deadlines, two minutes in all: the others do not wait for it.
  pytest_alone conform test/e2e/test_conform.py >"$logs/conform.log" 2>&1 &
  local beside=$!
  trap 'kill "$beside" 2>/dev/null; exit 130' INT TERM  # what runs in the background does not hear of Ctrl-C
  run_pytest e2e test/e2e --ignore=test/e2e/test_conform.py
  wait "$beside" || true
  trap - INT TERM
  cat "$logs/conform.log"
  add_pytest conform
}

# Not part of a plain ./x test: it takes minutes, and what it proves changes with the tools of others, not with ours.
test_matrix() {
  say "== every encoder with every player"
  need matrix
  sanitizer_settings
  local cell_passed cell_failed status=0
  rm -rf "$logs/matrix" "$logs/matrix.json"
  MILLRACE=$PWD/build/$preset/millrace PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 test/e2e/matrix --transport both --json "$logs/matrix.json" \
    --keep "$logs/matrix" 2>&1 | tee "$logs/matrix.log" || status=$?
  read -r cell_passed cell_failed < <(sed -n 's/^\([0-9]*\) cells passed, \([0-9]*\) failed.*/\1 \2/p' "$logs/matrix.log") || true
  passed=$((passed + ${cell_passed:-0})) failed=$((failed + ${cell_failed:-0}))
  if ((status != 0 && ${cell_failed:-0} == 0)); then failed=$((failed + 1)); fi
}
