# shellcheck shell=bash
# ./x package [--check]: sourced by ./x. The package lies in build/package.

make_package() {
  local check='' package
  while (($# > 0)); do
    case $1 in
      --check) check=1 ;;
      *) die "unknown option of package: $1 (see ./x help)" 2 ;;
    esac
    shift
  done
  # The same source makes the same package: its time is that of the last commit, or of the changelog where there is no repository.
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
  export SOURCE_DATE_EPOCH
  build package

  rm -f build/package/millrace_*.deb
  # Who distributes a package says who that is, by Debian's own variables.
  (umask 022 && cpack --config build/package/CPackConfig.cmake -B build/package \
    -D CPACK_DEBIAN_PACKAGE_MAINTAINER="${DEBFULLNAME:-The millrace authors} <${DEBEMAIL:-maintainers@millrace.example}>") >build/package/cpack.log 2>&1 ||
    { tail -n 30 build/package/cpack.log >&2; die "cpack failed; the whole story is in build/package/cpack.log"; }
  package=$(echo build/package/millrace_*.deb)
  rm -rf build/package/_CPack_Packages

  say "== lintian"
  lintian --fail-on error,warning "$package" || die "lintian found something in $package"
  if [[ -n $check ]]; then
    source tools/package_check.sh
    check_package "$package"
  fi
  say "the package: $package ($(($(stat -c %s "$package") / 1024)) kB)"
}
