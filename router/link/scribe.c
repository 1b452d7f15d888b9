#include "link/scribe.h"

#include "link/site.h"

#include <inttypes.h>

/* Of streams that were shown and ended. */
struct struck {
    uint64_t *links;
    size_t count;
    size_t room;
};

struct scribe {
    struct loop *loop;
    struct board *board;
    struct list noted; /* links */
    struct struck struck;
    struct timer timer;
};

/* --- what is told of a stream --- */

static const char *tls_of(const struct link_row *row)
{
    if (!row->tls)
        return "-";
    return row->verdict && row->verdict->tls_version[0] ? row->verdict->tls_version : "tls";
}

static struct slice or_dash(struct slice s)
{
    return s.len ? s : SLICE("-");
}

/* Whom the stream's header did not name. */
static void take_pair(void *arg, const struct link_pair_row *pair)
{
    struct link_row *row = arg;

    if (!pair->valid)
        return;
    if (!row->local.len)
        row->local = pair->local;
    if (!row->remote.len)
        row->remote = pair->remote;
}

static struct slice text_of(const struct scribe *s, const struct link_row *row, struct arena *a)
{
    uint64_t since_s = (loop_wall_us(s->loop) / 1000 - row->since_ms) / 1000;
    char peer[ADDR_TEXT_MAX];

    return slice_from(arena_format(a, BOARD_FORMAT " %s %.*s %.*s %s %s %s %" PRIu64 " %zu",
                                   link_kind_word(row->kind), SLICE_ARGS(or_dash(row->local)),
                                   SLICE_ARGS(or_dash(row->remote)), addr_format(&row->peer, peer),
                                   row->verdict ? method_word(row->verdict->method) : "-",
                                   tls_of(row), since_s, row->pairs_count));
}

static void describe(const struct scribe *s, struct link *l, struct arena *a, struct board_row *ret)
{
    struct link_row row = {.arena = a, .id = l->id, .kind = l->kind};

    l->ops->describe(l, &row);
    if (l->ops->walk_pairs)
        l->ops->walk_pairs(l, take_pair, &row);
    *ret = (struct board_row){.link = l->id, .first = !l->shown, .text = text_of(s, &row, a)};
    if (l->kind == LINK_COMPONENT)
        ret->component = arena_copy(a, row.local);
    l->shown = true;
}

/* --- reports --- */

static void add_struck(struct scribe *s, struct board_report *r)
{
    for (size_t i = 0; i < s->struck.count; i++)
        r->rows[r->row_count++] = (struct board_row){.link = s->struck.links[i]};
    mem_free(s->struck.links);
    s->struck = (struct struck){.links = NULL};
}

static void add_noted(struct scribe *s, struct board_report *r)
{
    struct link *l;

    for (size_t n = 0; n < SCRIBE_ROWS_MAX && (l = LIST_FIRST(&s->noted, struct link, noted));
         n++) {
        list_remove(&l->noted);
        if (l->open) /* else it ends already */
            describe(s, l, &r->arena, &r->rows[r->row_count++]);
    }
}

static void report(struct scribe *s)
{
    struct board_report *r = MEM_NEW(struct board_report);

    arena_init(&r->arena);
    r->rows = arena_alloc(&r->arena, (s->struck.count + SCRIBE_ROWS_MAX) * sizeof(*r->rows));
    add_struck(s, r);
    add_noted(s, r);
    board_tell(s->board, r);
}

static void on_time(struct timer *t)
{
    struct scribe *s = LIST_ENTRY(t, struct scribe, timer);

    report(s);
    if (!list_empty(&s->noted))
        timer_start(t, SCRIBE_EVERY_MS);
}

static void soon(struct scribe *s)
{
    if (!timer_running(&s->timer))
        timer_start(&s->timer, SCRIBE_EVERY_MS);
}

/* --- for links --- */

void scribe_note(struct scribe *s, struct link *l)
{
    if (!s->board || list_linked(&l->noted))
        return;
    list_push(&s->noted, &l->noted);
    soon(s);
}

static void push(struct struck *s, uint64_t link)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->links = mem_realloc(s->links, s->room * sizeof(*s->links));
    }
    s->links[s->count++] = link;
}

void scribe_strike(struct scribe *s, struct link *l)
{
    list_remove(&l->noted);
    if (!l->shown)
        return;
    l->shown = false;
    push(&s->struck, l->id);
    soon(s);
}

/* --- life --- */

struct scribe *scribe_open(struct loop *worker, struct board *board)
{
    struct scribe *s = MEM_NEW(struct scribe);

    s->loop = worker;
    s->board = board;
    list_init(&s->noted);
    timer_init(&s->timer, worker, on_time);
    return s;
}

void scribe_close(struct scribe *s)
{
    timer_stop(&s->timer);
    mem_free(s->struck.links);
    mem_free(s);
}
