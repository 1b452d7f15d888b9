/* tests/scenario/trio.h - three whole nodes with a Redis in one world, for tests that write their
 * configuration and ask them as an operator would. One a program.
 */
#ifndef TESTS_SCENARIO_TRIO_H
#define TESTS_SCENARIO_TRIO_H

#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/peer.h"
#include "sim/redisserver.h"

#define NODES 3

struct house {
    char name[2]; /* "a", "b", "c" */
    char ip[16];
    struct host *host;
    struct bed bed;
    void *node; /* NULL: it does not run */
    struct peer *component;
};

struct trio {
    struct world *w;
    struct certs *certs;
    struct redisserver *redis;
    const char *dir; /* below tests/out */
    struct house at[NODES];
};

extern struct trio land;

/* None runs yet, none has a configuration. `dir`: a constant. */
void land_open(uint64_t seed, const char *dir);
void land_close(void);
void land_write(const char *name, const char *text);
/* `rest`: its components and peers. */
void land_configure(const struct house *h, const char *rest);
void land_start(struct house *h);
/* A component that is open (XEP-0114 3). */
struct peer *land_join(struct house *h, const char *domain);
double land_metric(const struct house *h, const char *name);

#endif
