/* session/redisfacts.h - what INFO says of a Redis, and whether it may keep the table. Pure. */
#ifndef SESSION_REDISFACTS_H
#define SESSION_REDISFACTS_H

#include "base/slice.h"

#include <stdint.h>

struct redis_facts {
    struct slice run_id;   /* of this start of the process */
    struct slice eviction; /* maxmemory-policy */
    struct slice role;
    bool loading;
    bool cluster;
    uint64_t replica_count; /* connected */
};

/* Borrows from `info`. False: that is not what INFO says. */
bool redis_facts_parse(struct slice info, struct redis_facts *ret_facts);
/* Of the policy alone. */
void redis_facts_judge_eviction(const struct redis_facts *f, char *ret_problem, size_t size);
/* Empty: it may. Else one line: what is wrong and what to do. */
void redis_facts_judge(const struct redis_facts *f, bool by_sentinel, unsigned wait_replicas,
                       char *ret_problem, size_t size);

#endif
