#include "session/redisfacts.h"

#include <inttypes.h>
#include <stdio.h>

static void take_line(struct redis_facts *f, struct slice key, struct slice value)
{
    if (slice_is(key, "run_id"))
        f->run_id = value;
    else if (slice_is(key, "maxmemory_policy"))
        f->eviction = value;
    else if (slice_is(key, "role"))
        f->role = value;
    else if (slice_is(key, "loading"))
        f->loading = slice_is(value, "1");
    else if (slice_is(key, "cluster_enabled"))
        f->cluster = slice_is(value, "1");
    else if (slice_is(key, "connected_slaves"))
        (void)slice_to_u64(value, UINT32_MAX, &f->replica_count); /* 0 if it is no number */
}

bool redis_facts_parse(struct slice info, struct redis_facts *ret_facts)
{
    struct redis_facts f = {.loading = false};

    while (info.len) {
        size_t end = slice_find(info, '\n');
        struct slice line = slice_trim(slice_sub(info, 0, end));
        size_t colon = slice_find(line, ':');

        if (colon < line.len)
            take_line(&f, slice_sub(line, 0, colon), slice_from_offset(line, colon + 1));
        info = slice_from_offset(info, end + 1);
    }
    *ret_facts = f;
    return f.run_id.len && f.eviction.len && f.role.len;
}

/* What evicts rows gives a pair to two owners. */
void redis_facts_judge_eviction(const struct redis_facts *f, char *ret_problem, size_t size)
{
    *ret_problem = '\0';
    if (!slice_is(f->eviction, "noeviction"))
        snprintf(ret_problem, size,
                 "maxmemory-policy is %.*s, which loses rows; set it to noeviction",
                 SLICE_ARGS(slice_sub(f->eviction, 0, 40)));
}

void redis_facts_judge(const struct redis_facts *f, bool by_sentinel, unsigned wait_replicas,
                       char *ret_problem, size_t size)
{
    redis_facts_judge_eviction(f, ret_problem, size);
    if (f->loading)
        snprintf(ret_problem, size, "it is loading its data; wait");
    else if (!slice_is(f->role, "master"))
        snprintf(ret_problem, size, "it is a replica; name its master, or use sentinels");
    else if (*ret_problem)
        return;
    else if ((by_sentinel || f->cluster) && !wait_replicas)
        snprintf(ret_problem, size, "%s, so store.redis.wait_replicas must be 1 or more",
                 by_sentinel ? "sentinels may replace it" : "it is part of a Redis Cluster");
    else if (f->replica_count < wait_replicas)
        snprintf(ret_problem, size,
                 "it has %" PRIu64 " replicas, store.redis.wait_replicas asks for %u",
                 f->replica_count, wait_replicas);
}
