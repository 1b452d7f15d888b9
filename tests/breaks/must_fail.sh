#!/bin/sh
# must_fail.sh PROGRAM CLAIM WORD - that test with the break WORD: it has to run, and to fail.
out=$(FEDROUTER_BROKEN=$3 "$1" "$2" 2>&1)
status=$?
if [ "$status" = 0 ] || ! echo "$out" | grep -q "RUN.* $2$"; then
  echo "$out"
  echo "$3: not caught by $2"
  exit 1
fi
echo "$out" | tail -n 3
