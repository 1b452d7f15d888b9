/* link/pair_private.h - inside a pair: for pair.c (its machine) and pairs.c (all pairs of a worker:
 * rules, time, the end, showing).
 */
#ifndef LINK_PAIR_PRIVATE_H
#define LINK_PAIR_PRIVATE_H

#include "link/hearsay.h"
#include "link/pair.h"
#include "link/remote.h"
#include "link/s2s_out.h"

struct pair {
    struct site *site;
    struct remote *at; /* the remote domain */
    struct list at_remote;
    char *key; /* "local remote" */
    struct slice local;
    struct slice remote;
    struct outq q;
    enum pair_state state;
    struct task work;
    struct s2s_out *out;
    struct view_grant grant;
    struct verdict verdict;
    struct backoff backoff;
    struct timer wait;
    enum bounce failure; /* of the last attempt; BOUNCE_MAX: none */
    char *failure_detail;
    char *failure_node; /* who tried; NULL: this one */
    uint64_t heard_ms;  /* since when others are heeded (link/hearsay); 0: not, or it has tried */
    uint64_t since_ms;
    uint64_t opened_ms;
    uint64_t was_open_ms; /* when it was last open; 0: never */
    uint64_t parked_ms;   /* found without a right since; 0: not */
    uint64_t asked_us;    /* first stanza without a link: time_to_open_seconds */
};

static inline uint64_t pair_now(const struct pair *p)
{
    return loop_now_ms(p->site->loop);
}

/* Is the pair ours? */
static inline bool pair_is_granted(const struct pair *p)
{
    return p->grant.until_boot_ms;
}

/* pair.c */
const struct policy_rule *pair_rule(const struct pair *p);
/* Both sides, policy: what was settled when a stanza was queued, a reload may have changed. */
bool pair_may_link(const struct pair *p);
void pair_refuse_waiting(struct pair *p);
/* Nothing new is written; acknowledgements still count until `closed`. */
void pair_close_queue(struct pair *p);
void pair_close_link(struct pair *p, enum fault why);
void pair_forget_failure(struct pair *p);
void pair_free(struct pair *p);

/* pairs.c */
const char *pair_state_word(enum pair_state state);

#endif
