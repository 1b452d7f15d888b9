/* session/dnsclient.h - questions to the configured servers until one answers: order, repetition,
 * aliases, trust in AD, cache, and equal questions asked once.
 *
 * Schedule of a question: the servers in turn, those that answered lately first, a second for
 * each; then again with two and four seconds. Earlier tries stay open and may still answer. A
 * server that fails at once (SERVFAIL, refused) makes the next one be asked at once. The whole
 * ends after `question_ms`. Questions begin at a bounded pace.
 *
 * Trust: `secure` is the AD bit of a loopback or listed server (RFC 6840 5.8, CONFORMANCE
 * DNSSEC-02). After such a server said SERVFAIL only its like are asked: it may have seen a
 * forged answer, which one that does not validate would give us.
 */
#ifndef SESSION_DNSCLIENT_H
#define SESSION_DNSCLIENT_H

#include "base/bucket.h"
#include "loop/timer.h"
#include "session/dnsset.h"
#include "session/resolver.h"

#define DNSCLIENT_ROUNDS_MAX    3
#define DNSCLIENT_FIRST_WAIT_MS 1000
/* A server that did not answer stands behind the others for so long. */
#define DNSCLIENT_SHUN_MS 30000
/* RFC 2308 7: failures are remembered, shortly, so that a stanza a second is no question a
 * second. */
#define DNSCLIENT_FAILURE_S 5
/* So many answers with another case, and the server is asked over TCP at once. */
#define DNSCLIENT_MANGLED_MAX 3
/* A node that starts has thousands of domains to find at once; a name server's socket holds some
 * hundred questions, and what it drops costs us a second. */
#define DNSCLIENT_BURST      200
#define DNSCLIENT_PER_SECOND 4000
#define DNSCLIENT_PACE_MS    10

struct dns_server {
    struct addr addr;
    bool trusted;
    uint64_t shun_until_ms;
    unsigned mangled_count;
};

struct dnsclient {
    struct loop *loop;
    struct dns_server servers[RESOLVER_SERVERS_MAX];
    size_t server_count;
    uint64_t question_ms;
    struct dnscache cache;
    struct map queries;     /* in flight, by key */
    size_t strangers_count; /* of them, those that a stranger provoked */
    struct list turns;      /* those that have not begun */
    struct bucket pace;
    struct task pump;
    struct timer pace_timer;
};

/* Embedded in who waits. */
struct dns_waiter {
    struct list node;
    void (*done)(struct dns_waiter *w, struct dns_set *set); /* `set` is borrowed */
    bool for_stranger; /* counts against RESOLVER_STRANGERS_MAX too */
};

void dnsclient_init(struct dnsclient *c, struct loop *l);
/* Nobody may wait any more. */
void dnsclient_fini(struct dnsclient *c);
/* Questions in flight start again; the cache stays if the servers do. */
void dnsclient_configure(struct dnsclient *c, const struct resolver_options *o);

/* Known already: a reference to it. Otherwise NULL, and `w` is told later, never inside a call.
 * `name`: lower case. */
struct dns_set *dnsclient_ask(struct dnsclient *c, struct slice name, enum dns_type type,
                              struct dns_waiter *w);
/* RFC 6761 6.3: such names are answered here and never asked. */
bool dns_is_localhost(struct slice name);
void dns_waiter_init(struct dns_waiter *w, void (*done)(struct dns_waiter *w, struct dns_set *set));
/* The question goes on, for the cache. */
void dns_waiter_cancel(struct dns_waiter *w);
void dnsclient_forget(struct dnsclient *c, struct slice name, enum dns_type type);

#endif
