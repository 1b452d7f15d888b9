/* session/resolver_job.h - inside the resolver: one domain or host being looked up, for all who
 * asked for it, and what is made of it for each.
 */
#ifndef SESSION_RESOLVER_JOB_H
#define SESSION_RESOLVER_JOB_H

#include "session/dnsclient.h"
#include "wire/srv.h"

struct job;

/* One question of a job. */
struct ask {
    struct dns_waiter waiter;
    struct job *job;
    struct dns_set *set; /* NULL: not answered yet */
};

enum { SRV_DIRECT, SRV_STARTTLS, SRV_KINDS }; /* _xmpps-server, _xmpp-server */

struct job_target {
    struct srv_target srv; /* `host` borrowed from an SRV set or from the job's name */
    struct ask v6;
    struct ask v4;
};

enum job_stage { JOB_SRV, JOB_ADDRESSES };

struct job {
    struct resolver *resolver;
    char key_buf[DNS_KEY_MAX];
    struct slice key;
    struct slice name;
    bool host_only;    /* no SRV: a configured target */
    bool for_stranger; /* nobody else asked for it */
    enum job_stage stage;
    struct list requests;
    struct ask srv[SRV_KINDS];
    struct job_target targets[RESOLVER_TARGETS_MAX];
    size_t target_count;
    struct timer late; /* stragglers are not waited for any more */
    bool is_late;
};

struct resolver_request {
    struct list node; /* of the job, or of the resolver's `ready` */
    struct resolver *resolver;
    struct job *job;        /* NULL: concluded */
    struct resolution *res; /* then; told by `tell` */
    struct task tell;
    bool for_stranger;
    uint16_t port; /* host_only */
    bool direct_tls;
    void (*done)(void *arg, struct resolution *res);
    void *arg;
};

/* What both SRV answers mean together. True: the targets (or, without any SRV record, the domain
 * itself) must be looked up; false: *ret_kind is the end. */
bool job_judge_srv(struct job *job, struct random *rnd, enum resolution_kind *ret_kind);

/* Of a copy of its `srv`: the same record, by where its name lies. */
const struct job_target *job_target_of(const struct job *job, const struct srv_target *srv);

/* Some target has an address already. */
bool job_has_address(const struct job *job);

/* In one line: what was asked, and answered. `order`: as drawn; used once addresses are asked. */
char *resolution_text(const struct job *job, const struct srv_target *order);

/* With the kind that SRV gave, or RESOLVED: then by what the addresses are. Order drawn anew. */
struct resolution *resolution_make(const struct job *job, const struct resolver_request *q,
                                   enum resolution_kind kind, bool prefer_v4, struct random *rnd);
/* Without any look-up: an address given as such; no endpoint, and why. */
struct resolution *resolution_of_addr(const struct addr *a, bool direct_tls);
struct resolution *resolution_of_nothing(enum resolution_kind kind, const char *text);

#endif
