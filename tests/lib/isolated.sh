#!/bin/sh
# sh tests/lib/isolated.sh COMMAND... - runs it in a network of its own: only the loopback addresses
# 127.0.0.0/8 and ::1 exist there, every port is free, names are asked from 127.0.0.53, and packet
# filters and cut connections concern nobody else. What it starts dies with it.
if [ -z "$FEDROUTER_ISOLATED" ]; then
  FEDROUTER_ISOLATED=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi
set -e
ip link set lo up
names=$(mktemp)
echo "nameserver 127.0.0.53" >"$names"
mount --bind "$names" /etc/resolv.conf
rm -f "$names"
# Thousands of short connections from one address: let their ports be used again.
echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range
# BBR, where it is the default, measures a loopback that changes with the load, and crawls at times.
echo reno >/proc/sys/net/ipv4/tcp_congestion_control
exec "$@"
