/* The configuration: what is refused or warned of, in which words, and at which cost. */
#include "conf_world.h"
#include "node/conf_row.h"

struct refusal {
    const char *text;
    const char *remark; /* a line of the report */
};

/* A warning is all there is to say; of errors there is one, but warnings may stand beside it. */
static void check_remark(const struct refusal *c, size_t errors)
{
    struct conf_source source = world_source(c->text);
    struct conf *conf;
    size_t found;
    char *said = parse_said(&source, &found, &conf);
    char line[1200];

    snprintf(line, sizeof(line), c->remark ? "test.yaml:%s\n" : "%s", c->remark ? c->remark : "");
    CHECK_MSG((errors ? strstr(said, line) != NULL : !strcmp(said, line)) && found == errors,
              "of\n%swanted\n%sgot\n%s", c->text, line, said);
    free(said);
    conf_unref(conf);
}

static void check_refusals(const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_remark(&cases[i], 1);
}

TEST(conf, refuses_values_with_range_and_remedy)
{
    static const struct refusal cases[] = {
        /* LIMIT-02 */
        {MINIMAL "limits: { stanza_bytes: 9999 }\n",
         "3: limits.stanza_bytes: 9999 is too small: 10000B to 16MiB (RFC 6120 13.12); raise it or "
         "leave it out"},
        {MINIMAL "limits: { stanza_bytes: 17MiB }\n",
         "3: limits.stanza_bytes: 17MiB is too large: 10000B to 16MiB (RFC 6120 13.12); lower it "
         "or leave it out"},
        {MINIMAL "limits: { stanza_bytes: 99999999999999999999GiB }\n",
         "3: limits.stanza_bytes: 99999999999999999999GiB is too large: 10000B to 16MiB (RFC 6120 "
         "13.12); lower it or leave it out"},
        {MINIMAL "limits: { queue_bytes: 17179869185GiB }\n", /* more than 64 bits */
         "3: limits.queue_bytes: 17179869185GiB is too large: 10000B to 16GiB; lower it or leave "
         "it out"},
        {MINIMAL "limits: { memory: 1 }\n",
         "3: limits.memory: 1 is too small: 0, or 16MiB to 16384GiB; raise it or leave it out"},
        {MINIMAL "limits: { queue_bytes: 16MB }\n",
         "3: limits.queue_bytes: 16MB is no size: 10000B to 16GiB; write a whole number with B, "
         "KiB, MiB or GiB, such as 16MiB"},
        {MINIMAL "limits:\n  idle: 1.5h\n",
         "4: limits.idle: 1.5h is no time: 0, or 1s to 30d; write a whole number with ms, s, m, h "
         "or d, such as 15m"},
        {MINIMAL "limits: { idle: 900 }\n", /* of what? */
         "3: limits.idle: 900 is no time: 0, or 1s to 30d; write a whole number with ms, s, m, h "
         "or d, such as 15m"},
        {MINIMAL "limits: { idle: -1s }\n",
         "3: limits.idle: -1s is no time: 0, or 1s to 30d; write a whole number with ms, s, m, h "
         "or d, such as 15m"},
        {MINIMAL "limits: { queue_stanzas: many }\n",
         "3: limits.queue_stanzas: many is no whole number: 1 to 10000000; write digits only, such "
         "as 10000"},
        {MINIMAL "limits: { queue_stanzas: 0 }\n",
         "3: limits.queue_stanzas: 0 is too small: 1 to 10000000; raise it or leave it out"},
        {MINIMAL "limits: { uncertain: maybe }\n",
         "3: limits.uncertain: maybe is none of the words: resend, bounce; choose one or leave it "
         "out"},
        {MINIMAL "limits: { uncertain: [resend] }\n",
         "3: limits.uncertain: a list or section where one value belongs; write the value only"},
        {MINIMAL "node: { name: \"edge 1\" }\n",
         "3: node.name: \"edge 1\" is no name of a node: 1 to 64 letters, digits, \".\", \"-\", "
         "\"_\"; choose another, such as edge-1"},
        {MINIMAL
         "node: { name: a12345678901234567890123456789012345678901234567890123456789abcde }\n",
         "3: node.name: a12345678901234567890123456789012345678901234567890123456789abcd... is no "
         "name of a node: 1 to 64 letters, digits, \".\", \"-\", \"_\"; choose another, such as "
         "edge-1"},
        {MINIMAL "log: { level: \"info\\n\" }\n",
         "3: log.level: \"info\\u000A\" has a control character or line end; remove it"},
        {MINIMAL "dns: { servers: [ns.example] }\n",
         "3: dns.servers: ns.example is no address: address or address:port; write it such as "
         "127.0.0.1 or \"[::1]:53\", not as a name"},
        {MINIMAL "dns: { dnssec: validate }\n",
         "3: dns.dnssec: validate is not in this version: auto, trust-ad, off; choose another or "
         "leave it out"},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_unknown_and_repeated_keys)
{
    static const struct refusal cases[] = {
        {MINIMAL "limits: { stanza_byte: 20000 }\n",
         "3: limits.stanza_byte: unknown key; did you mean limits.stanza_bytes?"},
        {MINIMAL "limits: { qeueu_age: 20s }\n",
         "3: limits.qeueu_age: unknown key; did you mean limits.queue_age?"},
        {MINIMAL "queue_bytes: 5MiB\n",
         "3: queue_bytes: unknown key; did you mean limits.queue_bytes?"},
        {MINIMAL "lisen: {}\n", "3: lisen: unknown key; did you mean listen?"},
        {MINIMAL "dialback: { secret: hunter2 }\n", /* the value is not repeated */
         "3: dialback.secret: unknown key; did you mean dialback.secret_file?"},
        {MINIMAL "log: { whatever: 1 }\n",
         "3: log.whatever: unknown key; known here: level, format"},
        {MINIMAL "peers: [ { match: \"*\", alow: none } ]\n",
         "3: peers.alow: unknown key; did you mean peers.allow?"},
        {MINIMAL "log: { level: info, level: debug }\n",
         "3: level: given twice, first on line 3; leave one of them out"},
        {MINIMAL "log: { level: info }\nlog: { level: debug }\n",
         "4: log: given twice, first on line 3; leave one of them out"},
        {MINIMAL "log: info\n", "3: log: a section, no value; write its keys below it, indented"},
        {MINIMAL "peers: {}\n", "3: peers: a list of items belongs here; begin each with \"- \""},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_addresses_that_cannot_be_had)
{
    static const struct refusal cases[] = {
        {MINIMAL "listen: { component: [localhost:5347] }\n",
         "3: listen.component: localhost:5347 is no address with port: address:port; write it such "
         "as \"127.0.0.1:5347\" or \"[::]:5269\", in quotes"},
        {MINIMAL "listen: { s2s: \"[::]:5269\" }\n",
         "3: listen.s2s: one value where a list belongs; write it in brackets: [ ... ]"},
        {MINIMAL "listen: { http: 127.0.0.1 }\n",
         "3: listen.http: 127.0.0.1 is no address with port: address:port, or \"\" for none; write "
         "it such as \"127.0.0.1:5347\" or \"[::]:5269\", in quotes"},
        {MINIMAL "listen: { proxy_protocol_from: [10.0.0.0/33] }\n",
         "3: listen.proxy_protocol_from: 10.0.0.0/33 is no network: network/bits or address; write "
         "it such as 10.0.0.0/8 or \"2001:db8::/32\""},
        {MINIMAL "listen: { control: /0123456789012345678901234567890123456789012345678901234567890"
                 "123456789012345678901234567890123456789012345678 }\n",
         "3: listen.control: /012345678901234567890123456789012345678901234567890123456789012..."
         " is too long: path of at most 107 bytes, or \"\" for none (sun_path of unix(7)); choose "
         "a shorter one"},
        {MINIMAL "listen:\n  s2s: [\"0.0.0.0:1\"]\n  s2s_tls: [\"127.0.0.1:1\"]\n",
         "5: listen.s2s_tls: 127.0.0.1:1 cannot be had besides 0.0.0.0:1 of listen.s2s (line 4); "
         "choose another port or leave one out"},
        {MINIMAL "listen:\n  s2s_tls: [\"127.0.0.1:1\"]\n  s2s: [\"127.0.0.1:1\"]\n",
         "5: listen.s2s: 127.0.0.1:1 cannot be had besides 127.0.0.1:1 of listen.s2s_tls (line 4); "
         "choose another port or leave one out"},
        {MINIMAL "listen: { component_tls: [\"[::ffff:127.0.0.1]:5347\"] }\n",
         "3: listen.component_tls: [::ffff:127.0.0.1]:5347 cannot be had besides 127.0.0.1:5347 of "
         "listen.component (default); choose another port or leave one out"},
        {MINIMAL "listen: { s2s: [\"[::]:5269\", \"0.0.0.0:5269\"] }\n", /* [::] takes both */
         "3: listen.s2s: 0.0.0.0:5269 cannot be had besides [::]:5269 of listen.s2s (line 3); "
         "choose another port or leave one out"},
        {MINIMAL "listen: { component: [] }\n",
         "3: listen.component: components have nowhere to connect to; add an address, such as "
         "[\"127.0.0.1:5347\"], or one to listen.component_tls"},
        {"listen: { s2s: [], s2s_tls: [], component: [] }\n",
         " components: nothing to do: no component and no listener; add an item to components, and "
         "addresses to listen.s2s and listen.component"},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_files_that_do_not_serve)
{
    static const struct refusal cases[] = {
        {COMPONENT, " tls.certificates: none, but listen.s2s_tls is TLS from the first byte; add "
                    "one, such as \"- { chain: tls/example.org.pem, key: tls/example.org.key }\""},
        {COMPONENT "listen: { s2s_tls: [] }\n",
         " tls.certificates: none, but listen.s2s has peers that must use TLS; add one, such as "
         "\"- { chain: tls/example.org.pem, key: tls/example.org.key }\""},
        {COMPONENT "tls:\n  certificates:\n    - { chain: tls/example.org.pem }\n",
         "4: tls.certificates.key: missing; add it, such as \"key: tls/example.org.key\""},
        {COMPONENT "tls: { certificates: [ { chain: nope.pem, key: tls/example.org.key } ] }\n",
         "2: tls.certificates.chain: /conf/nope.pem cannot be read: not found; create it, or give "
         "the service leave to read it"},
        {COMPONENT "tls: { certificates: [ { chain: tls/example.org.pem, key: denied } ] }\n",
         "2: tls.certificates.key: /conf/denied cannot be read: not permitted; create it, or give "
         "the service leave to read it"},
        {COMPONENT "tls: { certificates: [ { chain: empty, key: tls/example.org.key } ] }\n",
         "2: tls.certificates.chain: /conf/empty is empty; fill it"},
        {COMPONENT "tls: { certificates: [ { chain: \"\", key: tls/example.org.key } ] }\n",
         "2: tls.certificates.chain: \"\" names no file: file that the service can read; name one"},
        {COMPONENT "tls: { certificates: [ tls/example.org.pem ] }\n"
                   "listen: { s2s_tls: [] }\npeers: [ { match: \"*\", tls: optional } ]\n",
         "2: tls.certificates: an item without keys; write it such as \"- { key: value }\""},
        {COMPONENT "listen: { s2s: [], s2s_tls: [] }\ntls: { min_version: 1.1 }\n", /* TLS-13 */
         "3: tls.min_version: 1.1 is none of the words: 1.2, 1.3; choose one or leave it out"},
        /* KEY-02 */
        {MINIMAL "dialback: { secret_file: short.secret }\n",
         "3: dialback.secret_file: the secret in /conf/short.secret is too short: 32 to 4096 "
         "bytes; "
         "make one with openssl rand -hex 32"},
        {MINIMAL "dialback: { secret_file: none }\n",
         "3: dialback.secret_file: /conf/none cannot be read: not found; create it (openssl rand "
         "-hex 32), readable by the service only"},
        {MINIMAL "dialback: { previous_secret_file: previous.secret }\n",
         "3: dialback.previous_secret_file: previous to nothing; name the present one in "
         "dialback.secret_file"},
        /* COMP-05: an empty secret would let everybody in */
        {CERT "components:\n  - { domain: a.example, secret_file: line-end }\n",
         "3: components.secret_file: the secret in /conf/line-end is too short: 1 to 4096 bytes; "
         "make one with openssl rand -hex 32"},
        {CERT "components:\n  - { domain: a.example, secret_file: empty }\n",
         "3: components.secret_file: the secret in /conf/empty is too short: 1 to 4096 bytes; "
         "make one with openssl rand -hex 32"},
        {CERT "components:\n  - { domain: a.example, secret_file: \"\" }\n",
         "3: components.secret_file: \"\" names no file: file with 1 to 4096 bytes; name one"},
        {CERT "components:\n  - domain: a.example\n",
         "3: components.secret_file: missing; add it, such as \"secret_file: rooms.secret\""},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_components_and_peers_that_make_no_sense)
{
    static const struct refusal cases[] = {
        {CERT "components:\n  - { domain: a.example, secret_file: rooms.secret }\n"
              "  - { domain: A.example., secret_file: rooms.secret }\n",
         "4: components.domain: a.example is there already on line 3; leave one out"},
        {CERT "components: [ { domain: \"*\", secret_file: rooms.secret } ]\n",
         "2: components.domain: * is no domain: name, or \"*.name\"; write whole labels, such as "
         "rooms.example.org or \"*.example.org\""},
        {CERT "components: [ { domain: a..b, secret_file: rooms.secret } ]\n",
         "2: components.domain: a..b is no domain: name, or \"*.name\"; write whole labels, such "
         "as rooms.example.org or \"*.example.org\""},
        {CERT "components: [ { secret_file: rooms.secret } ]\n",
         "2: components.domain: missing; add it, such as \"domain: rooms.example.org\""},
        {MINIMAL "peers:\n  - { allow: none }\n",
         "4: peers.match: missing; add it, such as \"match: partner.example\""},
        {MINIMAL "peers: [ { match: \"a*.example\" } ]\n",
         "3: peers.match: a*.example is no pattern of domains: name, \"*.name\" or \"*\"; write "
         "whole labels, such as rooms.example.org or \"*.example.org\""},
        {MINIMAL "peers: [ { match: \"*\", auth: [dane, posh, pin] } ]\n",
         "3: peers.auth: nothing that proves a domain in this version is left; add pkix or "
         "dialback"},
        {MINIMAL "peers: [ { match: \"*\", auth: [] } ]\n",
         "3: peers.auth: an empty list proves nothing; name a method or leave it out"},
        {MINIMAL "peers: [ { match: \"*\", auth: [none] } ]\n",
         "3: peers.auth: none is no way to prove a domain: dane, pin, pkix, posh, dialback; choose "
         "among them"},
        {MINIMAL "peers: [ { match: \"*\", auth: [pkix, pkix] } ]\n",
         "3: peers.auth: pkix is given twice: dane, pin, pkix, posh, dialback; leave one out"},
        {"tls: { certificates: [ { chain: tls/example.org.pem, key: tls/example.org.key } ],\n"
         "       trust_file: \"\" }\n" COMPONENT "peers: [ { match: \"*\", auth: [pkix] } ]\n",
         "4: peers.auth: only certificates count, but no authority is trusted; add dialback, or "
         "name a file in tls.trust_file"},
        {MINIMAL "peers: [ { match: \"*\", target: [\"h.example:0\"] } ]\n",
         "3: peers.target: h.example:0 is no host with port: host:port or tls://host:port; write "
         "it such as \"xmpp.example.net:5269\" or \"tls://192.0.2.1:5270\""},
        {MINIMAL "peers: [ { match: \"*\", target: [\"::1\"] } ]\n",
         "3: peers.target: ::1 is no host with port: host:port or tls://host:port; write it such "
         "as \"xmpp.example.net:5269\" or \"tls://192.0.2.1:5270\""},
        {MINIMAL "peers: [ { match: \"*\", target: [\"a:1\", \"a:2\", \"a:3\", \"a:4\", \"a:5\",\n"
                 "  \"a:6\", \"a:7\", \"a:8\", \"a:9\"] } ]\n",
         "3: peers.target: 9 are too many: at most 8; leave some out"},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_environment_that_is_not_there)
{
    static const struct refusal cases[] = {
        {MINIMAL "log: { level: \"${LEVEL}\" }\n",
         "3: log.level: ${LEVEL} needs environment variable LEVEL, which is not set; set it or "
         "write the value"},
        {MINIMAL "log: { level: \"${LATIN}\" }\n",
         "3: log.level: ${LATIN} needs environment variable LATIN, which is not UTF-8; change it"},
        {MINIMAL "log: { level: \"${LINES}\" }\n",
         "3: log.level: ${LINES} has a control character or line end; remove it"},
        {MINIMAL "log: { level: \"${LEVEL\" }\n",
         "3: log.level: ${LEVEL has \"${\" without \"NAME}\"; write \"$${\" for the bare text"},
        {MINIMAL "log: { level: \"${A-B}\" }\n",
         "3: log.level: ${A-B} has \"${\" without \"NAME}\"; write \"$${\" for the bare text"},
        {MINIMAL "log: { level: \"in ${A-B}\" }\n",
         "3: log.level: \"in ${A-B}\" has \"${\" without \"NAME}\"; write \"$${\" for the bare "
         "text"},
        {MINIMAL "log: { level: \"${EMPTY}\" }\n",
         "3: log.level: \"\" is none of the words: error, warn, info, debug; choose one or leave "
         "it out"},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, refuses_what_is_not_yaml_with_its_line)
{
    static const struct refusal cases[] = {
        {"- a\n", "1: no sections here; write lines such as \"log: { level: info }\""},
        {"log:\n\tlevel: info\n",
         "2: not YAML: found character that cannot start any token while scanning for the next "
         "token; indent with spaces, not tabs, and put texts with @, ` or % in quotes"},
        {"peers:\n  - { match: *.example }\n",
         "2: not YAML: did not find expected alphabetic or numeric character while scanning an "
         "alias; put a text with * in quotes"},
        {"log: { level: info\n",
         "2: not YAML: did not find expected ',' or '}' while parsing a flow mapping; see to "
         "indentation, colons, brackets and quotes"},
        {"log: &a { level: info }\ndns: *a\n",
         "2: YAML aliases are not followed; write the value again, or put a text with * in quotes"},
        {"log: !!map { level: info }\n",
         "1: YAML tags have no meaning here; leave it out, or put a text with ! in quotes"},
        {"log: {}\n---\nlog: {}\n", "2: a second document begins; leave out the line ---"},
        {"? [a]\n: b\n", "1: a list or map where a key belongs; put texts with [ or { in quotes"},
        {"log:\n  level: caf\xe9\n", "2: not UTF-8; save the file in that encoding"},
        {MINIMAL "a: [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]\n", /* as deep as it may be */
         "3: a: unknown key; known here: node, listen, tls, dialback, dns, store, mesh, "
         "components, peers, timeouts, limits, log"},
        {"a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
         "1: nested too deeply: at most 16 levels; put texts with [ or { in quotes"},
    };

    check_refusals(cases, COUNT(cases));
}

TEST(conf, warns_and_goes_on)
{
    static const struct refusal cases[] = {
        {MINIMAL "dialback: { secret_file: dialback.secret, previous_secret_file: "
                 "dialback.secret }\n",
         "3: warning: dialback.previous_secret_file: holds the present secret; leave it out once "
         "the exchange is over"},
        {CERT "components: [ { domain: a.example, secret_file: open.secret } ]\n",
         "2: warning: components.secret_file: /conf/open.secret can be read by every user; chmod "
         "o-r it"},
        {COMPONENT "tls: { certificates: [ { chain: tls/example.org.pem, key: open.key } ] }\n",
         "2: warning: tls.certificates.key: /conf/open.key can be read by every user; chmod o-r "
         "it"},
        /* COMP-13 */
        {MINIMAL "listen: { component: [\"127.0.0.9:1\", \"192.0.2.1:5347\"] }\n",
         "3: warning: listen.component: 192.0.2.1:5347 is not loopback and carries stanzas in "
         "clear; use listen.component_tls there"},
        {CERT, " warning: components: none, so every stream is refused; add one, such as \"- { "
               "domain: rooms.example.org, secret_file: rooms.secret }\""},
        {MINIMAL "listen: { s2s: [], s2s_tls: [] }\n",
         "3: warning: listen.s2s: no server can reach us, listen.s2s_tls being empty too; add an "
         "address, such as [\"[::]:5269\"]"},
        {COMPONENT "listen: { s2s_tls: [] }\npeers: [ { match: \"*\", tls: optional } ]\n",
         " warning: tls.certificates: none, but listen.s2s then carries all stanzas in clear; add "
         "one, such as \"- { chain: tls/example.org.pem, key: tls/example.org.key }\""},
        {MINIMAL "peers:\n  - { match: \"*.a.example\" }\n  - { match: b.a.example, allow: in }\n",
         "5: warning: peers: no pair reaches the rule for b.a.example (local *), since that for "
         "*.a.example (local *) on line 4 comes first; move it up or leave it out"},
        {MINIMAL "peers: [ { match: rooms.example.org } ]\n", /* ROUTE-04 */
         "3: warning: peers.match: rooms.example.org is served here (line 2) and never a peer; "
         "leave the rule out"},
        {CERT "components: [ { domain: \"*.example.org\", secret_file: rooms.secret } ]\n"
              "peers: [ { match: \"*.rooms.example.org\" } ]\n",
         "3: warning: peers.match: *.rooms.example.org is served here (line 2) and never a peer; "
         "leave the rule out"},
        {MINIMAL "peers: [ { match: \"*\", local: room.example.org } ]\n",
         "3: warning: peers.local: room.example.org is no domain of a component, so the rule is "
         "never used; see to its spelling, or add the component"},
        {MINIMAL "peers: [ { match: a.example, allow: in, target: [\"127.0.0.1:1\"] } ]\n",
         "3: warning: peers.target: nothing is dialled with allow: in; leave one of them out"},
        {MINIMAL "peers: [ { match: a.example, tls: optional, auth: [pkix] } ]\n",
         "3: warning: peers.tls: optional, but without TLS nothing in auth proves a domain; add "
         "dialback, or write tls: required"},
        {MINIMAL "peers: [ { match: \"*\", auth: [dane, pkix] } ]\n",
         "3: warning: peers.auth: dane proves nothing in this version"},
        {MINIMAL "dns: { dnssec: trust-ad, servers: [127.0.0.1, 192.0.2.1] }\n", /* DNSSEC-02 */
         "3: warning: dns.servers: trust-ad does not count for 192.0.2.1; if the path to it is "
         "safe, add it to dns.trusted_servers"},
        {MINIMAL "limits: { queue_bytes: 256KiB }\n",
         "3: warning: limits.queue_bytes: 256KiB is less than 512KiB of limits.stanza_bytes, so "
         "that the largest stanzas always bounce; raise it, or lower limits.stanza_bytes"},
        {MINIMAL "limits: { preauth_bytes: 1MiB }\n",
         "3: warning: limits.stanza_bytes: 512KiB is less than 1MiB of limits.preauth_bytes, so "
         "that strangers may send more than friends; raise it, or lower limits.preauth_bytes"},
        {MINIMAL "limits: { queue_bytes: 1GiB, memory: 16MiB }\n",
         "3: warning: limits.memory: 16MiB is less than 1GiB of limits.queue_bytes, so that one "
         "queue can stop all reading; raise it, or lower limits.queue_bytes"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_remark(&cases[i], 0);
}

/* Nothing to be told about a sound file. */
TEST(conf, is_silent_about_what_is_well)
{
    static const char *const texts[] = {
        MINIMAL,
        MINIMAL "listen: { s2s: [\"127.0.0.1:5269\", \"127.0.0.2:5269\", \"[::1]:5269\"],\n"
                "  s2s_tls: [\"0.0.0.0:1\", \"[::1]:1\"], http: \"127.0.0.1:0\",\n"
                "  component: [\"127.0.0.1:0\"] }\n",
        MINIMAL "limits: { stanza_bytes: 256KiB, queue_bytes: 256KiB, preauth_bytes: 256KiB }\n"
                "peers: [ { match: \"*\", tls: optional, auth: [pkix, dialback] } ]\n",
        MINIMAL "dns: { dnssec: trust-ad, servers: [127.0.0.53, 192.0.2.1], trusted_servers: "
                "[192.0.2.1] }\n",
        CERT "components: [ { domain: \"*.example.org\", secret_file: rooms.secret } ]\n"
             "peers: [ { match: \"*\", local: \"*.rooms.example.org\", allow: none },\n"
             "  { match: \"*\", local: \"*.org\", allow: in }, { match: example.org } ]\n",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct conf_source source = world_source(texts[i]);
        struct conf *c;
        size_t errors;
        char *said = parse_said(&source, &errors, &c);

        CHECK_STR(said, "");
        free(said);
        conf_unref(c);
    }
}

static int64_t days_left;

static enum err say_days_left(const char *chain, const char *key, const char *trust, char *error,
                              size_t size, struct conf_tried *ret_tried)
{
    *ret_tried = (struct conf_tried){1893456000, days_left * 86400, "example.org *.example.org"};
    return OK;
}

TEST(conf, says_when_a_certificate_ends)
{
    static const struct {
        int64_t days_left;
        const char *said;
    } cases[] = {
        {-3, "test.yaml:1: warning: tls.certificates: /conf/tls/example.org.pem has expired (for "
             "example.org *.example.org, on 2030-01-01, 3 days ago), most servers will refuse it; "
             "renew it\n"},
        {6, "test.yaml:1: warning: tls.certificates: /conf/tls/example.org.pem expires soon (for "
            "example.org *.example.org, on 2030-01-01, in 6 days); renew it\n"},
        {7, ""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf_source source = world_source(MINIMAL);
        struct conf *c;
        size_t errors;
        char *said;

        source.try = say_days_left;
        days_left = cases[i].days_left;
        said = parse_said(&source, &errors, &c);
        CHECK_STR(said, cases[i].said);
        CHECK_EQ(errors, 0);
        free(said);
        conf_unref(c);
    }
}

TEST(conf, reports_everything_wrong_in_order)
{
    struct conf_source source =
        world_source("log: { level: loud, formt: json }\n"
                     "peers:\n"
                     "  - { match: \"*\", auth: [pkx, dane], target: [x, \"y:1\", \"z:\"] }\n"
                     "limits: { idle: 5, stanza_bytes: 1 }\n" CERT);
    struct conf *c;
    size_t errors;
    char *said = parse_said(&source, &errors, &c);

    CHECK_STR(said,
              "test.yaml:1: log.level: loud is none of the words: error, warn, info, debug; choose "
              "one or leave it out\n"
              "test.yaml:1: log.formt: unknown key; did you mean log.format?\n"
              "test.yaml:3: peers.auth: pkx is no way to prove a domain: dane, pin, pkix, posh, "
              "dialback; choose among them\n"
              "test.yaml:3: warning: peers.auth: dane proves nothing in this version\n"
              "test.yaml:3: peers.target: x is no host with port: host:port or tls://host:port; "
              "write it such as \"xmpp.example.net:5269\" or \"tls://192.0.2.1:5270\"\n"
              "test.yaml:3: peers.target: z: is no host with port: host:port or tls://host:port; "
              "write it such as \"xmpp.example.net:5269\" or \"tls://192.0.2.1:5270\"\n"
              "test.yaml:4: limits.idle: 5 is no time: 0, or 1s to 30d; write a whole number with "
              "ms, s, m, h or d, such as 15m\n"
              "test.yaml:4: limits.stanza_bytes: 1 is too small: 10000B to 16MiB (RFC 6120 13.12); "
              "raise it or leave it out\n"
              "test.yaml: warning: components: none, so every stream is refused; add one, such as "
              "\"- { domain: rooms.example.org, secret_file: rooms.secret }\"\n");
    CHECK_EQ(errors, 7);
    free(said);
}

/* A sound file with one more key: "section: { key: VALUE }", or in the first item of a list. */
static void place_key(const struct conf_row *row, const char *value, char *text, size_t size)
{
    const char *dot = strchr(row->path, '.');

    if (row->table != CONF_ROOT)
        snprintf(text, size, MINIMAL "%s: [ { match: \"*\", %s: %s } ]\n",
                 conf_table_path(row->table), row->path, value);
    else if (dot && !strncmp(row->path, "tls.", 4))
        snprintf(text, size,
                 COMPONENT "tls: { %s: %s, certificates: [ { chain: tls/example.org.pem, key: "
                           "tls/example.org.key } ] }\n",
                 dot + 1, value);
    else if (dot)
        snprintf(text, size, MINIMAL "%.*s: { %s: %s }\n", (int)(dot - row->path), row->path,
                 dot + 1, value);
    else
        snprintf(text, size, MINIMAL "%s: %s\n", row->path, value);
}

static void check_later(const struct conf_row *row, const char *value, bool empty)
{
    struct conf_source source;
    char text[512], *said;
    struct conf *c;
    size_t errors;

    place_key(row, value, text, sizeof(text));
    source = world_source(text);
    said = parse_said(&source, &errors, &c);
    CHECK_MSG(errors == !empty && !strstr(said, ": not in this version; leave it out\n") == empty,
              "%s%s", text, said);
    free(said);
    conf_unref(c);
}

TEST(conf, keys_of_later_versions_are_known_and_refused)
{
    static const char *const full[] = {"5", "[a]", "{ a: b }"};
    static const char *const empty[] = {"\"\"", "[]", "{}", "", "~"};
    size_t count, later = 0;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != CONF_TYPE_LATER)
            continue;
        later++;
        for (size_t k = 0; k < COUNT(full); k++)
            check_later(&rows[i], full[k], false);
        for (size_t k = 0; k < COUNT(empty); k++)
            check_later(&rows[i], empty[k], true);
    }
    CHECK_EQ(later, 16);
}

#define MESH_FILES                                                                                 \
    "ca_file: tls/example.org.pem, cert_file: tls/example.org.pem, key_file: tls/example.org.key"

#define CLUSTER MINIMAL "store: { kind: redis }\ndialback: { secret_file: dialback.secret }\n"

TEST(conf, a_cluster_needs_a_mesh_and_one_secret)
{
    static const size_t errors[] = {5, 1, 0, 3, 1, 1, 1, 0, 0};
    static const struct refusal cases[] = {
        {MINIMAL "store: { kind: redis }\n",
         "3: listen.mesh: empty, so the other nodes cannot reach this one; add an address, such as "
         "[\"10.0.0.5:5290\"]"},
        {MINIMAL
         "store: { kind: redis }\nlisten: { mesh: [\"10.0.0.5:5290\"] }\nmesh: { " MESH_FILES
         " }\n",
         "3: dialback.secret_file: the nodes of a cluster must share one; make it once (openssl "
         "rand -hex 32) and copy it to all"},
        {CLUSTER "listen: { mesh: [\"10.0.0.5:5290\"] }\nmesh: { " MESH_FILES " }\n", NULL},
        {CLUSTER "listen: { mesh: [\"10.0.0.5:5290\"] }\n",
         "3: mesh.ca_file: a mesh needs the authority that proves the nodes; name its PEM file"},
        {CLUSTER "listen: { mesh: [\"[::]:5290\"] }\nmesh: { " MESH_FILES " }\n",
         "3: mesh.advertise: [::]:5290 is nowhere that other nodes could dial; say the address and "
         "port at which they reach listen.mesh"},
        {CLUSTER "listen: { mesh: [\"[::]:5290\"] }\n"
                 "mesh: { advertise: \"10.0.0.5:0\", " MESH_FILES " }\n",
         "6: mesh.advertise: 10.0.0.5:0 is nowhere that other nodes could dial; say the address "
         "and port at which they reach listen.mesh"},
        {CLUSTER "listen: { mesh: [\"[::]:5269\"] }\n"
                 "mesh: { advertise: \"10.0.0.5:1\", " MESH_FILES " }\n",
         "5: listen.mesh: [::]:5269 cannot be had besides [::]:5269 of listen.s2s (default); "
         "choose another port or leave one out"},
        {CLUSTER "listen: { mesh: [\"[::]:5290\"] }\n"
                 "mesh: { advertise: \"10.0.0.5:5290\", " MESH_FILES " }\n",
         NULL},
        {MINIMAL "listen: { mesh: [\"10.0.0.5:5290\"] }\nmesh: { " MESH_FILES " }\n",
         "4: warning: listen.mesh, mesh: not used: with store.kind memory there is one node"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_remark(&cases[i], errors[i]);
}

TEST(conf, says_when_the_certificate_of_the_mesh_ends)
{
    struct conf_source source =
        world_source(CLUSTER "listen: { mesh: [\"10.0.0.5:5290\"] }\nmesh: { " MESH_FILES " }\n");
    struct conf *c;
    size_t errors;
    char *said;

    source.try = say_days_left;
    days_left = -3;
    said = parse_said(&source, &errors, &c);
    CHECK(strstr(said, "6: warning: mesh.cert_file: /conf/tls/example.org.pem has expired (for "
                       "example.org *.example.org, on 2030-01-01, 3 days ago), the other nodes "
                       "will refuse it; renew it\n"));
    CHECK_EQ(errors, 0);
    free(said);
    conf_unref(c);
}

TEST(conf, every_default_and_example_fits_its_own_row)
{
    static union {
        struct conf conf;
        struct conf_peer peer;
    } holder;
    struct arena arena;
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    arena_init(&arena);
    for (size_t i = 0; i < count; i++) {
        struct conf_value v = {.row = &rows[i], .arena = &arena, .dir = "/conf"};

        memset(&holder, 0, sizeof(holder));
        conf_value_default(&v, &holder);
        CHECK_MSG(!*v.error, "%s: %s", rows[i].path, v.error);
        if (rows[i].example)
            CHECK_MSG(conf_value_parse(&v, slice_from(rows[i].example), &holder), "%s: %s",
                      rows[i].path, v.error);
        CHECK(*rows[i].prose);
        CHECK_MSG(rows[i].when != CONF_NEEDED || rows[i].example, "%s", rows[i].path);
    }
    arena_fini(&arena);
}

static const char *long_env(void *arg, const char *name)
{
    static char text[4097];

    memset(text, 'a', 4096);
    return text;
}

TEST(conf, environment_cannot_grow_without_bound)
{
    struct conf_source source =
        world_source(MINIMAL "listen: { control: \"${A}${A}${A}${A}${A}${A}\" }\n");
    struct conf *c;
    size_t errors;
    char *said;

    source.env = long_env;
    said = parse_said(&source, &errors, &c);
    CHECK_STR(said,
              "test.yaml:3: listen.control: ${A}${A}${A}${A}${A}${A} is too long: at most 4096 "
              "bytes; shorten it\n");
    free(said);
}

TEST(conf, a_section_has_a_hundred_keys_at_most)
{
    char text[2000] = "log: {", *said;
    struct conf_source source;
    struct conf *c;
    size_t errors;

    for (int i = 0; i < 101; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " key%d: 1,", i);
    strcat(text, " }\n");
    source = world_source(text);
    said = parse_said(&source, &errors, &c);
    CHECK_STR(said, "test.yaml:1: more than 100 keys in one section; leave some out\n");
    free(said);
}

static enum err long_secret(void *arg, const char *path, char *buf, size_t room,
                            struct conf_file *ret_file)
{
    if (!strstr(path, ".secret"))
        return world_read(arg, path, buf, room, ret_file);
    memset(buf, 's', room);
    *ret_file = (struct conf_file){room, 0600};
    return OK;
}

TEST(conf, a_secret_has_4096_bytes_at_most)
{
    struct conf_source source = world_source(MINIMAL);
    struct conf *c;
    size_t errors;
    char *said;

    source.read = long_secret;
    said = parse_said(&source, &errors, &c);
    CHECK_STR(said, "test.yaml:2: components.secret_file: the secret in /conf/rooms.secret is too "
                    "long: 1 to 4096 bytes; shorten it\n");
    free(said);
}

/* Texts that would be large or slow if something in us grew faster than they. */
TESTS(TEST_OF(conf, refuses_values_with_range_and_remedy),
      TEST_OF(conf, refuses_unknown_and_repeated_keys),
      TEST_OF(conf, refuses_addresses_that_cannot_be_had),
      TEST_OF(conf, refuses_files_that_do_not_serve),
      TEST_OF(conf, refuses_components_and_peers_that_make_no_sense),
      TEST_OF(conf, refuses_environment_that_is_not_there),
      TEST_OF(conf, refuses_what_is_not_yaml_with_its_line), TEST_OF(conf, warns_and_goes_on),
      TEST_OF(conf, is_silent_about_what_is_well), TEST_OF(conf, says_when_a_certificate_ends),
      TEST_OF(conf, reports_everything_wrong_in_order),
      TEST_OF(conf, keys_of_later_versions_are_known_and_refused),
      TEST_OF(conf, says_when_the_certificate_of_the_mesh_ends),
      TEST_OF(conf, a_cluster_needs_a_mesh_and_one_secret),
      TEST_OF(conf, every_default_and_example_fits_its_own_row),
      TEST_OF(conf, environment_cannot_grow_without_bound),
      TEST_OF(conf, a_section_has_a_hundred_keys_at_most),
      TEST_OF(conf, a_secret_has_4096_bytes_at_most))
