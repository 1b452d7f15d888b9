/* Questions to the table. The lease and the owners speak of nodes and keys, the store of rows. */
#include "link/members_inner.h"

#include <stdio.h>
#include <stdlib.h>

void members_epoch(uint64_t epoch, char out[LEASE_EPOCH_MAX + 1])
{
    out[0] = '\0';
    if (epoch)
        snprintf(out, LEASE_EPOCH_MAX + 1, "%llu", (unsigned long long)epoch);
}

static uint64_t epoch_number(const struct members *m)
{
    return strtoull(m->lease.epoch, NULL, 10);
}

struct store_as members_as(const struct members *m)
{
    return (struct store_as){m->lease.incarnation, epoch_number(m)};
}

static void see_token(struct members *m, uint64_t token)
{
    if (token > m->token)
        m->token = token;
}

/* --- questions under way --- */

/* The table's answer finds it; where none comes any more, the members free it. */
struct call {
    struct list node;
    struct members *m;
    uint64_t serial; /* of pairs: m->call_serial when it was asked */
    uint64_t number; /* of a renewal */
    char *name;      /* whom a burial is about: */
    uint64_t incarnation;
};

static struct call *call_new(struct members *m)
{
    struct call *c = MEM_NEW(struct call);

    c->m = m;
    c->serial = m->call_serial;
    list_push(&m->calls, &c->node);
    return c;
}

static void call_free(struct call *c)
{
    list_remove(&c->node);
    mem_free(c->name);
    mem_free(c);
}

void members_table_fini(struct members *m)
{
    LIST_WALK(node, &m->calls)
    call_free(LIST_ENTRY(node, struct call, node));
}

/* --- whether it is there --- */

/* Reasons may take turns, as those of several sentinels do. */
#define TELL_TABLE_MS 10000

static void keep_why(struct members *m, const char *why)
{
    snprintf(m->why, sizeof(m->why), "%s", why);
    m->why_next_ms = members_now(m) + TELL_TABLE_MS;
}

void members_lost_table(struct members *m, const char *why)
{
    LOG(members_log(m), LOG_WARN, "store.lost", LOG_TEXT("reason", why));
    keep_why(m, why);
}

void members_tell_table(struct members *m)
{
    const struct store_state *s = members_store_state(m);

    if (s->up) {
        m->why[0] = '\0';
        return;
    }
    if (!strcmp(s->why, m->why) || members_now(m) < m->why_next_ms)
        return;
    LOG(members_log(m), LOG_WARN, "store.failed", LOG_TEXT("reason", s->why));
    keep_why(m, s->why);
}

/* --- renewals --- */

/* The first that a process meets is not anew. */
static void see_epoch(struct members *m, uint64_t epoch)
{
    if (m->epoch && m->epoch != epoch) {
        counter_add(loop_counters(m->o.loop), COUNTER_EPOCHS, 1);
        LOG(members_log(m), LOG_WARN, "store.epoch",
            LOG_TEXT("text", "the table began anew: it lost its memory, or is another Redis"));
    }
    m->epoch = epoch;
}

static void take_list(struct members *m, uint64_t number, const struct store_renewal *r)
{
    struct lease_row rows[STORE_MEMBERS_MAX];
    char epoch[LEASE_EPOCH_MAX + 1];
    struct lease_answer a = {.version = r->version, .settled = r->settled, .rows = rows};

    see_epoch(m, r->epoch);
    members_epoch(r->epoch, epoch);
    a.epoch = slice_from(epoch);
    a.row_count = r->member_count;
    for (size_t i = 0; i < r->member_count; i++)
        rows[i] = (struct lease_row){{r->members[i].node, r->members[i].incarnation},
                                     r->members[i].count,
                                     r->members[i].joined,
                                     r->members[i].ack,
                                     r->members[i].addr};
    lease_renewed(&m->lease, number, &a, members_now(m));
}

static void refuse(struct members *m, const char *format, struct slice value)
{
    char why[256];

    if (m->refused)
        return;
    m->refused = true;
    snprintf(why, sizeof(why), format, SLICE_ARGS(value));
    m->o.events->refused(m->o.arg, why);
}

static void take_outcome(struct members *m, uint64_t number, const struct store_renewal *r)
{
    switch (r->outcome) {
    case STORE_RENEWED:
        take_list(m, number, r);
        return;
    case STORE_FALLEN:
        m->fence = COUNTER_FENCED_EPOCH;
        lease_fallen(&m->lease, number);
        return;
    case STORE_BURIED:
        m->fence = COUNTER_FENCED_BURIED;
        lease_buried(&m->lease, number, r->incarnation);
        return;
    case STORE_HELD:
        lease_held(&m->lease, number, r->incarnation, r->count, members_now(m));
        return;
    case STORE_GHOST:
        return;
    case STORE_OTHER_OUTAGE:
        refuse(m, "store.redis.outage: the cluster's is %.*s; it must be the same on all nodes",
               r->value);
        return;
    case STORE_OTHER_FORMAT:
        refuse(m,
               "store.redis: the table has format %.*s, which this version does not speak; "
               "finish the upgrade, or use another prefix",
               r->value);
        return;
    }
}

