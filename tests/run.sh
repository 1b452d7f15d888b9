#!/bin/sh
# sh tests/run.sh [--long] [PATTERN] - installs what the tests need, builds, runs all tests or those
# whose name matches PATTERN (a plain word or a regular expression). The last line is the sum:
#     N passed, N failed, N skipped
#
# Parts, in this order, each in its own build directory; see the function of the same name:
#   dev      unit tests, scenarios, simulation, fuzz corpus, floors: AddressSanitizer and UBSan
#   tsan     whatever runs more than one thread, under ThreadSanitizer
#   seeds    simulations whose full count of seeds fits without sanitizers only: the release build
#   fuzz     each fuzzer for a few seconds (--long: a minute)
#   system   real Prosody, ejabberd, Redis and DNS in a network namespace of our own; the load
#            generator: the release build
# --long also runs the full counts of seeds, seconds and cuts: tests read FEDROUTER_LONG=1.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
. conf/packages.sh

LONG=0
PATTERN=
for word in "$@"; do
  case $word in
    --long) LONG=1 ;;
    --help | -h) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "tests/run.sh: unknown option $word" >&2; exit 64 ;;
    *) PATTERN=$word ;;
  esac
done
[ "$LONG" = 1 ] && export FEDROUTER_LONG=1
FUZZ_SECONDS=$([ "$LONG" = 1 ] && echo 60 || echo 10)
PYTHON=/usr/bin/python3 # Debian's, the one that has pytest and slixmpp; PATH may name another
JOBS=$(nproc)
# Sanitizers want a fixed place for their shadow; newer kernels randomise more than they expect.
FIXED=$(setarch "$(uname -m)" -R true 2>/dev/null && echo "setarch $(uname -m) -R")

out=$top/build-out
rm -rf "$out" && mkdir -p "$out"
passed=0 failed=0 skipped=0

# Whatever a part starts dies with it: it runs in a process namespace of its own, where we may.
CONTAIN=
if unshare --mount --pid --fork --kill-child --mount-proc true 2>/dev/null; then
  CONTAIN="unshare --mount --pid --fork --kill-child --mount-proc"
fi
child=
stop() {
  [ -n "$child" ] && kill "$child" 2>/dev/null
  wait
  exit 130
}
trap stop INT TERM

contained() { # in the background, so that a signal reaches us while we wait
  $CONTAIN $FIXED "$@" &
  child=$!
  wait "$child"
  status=$?
  child=
  return "$status"
}

add() { # add NAME SECONDS PASSED FAILED SKIPPED
  passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
  echo "$1: $3 passed, $4 failed, $5 skipped ($2 s)"
}

add_reports() { # add_reports NAME STARTED REPORT...
  name=$1 seconds=$(($(date +%s) - $2))
  shift 2
  $PYTHON tests/lib/count.py "$@" >"$out/count" || echo "0 1 0" >"$out/count"
  add "$name" "$seconds" $(head -n 1 "$out/count")
  tail -n +2 "$out/count"
}

skip() { # skip NAME REASON
  add "$1" 0 0 0 1
  echo "  skipped: $2"
}

# build-FLAVOUR, quietly. What does not build is one failed test with its output shown, and the
# rest goes on: on a branch under work the other tests still tell something.
configure() {
  compiler=gcc
  [ "$1" = fuzz ] && compiler=clang
  CC=$compiler cmake -S . -B "build-$1" -G Ninja -DFLAVOUR="$1" >"$out/$1.cmake" 2>&1 && return 0
  cat "$out/$1.cmake"
  add "$1 configure" 0 0 1 0
  return 1
}
build() { # build FLAVOUR [TARGET...]
  flavour=$1 started=$(date +%s)
  shift
  ninja -C "build-$flavour" -j "$JOBS" -k 0 "$@" >"$out/$flavour.build" 2>&1 || {
    grep -v '^\[' "$out/$flavour.build" | head -n 60
    add "$flavour build" $(($(date +%s) - started)) 0 1 0
    return
  }
  echo "$flavour: built ($(($(date +%s) - started)) s)"
}

