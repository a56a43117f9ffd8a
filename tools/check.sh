# shellcheck shell=bash disable=SC2154
# ./x check [FILE…]: sourced by ./x. Without files: everything under src, fuzz, bench and test.

run_checks() {
  local problems=0 file
  local -a sources=("$@") units
  if ((${#sources[@]} == 0)); then
    mapfile -t sources < <(find src fuzz bench test include -type f \( -name '*.cpp' -o -name '*.hpp' \) 2>/dev/null | sort)
  fi

  say "== structure: include direction, file length, machine paths"
  /usr/bin/python3 -m pytest -p no:cacheprovider -q test/structure || problems=$((problems + 1))

  say "== shellcheck"
  shellcheck -x x .ci/run tools/*.sh packaging/debian/p{ostinst,rerm,ostrm} || problems=$((problems + 1))

  say "== clang-format: lines that it would change (a report; the layout of a table by hand is allowed)"
  for file in "${sources[@]}"; do
    clang-format --style=file "$file" | diff -q "$file" - >/dev/null || say "  $file: $(clang-format --style=file "$file" | diff "$file" - | grep -c '^<') lines"
  done

  say "== clang-tidy"
  mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep -E '^src/.*\.cpp$' | grep -v '_test\.cpp$')
  if ((${#units[@]} > 0)); then
    # The compile commands are g++'s; clang-tidy is told to let its unknown warnings pass.
    # Its analyzer does not follow coroutines: Asio's awaitables look uninitialized to it.
    local -a tidy=(xargs -r -P "$jobs" -n 4 clang-tidy -p build/dev --quiet --extra-arg=-Wno-unknown-warning-option)
    { grep -L 'co_await' "${units[@]}" || true; } | "${tidy[@]}" 2>build/tidy.log || problems=$((problems + 1))
    { grep -l 'co_await' "${units[@]}" || true; } | "${tidy[@]}" --checks=-clang-analyzer-core.CallAndMessage 2>>build/tidy.log || problems=$((problems + 1))
  fi

  ((problems == 0)) || die "$problems of the checks found something"
  say "check: nothing found"
}
