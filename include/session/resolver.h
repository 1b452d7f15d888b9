/* session/resolver.h - where does a domain's XMPP server listen: SRV, addresses, in dialling
 * order. Runs on the steward's loop; workers ask by message (link/desk).
 *
 * Asynchronous over loop/dgram and loop/conn (TCP on truncation): several servers, random ports
 * and ids, 0x20, coalescing of equal questions, cache with TTL and negative TTL. Equal questions
 * in flight are asked once. Bounded: questions in flight, cache entries, targets, addresses.
 * Spec: RFC 6120 3.2, RFC 2782, XEP-0368, RFC 2308, RFC 6840; CONFORMANCE SRV-*, DNSSEC-02/07.
 */
#ifndef SESSION_RESOLVER_H
#define SESSION_RESOLVER_H

#include "base/addr.h"
#include "base/trail.h"
#include "loop/loop.h"
#include "route/verdict.h"

/* A zone with hundreds of SRV records must not turn one stanza into hundreds of dials. */
#define RESOLVER_TARGETS_MAX   16
#define RESOLVER_ADDRS_MAX     8 /* of one target, both families */
#define RESOLVER_SERVERS_MAX   8
#define RESOLVER_CACHE_MAX     50000
#define RESOLVER_INFLIGHT_MAX  4096
/* Of them, so many at most are about domains that strangers named (dialback keys): what our own
 * components want to reach still has room. One stream's keys for domains with many targets would
 * fill it otherwise. LIMIT-09. */
#define RESOLVER_STRANGERS_MAX (RESOLVER_INFLIGHT_MAX / 2)
#define RESOLVER_TTL_MAX_S     86400
#define RESOLVER_NEGATIVE_MAX_S 900

/* `auto` means trust_ad in this version. */
enum dnssec_mode { DNSSEC_MODE_AUTO, DNSSEC_MODE_VALIDATE, DNSSEC_MODE_TRUST_AD, DNSSEC_MODE_OFF };

struct resolver_options {
    struct addr servers[RESOLVER_SERVERS_MAX]; /* none: those of /etc/resolv.conf, else 127.0.0.1 */
    size_t server_count;
    struct addr_net trusted[RESOLVER_SERVERS_MAX]; /* AD believed from these, besides loopback */
    size_t trusted_count;
    enum dnssec_mode dnssec;
    uint64_t timeout_ms; /* of one whole resolution (timeouts.dns) */
    bool prefer_v4;      /* no IPv6 route on this machine: v4 first */
};

/* Servers named in the text of a resolv.conf, port 53. */
size_t resolver_parse_resolv_conf(struct slice text, struct addr *servers, size_t room);

enum resolution_kind {
    RESOLVED,         /* endpoints, at least one */
    RESOLVED_NOTHING, /* no SRV, no address: remote-server-not-found */
    RESOLVED_REFUSED, /* SRV ".": the domain says it has no such service */
    RESOLVED_FAILED,  /* SERVFAIL, no answer, timeout: remote-server-timeout (never an A fallback) */
    RESOLVED_BOGUS,   /* DNSSEC says the answer is forged */
};

struct endpoint {
    struct addr addr;
    char host[254];      /* SRV target, or the domain itself */
    uint16_t port;
    uint8_t target;      /* endpoints of one target share a number: happy eyeballs inside it */
    bool direct_tls;
    bool secure_name;    /* the SRV answer was secure: `host` may be in the certificate */
};

/* Immutable, counted, may cross threads. */
struct resolution {
    atomic_uint refs;
    enum resolution_kind kind;
    enum dnssec dnssec;
    struct endpoint *endpoints; /* in dialling order, weights drawn for this request */
    size_t count;
    char *text; /* what was asked and answered, one line: for trail and bounce text */
};
struct resolution *resolution_ref(struct resolution *r);
void resolution_unref(struct resolution *r);

struct resolver;
struct resolver_request;

struct resolver *resolver_new(struct loop *l, const struct resolver_options *o);
/* Requests still open are answered RESOLVED_FAILED first. */
void resolver_free(struct resolver *r);
void resolver_configure(struct resolver *r, const struct resolver_options *o); /* at reload */

/* `ascii_domain`: A-label form, no IP literal. `done` comes once, posted (never inside this call);
 * the resolution is borrowed. */
struct resolver_request *resolver_ask(struct resolver *r, struct slice ascii_domain,
                                      void (*done)(void *arg, struct resolution *res), void *arg);
/* The same on behalf of a stranger. What was found before is shared, what is over
 * RESOLVER_STRANGERS_MAX fails. */
struct resolver_request *resolver_ask_for_stranger(struct resolver *r, struct slice ascii_domain,
                                                   void (*done)(void *arg, struct resolution *res),
                                                   void *arg);
/* Addresses of a configured target: no SRV. An address is taken as such, a name is looked up in
 * /etc/hosts and then in DNS. */
struct resolver_request *resolver_ask_host(struct resolver *r, struct slice host, uint16_t port,
                                           bool direct_tls,
                                           void (*done)(void *arg, struct resolution *res),
                                           void *arg);
void resolver_cancel(struct resolver_request *q); /* `done` does not come */

/* For `fedrouterctl dns DOMAIN`: drop from cache first when asked. */
void resolver_forget(struct resolver *r, struct slice ascii_domain);
size_t resolver_cache_count(const struct resolver *r);

#endif
