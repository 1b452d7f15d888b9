#!/bin/sh
# sh tests/lib/fuzz.sh FUZZER SECONDS OUT - one fuzzer for so long, from a copy of its corpus: what a
# run finds is not ours to keep without a look. Adds a line to OUT/fuzz.passed or OUT/fuzz.failed.
fuzzer=$1 seconds=$2 out=$3
name=$(basename "$fuzzer")
corpus=$out/corpus/$name
mkdir -p "$corpus"
seeds=tests/fuzz/corpus/${name#fuzz_}
[ -d "$seeds" ] && cp -r "$seeds/." "$corpus/"
words=tests/fuzz/${name#fuzz_}.dict
[ -f "$words" ] && words=-dict=$words || words=
if "$fuzzer" $words -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
  -artifact_prefix="$out/$name." "$corpus" >"$out/$name.log" 2>&1; then
  echo "$name" >>"$out/fuzz.passed"
else
  echo "$name" >>"$out/fuzz.failed"
  tail -n 60 "$out/$name.log"
fi
