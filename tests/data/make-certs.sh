#!/bin/sh
# Writes the seeds of tests/fuzz/corpus/certid with the openssl program: certificates in DER that
# carry each kind of name once, and the bare value of one such extension.
#
#     tests/data/make-certs.sh
set -eu

out=$(cd "$(dirname "$0")/../fuzz/corpus" && pwd)/certid
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# cert NAME SUBJECT EXTENSION...
cert() {
    name=$1 subject=$2
    shift 2
    {
        printf '[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n'
        printf '%s\n' "$@"
    } >"$work/cnf"
    openssl req -x509 -config "$work/cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$work/key" -subj "$subject" -days 36500 -outform DER -out "$out/$name.der" 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
}

xmppaddr='otherName:1.3.6.1.5.5.7.8.5;UTF8'
srv='otherName:1.3.6.1.5.5.7.8.7;IA5STRING'

cert dns / 'subjectAltName=DNS:victim.example,DNS:*.example'
cert srv / "subjectAltName=$srv:_xmpp-server.victim.example,$srv:_xmpp-client.victim.example"
cert xmppaddr / "subjectAltName=$xmppaddr:victim.example,$xmppaddr:user@victim.example"
cert addresses / 'subjectAltName=IP:192.0.2.1,IP:2001:db8::1'
cert idn / 'subjectAltName=DNS:xn--bcher-kva.example'
cert common-name /CN=victim.example
cert authority '/O=A+B/CN=Root' 'basicConstraints=critical,CA:TRUE' 'keyUsage=keyCertSign'
cert everything '/CN=x' "subjectAltName=DNS:xmpp.victim.example,$srv:_xmpp-server.*.example,$xmppaddr:VICTIM.example.,URI:xmpp:x,email:a@b.example,RID:1.2.3" \
    'extendedKeyUsage=serverAuth' 'keyUsage=digitalSignature'

# SEQUENCE { [2] "victim.example", [0] { 1.3.6.1.5.5.7.8.5, [0] UTF8String "victim.example" } }
printf '\060\056\202\016victim.example\240\034\006\010\053\006\001\005\005\007\010\005\240\020\014\016victim.example' >"$out/san-value"
