/* tests/sim/redisserver.h - a Redis in the invented world: the protocol before sim/keyspace and
 * sim/redislua, and the ways in which one can be wrong, slow, or broken.
 *
 * It answers what the router asks for: AUTH, INFO, EXISTS, SCRIPT LOAD, EVAL, EVALSHA, WAIT, SCAN,
 * SUBSCRIBE, PUBLISH, PING, and whatever the keyspace knows; as a sentinel, the master's address.
 */
#ifndef SIM_REDISSERVER_H
#define SIM_REDISSERVER_H

#include "sim/keyspace.h"
#include "sim/world.h"

struct redisserver;

/* What INFO says, and how it behaves; change it at any time. */
struct redishabit {
    const char *policy; /* maxmemory-policy */
    bool replica;
    bool loading;
    bool cluster;
    unsigned replicas;    /* connected, and acknowledging */
    const char *password; /* NULL: none asked for */
    bool silent;          /* reads, answers nothing, till it is false again (and something comes) */
    uint64_t delay_ms;    /* of each answer */
};

/* Runs until the world ends, or its host is off. At "10.0.0.1:6379". */
struct redisserver *redisserver_open(struct host *h, const char *at);
struct redishabit *redisserver_habit(struct redisserver *r);
struct keyspace *redisserver_keys(struct redisserver *r);
/* A new process: another run id, no script known, all connections gone. `empty`: without its data.
 */
void redisserver_restart(struct redisserver *r, bool empty);
/* ... it is down until then: refuses. */
void redisserver_stop(struct redisserver *r);
/* SCRIPT FLUSH. */
void redisserver_forget_scripts(struct redisserver *r);
/* The next `times` calls of that command are answered by these bytes, and not carried out. */
void redisserver_say(struct redisserver *r, const char *command, const char *bytes, unsigned times);
void redisserver_say_bytes(struct redisserver *r, const char *command, struct slice bytes,
                           unsigned times);
/* After so many more bytes of answers all its connections break, in the middle of one if need be.
 */
void redisserver_cut_after(struct redisserver *r, size_t bytes);
/* It is a sentinel that knows this master; "": it knows none. */
void redisserver_name_master(struct redisserver *r, const char *name, const char *host,
                             unsigned port);
/* To all who subscribed, as from another client. */
void redisserver_publish(struct redisserver *r, struct slice channel, struct slice text);
unsigned redisserver_asked(const struct redisserver *r, const char *command);
unsigned redisserver_clients(const struct redisserver *r);

#endif
