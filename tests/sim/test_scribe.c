/* link/scribe and link/board over an invented clock: what of streams is told when, how much at a
 * time, and what becomes rows. CLUST-04. */
#include "link/board.h"
#include "link/scribe.h"
#include "link/site.h"
#include "session/store_private.h"
#include "sim/bed.h"
#include "sim/world.h"
#include "unit/test.h"

#include <stdio.h>

#define STREAMS 3500

/* The last text of each field; no clock and no answers. */
struct shelf {
    struct store store;
    struct map rows; /* "table key" -> struct entry */
    unsigned puts;
};

struct entry {
    char key[64];
    char text[200];
};

/* What is known of one comes from here. */
struct stream_like {
    struct link link;
    struct slice local, remote;
    bool tls;
    struct verdict verdict;
    size_t pairs;
};

static struct {
    struct world *w;
    struct bed bed;
    struct loop *loop;
    struct shelf shelf;
    struct board *board;
    struct scribe *scribe;
    struct stream_like streams[STREAMS];
} rig;

/* --- a store that remembers --- */

static void put(struct store *store, enum store_table table, struct slice key, struct slice text)
{
    struct shelf *s = LIST_ENTRY(store, struct shelf, store);
    char name[64];
    struct entry *e;

    s->puts++;
    snprintf(name, sizeof(name), "%d %.*s", (int)table, SLICE_ARGS(key));
    e = map_find(&s->rows, slice_from(name));
    if (e) {
        map_remove(&s->rows, slice_from(e->key));
        mem_free(e);
    }
    if (!text.len)
        return;
    e = MEM_NEW(struct entry);
    snprintf(e->key, sizeof(e->key), "%s", name);
    CHECK(slice_to_cstr(text, e->text, sizeof(e->text)));
    map_add(&s->rows, slice_from(e->key), e);
}

static const struct store_kind shelf_kind = {.put = put};

/* "": there is none. */
static const char *row(enum store_table table, const char *key)
{
    const struct entry *e;
    char name[64];

    snprintf(name, sizeof(name), "%d %s", (int)table, key);
    e = map_find(&rig.shelf.rows, slice_from(name));
    return e ? e->text : "";
}

static const char *stream_row(unsigned i)
{
    char key[32];

    snprintf(key, sizeof(key), "%u", i + 1);
    return row(STORE_SESSIONS, key);
}

/* --- streams --- */

static void describe(const struct link *l, struct link_row *r)
{
    const struct stream_like *s = LIST_ENTRY(l, const struct stream_like, link);

    r->local = s->local;
    r->remote = s->remote;
    r->tls = s->tls;
    r->verdict = l->kind == LINK_COMPONENT ? NULL : &s->verdict;
    r->pairs_count = s->pairs;
    r->since_ms = 2200;
    CHECK(!addr_parse_ip(SLICE("192.0.2.7"), 5269, &r->peer));
}

static void walk_pairs(const struct link *l, link_pair_fn *fn, void *arg)
{
    struct link_pair_row proven = {SLICE("a.example"), SLICE("proven.example"), true,
                                   METHOD_DIALBACK, 0};
    struct link_pair_row asked = {SLICE("a.example"), SLICE("asked.example"), false,
                                  METHOD_DIALBACK, 0};

    fn(arg, &asked);
    fn(arg, &proven);
}

static const struct link_ops ops = {.describe = describe};
static const struct link_ops inbound_ops = {.describe = describe, .walk_pairs = walk_pairs};

static struct link *open_stream(unsigned i, enum link_kind kind, const char *local,
                                const char *remote)
{
    struct stream_like *s = &rig.streams[i];

    *s = (struct stream_like){.link = {.ops = kind == LINK_S2S_IN ? &inbound_ops : &ops,
                                       .kind = kind,
                                       .id = i + 1,
                                       .open = true},
                              .local = slice_from(local),
                              .remote = slice_from(remote),
                              .verdict = {.method = METHOD_PKIX, .tls_version = "TLSv1.3"},
                              .tls = kind != LINK_COMPONENT,
                              .pairs = kind != LINK_COMPONENT};
    list_init(&s->link.noted);
    scribe_note(rig.scribe, &s->link);
    return &s->link;
}

