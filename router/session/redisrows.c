#include "session/redisrows.h"

#include <inttypes.h>

/* Its key in the map is the table's digit and its own. Without text: to be removed there, then
 * forgotten. */
struct row {
    struct list node; /* in `dirty`, or alone */
    struct slice key;
    enum store_table table;
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

static struct row *find_or_make(struct redisrows *r, enum store_table table, struct slice key)
{
    struct row *row = mem_zalloc(sizeof(*row) + key.len + 1);
    struct row *found;

    row->name[0] = (char)('0' + table);
    memcpy(row->name + 1, key.ptr, key.len);
    row->key = slice_make(row->name, key.len + 1);
    found = map_find(&r->rows, row->key);
    if (found) {
        mem_free(row);
        return found;
    }
    row->table = table;
    list_init(&row->node);
    map_add(&r->rows, row->key, row);
    return row;
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
    mark(r, row);
}

void redisrows_renew(struct redisrows *r)
{
    struct row *row;
    size_t pos = 0;

    while ((row = map_next(&r->rows, &pos)))
        mark(r, row);
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

void redisrows_flush(struct redisrows *r, const struct redis_table *t, uint64_t incarnation,
                     struct redis_link *k, redis_reply_fn *done, void *arg)
{
    size_t sum = 0;

    while (!list_empty(&r->dirty) && sum < REDISROWS_FLUSH_MAX) {
        struct bundle b = {.count = 0};

        arena_init(&b.arena);
        fill(&b, r, t, incarnation);
        redis_link_call(k, b.words, b.count, done, arg);
        sum += b.row_count;
        arena_fini(&b.arena);
    }
}
