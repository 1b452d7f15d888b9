#include "session/rediswords.h"

#include <inttypes.h>

/* --- words out ------------------------------------------------------------------------------- */

static void begin(struct rediswords *c, struct arena *a, enum script_id script, size_t keys,
                  size_t args)
{
    c->script = script;
    c->count = 0;
    assert(3 + keys + args <= RESP_WORDS_MAX);
    c->words = arena_alloc(a, (3 + keys + args) * sizeof(*c->words));
    c->words[c->count++] = SLICE("EVALSHA");
    c->words[c->count++] = slice_none(); /* the digest, when it is sent */
    c->words[c->count++] = slice_from(arena_format(a, "%zu", keys));
}

/* Slices and texts of the caller are borrowed by a call that may wait: copied. */
static void add(struct rediswords *c, struct arena *a, struct slice word)
{
    c->words[c->count++] = arena_copy(a, word);
}

static void add_number(struct rediswords *c, struct arena *a, uint64_t n)
{
    c->words[c->count++] = slice_from(arena_format(a, "%" PRIu64, n));
}

struct slice rediswords_key(const struct redis_table *t, struct arena *a, const char *name)
{
    return slice_from(arena_format(a, "{%s}:%s", t->prefix, name));
}

struct slice rediswords_node_key(const struct redis_table *t, struct arena *a, const char *name,
                                 struct slice node)
{
    return slice_from(arena_format(a, "{%s}:%s:%.*s", t->prefix, name, SLICE_ARGS(node)));
}

static void add_key(struct rediswords *c, const struct redis_table *t, struct arena *a,
                    const char *name)
{
    c->words[c->count++] = rediswords_key(t, a, name);
}

static void add_node_keys(struct rediswords *c, const struct redis_table *t, struct arena *a,
                          struct slice node)
{
    c->words[c->count++] = rediswords_node_key(t, a, "node", node);
    c->words[c->count++] = rediswords_node_key(t, a, "comp", node);
    c->words[c->count++] = rediswords_node_key(t, a, "sess", node);
}

static void add_pair_key(struct rediswords *c, const struct redis_table *t, struct arena *a,
                         const struct store_pair *p)
{
    c->words[c->count++] = slice_from(arena_format(a, "{%s}:pair:%.*s %.*s", t->prefix,
                                                   SLICE_ARGS(p->local), SLICE_ARGS(p->remote)));
}

static void add_caller(struct rediswords *c, const struct redis_table *t, struct arena *a,
                       uint64_t connection, uint64_t incarnation)
{
    add(c, a, slice_from(t->node));
    add_number(c, a, incarnation);
    add_number(c, a, connection);
}

static void add_number_or_nothing(struct rediswords *c, struct arena *a, bool is, uint64_t n)
{
    if (is)
        add_number(c, a, n);
    else
        add(c, a, SLICE(""));
}

void rediswords_renew(const struct redis_table *t, struct arena *a, uint64_t connection,
                      const char *run_id, uint64_t new_epoch, const struct store_renew *r,
                      struct rediswords *ret_call)
{
    static const char *const modes[] = {[STORE_NEW] = "new",
                                        [STORE_SETTLE] = "settle",
                                        [STORE_RIGHT] = "right",
                                        [STORE_NONE] = "none"};
    struct rediswords *c = ret_call;

    begin(c, a, SCRIPT_RENEW, 8, 13 + 3 * r->held_count);
    add_key(c, t, a, "meta");
    add_key(c, t, a, "list");
    add_key(c, t, a, "gone");
    add_key(c, t, a, "tok");
    add_node_keys(c, t, a, slice_from(t->node));
    add_key(c, t, a, "ev");
    add_caller(c, t, a, connection, r->incarnation);
    add(c, a, slice_from(t->addr));
    add(c, a, SLICE(REDIS_TABLE_FORMAT));
    add(c, a, slice_from(t->outage));
    add(c, a, slice_from(run_id));
    add_number(c, a, new_epoch);
    add_number_or_nothing(c, a, r->epoch != 0, r->epoch);
    add_number(c, a, r->ack);
    add_number(c, a, r->token);
    add(c, a, slice_from(modes[r->mode]));
    add_number_or_nothing(c, a, r->holder_still, r->holder_count);
    for (size_t i = 0; i < r->held_count; i++) {
        add(c, a, r->held[i].node);
        add_number(c, a, r->held[i].incarnation);
        add(c, a, r->held[i].addr);
    }
}