static void on_renewed(void *arg, const struct store_renewal *r)
{
    struct call *c = arg;
    struct members *m = c->m;

    if (r) {
        m->answered_ms = members_now(m);
        members_before(m);
        take_outcome(m, c->number, r);
        members_after(m);
    }
    call_free(c);
}

struct brought {
    struct store_name names[STORE_MEMBERS_MAX];
    size_t count;
};

static void bring(void *arg, const struct lease_peer *p)
{
    struct brought *b = arg;

    if (b->count < STORE_MEMBERS_MAX)
        b->names[b->count++] = (struct store_name){slice_from(p->name), p->incarnation,
                                                   slice_from(p->address ? p->address : "")};
}

static enum store_mode mode_of(enum lease_mode mode)
{
    static const enum store_mode modes[] = {
        [LEASE_NEW] = STORE_NEW,
        [LEASE_SETTLE] = STORE_SETTLE,
        [LEASE_RIGHT] = STORE_RIGHT,
        [LEASE_NONE] = STORE_NONE,
    };

    return modes[mode];
}

void members_renew(struct members *m)
{
    struct brought b = {.count = 0};
    struct lease_renewal l;
    struct store_renew r;
    struct call *c;

    if (!members_store_state(m)->open || m->lease.leaving)
        return;
    lease_renew(&m->lease, members_now(m), &l);
    lease_walk_brought(&m->lease, bring, &b);
    r = (struct store_renew){
        .incarnation = l.incarnation,
        .epoch = epoch_number(m),
        .ack = l.ack,
        .token = m->token,
        .mode = mode_of(l.mode),
        .holder_still = l.takes_over,
        .holder_count = l.count,
        .held = b.names,
        .held_count = b.count,
    };
    c = call_new(m);
    c->number = l.number;
    store_renew(m->store, &r, on_renewed, c);
}

/* --- burials --- */

static void buried(struct members *m)
{
    counter_add(loop_counters(m->o.loop), COUNTER_BURIED, 1);
    members_want_sweep(m);
}

static void on_buried(void *arg, const struct store_answer *a)
{
    struct call *c = arg;
    struct members *m = c->m;
    struct lease_id id = {slice_from(c->name), c->incarnation};
    bool done = a && a->word == STORE_OK;

    LOG(members_log(m), LOG_WARN, "member.buried", LOG_TEXT("member", c->name),
        LOG_INT("incarnation", c->incarnation), LOG_TEXT("done", done ? "yes" : "no"));
    if (done)
        buried(m);
    lease_burial_answered(&m->lease, id, done, members_now(m));
    members_after(m);
    call_free(c);
}

void members_bury_silent(struct members *m)
{
    struct lease_burial l;

    while (lease_next_burial(&m->lease, members_now(m), &l)) {
        struct call *c = call_new(m);

        c->name = mem_strndup(l.id.name);
        c->incarnation = l.id.incarnation;
        store_bury(m->store, members_as(m), slice_from(c->name), c->incarnation, l.count, on_buried,
                   c);
    }
}

/* --- rows of pairs whose owner is gone --- */

/* Those that have stanzas are taken over first; nobody waits for the others. */
#define SWEEP_AFTER_MS 10000
#define SWEEP_AGAIN_MS 30000

void members_want_sweep(struct members *m)
{
    m->sweep.wanted = true;
    m->sweep.at_ms = members_now(m) + SWEEP_AFTER_MS;
}

static void on_swept(void *arg, const struct store_answer *a)
{
    struct call *c = arg;
    struct members *m = c->m;

    call_free(c);
    m->sweep.under_way = false;
    if (!a || a->word != STORE_OK) {
        m->sweep.wanted = true;
        m->sweep.at_ms = members_now(m) + SWEEP_AGAIN_MS;
    } else if (a->number) {
        LOG(members_log(m), LOG_INFO, "store.swept", LOG_INT("pairs", a->number));
    }
}

void members_sweep(struct members *m)
{
    uint64_t now = members_now(m);

    if (!m->sweep.wanted || m->sweep.under_way || now < m->sweep.at_ms ||
        !members_store_state(m)->open || !lease_may_claim(&m->lease, now))
        return;
    m->sweep.wanted = false;
    m->sweep.under_way = true;
    store_sweep(m->store, members_as(m), on_swept, call_new(m));
}

/* --- pairs --- */

