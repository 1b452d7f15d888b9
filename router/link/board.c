#include "link/board.h"

#include "base/map.h"

#include <inttypes.h>
#include <stdio.h>

#define NUMBER_TEXT_MAX 24

/* A local domain that has components here. */
struct served {
    char *domain;
    size_t count;
};

/* One of them. */
struct attached {
    uint64_t link;
    struct served *served;
};

struct board {
    struct store *store; /* NULL: closed */
    struct hop *hop;
    struct map attached; /* by link */
    struct map served;   /* by domain */
    size_t link_count;
};

static struct slice link_key(const uint64_t *link)
{
    return slice_make((const char *)link, sizeof(*link));
}

/* --- the table --- */

static void put_count(struct board *b, enum store_table table, struct slice key, size_t count)
{
    char text[NUMBER_TEXT_MAX + sizeof(BOARD_FORMAT)];

    snprintf(text, sizeof(text), BOARD_FORMAT " %zu", count);
    store_put(b->store, table, key, slice_from(text));
}

static void put_word(struct board *b, const char *key, const char *word)
{
    char text[64];

    snprintf(text, sizeof(text), BOARD_FORMAT " %s", word);
    store_put(b->store, STORE_NODE, slice_from(key), slice_from(text));
}

static void put_stream(struct board *b, const struct board_row *row)
{
    char key[NUMBER_TEXT_MAX];

    snprintf(key, sizeof(key), "%" PRIu64, row->link);
    store_put(b->store, STORE_SESSIONS, slice_from(key), row->text);
}

void board_state(struct board *b, const char *word)
{
    if (b->store)
        put_word(b, "state", word);
}

/* --- components --- */

static struct served *served_get(struct board *b, struct slice domain)
{
    struct served *s = map_find(&b->served, domain);

    if (s)
        return s;
    s = MEM_NEW(struct served);
    s->domain = mem_strndup(domain);
    map_add(&b->served, slice_from(s->domain), s);
    return s;
}

static void served_free(struct board *b, struct served *s)
{
    map_remove(&b->served, slice_from(s->domain));
    mem_free(s->domain);
    mem_free(s);
}

static void attach(struct board *b, const struct board_row *row)
{
    struct attached *a = MEM_NEW(struct attached);

    a->link = row->link;
    a->served = served_get(b, row->component);
    a->served->count++;
    map_add(&b->attached, link_key(&a->link), a);
    put_count(b, STORE_COMPONENTS, row->component, a->served->count);
}

static void detach(struct board *b, struct attached *a)
{
    struct served *s = a->served;

    map_remove(&b->attached, link_key(&a->link));
    mem_free(a);
    if (--s->count) {
        put_count(b, STORE_COMPONENTS, slice_from(s->domain), s->count);
        return;
    }
    store_put(b->store, STORE_COMPONENTS, slice_from(s->domain), slice_none());
    served_free(b, s);
}

/* --- reports --- */

static void take_row(struct board *b, const struct board_row *row)
{
    struct attached *a = map_find(&b->attached, link_key(&row->link));

    put_stream(b, row);
    b->link_count += row->first;
    b->link_count -= !row->text.len;
    if (row->first && row->component.len)
        attach(b, row);
    else if (!row->text.len && a)
        detach(b, a);
}

static void take(struct board *b, const struct board_report *r)
{
    size_t before = b->link_count;

    for (size_t i = 0; i < r->row_count; i++)
        take_row(b, &r->rows[i]);
    if (b->link_count != before)
        put_count(b, STORE_NODE, SLICE("links"), b->link_count);
}

static void deliver(struct hop_msg *m, void *arg)
{
    struct board_report *r = LIST_ENTRY(m, struct board_report, msg);
    struct board *b = arg;

    if (b->store)
        take(b, r);
    arena_fini(&r->arena);
    mem_free(r);
}

void board_tell(struct board *b, struct board_report *r)
{
    r->msg.deliver = deliver;
    hop_post(b->hop, &r->msg);
}

/* --- life --- */

struct board *board_open(struct loop *l, struct store *store)
{
    struct board *b = MEM_NEW(struct board);
    uint64_t seed[2];

    b->store = store;
    b->hop = hop_open(l, b);
    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&b->attached, seed);
    map_init(&b->served, seed);
    put_word(b, "version", FEDROUTER_VERSION);
    put_count(b, STORE_NODE, SLICE("links"), 0);
    return b;
}

void board_shut(struct board *b)
{
    b->store = NULL;
}

void board_close(struct board *b)
{
    struct attached *a;
    struct served *s;
    size_t pos = 0;

    board_shut(b);
    hop_close(b->hop);
    while ((a = map_next(&b->attached, &pos)))
        mem_free(a);
    pos = 0;
    while ((s = map_next(&b->served, &pos)))
        served_free(b, s);
    map_fini(&b->attached);
    map_fini(&b->served);
    mem_free(b);
}