static void end_stream(unsigned i)
{
    rig.streams[i].link.open = false;
    scribe_strike(rig.scribe, &rig.streams[i].link);
}

/* --- the rig --- */

static void open_rig(void)
{
    static const uint64_t seed[2] = {1, 2};

    memset(&rig, 0, sizeof(rig));
    bed_init(&rig.bed);
    rig.w = world_new(1);
    world_set_wall(rig.w, 1764025200u * 1000000ull);
    world_use_host(rig.w, world_host(rig.w, "node", "10.0.0.1"));
    rig.loop = loop_new(&rig.bed.counters, &rig.bed.sink);
    store_init(&rig.shelf.store, &shelf_kind, rig.loop, NULL, NULL);
    map_init(&rig.shelf.rows, seed);
    rig.board = board_open(rig.loop, &rig.shelf.store);
    rig.scribe = scribe_open(rig.loop, rig.board);
}

static void close_rig(void)
{
    struct entry *e;
    size_t pos = 0;

    scribe_close(rig.scribe);
    board_close(rig.board);
    world_advance(rig.w, 10);
    while ((e = map_next(&rig.shelf.rows, &pos)))
        mem_free(e);
    map_fini(&rig.shelf.rows);
    loop_free(rig.loop);
    world_free(rig.w);
    bed_fini(&rig.bed);
}

/* --- */

TEST(scribe, a_row_says_what_a_stream_is)
{
    open_rig();
    open_stream(0, LINK_S2S_OUT, "rooms.example", "b.example");
    open_stream(1, LINK_COMPONENT, "*.gw.example", "");
    open_stream(2, LINK_S2S_IN, "rooms.example", "");
    rig.streams[2].verdict.method = METHOD_DIALBACK;
    rig.streams[2].tls = false;
    rig.streams[2].pairs = 2;
    world_advance(rig.w, SCRIBE_EVERY_MS + 10);
    /* opened 2.2 s before it is told, which is half a second after the wall says 1764025200 */
    CHECK_STR(stream_row(0),
              "1 s2s_out rooms.example b.example 192.0.2.7:5269 pkix TLSv1.3 1764025198 1");
    CHECK_STR(stream_row(1), "1 component *.gw.example - 192.0.2.7:5269 - - 1764025198 0");
    CHECK_STR(stream_row(2),
              "1 s2s_in rooms.example proven.example 192.0.2.7:5269 dialback - 1764025198 2");
    CHECK_STR(row(STORE_COMPONENTS, "*.gw.example"), "1 1");
    CHECK_STR(row(STORE_NODE, "links"), "1 3");
    CHECK_STR(row(STORE_NODE, "version"), "1 " FEDROUTER_VERSION);
    board_state(rig.board, "member");
    CHECK_STR(row(STORE_NODE, "state"), "1 member");
    rig.streams[2].pairs = 3;
    scribe_note(rig.scribe, &rig.streams[2].link);
    end_stream(0);
    world_advance(rig.w, SCRIBE_EVERY_MS + 10);
    CHECK(strstr(stream_row(2), " 3") && !*stream_row(0));
    CHECK_STR(row(STORE_NODE, "links"), "1 2");
    end_stream(1);
    end_stream(2);
    close_rig();
}

