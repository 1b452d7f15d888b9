#!/bin/sh
# sh tests/bench/run.sh [--seconds N] [--links N] [--workers N] [--only WORD] [--json FILE] [KIND...]
# - the peers and us, in one run.
# sh tests/bench/run.sh cluster [--seconds N] [--pairs N,N] [--takeover N,N] [--rows N] [--workers N] [--only WORD]
#                               [--json FILE]
# - two nodes of ours that act as one.
# Installs and builds what it needs; the servers live in a network namespace of their own.
# FEDROUTER_RELEASE=PATH measures that program instead of build-release/fedrouter.
set -e
cd "$(dirname "$0")/../.."
. conf/packages.sh
packages_install $BUILD_PACKAGES $TEST_PACKAGES
cmake -S . -B build-release -G Ninja -DFLAVOUR=release >/dev/null
ninja -C build-release -j "$(nproc)" $([ -e router/main.c ] && echo fedrouter) load storewatch >&2
script=bench.py
[ "$1" != cluster ] || { script=cluster.py && shift; }
exec sh tests/lib/isolated.sh /usr/bin/python3 "tests/bench/$script" "$@"
