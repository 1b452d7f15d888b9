/* tests/scenario/adapter.h - what the engine needs of the program under test.
 *
 * The engine knows worlds, peers and text; everything about the router is behind these calls.
 */
#ifndef SCENARIO_ADAPTER_H
#define SCENARIO_ADAPTER_H

#include "base/byteq.h"
#include "base/log.h"
#include "sim/world.h"

struct adapter {
    /* Starts one on the host in use, with that configuration file. NULL: `error`, a line. */
    void *(*start)(const char *config_file, struct log_sink *sink, char *error, size_t error_size);
    /* "term", "hup". */
    void (*signal)(void *node, const char *name);
    /* -1: it runs. */
    int (*exit_code)(void *node);
    /* "fedrouter_x_total{reason=\"y\"}": sum over its loops. False: no such metric. */
    bool (*metric)(void *node, const char *name, double *ret_value);
    /* Words of fedrouterctl; the answer as JSON or a line of text. False: refused, `out` says why.
     */
    bool (*control)(void *node, const char *words, struct byteq *out);
    /* in, out, bounced, dropped, held; false: it does not count. */
    bool (*balance)(void *node, uint64_t ret_counts[5]);
    /* Stops at once whatever runs, and frees. */
    void (*free)(void *node);
};

extern const struct adapter *const scenario_adapter; /* of the program `scenario` */

struct conf;
struct node;

/* What a file may not say: done to each configuration that was read. NULL: nothing. */
extern void (*adapter_amend)(struct conf *conf);
/* For tests that look inside. */
struct node *adapter_node(void *node);

#endif
