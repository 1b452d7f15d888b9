/* link/desk.h - the steward's services as a worker sees them: names and components.
 *
 * Two halves. The *desk* lives on the steward's loop with the resolver and the list of components;
 * each worker holds a *counter seat* (struct seat) and asks by message; answers come back by
 * message to the asking loop. A cancelled question is answered into the void.
 */
#ifndef LINK_DESK_H
#define LINK_DESK_H

#include "loop/hop.h"
#include "route/outages.h"
#include "route/policy.h"
#include "session/instances.h"
#include "session/resolver.h"

struct desk;
struct seat;
struct ask; /* a question under way; the asker may cancel it until its answer comes */

/* --- worker side --- */

typedef void seat_resolved_fn(void *arg, struct resolution *res); /* borrowed */
typedef void seat_joined_fn(void *arg, enum instances_join outcome);

/* `rule`: its targets replace DNS when it has some (SRV-11). `domain` in normal form; address
 * literals are not looked up (SRV-12). */
struct ask *seat_resolve(struct seat *s, struct slice domain, const struct policy_rule *rule,
                         seat_resolved_fn *done, void *arg);
/* The same for a domain that a stranger named: within the share that such questions have. */
struct ask *seat_resolve_for_stranger(struct seat *s, struct slice domain,
                                      const struct policy_rule *rule, seat_resolved_fn *done,
                                      void *arg);
struct ask *seat_join(struct seat *s, struct slice pattern, uint64_t id, seat_joined_fn *done,
                      void *arg);
void seat_leave(struct seat *s, uint64_t id);
/* A link of that domain was authenticated, in or out: back-offs towards it end, on all workers and
 * nodes. */
void seat_peer_alive(struct seat *s, struct slice remote);
/* An attempt failed: the other nodes hear of it. Copied. */
void seat_failed(struct seat *s, const struct outage *what);
/* A connection accepted under this address is authenticated or gone: it no longer counts. */
void seat_settle_address(struct seat *s, const struct addr *peer);
void ask_cancel(struct ask *a);

/* --- steward side --- */

struct desk_events {
    struct instances_events instances;
    void (*peer_alive)(void *arg, struct slice remote);
    void (*failed)(void *arg, const struct outage *what);
    void (*settle_address)(void *arg, const struct addr *peer);
};

struct desk *desk_open(struct loop *steward, const struct resolver_options *o,
                       const struct desk_events *events, void *arg);
/* After all seats. Questions that are still open end unanswered. */
void desk_close(struct desk *d);
struct resolver *desk_resolver(struct desk *d);
struct instances *desk_instances(struct desk *d);

/* On the worker's loop. */
struct seat *seat_open(struct desk *d, struct loop *worker, unsigned index);
/* When whoever asked has cancelled or was told. Answers may be due: DNS is not waited for. The
 * steward must not run from here to desk_close. */
void seat_close(struct seat *s);

#endif