/* NULL: the table's connection was lost meanwhile. */
static struct members *call_end(struct call *c)
{
    struct members *m = c->serial == c->m->call_serial ? c->m : NULL;

    call_free(c);
    return m;
}

typedef void batch_fn(struct store *s, struct store_as as, const struct store_pair *pairs,
                      size_t count, store_done_fn *done, void *arg);

static void to_pairs(const struct owners_item *items, size_t count, struct store_pair *pairs)
{
    for (size_t i = 0; i < count; i++) {
        struct store_pair *p = &pairs[i];
        const struct owner_ref *w = &items[i].witness;

        router_pair_split(items[i].key, &p->local, &p->remote);
        p->token = w->node.len ? w->token : items[i].token;
        p->witness = w->node;
        p->witness_incarnation = w->incarnation;
    }
}

static void send_batch(struct members *m, batch_fn *batch, const struct owners_item *items,
                       size_t count, store_done_fn *done)
{
    struct store_pair pairs[OWNERS_BATCH_MAX];

    to_pairs(items, count, pairs);
    batch(m->store, members_as(m), pairs, count, done, call_new(m));
}

static enum owners_answer to_rows(struct members *m, const struct store_answer *a,
                                  struct owner_ref *rows)
{
    if (!a || a->word != STORE_OK)
        return OWNERS_WAIT;
    for (size_t i = 0; i < a->row_count; i++) {
        rows[i] = (struct owner_ref){a->rows[i].node, a->rows[i].incarnation, a->rows[i].token};
        see_token(m, rows[i].token);
    }
    return OWNERS_ROWS;
}

static void count_claims(struct members *m, enum owners_answer answer, const struct owner_ref *rows,
                         size_t count)
{
    for (size_t i = 0; answer == OWNERS_ROWS && i < count; i++)
        counter_add(loop_counters(m->o.loop),
                    slice_is(rows[i].node, m->name) ? COUNTER_CLAIMS_OK : COUNTER_CLAIMS_REFUSED,
                    1);
}

static void on_claimed(void *arg, const struct store_answer *a)
{
    struct members *m = call_end(arg);
    struct owner_ref rows[STORE_BATCH_MAX];
    enum owners_answer answer;

    if (!m)
        return;
    answer = to_rows(m, a, rows);
    count_claims(m, answer, rows, a ? a->row_count : 0);
    owners_claimed(&m->owners, answer, rows, members_now(m));
    members_after(m);
}

static void op_claim(void *arg, const struct owners_item *items, size_t count)
{
    send_batch(arg, store_claim, items, count, on_claimed);
}

static void on_asserted(void *arg, const struct store_answer *a)
{
    struct members *m = call_end(arg);
    struct owner_ref rows[STORE_BATCH_MAX];

    if (!m)
        return;
    owners_asserted(&m->owners, to_rows(m, a, rows), rows, members_now(m));
    members_after(m);
}

static void op_assert(void *arg, const struct owners_item *items, size_t count)
{
    send_batch(arg, store_assert, items, count, on_asserted);
}

static void on_released(void *arg, const struct store_answer *a)
{
    struct members *m = call_end(arg);

    if (!m)
        return;
    owners_released(&m->owners, a && a->word == STORE_OK ? OWNERS_ROWS : OWNERS_WAIT,
                    members_now(m));
    members_after(m);
}

static void op_release(void *arg, const struct owners_item *items, size_t count)
{
    send_batch(arg, store_release, items, count, on_released);
}

/* --- what the owners say to workers --- */

static void op_granted(void *arg, struct slice key, uint64_t token, bool provisional)
{
    struct members *m = arg;
    struct order *o = order_new(ORDER_GRANTED, key, slice_none());

    o->token = token;
    o->provisional = provisional;
    o->until_boot_ms = provisional ? &m->promised->boot_ms : &m->until->boot_ms;
    members_order_all(m, o);
}

static struct order *whose_order(enum order_kind kind, struct slice key,
                                 const struct owner_ref *owner)
{
    struct order *o = order_new(kind, key, owner->node);

    o->incarnation = owner->incarnation;
    o->token = owner->token;
    return o;
}

static void op_elsewhere(void *arg, struct slice key, const struct owner_ref *owner)
{
    members_order_all(arg, whose_order(ORDER_ELSEWHERE, key, owner));
}

static void op_lost(void *arg, struct slice key, const struct owner_ref *owner)
{
    members_order_all(arg, whose_order(ORDER_LOST, key, owner));
}

static void op_taken(void *arg, struct slice key, uint64_t token)
{
    members_taken(arg, key, token);
}

const struct owners_ops members_owners_ops = {
    .claim = op_claim,
    .assert_rows = op_assert,
    .release = op_release,
    .granted = op_granted,
    .elsewhere = op_elsewhere,
    .lost = op_lost,
    .taken = op_taken,
};
