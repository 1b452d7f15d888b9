/* session/store_memory.c - the embedded table: one member, rows in a map, answers posted.
 *
 * What the scripts do for many, done for one: incarnations of its name rise, and rows of an
 * earlier one are free. */
#include "session/store_private.h"

#include "base/mem.h"
#include "route/router.h"

#include <stdio.h>

struct row {
    char *key; /* "local remote" */
    uint64_t incarnation;
    uint64_t token;
};

/* An answer on its way. */
struct answer {
    struct list node;
    store_renewed_fn *renewed;
    store_done_fn *done;
    void *arg;
    struct store_renewal renewal;
    struct store_member member;
    struct store_answer answer;
    struct store_claim *rows;
    bool opened;
};

struct store_memory {
    struct store store;
    char *node;
    struct map pairs;
    struct store_member self;
    bool listed;
    uint64_t gone; /* highest incarnation that left */
    uint64_t version;
    uint64_t last_token;
    struct list answers;
    struct task answer_task;
};

static struct store_memory *memory_of(struct store *s)
{
    return LIST_ENTRY(s, struct store_memory, store);
}

/* --- answers --------------------------------------------------------------------------------- */

static void answer_free(struct answer *a)
{
    mem_free(a->rows);
    mem_free(a);
}

static void tell_answer(struct store *s, struct answer *a)
{
    if (a->renewed)
        a->renewed(a->arg, &a->renewal);
    else if (a->done)
        a->done(a->arg, &a->answer);
    else if (a->opened && s->events->opened)
        s->events->opened(s->arg, s->state.connection);
}

static void run_answers(struct task *t)
{
    struct store_memory *m = LIST_ENTRY(t, struct store_memory, answer_task);
    struct answer *a;

    while ((a = LIST_FIRST(&m->answers, struct answer, node))) {
        list_remove(&a->node);
        tell_answer(&m->store, a);
        answer_free(a);
    }
}

static struct answer *answer_new(struct store_memory *m, store_done_fn *done, void *arg)
{
    struct answer *a = MEM_NEW(struct answer);

    a->done = done;
    a->arg = arg;
    list_push(&m->answers, &a->node);
    loop_post(m->store.loop, &m->answer_task);
    return a;
}

/* --- the list -------------------------------------------------------------------------------- */

static void join(struct store_memory *m, uint64_t incarnation)
{
    if (m->listed)
        m->gone = m->self.incarnation;
    m->listed = true;
    m->self = (struct store_member){
        .node = slice_from(m->node), .incarnation = incarnation, .joined = ++m->version};
}

static enum store_outcome renewal_outcome(const struct store_memory *m, const struct store_renew *r)
{
    bool known = m->listed && m->self.incarnation == r->incarnation;
    bool newcomer = r->mode == STORE_NEW || r->mode == STORE_SETTLE;
    bool now = r->epoch == m->store.as.epoch;

    if (r->incarnation <= m->gone || (m->listed && r->incarnation < m->self.incarnation))
        return STORE_BURIED;
    if ((r->mode == STORE_NONE && !now) || (!newcomer && now && !known))
        return STORE_FALLEN;
    return STORE_RENEWED;
}

static void renew(struct store *s, const struct store_renew *r, store_renewed_fn *done, void *arg)
{
    struct store_memory *m = memory_of(s);
    struct answer *a = answer_new(m, NULL, arg);
    enum store_outcome outcome = renewal_outcome(m, r);

    a->renewed = done;
    a->renewal.outcome = outcome;
    a->renewal.sent_boot_ms = loop_boot_ms(s->loop);
    if (outcome == STORE_BURIED)
        a->renewal.incarnation = m->listed ? m->self.incarnation : m->gone;
    if (outcome != STORE_RENEWED)
        return;
    if (!m->listed || m->self.incarnation != r->incarnation)
        join(m, r->incarnation);
    m->self.count++;
    m->self.ack = r->epoch == s->as.epoch ? r->ack : 0;
    s->as.incarnation = r->incarnation;
    a->member = m->self;
    a->renewal = (struct store_renewal){.outcome = STORE_RENEWED,
                                        .epoch = s->as.epoch,
                                        .version = m->version,
                                        .settled = true,
                                        .members = &a->member,
                                        .member_count = 1,
                                        .sent_boot_ms = a->renewal.sent_boot_ms};
}

static enum store_word word_for(const struct store_memory *m, struct store_as as)
{
    if (!m->listed || as.incarnation != m->self.incarnation)
        return STORE_OUT;
    return as.epoch == m->store.as.epoch ? STORE_OK : STORE_WAIT;
}

/* Nobody else is on the list. */
static void bury(struct store *s, struct store_as as, struct slice node, uint64_t incarnation,
                 uint64_t count, store_done_fn *done, void *arg)
{
    struct store_memory *m = memory_of(s);
    enum store_word word = word_for(m, as);

    answer_new(m, done, arg)->answer.word = word ? word : STORE_NO;
}

