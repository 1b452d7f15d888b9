#include "session/redisrows.h"

#include <inttypes.h>

/* Its key in the map is the table's digit and its own. Without text: to be removed there, then
 * forgotten. */
struct row {
    struct list node; /* in `dirty`, or alone */
    struct slice key;
    enum store_table table;
    bool there; /* it was sent to the table */
    char *text; /* or NULL */
    char name[];
};

static const char *const names[STORE_TABLES] = {
    [STORE_NODE] = "node", [STORE_COMPONENTS] = "comp", [STORE_SESSIONS] = "sess"};

void redisrows_init(struct redisrows *r, struct loop *l)
{
    uint64_t seed[2];

    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&r->rows, seed);
    list_init(&r->dirty);
}

static void forget(struct redisrows *r, struct row *row)
{
    map_remove(&r->rows, row->key);
    list_remove(&row->node);
    mem_free(row->text);
    mem_free(row);
}

void redisrows_fini(struct redisrows *r)
{
    struct row *row;
    size_t pos = 0;

    while ((row = map_next(&r->rows, &pos)))
        forget(r, row);
    map_fini(&r->rows);
}

static struct row *row_new(enum store_table table, struct slice key)
{
    struct row *row = mem_zalloc(sizeof(*row) + key.len + 1);

    row->name[0] = (char)('0' + table);
    memcpy(row->name + 1, key.ptr, key.len);
    row->key = slice_make(row->name, key.len + 1);
    row->table = table;
    list_init(&row->node);
    return row;
}

static struct row *find_or_make(struct redisrows *r, enum store_table table, struct slice key)
{
    struct row *row = row_new(table, key);
    struct row *found = map_find(&r->rows, row->key);

    if (!found)
        map_add(&r->rows, row->key, row);
    else
        mem_free(row);
    return found ? found : row;
}

static void mark(struct redisrows *r, struct row *row)
{
    list_remove(&row->node);
    list_push(&r->dirty, &row->node);
}

void redisrows_put(struct redisrows *r, enum store_table table, struct slice key, struct slice text)
{
    struct row *row = find_or_make(r, table, key);

    mem_free(row->text);
    row->text = text.len ? mem_strndup(text) : NULL;
    if (row->text || row->there)
        mark(r, row);
    else
        forget(r, row);
}

/* The row of the node itself has fields of the script's (renew.lua), and is not removed. */
static bool is_removed_first(const struct row *row)
{
    return row->table != STORE_NODE;
}

void redisrows_renew(struct redisrows *r)
{
    struct row *row;
    size_t pos = 0;

    r->unknown = true;
    r->refused = false;
    while ((row = map_next(&r->rows, &pos))) {
        row->there = !is_removed_first(row);
        if (row->text || row->there)
            mark(r, row);
        else
            forget(r, row);
    }
}

void redisrows_lost(struct redisrows *r)
{
    r->pending = 0;
    redisrows_renew(r);
}

static void on_reply(void *arg, const struct resp *reply)
{
    struct redisrows *r = arg;

    r->pending--;
    r->refused |= reply->kind == RESP_ERROR;
    if (!r->pending && r->refused)
        redisrows_renew(r);
}

static void call(struct redisrows *r, struct redis_link *k, const struct slice *words, size_t count)
{
    r->pending++;
    redis_link_call(k, words, count, on_reply, r);
}

/* One command: rows of one table, all written or all removed. */
struct bundle {
    struct arena arena;
    struct slice words[2 + 2 * REDISROWS_BUNDLE];
    size_t count;
    size_t row_count;
};

static bool belongs(const struct row *row, const struct row *first)
{
    return row->table == first->table && !row->text == !first->text;
}

static void add_row(struct bundle *b, struct redisrows *r, struct row *row, uint64_t incarnation)
{
    b->words[b->count++] = arena_copy(&b->arena, slice_from_offset(row->key, 1));
    b->row_count++;
    list_remove(&row->node);
    row->there = true;
    if (row->text)
        b->words[b->count++] =
            slice_from(arena_format(&b->arena, "%" PRIu64 " %s", incarnation, row->text));
    else
        forget(r, row);
}

/* From the front, as long as they belong together. */
static void fill(struct bundle *b, struct redisrows *r, const struct redis_table *t,
                 uint64_t incarnation)
{
    struct row *first = LIST_FIRST(&r->dirty, struct row, node);
    struct row like = {.table = first->table, .text = first->text};
    struct row *row;

    b->words[0] = like.text ? SLICE("HSET") : SLICE("HDEL");
    b->words[1] = rediswords_node_key(t, &b->arena, names[like.table], slice_from(t->node));
    b->count = 2;
    while ((row = LIST_FIRST(&r->dirty, struct row, node)) && belongs(row, &like) &&
           b->row_count < REDISROWS_BUNDLE)
        add_row(b, r, row, incarnation);
}

static void remove_all(struct redisrows *r, const struct redis_table *t, struct redis_link *k)
{
    struct slice words[] = {SLICE("UNLINK"), slice_none(), slice_none()};
    struct arena arena;

    arena_init(&arena);
    words[1] = rediswords_node_key(t, &arena, names[STORE_COMPONENTS], slice_from(t->node));
    words[2] = rediswords_node_key(t, &arena, names[STORE_SESSIONS], slice_from(t->node));
    call(r, k, words, COUNT(words));
    arena_fini(&arena);
    r->unknown = false;
}

static size_t send_bundle(struct redisrows *r, const struct redis_table *t, uint64_t incarnation,
                          struct redis_link *k)
{
    struct bundle b = {.count = 0};

    arena_init(&b.arena);
    fill(&b, r, t, incarnation);
    call(r, k, b.words, b.count);
    arena_fini(&b.arena);
    return b.row_count;
}

void redisrows_flush(struct redisrows *r, const struct redis_table *t, uint64_t incarnation,
                     struct redis_link *k)
{
    size_t sum = 0;

    if (r->pending)
        return;
    if (r->unknown)
        remove_all(r, t, k);
    while (!list_empty(&r->dirty) && sum < REDISROWS_FLUSH_MAX)
        sum += send_bundle(r, t, incarnation, k);
}
