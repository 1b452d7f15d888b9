#!/bin/sh
# conf/quickstart.sh [--once] - fedrouter's main job, seen in a few minutes on a fresh Debian or
# Ubuntu: installs what the build needs, builds, makes two routers that federate over TLS and
# dialback between a.localhost and b.localhost, attaches a component to each, and sends stanzas
# across. Then it keeps running until Ctrl-C; with --once it checks the crossing and stops.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
. conf/packages.sh

once=0
case ${1-} in
  "") ;;
  --once) once=1 ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac

build=$top/build-quickstart
home=$build/home
router=$build/fedrouter
ctl=$build/fedrouterctl
a=127.0.0.71 b=127.0.0.72 # loopback addresses of our own: nothing else listens there
pids=

fail() {
  echo "quickstart: $*" >&2
  exit 1
}

stop() {
  trap - EXIT INT TERM
  for pid in $pids; do kill "$pid" 2>/dev/null; done
  for pid in $pids; do wait "$pid" 2>/dev/null; done
}
trap stop EXIT
trap 'exit 130' INT TERM

# --- build ---

packages_install $BUILD_PACKAGES openssl || fail "the packages above could not be installed"
echo "building (a minute or two) ..."
mkdir -p "$home"
{ cmake -S . -B "$build" -G Ninja -DFLAVOUR=release -DTESTS=OFF && ninja -C "$build"; } \
  >"$home/build.log" 2>&1 || { tail -n 30 "$home/build.log" >&2; fail "the build failed: $home/build.log"; }

# --- two routers ---

cd "$home" || exit 1
certificate() { # certificate DOMAIN: nobody but the two routers will ever trust it
  [ -s "$1.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$1" \
    -addext "subjectAltName=DNS:$1" -addext "basicConstraints=critical,CA:FALSE" 2>/dev/null ||
    fail "openssl could not make a certificate"
}
secret() {
  [ -s "$1" ] || openssl rand -hex 32 >"$1" || fail "openssl gave no random bytes"
  chmod 600 "$1"
}
configure() { # configure NAME ADDRESS PEER PEER-ADDRESS
  certificate "$1.localhost"
  secret "$1.dialback"
  printf demo >"$1.secret"
  chmod 600 "$1.secret"
  cat >"$1.yaml" <<YAML
node: { name: $1 }
listen:
  s2s: ["$2:5269"]
  s2s_tls: []
  component: ["$2:5347"]
  http: "$2:9269"
  control: $home/$1.sock
tls:
  certificates: [ { chain: $1.localhost.pem, key: $1.localhost.key } ]
dialback: { secret_file: $1.dialback }
components:
  - { domain: $1.localhost, secret_file: $1.secret }
peers: # no DNS here: the other one's address is written down. Its certificate proves nothing: dialback.
  - { match: "$3.localhost", target: ["$4:5269"], auth: [dialback] }
YAML
}
configure a $a b $b
configure b $b a $a

start() { # start NAME
  "$router" --config "$1.yaml" 2>"$1.log" &
  pids="$pids $!"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$ctl" --socket "$1.sock" status >/dev/null 2>&1 && return 0
    kill -0 $! 2>/dev/null || break
    sleep 0.5
  done
  cat "$1.log" >&2
  fail "router $1 did not start"
}
start a
start b
echo "router a at $a, router b at $b: each S2S on 5269, components on 5347, HTTP on 9269"

# --- stanzas across ---

cross() { # cross FROM ADDRESS TO ADDRESS
  "$build/tests/bench/load" --send "$2:5347" --receive "$4:5347" --secret demo \
    --from "$1.localhost" --to "$3.localhost" --seconds 1 --rate 1000 --bytes 200 \
    >"$1-$3.json" 2>/dev/null || { cat "$1-$3.json" "$1.log" "$3.log" >&2; fail "$1 -> $3 failed"; }
  sent=$(sed -n 's/.*"sent": \([0-9]*\).*/\1/p' "$1-$3.json")
  received=$(sed -n 's/.*"received": \([0-9]*\).*/\1/p' "$1-$3.json")
  echo "component $1.localhost -> component $3.localhost: $sent sent, $received received"
  [ -n "$sent" ] && [ "$sent" -gt 0 ] && [ "$sent" = "$received" ] || fail "not all arrived"
}
cross a $a b $b
cross b $b a $a

echo
echo "links of router a (fedrouterctl links):"
"$ctl" --socket a.sock links
echo
echo "how the pairs were proven (log of router a):"
grep -E ' (s2s_in|s2s_out)\.open ' a.log | sed 's/^/  /'
grep -q 's2s_out.open .*tls=TLSv1.3' a.log || fail "the stream was not encrypted"
[ "$once" = 1 ] && { echo "quickstart: all is well"; exit 0; }

cat <<TEXT

Still running. Look around, for example:
  $ctl --socket $home/a.sock status
  $ctl --socket $home/a.sock pairs
  http://$a:9269/metrics   http://$a:9269/readyz   http://$a:9269/api/v1/status
  tail -f $home/a.log
Attach a component of your own to $a:5347 as a.localhost, secret "demo" (XEP-0114).
Ctrl-C stops both routers.
TEXT
wait