static void bye(struct store *s, struct store_as as, store_done_fn *done, void *arg)
{
    struct store_memory *m = memory_of(s);
    struct answer *a = answer_new(m, done, arg);

    if (!m->listed || as.incarnation != m->self.incarnation) {
        a->answer.word = STORE_OUT;
        return;
    }
    m->listed = false;
    m->gone = as.incarnation;
    a->answer.number = ++m->version;
}

/* --- pairs ----------------------------------------------------------------------------------- */

static void row_free(struct row *r)
{
    mem_free(r->key);
    mem_free(r);
}

static struct row *row_new(struct store_memory *m, struct slice key)
{
    struct row *r = MEM_NEW(struct row);

    r->key = mem_strndup(key);
    map_add(&m->pairs, slice_from(r->key), r);
    return r;
}

/* A row that is not ours now was an earlier incarnation's: free. */
static void take(struct store_memory *m, enum store_batch what, const struct store_pair *p,
                 struct slice key, struct store_claim *ret_claim)
{
    struct row *r = map_find(&m->pairs, key);
    bool keep = what == STORE_ASSERT && p->token && r && r->incarnation == m->self.incarnation;

    if (!r)
        r = row_new(m, key);
    if (!keep)
        r->token = what == STORE_ASSERT && p->token ? p->token : ++m->last_token;
    r->incarnation = m->self.incarnation;
    *ret_claim = (struct store_claim){true, slice_from(m->node), r->incarnation, r->token};
}

static uint64_t let_go(struct store_memory *m, const struct store_pair *p, struct slice key)
{
    struct row *r = map_find(&m->pairs, key);

    if (!r || r->token != p->token || r->incarnation != m->self.incarnation)
        return 0;
    map_remove(&m->pairs, key);
    row_free(r);
    return 1;
}

static void batch(struct store *s, enum store_batch what, struct store_as as,
                  const struct store_pair *pairs, size_t count, store_done_fn *done, void *arg)
{
    struct store_memory *m = memory_of(s);
    struct answer *a = answer_new(m, done, arg);
    char buf[PORT_KEY_BYTES_MAX];

    a->answer.word = word_for(m, as);
    if (a->answer.word)
        return;
    if (what != STORE_RELEASE) {
        a->rows = mem_array(count, sizeof(*a->rows));
        a->answer.rows = a->rows;
        a->answer.row_count = count;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_make(buf, router_pair_key(pairs[i].local, pairs[i].remote, buf));

        if (what == STORE_RELEASE)
            a->answer.number += let_go(m, &pairs[i], key);
        else
            take(m, what, &pairs[i], key, &a->rows[i]);
    }
}

static void sweep(struct store *s, struct store_as as, store_done_fn *done, void *arg)
{
    struct store_memory *m = memory_of(s);
    struct answer *a = answer_new(m, done, arg);
    struct row *r;
    size_t pos = 0;

    a->answer.word = word_for(m, as);
    while (!a->answer.word && (r = map_next(&m->pairs, &pos))) {
        if (r->incarnation == m->self.incarnation)
            continue;
        map_remove(&m->pairs, slice_from(r->key));
        row_free(r);
        a->answer.number++;
    }
}

/* --- the rest -------------------------------------------------------------------------------- */

/* Nobody but this node could read them. */
static void put(struct store *s, enum store_table table, struct slice key, struct slice text)
{
}

static void memory_free(struct store *s)
{
    struct store_memory *m = memory_of(s);
    struct row *r;
    size_t pos = 0;

    task_cancel(&m->answer_task);
    LIST_WALK(node, &m->answers)
    answer_free(LIST_ENTRY(node, struct answer, node));
    while ((r = map_next(&m->pairs, &pos)))
        row_free(r);
    map_fini(&m->pairs);
    mem_free(m->node);
    mem_free(m);
}

static const struct store_kind kind = {renew, batch, bury, bye, sweep, put, memory_free};

struct store *store_memory_new(struct loop *l, const char *node, const struct store_events *events,
                               void *arg)
{
    struct store_memory *m = MEM_NEW(struct store_memory);
    uint64_t seed[2];

    store_init(&m->store, &kind, l, events, arg);
    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&m->pairs, seed);
    list_init(&m->answers);
    task_init(&m->answer_task, run_answers);
    m->node = mem_strdup(node);
    m->store.as = (struct store_as){loop_wall_us(l), 1};
    m->store.state = (struct store_state){
        .kind = "memory", .open = true, .up = true, .connection = 1, .place = "this process"};
    join(m, m->store.as.incarnation);
    answer_new(m, NULL, NULL)->opened = true;
    return &m->store;
}
