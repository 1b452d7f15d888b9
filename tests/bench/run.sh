#!/bin/sh
# sh tests/bench/run.sh [--seconds N] [--links N] [--workers N] [--only WORD] [--json FILE] [KIND...]
# - the peers and us, in one run.
# Installs and builds what it needs; the servers live in a network namespace of their own.
# FEDROUTER_RELEASE=PATH measures that program instead of build-release/fedrouter.
set -e
cd "$(dirname "$0")/../.."
. conf/packages.sh
packages_install $BUILD_PACKAGES $TEST_PACKAGES
cmake -S . -B build-release -G Ninja -DFLAVOUR=release >/dev/null
ninja -C build-release -j "$(nproc)" $([ -e router/main.c ] && echo fedrouter) load >&2
exec sh tests/lib/isolated.sh /usr/bin/python3 tests/bench/bench.py "$@"
