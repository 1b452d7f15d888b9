# conf/packages.sh - the Debian packages this project needs, and how they get onto the machine.
# Sourced by conf/quickstart.sh and tests/run.sh:  . conf/packages.sh; packages_install $BUILD_PACKAGES

# What cmake asks for. Every floor of the router is built, so it is one list.
BUILD_PACKAGES="build-essential cmake ninja-build pkg-config
  libuv1-dev libssl-dev libexpat1-dev libidn2-dev libldns-dev libhiredis-dev
  libyaml-dev libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev"

# What the tests ask for besides: unit tests and simulation, fuzzers, and the real peers.
TEST_PACKAGES="libcmocka-dev liblua5.1-0-dev clang llvm libclang-rt-dev
  python3 python3-pytest python3-slixmpp python3-dnspython python3-yaml
  openssl iproute2 iptables nftables procps util-linux haproxy
  prosody lua-unbound lua-event ejabberd unbound nsd python3-cryptography
  redis-server redis-sentinel redis-tools"

packages_missing() {
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# While we install, no package may start its service: this machine may be serving with the
# very ports we test. Whoever had a rule of their own gets it back.
packages_forbid_services() {
  if [ -e /usr/sbin/policy-rc.d ]; then
    as_root cp -p /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.before-fedrouter
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  as_root chmod 755 /usr/sbin/policy-rc.d
}

packages_allow_services() {
  if [ -e /usr/sbin/policy-rc.d.before-fedrouter ]; then
    as_root mv /usr/sbin/policy-rc.d.before-fedrouter /usr/sbin/policy-rc.d
  else
    as_root rm -f /usr/sbin/policy-rc.d
  fi
}

packages_apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
}

# packages_install NAME...: installs what is missing, silently; shows apt's words when it fails.
packages_install() {
  missing=$(packages_missing "$@")
  [ -n "$missing" ] || return 0
  echo "installing:" $missing
  said=$(mktemp)
  packages_forbid_services
  trap 'packages_allow_services; exit 1' INT TERM
  status=0
  { packages_apt update && packages_apt install -y --no-install-recommends $missing; } >"$said" 2>&1 || status=$?
  packages_allow_services
  trap - INT TERM
  [ "$status" = 0 ] || cat "$said"
  rm -f "$said"
  return "$status"
}
