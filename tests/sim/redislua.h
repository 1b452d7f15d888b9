/* tests/sim/redislua.h - runs scripts in liblua5.1 as Redis does: KEYS, ARGV, redis.call, and the
 * same conversions of values. The door to Lua.
 *
 * A script may use the base, string, table and math libraries. A key that it touches and that was
 * not passed in KEYS is an error here, though Redis lets it pass outside of cluster mode.
 */
#ifndef SIM_REDISLUA_H
#define SIM_REDISLUA_H

#include "sim/keyspace.h"

struct redislua;

struct redislua *redislua_new(void);
void redislua_free(struct redislua *r);
/* Compiles; a script that does not compile stops the test. Returns its number. */
int redislua_load(struct redislua *r, const char *name, const char *text);
/* *ret_reply: the caller's. */
void redislua_run(struct redislua *r, int script, struct keyspace *ks, const struct slice *keys,
                  size_t key_count, const struct slice *args, size_t arg_count,
                  struct reply *ret_reply);

#endif