static void add_witness(struct rediswords *c, struct arena *a, const struct store_pair *p)
{
    if (p->witness.len)
        c->words[c->count++] =
            slice_from(arena_format(a, "%.*s:%" PRIu64 ":%" PRIu64, SLICE_ARGS(p->witness),
                                    p->witness_incarnation, p->token));
    else
        add(c, a, SLICE(""));
}

void rediswords_batch(const struct redis_table *t, struct arena *a, uint64_t connection,
                      enum store_batch what, struct store_as as, const struct store_pair *pairs,
                      size_t count, struct rediswords *ret_call)
{
    static const enum script_id ids[] = {[STORE_CLAIM] = SCRIPT_CLAIM,
                                         [STORE_ASSERT] = SCRIPT_ASSERT,
                                         [STORE_RELEASE] = SCRIPT_RELEASE};
    struct rediswords *c = ret_call;
    size_t fixed = what == STORE_RELEASE ? 2 : 3;

    begin(c, a, ids[what], fixed + count, 4 + count);
    add_key(c, t, a, "meta");
    add_key(c, t, a, "list");
    if (what != STORE_RELEASE)
        add_key(c, t, a, "tok");
    for (size_t i = 0; i < count; i++)
        add_pair_key(c, t, a, &pairs[i]);
    add_caller(c, t, a, connection, as.incarnation);
    add_number(c, a, as.epoch);
    for (size_t i = 0; i < count; i++) {
        if (what == STORE_CLAIM)
            add_witness(c, a, &pairs[i]);
        else
            add_number(c, a, pairs[i].token);
    }
}

void rediswords_bury(const struct redis_table *t, struct arena *a, uint64_t connection,
                     struct store_as as, struct slice node, uint64_t incarnation, uint64_t count,
                     struct rediswords *ret_call)
{
    struct rediswords *c = ret_call;

    begin(c, a, SCRIPT_BURY, 7, 7);
    add_key(c, t, a, "meta");
    add_key(c, t, a, "list");
    add_key(c, t, a, "gone");
    add_node_keys(c, t, a, node);
    add_key(c, t, a, "ev");
    add_caller(c, t, a, connection, as.incarnation);
    add_number(c, a, as.epoch);
    add(c, a, node);
    add_number(c, a, incarnation);
    add_number(c, a, count);
}

void rediswords_bye(const struct redis_table *t, struct arena *a, uint64_t connection,
                    struct store_as as, struct rediswords *ret_call)
{
    struct rediswords *c = ret_call;

    begin(c, a, SCRIPT_BYE, 7, 3);
    add_key(c, t, a, "meta");
    add_key(c, t, a, "list");
    add_key(c, t, a, "gone");
    add_node_keys(c, t, a, slice_from(t->node));
    add_key(c, t, a, "ev");
    add_caller(c, t, a, connection, as.incarnation);
}

void rediswords_sweep(const struct redis_table *t, struct arena *a, uint64_t connection,
                      struct store_as as, const struct slice *keys, size_t count,
                      struct rediswords *ret_call)
{
    struct rediswords *c = ret_call;

    begin(c, a, SCRIPT_SWEEP, 2 + count, 4);
    add_key(c, t, a, "meta");
    add_key(c, t, a, "list");
    for (size_t i = 0; i < count; i++)
        add(c, a, keys[i]);
    add_caller(c, t, a, connection, as.incarnation);
    add_number(c, a, as.epoch);
}

/* --- answers in ------------------------------------------------------------------------------ */

#define MEMBER_WORDS 6

static bool read_member(struct arena *a, const struct resp *reply, size_t at,
                        struct store_member *m)
{
    struct slice node, addr;

    if (!resp_text_at(reply, at, &node) || !resp_u64_at(reply, at + 1, &m->incarnation) ||
        !resp_u64_at(reply, at + 2, &m->count) || !resp_u64_at(reply, at + 3, &m->joined) ||
        !resp_u64_at(reply, at + 4, &m->ack) || !resp_text_at(reply, at + 5, &addr))
        return false;
    m->node = arena_copy(a, node);
    m->addr = arena_copy(a, addr);
    return true;
}