TEST(scribe, instances_of_a_domain_are_one_row)
{
    open_rig();
    for (unsigned i = 0; i < 3; i++)
        open_stream(i, LINK_COMPONENT, "a.example", "");
    open_stream(3, LINK_COMPONENT, "b.example", "");
    world_advance(rig.w, 1000);
    CHECK_STR(row(STORE_COMPONENTS, "a.example"), "1 3");
    CHECK_STR(row(STORE_COMPONENTS, "b.example"), "1 1");
    scribe_note(rig.scribe, &rig.streams[0].link); /* told again, not counted again */
    end_stream(1);
    end_stream(3);
    world_advance(rig.w, 1000);
    CHECK_STR(row(STORE_COMPONENTS, "a.example"), "1 2");
    CHECK_STR(row(STORE_COMPONENTS, "b.example"), "");
    end_stream(0);
    world_advance(rig.w, 1000);
    end_stream(2);
    close_rig(); /* with one that nobody told of any more */
}

/* Half a second is too short for anybody to look. */
TEST(scribe, what_opens_and_ends_in_between_was_never_there)
{
    unsigned puts;

    open_rig();
    puts = rig.shelf.puts;
    for (unsigned i = 0; i < STREAMS; i++) {
        open_stream(i, LINK_S2S_IN, "a.example", "b.example");
        end_stream(i);
    }
    open_stream(0, LINK_S2S_OUT, "a.example", "b.example");
    rig.streams[0].link.open = false; /* ends, and is still there */
    world_advance(rig.w, 2000);
    CHECK_EQ(rig.shelf.puts, puts);
    end_stream(0);
    world_advance(rig.w, 2000);
    CHECK_EQ(rig.shelf.puts, puts);
    close_rig();
}

/* Neither the worker nor the steward is held up by how many there are. */
TEST(scribe, tells_a_bounded_number_at_a_time)
{
    unsigned before, told;

    open_rig();
    for (unsigned i = 0; i < STREAMS; i++)
        open_stream(i, LINK_S2S_OUT, "a.example", "b.example");
    for (unsigned sum = 0; sum < STREAMS; sum += told) {
        before = rig.shelf.puts;
        world_advance(rig.w, SCRIBE_EVERY_MS);
        told = rig.shelf.puts - before - 1; /* `links` */
        CHECK_EQ(told, STREAMS - sum < SCRIBE_ROWS_MAX ? STREAMS - sum : SCRIBE_ROWS_MAX);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        CHECK(*stream_row(i));
    for (unsigned i = 0; i < STREAMS; i++)
        end_stream(i);
    world_advance(rig.w, SCRIBE_EVERY_MS);
    CHECK_STR(row(STORE_NODE, "links"), "1 0");
    CHECK_EQ(map_count(&rig.shelf.rows), 2); /* version, links */
    close_rig();
}

TEST(scribe, a_closed_table_is_told_nothing)
{
    unsigned puts;

    open_rig();
    puts = rig.shelf.puts;
    board_shut(rig.board);
    open_stream(0, LINK_COMPONENT, "a.example", "");
    board_state(rig.board, "draining");
    world_advance(rig.w, 1000);
    end_stream(0);
    world_advance(rig.w, 1000);
    CHECK_EQ(rig.shelf.puts, puts);
    close_rig();
}

/* One node: nothing is kept, nothing runs. */
TEST(scribe, without_a_board_there_is_nothing_to_do)
{
    struct scribe *with;

    open_rig();
    with = rig.scribe;
    rig.scribe = scribe_open(rig.loop, NULL);
    open_stream(0, LINK_COMPONENT, "a.example", "");
    CHECK(!list_linked(&rig.streams[0].link.noted));
    end_stream(0);
    scribe_close(rig.scribe);
    rig.scribe = with;
    close_rig();
}

TESTS(TEST_OF(scribe, a_row_says_what_a_stream_is),
      TEST_OF(scribe, instances_of_a_domain_are_one_row),
      TEST_OF(scribe, what_opens_and_ends_in_between_was_never_there),
      TEST_OF(scribe, tells_a_bounded_number_at_a_time),
      TEST_OF(scribe, a_closed_table_is_told_nothing),
      TEST_OF(scribe, without_a_board_there_is_nothing_to_do))
