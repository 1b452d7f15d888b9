/* link/remote.h - a remote domain as one worker sees it: its outbound pairs, and the back-off that
 * they share.
 *
 * An attempt that fails because of the domain (no address, nobody answers, no TLS) says so for all
 * pairs of ours towards it: while its back-off lasts none of them dials, and when it is over one
 * tries first. What only concerns the pair (our key, our certificate) stays with the pair.
 * Spec: RFC 6120 3.3; CONFORMANCE STREAM-21 ("the pair and the target back off").
 */
#ifndef LINK_REMOTE_H
#define LINK_REMOTE_H

#include "link/site.h"

struct remote {
    struct site *site;
    char *domain;
    struct list pairs; /* link/pair, at_remote */
    struct backoff backoff;
    struct pair *trial; /* tries while the others wait, or NULL */
    unsigned rule;      /* the policy's rule of the failed attempt: another may know better */
    enum bounce why;    /* BOUNCE_MAX: it is not known to fail */
    char *detail;
    char *node;        /* who tried; NULL: this one */
    uint64_t heard_ms; /* others are heeded since (link/hearsay); 0: not, or tried here since */
};

/* Created if need be; it lives as long as it has pairs. */
struct remote *remote_join(struct site *site, struct slice domain, struct list *at_remote);
void remote_leave(struct remote *r, struct list *at_remote);
/* NULL: no pairs towards it. */
struct remote *remote_find(struct site *site, struct slice domain);

/* Does `why` speak of the domain, not of the pair? */
bool remote_concerns(enum bounce why);
/* Returns how long to wait. */
uint64_t remote_failed(struct remote *r, unsigned rule, enum bounce why, const char *detail);
/* Another node failed: as if it had been this one. */
void remote_heard(struct remote *r, unsigned rule, const struct outage *w);
/* It lives: no back-off. */
void remote_alive(struct remote *r);
/* How long a pair under that rule is to wait before it dials; 0: now. */
uint64_t remote_wait_ms(const struct remote *r, const struct pair *p, unsigned rule);

#endif
