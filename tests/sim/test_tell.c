/* link/tell: how back-offs are said to other nodes. The members, by whom it speaks, are the test's:
 * frames that go out are kept. CLUST-04.
 */
#include "link/tell.h"

#include "sim/bed.h"
#include "sim/world.h"
#include "unit/test.h"

#include <stdio.h>

struct said {
    char node[8];
    uint64_t ms;
    size_t rows;
    size_t bytes;
    char first[32]; /* remote of the first row ... */
    uint32_t left_ms;
};

static struct {
    struct bed bed;
    struct world *w;
    struct counters counters;
    struct loop *loop;
    struct instances *instances;
    struct tell *tell;
    struct said said[64];
    size_t said_count;
    unsigned heard, gone;
} t;

/* --- instead of link/members --- */

bool members_clustered(const struct members *m)
{
    return true;
}

void members_cut_off(struct members *m, struct slice node)
{
}

void members_send(struct members *m, struct slice node, const struct frame *f)
{
    struct said *s = &t.said[t.said_count];
    struct byteq q;

    if (f->type != FRAME_BACKOFFS)
        return;
    assert(t.said_count < COUNT(t.said));
    t.said_count++;
    byteq_init(&q);
    frame_write(&q, f);
    slice_to_cstr(node, s->node, sizeof(s->node));
    s->ms = loop_now_ms(t.loop);
    s->rows = f->backoffs.row_count;
    s->bytes = byteq_len(&q);
    slice_to_cstr(f->backoffs.rows[0].remote, s->first, sizeof(s->first));
    s->left_ms = f->backoffs.rows[0].left_ms;
    byteq_fini(&q);
}

/* --- events --- */

static size_t on_crowds(void *arg, struct tally_row *rows, size_t room)
{
    return 0;
}

static void on_heard_crowds(void *arg, struct slice node, const struct tally_row *rows,
                            size_t count)
{
}

static void on_heard_backoffs(void *arg, struct slice node, const struct frame_backoffs *told)
{
    t.heard += told ? (unsigned)told->row_count : 0;
    t.gone += !told;
}

static const struct tell_events events = {on_crowds, on_heard_crowds, on_heard_backoffs};

static const struct instances_events no_instances;

/* --- a node among others --- */

static void meet(const char *node, uint16_t version)
{
    tell_met(t.tell, slice_from(node), 7, version);
}

static void open_tell(void)
{
    memset(&t, 0, sizeof(t));
    t.w = world_new(1);
    bed_init(&t.bed);
    world_use_host(t.w, world_host(t.w, "a", "10.0.0.1"));
    t.loop = loop_new(&t.counters, &t.bed.sink);
    t.instances = instances_new(t.loop, &no_instances, NULL);
    t.tell = tell_open(t.loop, t.instances, 1, &events, NULL);
    world_advance(t.w, 5000);
}

static void close_tell(void)
{
    tell_close(t.tell);
    instances_free(t.instances);
    loop_free(t.loop);
    world_free(t.w);
    bed_fini(&t.bed);
}

static void fail_with(const char *remote, uint64_t left_ms, struct slice detail)
{
    struct outage w = {.local = SLICE("a.example"),
                       .remote = slice_from(remote),
                       .of_domain = true,
                       .left_ms = left_ms,
                       .failures_count = 1,
                       .why = BOUNCE_UNREACHABLE,
                       .detail = detail};

    tell_failed(t.tell, &w);
}

static void fail_for(const char *remote, uint64_t left_ms)
{
    fail_with(remote, left_ms, SLICE("refused"));
}

static void fail_many(unsigned count, struct slice detail)
{
    for (unsigned i = 0; i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "r%u.example", i);
        fail_with(name, 50000, detail);
    }
}

static void hear(const char *node, const char *remote)
{
    struct frame_backoff row = {.remote = slice_from(remote)};
    struct frame f = {.type = FRAME_BACKOFFS, .backoffs = {&row, 1}};

    tell_heard(t.tell, slice_from(node), &f);
}

TEST(tell, one_failure_is_told_at_once_to_all)
{
    open_tell();
    meet("b", 2);
    meet("c", 3);
    fail_for("r.example", 4000);
    world_advance(t.w, 10);
    CHECK_EQ(t.said_count, 2);
    CHECK(strcmp(t.said[0].node, "b") == 0 && strcmp(t.said[1].node, "c") == 0);
    CHECK_STR(t.said[0].first, "r.example");
    CHECK(t.said[0].left_ms > 3900 && t.said[0].left_ms <= 4000);
    world_advance(t.w, 20000);
    CHECK_EQ(t.said_count, 2); /* and not again */
    close_tell();
}

TEST(tell, the_next_waits_for_its_second)
{
    open_tell();
    meet("b", 2);
    fail_for("r.example", 4000);
    world_advance(t.w, 10);
    fail_for("s.example", 4000);
    fail_for("gone.example", 300); /* over by then */
    tell_alive(t.tell, SLICE("u.example"));
    world_advance(t.w, 900);
    CHECK_EQ(t.said_count, 1);
    world_advance(t.w, 200);
    CHECK_EQ(t.said_count, 2);
    CHECK(t.said[1].ms - t.said[0].ms >= TELL_BACKOFFS_MS);
    CHECK_EQ(t.said[1].rows, 2);
    CHECK_STR(t.said[1].first, "s.example");
    CHECK(t.said[1].left_ms <= 3010);
    close_tell();
}

