/* node/api.h - what a node answers over HTTP: /livez /readyz /metrics, / (status page) and
 * /api/v1/..., and on the control socket the commands that change things.
 *
 * Answers of /api/v1 are arrays of rows, one object each; every row has `node`. What went wrong is
 * an object with `error`, one sentence. What there is on every node is answered for the whole
 * cluster, unless the query says local=1; a node that does not answer in time has a row with
 * `error`. Over TCP everything is read only.
 */
#ifndef NODE_API_H
#define NODE_API_H

#include "node/node.h"

struct api;

/* What only the program can do. */
struct api_hooks {
    /* Reads the configuration file again and loads it: all or nothing. `error`: one line. */
    enum err (*reload)(void *arg, char *error, size_t size);
    /* As SIGTERM. */
    void (*drain)(void *arg);
    void *arg;
};

/* On the steward, after node_start; listens where listen.http and listen.control say. NULL:
 * `error` is one line that says what, where, and how to mend it. */
struct api *api_start(struct node *n, const struct api_hooks *hooks, char *error, size_t size);
/* Before node_free. */
void api_stop(struct api *a);
/* Calls the hook, and remembers what came of it for `status`. Signals go this way, too. */
enum err api_reload(struct api *a, char *error, size_t size) MUST_USE;

#endif
