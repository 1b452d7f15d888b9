/* tests/scenario/stage.h - the running scenario: a world, a router in it, peers, what is bound.
 *
 * A step that fails leaves its reason in `why`; the transcript tells what happened before.
 */
#ifndef SCENARIO_STAGE_H
#define SCENARIO_STAGE_H

#include "scenario/adapter.h"
#include "scenario/pattern.h"
#include "scenario/script.h"
#include "scenario/words.h"
#include "scenario/xmlread.h"
#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/dnsserver.h"
#include "sim/peer.h"

#include <stdio.h>

#define STAGE_WAIT_MS 30000
#define STAGE_WHY_MAX 2048

struct setting {
    struct setting *next;
    char *section; /* "limits" */
    char *key;
    char *value;
};

struct stage {
    const struct adapter *adapter;
    struct world *world;
    struct bed bed;
    struct words words;
    struct certs *certs;
    struct dnsserver *dns;
    struct host *node_host;
    void *node;
    const struct script *script;
    size_t at; /* the line that runs */
    struct list actors;
    struct list ports;
    struct byteq transcript;
    size_t log_seen; /* bytes of bed.lines that `log` has used up */
    char *dir;
    bool lenient; /* contents of stanzas are not judged */
    bool balance_wanted;
    char why[STAGE_WHY_MAX];

    /* The configuration to be. */
    struct setting *settings;
    struct byteq components;
    struct byteq peers;
    struct byteq certificates;
};

struct actor {
    struct list node;
    struct stage *stage;
    char *name;
    struct peer *peer;
    struct xread read;
    const char *content_ns;
    size_t spaces_known;
    bool deaf;
    bool item_waits; /* `item` was read and not yet used */
    struct xitem item;
};

struct gate {
    struct list node;
    char *name;
    struct peer_port *port;
};

void stage_init(struct stage *s, const struct adapter *a, const struct script *script,
                uint64_t seed, const char *dir);
/* Runs all lines; false: line `at` failed. Ends with the checks that every scenario has. */
bool stage_run(struct stage *s);
void stage_fini(struct stage *s);
/* What happened, for a person. */
void stage_report(struct stage *s, FILE *out);

bool stage_fail(struct stage *s, const char *format, ...) PRINTF(2, 3);
/* The text with its words put in; lives in `out`, which the caller ends. */
bool stage_expand(struct stage *s, struct slice text, struct byteq *out);

/* actor.c */
struct actor *actor_find(struct stage *s, struct slice name);
struct actor *actor_new(struct stage *s, struct slice name, struct peer *p, const char *content_ns);
void actor_free(struct actor *a);
struct gate *gate_find(struct stage *s, struct slice name);
bool actor_step(struct actor *a, struct slice rest);
/* Reads all that is left, for the rules that hold for every output. */
bool actor_drain(struct actor *a);

/* rules.c: NULL, or what is wrong with something the router wrote. */
const char *rules_broken(const struct xitem *item, const char *content_ns, bool lenient);

/* config.c */
bool config_line(struct stage *s, struct slice line);
void config_defaults(struct stage *s);
bool config_write_file(struct stage *s, const char *name, struct slice text);
/* Writes DIR/fedrouter.yaml and the files it names. */
const char *config_write(struct stage *s);

/* steps.c */
bool step_run(struct stage *s, struct slice line);

/* --- words of a line --- */
struct slice next_word(struct slice *rest);
/* "61s", "500ms", "2m", "1h"; false: none of these. */
bool parse_ms(struct slice text, uint64_t *ret_ms);
/* The value of KEY=value among the words of a line; ptr NULL: absent. */
struct slice option(struct slice rest, const char *key);

#endif