static void check_parts(size_t rows)
{
    size_t sum = 0;

    for (size_t i = 0; i < t.said_count; i++) {
        CHECK(t.said[i].rows <= TELL_BACKOFFS_MAX);
        CHECK(t.said[i].bytes <= 3 * TELL_BACKOFFS_BYTES);
        CHECK(i == 0 || t.said[i].ms - t.said[i - 1].ms >= TELL_BACKOFFS_MS);
        sum += t.said[i].rows;
    }
    CHECK_EQ(sum, rows);
}

TEST(tell, many_are_told_in_parts)
{
    static char detail[1024];

    memset(detail, 'x', sizeof(detail));
    open_tell();
    meet("b", 2);
    fail_many(2500, SLICE("refused"));
    world_advance(t.w, 10000);
    CHECK_EQ(t.said_count, 3);
    check_parts(2500);
    t.said_count = 0;
    fail_many(300, slice_make(detail, sizeof(detail)));
    world_advance(t.w, 10000);
    CHECK_EQ(t.said_count, 5); /* 64 KiB each */
    check_parts(300);
    close_tell();
}

TEST(tell, more_than_there_is_room_for_is_counted)
{
    open_tell();
    fail_many(OUTAGES_MAX + 5, SLICE("refused"));
    CHECK_EQ(counter_read(&t.counters, COUNTER_BACKOFFS_LEFT_OUT), 5);
    close_tell();
}

TEST(tell, who_is_met_hears_what_is_current)
{
    open_tell();
    fail_for("over.example", 1000);
    world_advance(t.w, 2000);
    fail_for("r.example", 9000);
    world_advance(t.w, 1000);
    meet("b", 2);
    world_advance(t.w, 10);
    CHECK_EQ(t.said_count, 1);
    CHECK_EQ(t.said[0].rows, 1);
    CHECK_STR(t.said[0].first, "r.example");
    tell_parted(t.tell, SLICE("b"), false);
    fail_for("s.example", 9000);
    world_advance(t.w, 2000);
    CHECK_EQ(t.said_count, 1);
    meet("b", 2); /* again, from the beginning */
    world_advance(t.w, 10);
    CHECK_EQ(t.said_count, 2);
    CHECK_EQ(t.said[1].rows, 2);
    close_tell();
}

/* It would not understand, and end the connection. */
TEST(tell, who_speaks_an_earlier_version_is_not_told)
{
    open_tell();
    meet("b", FRAME_VERSION_BACKOFFS - 1);
    fail_for("r.example", 9000);
    tell_alive(t.tell, SLICE("s.example"));
    world_advance(t.w, 3000);
    CHECK_EQ(t.said_count, 0);
    close_tell();
}

TEST(tell, what_is_heard_is_not_said_on)
{
    open_tell();
    meet("b", 2);
    meet("c", 2);
    hear("b", "r.example");
    world_advance(t.w, 3000);
    CHECK_EQ(t.heard, 1);
    CHECK_EQ(t.said_count, 0);
    close_tell();
}

/* ... but whoever said that it fails takes that back. */
TEST(tell, who_said_that_it_fails_says_that_it_lives)
{
    open_tell();
    meet("b", 2);
    fail_for("r.example", 9000);
    world_advance(t.w, 2000);
    CHECK_EQ(t.said_count, 1);
    hear("b", "r.example");
    world_advance(t.w, 2000);
    CHECK_EQ(t.said_count, 2);
    CHECK_STR(t.said[1].first, "r.example");
    CHECK_EQ(t.said[1].left_ms, 0);
    hear("b", "r.example"); /* once */
    world_advance(t.w, 2000);
    CHECK_EQ(t.said_count, 2);
    close_tell();
}

TEST(tell, who_is_gone_has_said_nothing)
{
    open_tell();
    meet("b", 2);
    tell_parted(t.tell, SLICE("b"), false);
    world_advance(t.w, TELL_CUT_MS - 100);
    CHECK_EQ(t.gone, 0);
    world_advance(t.w, 200);
    CHECK_EQ(t.gone, 1);
    meet("b", 2);
    tell_parted(t.tell, SLICE("b"), true);
    CHECK_EQ(t.gone, 2);
    close_tell();
}

TESTS(TEST_OF(tell, one_failure_is_told_at_once_to_all),
      TEST_OF(tell, the_next_waits_for_its_second), TEST_OF(tell, many_are_told_in_parts),
      TEST_OF(tell, more_than_there_is_room_for_is_counted),
      TEST_OF(tell, who_is_met_hears_what_is_current),
      TEST_OF(tell, who_speaks_an_earlier_version_is_not_told),
      TEST_OF(tell, what_is_heard_is_not_said_on),
      TEST_OF(tell, who_said_that_it_fails_says_that_it_lives),
      TEST_OF(tell, who_is_gone_has_said_nothing))
