/* route/table.h - which local service has a domain, and which of its instances a stanza goes to.
 *
 * Pure; one a worker. Entries come from the configuration (exact names and "*." wildcards,
 * label-wise, longest match wins); instances come and go as components connect, on this worker,
 * another, or another node.
 *
 * While the choice for a key changes (an instance joined or left), stanzas whose choice differs
 * before and after are held until all that this worker gave to the old instances is settled: a
 * moving key never reorders (DESIGN of `connections: share`).
 */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#include "base/map.h"
#include "route/outq.h"

enum connections { CONNECTIONS_REPLACE, CONNECTIONS_REFUSE, CONNECTIONS_SHARE };
enum balance { BALANCE_TO, BALANCE_FROM };

struct table_rule {
    struct slice pattern; /* normal form; "*.name" or "name" */
    enum connections connections;
    enum balance balance;
    uint64_t grace_ms;
};

struct table_entry;

/* Where an instance is. */
struct table_place {
    uint64_t id;       /* unique in this process */
    uint64_t mark;     /* by which keys choose: the same on all nodes */
    unsigned worker;   /* that its connection lives on; of another node's: no matter */
    struct slice node; /* empty: this one */
    uint64_t far_id;   /* what `node` calls it */
};

struct table_instance {
    struct list node;
    struct table_entry *entry;
    uint64_t id;
    uint64_t mark;
    unsigned worker;
    char *at; /* another node, or NULL */
    uint64_t far_id;
    bool joining;     /* not yet chosen for keys that others had */
    bool leaving;     /* gone; waits for `given` to be settled */
    uint64_t given;   /* stanzas this worker gave it */
    uint64_t settled; /* of those, how many met their fate */
    uint64_t marked;  /* those up to this number keys wait for that move away, */
    uint64_t due;     /* so many of them still */
};

struct table_entry {
    char *pattern;
    size_t index; /* in the configuration */
    enum connections connections;
    enum balance balance;
    uint64_t grace_ms;
    bool configured; /* false: a reload took it away; goes when empty */
    struct list instances;
    size_t instance_count; /* not leaving */
    bool unsettled;        /* some instance is joining or leaving */
    bool strict;           /* membership changed while unsettled: hold everything */
    bool moving;           /* keys go by another address now: all wait for what is under way */
    bool flushing;         /* router: what was held is on its way, once at a time */
    uint64_t absent_since_ms;
    struct outq held;     /* stanzas without an instance, or of moving keys */
    struct list returned; /* given back by an instance that went: before `held` */
    size_t returned_count;
    struct table *table;
};

struct table {
    struct map exact;    /* pattern -> entry */
    struct map wildcard; /* name below "*." -> entry */
    struct table_entry **entries;
    size_t count;
    bool any_wildcard;
    struct map instances; /* id bytes -> instance */
    const struct outq_ops *held_ops;
    const struct outq_limits *limits;
};

/* `held_ops`: fates of held stanzas. */
void table_init(struct table *t, const uint64_t seed[2], const struct outq_ops *held_ops,
                const struct outq_limits *limits);
void table_fini(struct table *t); /* all queues must be empty */
/* Replaces the rules; entries of the same pattern keep instances and held stanzas. */
void table_configure(struct table *t, const struct table_rule *rules, size_t count,
                     uint64_t now_ms);
/* NULL: not ours. `domain` in normal form. */
struct table_entry *table_find(const struct table *t, struct slice domain);

/* The same entry may get several. Pattern unknown: no-op. */
void table_join(struct table *t, struct slice pattern, const struct table_place *place);
void table_leave(struct table *t, uint64_t id, uint64_t now_ms);
struct table_instance *table_instance(const struct table *t, uint64_t id);

/* Where a stanza with that key goes: an instance, or NULL: hold it (entry->held). */
struct table_instance *table_choose(struct table_entry *e, struct slice key);
/* It is the instance's now, and not any more: fates come in any order, what a full queue refuses
 * has its own at once. */
void table_give(struct table_instance *i, struct stanza *s);
void table_take(struct table_instance *i, const struct stanza *s);
/* The key a stanza is balanced by: bare `to` or `from`. */
struct slice table_key(const struct table_entry *e, const struct stanza *s);
/* Nothing is unsettled any more: call table_settle, then route what is held. */
bool table_settled(const struct table_entry *e);
/* Joining ones have joined, gone ones are forgotten. */
void table_settle(struct table_entry *e);
/* Held stanzas wait no longer: absent for longer than grace. */
bool table_absent(const struct table_entry *e, uint64_t now_ms);

#endif