static bool read_list(struct arena *a, const struct resp *reply, struct store_renewal *r)
{
    struct store_member *members;
    uint64_t settled;

    if (reply->count < 4 || (reply->count - 4) % MEMBER_WORDS ||
        reply->count > 4 + MEMBER_WORDS * STORE_MEMBERS_MAX)
        return false;
    if (!resp_u64_at(reply, 1, &r->epoch) || !r->epoch || !resp_u64_at(reply, 2, &r->version) ||
        !resp_u64_at(reply, 3, &settled) || settled > 1)
        return false;
    r->settled = settled;
    r->member_count = (reply->count - 4) / MEMBER_WORDS;
    members = arena_zalloc(a, (r->member_count + 1) * sizeof(*members));
    r->members = members;
    for (size_t i = 0; i < r->member_count; i++)
        if (!read_member(a, reply, 4 + i * MEMBER_WORDS, &members[i]))
            return false;
    return true;
}

static bool read_value(struct arena *a, const struct resp *reply, struct store_renewal *r)
{
    struct slice value;

    if (!resp_text_at(reply, 1, &value))
        return false;
    r->value = arena_copy(a, value);
    return true;
}

bool rediswords_read_renewal(struct arena *a, const struct resp *reply,
                             struct store_renewal *ret_renewal)
{
    static const char *const words[] = {
        [STORE_RENEWED] = "ok",          [STORE_FALLEN] = "fallen", [STORE_BURIED] = "buried",
        [STORE_HELD] = "held",           [STORE_GHOST] = "stale",   [STORE_OTHER_OUTAGE] = "outage",
        [STORE_OTHER_FORMAT] = "format",
    };
    struct store_renewal *r = ret_renewal;
    struct slice word;
    size_t outcome = 0;

    if (!resp_text_at(reply, 0, &word))
        return false;
    while (outcome < COUNT(words) && !slice_is(word, words[outcome]))
        outcome++;
    *r = (struct store_renewal){.outcome = (enum store_outcome)outcome};
    switch (outcome) {
    case STORE_RENEWED:
        return read_list(a, reply, r);
    case STORE_BURIED:
        return resp_u64_at(reply, 1, &r->incarnation);
    case STORE_HELD:
        return resp_u64_at(reply, 1, &r->incarnation) && resp_u64_at(reply, 2, &r->count);
    case STORE_OTHER_OUTAGE:
    case STORE_OTHER_FORMAT:
        return read_value(a, reply, r);
    case STORE_FALLEN:
    case STORE_GHOST:
        return true;
    default:
        return false;
    }
}

/* Splits at the last colon. */
static bool cut_number(struct slice *row, uint64_t *ret_n)
{
    size_t colon = row->len;

    while (colon > 0 && row->ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !slice_to_u64(slice_from_offset(*row, colon), UINT64_MAX, ret_n))
        return false;
    row->len = colon - 1;
    return true;
}

static bool read_row(const struct redis_table *t, struct arena *a, struct slice row,
                     uint64_t incarnation, struct store_claim *ret_claim)
{
    struct store_claim c = {.granted = false};

    if (!cut_number(&row, &c.token) || !cut_number(&row, &c.incarnation) || !row.len)
        return false;
    c.node = arena_copy(a, row);
    c.granted = slice_is(c.node, t->node) && c.incarnation == incarnation;
    *ret_claim = c;
    return true;
}

static bool read_rows(const struct redis_table *t, struct arena *a, const struct resp *reply,
                      size_t count, uint64_t incarnation, struct store_answer *r)
{
    struct store_claim *rows = arena_alloc(a, count * sizeof(*rows));
    struct slice row;

    if (reply->count != count + 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!resp_text_at(reply, i + 1, &row) || !read_row(t, a, row, incarnation, &rows[i]))
            return false;
    r->rows = rows;
    r->row_count = count;
    return true;
}

bool rediswords_read_answer(const struct redis_table *t, struct arena *a, const struct resp *reply,
                            size_t row_count, uint64_t incarnation, struct store_answer *ret_answer)
{
    static const char *const words[] = {[STORE_OK] = "ok",
                                        [STORE_OUT] = "out",
                                        [STORE_STALE] = "stale",
                                        [STORE_WAIT] = "wait",
                                        [STORE_NO] = "no"};
    struct slice word;
    size_t i = 0;

    if (!resp_text_at(reply, 0, &word))
        return false;
    while (i < COUNT(words) && !slice_is(word, words[i]))
        i++;
    if (i == COUNT(words))
        return false;
    *ret_answer = (struct store_answer){.word = (enum store_word)i};
    if (i != STORE_OK)
        return true;
    if (row_count)
        return read_rows(t, a, reply, row_count, incarnation, ret_answer);
    return resp_u64_at(reply, 1, &ret_answer->number);
}
