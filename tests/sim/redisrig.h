/* tests/sim/redisrig.h - a node's store and an invented Redis, for tests of what goes on between.
 */
#ifndef SIM_REDISRIG_H
#define SIM_REDISRIG_H

#include "session/store_redis.h"
#include "sim/bed.h"
#include "sim/redisserver.h"

#define REDIS "10.0.0.9:6379" /* where it is, at first */

struct rig {
    struct bed bed;
    struct world *w;
    struct host *node;
    struct loop *loop;
    struct redisserver *redis;
    struct redis_place places[4];
    struct redis_place sentinels[4];
    struct store_redis_options o;
    struct store *s;
    unsigned opened_count, broken_count;
    char why[STORE_WHY_BYTES];
    /* of calls */
    unsigned sent_count, answered_count, lost_count;
    struct store_renewal renewal;
    enum store_word word;
    bool granted;
    uint64_t token, number;
};

/* World and server; `o` may be changed before it starts. */
void rig_init(struct rig *r, uint64_t seed);
void rig_start(struct rig *r);
void rig_fini(struct rig *r);
/* ... and there is contact. */
void rig_open(struct rig *r, uint64_t seed);

/* For world_run_until. */
bool rig_is_open(void *rig);
bool rig_is_closed(void *rig);
bool rig_all_heard(void *rig);

/* It is not up, and both words stand in what an operator reads. */
void rig_check_why(struct rig *r, const char *one, const char *other);

void rig_send_renewal(struct rig *r);
void rig_send_claim(struct rig *r);
/* ... and waited for. True: answered, not lost. */
bool rig_renew(struct rig *r);
bool rig_claim(struct rig *r);
/* On the list, settled, with a pair of its own. */
void rig_enter(struct rig *r);
/* A store_done_fn. */
void rig_on_answer(void *arg, const struct store_answer *a);

#endif