# The names given on standard input that are programs of a configured flavour.
targets_of() {
  ninja -C "build-$1" -t targets all | sed -n 's/^\([^:/]*\): .*/\1/p' | sort -u >"$out/targets"
  sort -u | comm -12 - "$out/targets"
}

# run_ctest FLAVOUR CTEST-ARGUMENT...
run_ctest() {
  flavour=$1
  shift
  set -- --test-dir "build-$flavour" "$@"
  [ -n "$PATTERN" ] && set -- "$@" -R "$PATTERN"
  configure "$flavour" || return
  ctest -N "$@" | sed -n 's/^ *Test *#[0-9]*: //p' >"$out/$flavour.tests"
  [ -s "$out/$flavour.tests" ] || return
  # Most tests are programs of the same name; when all of dev's run, they need everything.
  programs=
  [ "$flavour" != dev ] && programs=$(targets_of "$flavour" <"$out/$flavour.tests")
  build "$flavour" $programs
  started=$(date +%s)
  rm -f "$out/$flavour.xml"
  contained ctest "$@" -j "$JOBS" --timeout 300 --output-on-failure --output-junit "$out/$flavour.xml" \
    >"$out/$flavour.log" 2>&1 || sed -n '/\*\*\*/,$p' "$out/$flavour.log" | head -n 200
  add_reports "$flavour" "$started" "$out/$flavour.xml"
}

dev() { run_ctest dev; }
tsan() { TSAN_OPTIONS=halt_on_error=1 run_ctest tsan -L threads; }
seeds() { run_ctest release -L seeds; }

fuzz() {
  [ -e tests/fuzz/CMakeLists.txt ] || return
  ls tests/fuzz | sed -n 's/^\(fuzz_.*\)\.c$/\1/p' | grep -E "${PATTERN:-.}" >"$out/fuzz.names" || return
  configure fuzz || return
  build fuzz $(cat "$out/fuzz.names")
  started=$(date +%s)
  : >"$out/fuzz.passed" && : >"$out/fuzz.failed"
  while read -r name; do find "$top/build-fuzz" -name "$name" -type f -perm -u+x; done \
    <"$out/fuzz.names" >"$out/fuzzers"
  contained xargs -a "$out/fuzzers" -P "$JOBS" -I '{}' sh tests/lib/fuzz.sh '{}' "$FUZZ_SECONDS" "$out"
  add fuzz $(($(date +%s) - started)) "$(wc -l <"$out/fuzz.passed")" "$(wc -l <"$out/fuzz.failed")" 0
  sed 's/^/  failed: /' "$out/fuzz.failed"
}

system() {
  selected="tests -p no:cacheprovider -q -o junit_family=xunit2"
  $PYTHON -m pytest $selected --collect-only ${PATTERN:+-k "$PATTERN"} >"$out/system.log" 2>&1
  case $? in
    0) ;;
    5) return ;; # nothing of that name
    *) cat "$out/system.log"; add "system collection" 0 0 1 0; return ;;
  esac
  unshare --net --mount --pid --fork true 2>/dev/null || {
    skip system "this machine does not let us make network namespaces"
    return
  }
  for flavour in dev tsan release; do
    configure $flavour || return
    build $flavour $(printf '%s\n' fedrouter fedrouterctl load dnsask test_store storewatch | targets_of $flavour)
  done
  export FEDROUTER="${FEDROUTER:-$top/build-dev/fedrouter}"
  export FEDROUTER_TSAN="${FEDROUTER_TSAN:-$top/build-tsan/fedrouter}"
  export FEDROUTER_RELEASE="${FEDROUTER_RELEASE:-$top/build-release/fedrouter}"
  started=$(date +%s)
  contained sh tests/lib/isolated.sh $PYTHON -m pytest $selected --tb=short ${PATTERN:+-k "$PATTERN"} \
    --junitxml="$out/system.xml" >"$out/system.log" 2>&1 || tail -n 300 "$out/system.log"
  add_reports system "$started" "$out/system.xml"
}

packages_install $BUILD_PACKAGES $TEST_PACKAGES || {
  echo "the packages that the tests need could not be installed"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
}
dev
tsan
seeds
fuzz
system
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
