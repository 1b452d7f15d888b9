/* node/node.h - one fedrouter: steward, workers, door; started, reloaded, drained.
 *
 * Steward's loop only. HTTP, control socket, signals and the service manager are attached by
 * router/main.c; a simulated run starts nodes without them.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "node/conf.h"
#include "node/door.h"
#include "link/members.h"
#include "node/workers.h"

struct node;

enum node_state {
    NODE_STARTING, /* workers or listeners are not up yet */
    NODE_SERVING,  /* whether it may write, the members say */
    NODE_DRAINING,
    NODE_STOPPED,
};

struct node_options {
    struct loop *loop; /* the steward's */
    struct log_sink *sink;
    struct conf *conf; /* a reference is taken */
    /* Listening sockets from the service manager, matched by address; may be none. Copied. */
    const int *given_fds;
    size_t given_fd_count;
    uint64_t descriptor_count; /* that the process may have; 0: no matter */
    /* All listeners are up: ready. */
    void (*ready)(void *arg);
    /* It could not start (a port in use ...), or has stopped after node_drain. `error`: one line
     * that says what and how to mend it, or NULL after a drain. */
    void (*ended)(void *arg, const char *error);
    void *arg;
};

/* ERR: `error` says in one line which file and why (certificates, trust store). */
enum err node_start(const struct node_options *o, char *error, size_t error_size,
                    struct node **ret_node) MUST_USE;
/* All or nothing: on error the old configuration stays. Keys that need a restart are logged. */
enum err node_reload(struct node *n, struct conf *conf, char *error, size_t error_size) MUST_USE;
/* Begins to drain; `ended` follows. A second call ends at once. */
void node_drain(struct node *n);
/* After `ended`. */
void node_free(struct node *n);

/* The given socket that listens there, now the caller's; -1: none. Until it is ready. */
int node_take_given(struct node *n, const struct addr *at);

enum node_state node_state(const struct node *n);
/* "joining", "settling", "member", "degraded", "parked", "draining", "stopped": the same word in
 * status, /readyz, log and metrics. */
const char *node_state_word(const struct node *n);
/* The same in a sentence that an operator can act on: who or what is missing, since when. */
const char *node_state_text(const struct node *n, char out[MEMBERS_TEXT_BYTES]);
/* Serving, and has the right to write. */
bool node_ready(const struct node *n);
struct loop *node_loop(struct node *n);
struct log_sink *node_sink(struct node *n);
struct conf *node_conf(struct node *n);
struct workers *node_workers(struct node *n);
struct desk *node_desk(struct node *n);
struct members *node_members(struct node *n);
struct door *node_door(struct node *n);
struct settings *node_settings(struct node *n);
struct mem_budget *node_memory(struct node *n);
uint64_t node_started_ms(const struct node *n);

/* For conf_load_trying. */
enum err node_settings_try(const char *chain, const char *key, const char *trust, char *error,
                           size_t size, struct conf_tried *ret_tried) MUST_USE;
/* Do they show other certificates? */
bool node_certificates_differ(const struct settings *a, const struct settings *b);
/* What links need of a configuration: loads certificates and trust store. `own_secret`: 32 random
 * bytes for when no dialback secret is configured. */
enum err node_settings_make(const struct conf *conf, struct slice own_secret, char *error,
                            size_t error_size, struct settings **ret_settings) MUST_USE;

#endif
