/* node/survey: one question to several nodes, and what comes back in time. */
#include "node/survey.h"
#include "node/parcel.h"
#include "sim/bed.h"
#include "unit/test.h"

#define ASKED_MAX 64

struct scene {
    struct bed bed;
    struct world *w;
    struct loop *loop;
    struct surveys *all;
    char asked[ASKED_MAX][80]; /* "node command argument" */
    uint64_t numbers[ASKED_MAX];
    size_t asked_count;
    unsigned done_count;
    const char *unreachable;
};

static bool on_ask(void *arg, struct slice node, const struct frame_ask *f)
{
    struct scene *c = arg;

    if (c->unreachable && slice_is(node, c->unreachable))
        return false;
    CHECK(c->asked_count < ASKED_MAX);
    snprintf(c->asked[c->asked_count], sizeof(c->asked[0]), "%.*s %.*s %.*s", SLICE_ARGS(node),
             SLICE_ARGS(f->command), SLICE_ARGS(f->argument));
    c->numbers[c->asked_count++] = f->number;
    return true;
}

static void on_done(void *arg)
{
    ((struct scene *)arg)->done_count++;
}

static void open_scene(struct scene *c)
{
    struct surveys_options o = {.ask = on_ask, .arg = c};

    memset(c, 0, sizeof(*c));
    bed_init(&c->bed);
    c->w = world_new(1);
    world_use_host(c->w, world_host(c->w, "here", "10.0.0.1"));
    c->loop = o.loop = loop_new(&c->bed.counters, &c->bed.sink);
    c->all = surveys_new(&o);
}

static void close_scene(struct scene *c)
{
    surveys_free(c->all);
    loop_free(c->loop);
    world_free(c->w);
    bed_fini(&c->bed);
}

static struct survey *begin(struct scene *c, const char *one, const char *other)
{
    struct slice nodes[] = {slice_from(one), slice_from(other)};
    struct survey_options o = {.command = "links",
                               .argument = "a.example",
                               .nodes = nodes,
                               .node_count = other ? 2 : 1,
                               .done = on_done,
                               .arg = c};

    return survey_begin(c->all, &o);
}

static void hear(struct scene *c, uint64_t number, const char *node, bool more, const char *body)
{
    struct frame_answer a = {number, more, slice_from(body)};

    surveys_hear(c->all, slice_from(node), &a);
}

/* "node: rows (left out) error" of all. */
static void note_part(void *arg, const struct survey_part *p)
{
    char *text = arg;
    size_t at = strlen(text);

    snprintf(text + at, 1024 - at, "%.*s: %.*s (%zu) %s\n", SLICE_ARGS(p->node),
             SLICE_ARGS(p->rows), p->left_out_count, p->error ? p->error : "-");
}

static void check_parts(const struct survey *s, const char *want)
{
    char text[1024] = "";

    survey_walk(s, note_part, text);
    CHECK_STR(text, want);
}

TEST(survey, ends_when_all_have_answered)
{
    struct scene c;
    struct survey *s;

    open_scene(&c);
    s = begin(&c, "b", "c");
    CHECK_STR(c.asked[0], "b links a.example");
    CHECK_STR(c.asked[1], "c links a.example");
    CHECK_EQ(c.numbers[0], c.numbers[1]);
    hear(&c, c.numbers[0], "b", true, "{\"node\":\"b\",\"id\":1}");
    hear(&c, c.numbers[0], "c", false, "{\"parcels\":0,\"left_out\":3}");
    hear(&c, c.numbers[0], "b", true, "{\"node\":\"b\",\"id\":2}");
    world_advance(c.w, 100);
    CHECK_EQ(c.done_count, 0);
    hear(&c, c.numbers[0], "b", false, "{\"parcels\":2,\"left_out\":0}");
    CHECK_EQ(c.done_count, 0); /* not inside the call */
    world_advance(c.w, 1);
    CHECK_EQ(c.done_count, 1);
    check_parts(s, "b: {\"node\":\"b\",\"id\":1},\n{\"node\":\"b\",\"id\":2} (0) -\n"
                   "c:  (3) -\n");
    world_advance(c.w, 3 * SURVEY_MS);
    CHECK_EQ(c.done_count, 1);
    survey_free(s);
    close_scene(&c);
}

TEST(survey, names_who_does_not_answer)
{
    struct scene c;
    struct survey *s;

    open_scene(&c);
    c.unreachable = "c";
    s = begin(&c, "b", "c");
    hear(&c, c.numbers[0], "b", true, "{\"node\":\"b\"}"); /* and no more */
    world_advance(c.w, SURVEY_MS - 1);
    CHECK_EQ(c.done_count, 0);
    world_advance(c.w, 2);
    CHECK_EQ(c.done_count, 1);
    check_parts(s, "b:  (0) it did not answer within 2 s\n"
                   "c:  (0) there is no mesh connection to it\n");
    hear(&c, c.numbers[0], "b", false, "{\"parcels\":1,\"left_out\":0}"); /* too late */
    check_parts(s, "b:  (0) it did not answer within 2 s\n"
                   "c:  (0) there is no mesh connection to it\n");
    survey_free(s);
    hear(&c, c.numbers[0], "b", false, "{\"parcels\":1,\"left_out\":0}");
    close_scene(&c);
}

TEST(survey, ends_at_once_when_nobody_can_be_asked)
{
    struct scene c;
    struct survey *s;

    open_scene(&c);
    c.unreachable = "b";
    s = begin(&c, "b", NULL);
    CHECK_EQ(c.done_count, 0);
    world_advance(c.w, 1);
    CHECK_EQ(c.done_count, 1);
    survey_free(s);
    close_scene(&c);
}

TEST(survey, a_lost_connection_answers_nothing)
{
    struct scene c;
    struct survey *s, *other;

    open_scene(&c);
    s = begin(&c, "b", NULL);
    other = begin(&c, "c", NULL);
    surveys_lose(c.all, SLICE("b"));
    world_advance(c.w, 1);
    CHECK_EQ(c.done_count, 1);
    check_parts(s, "b:  (0) the mesh connection to it ended\n");
    survey_free(s);
    survey_free(other);
    close_scene(&c);
}

TEST(survey, what_makes_no_sense_is_no_answer)
{
    static const struct {
        bool more;
        const char *body, *said;
    } cases[] = {
        {true, "{\"node\":\"c\"}", "its answer makes no sense"}, /* speaks for another */
        {true, "", "its answer makes no sense"},
        {false, "", "its answer makes no sense"},
        {false, "{\"error\":\"this node asks too much\"}", "this node asks too much"},
        {false, "{\"parcels\":1,\"left_out\":0}",
         "its answer came in part only: the connection to it is too slow"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char want[128];
        struct scene c;
        struct survey *s;

        open_scene(&c);
        s = begin(&c, "b", NULL);
        hear(&c, c.numbers[0], "b", cases[i].more, cases[i].body);
        world_advance(c.w, 1);
        CHECK_EQ(c.done_count, 1);
        snprintf(want, sizeof(want), "b:  (0) %s\n", cases[i].said);
        check_parts(s, want);
        survey_free(s);
        close_scene(&c);
    }
}

/* Neither an answer nobody asked for, nor one from another node, counts. */
TEST(survey, strange_answers_are_thrown_away)
{
    struct scene c;
    struct survey *s;

    open_scene(&c);
    s = begin(&c, "b", NULL);
    hear(&c, c.numbers[0] + 1, "b", false, "{\"parcels\":0,\"left_out\":0}");
    hear(&c, c.numbers[0], "c", false, "{\"parcels\":0,\"left_out\":0}");
    world_advance(c.w, 1);
    CHECK_EQ(c.done_count, 0);
    survey_free(s);
    close_scene(&c);
}

struct size {
    size_t bytes, left_out;
};

static void note_size(void *arg, const struct survey_part *p)
{
    *(struct size *)arg = (struct size){p->rows.len, p->left_out_count};
}

/* A row of a parcel's size, again and again: what is over the bound is counted, not kept. */
TEST(survey, an_answer_is_bounded)
{
    static char row[PARCEL_BYTES_MAX];
    const unsigned sent = SURVEY_NODE_BYTES_MAX / PARCEL_BYTES_MAX + 10;
    char slip[64];
    struct size size;
    struct scene c;
    struct survey *s;

    open_scene(&c);
    memset(row, 'x', sizeof(row));
    memcpy(row, "{\"node\":\"b\",\"a\":\"", 17);
    memcpy(row + sizeof(row) - 3, "\"}", 3);
    s = begin(&c, "b", NULL);
    for (unsigned i = 0; i < sent; i++)
        hear(&c, c.numbers[0], "b", true, row);
    snprintf(slip, sizeof(slip), "{\"parcels\":%u,\"left_out\":5}", sent);
    hear(&c, c.numbers[0], "b", false, slip);
    world_advance(c.w, 1);
    CHECK_EQ(c.done_count, 1);
    survey_walk(s, note_size, &size);
    CHECK(size.bytes <= SURVEY_NODE_BYTES_MAX);
    CHECK(size.bytes > SURVEY_NODE_BYTES_MAX - 2 * PARCEL_BYTES_MAX);
    CHECK_EQ(size.left_out, sent - (size.bytes + 2) / (sizeof(row) - 1 + 2) + 5);
    survey_free(s);
    close_scene(&c);
}

TEST(survey, so_many_at_once)
{
    struct survey *s[SURVEYS_MAX];
    struct scene c;

    open_scene(&c);
    for (size_t i = 0; i < SURVEYS_MAX; i++) {
        s[i] = begin(&c, "b", NULL);
        CHECK(s[i]);
    }
    CHECK(!begin(&c, "b", NULL));
    survey_free(s[0]);
    s[0] = begin(&c, "b", NULL);
    CHECK(s[0]);
    close_scene(&c); /* frees those under way */
}

TESTS(TEST_OF(survey, ends_when_all_have_answered), TEST_OF(survey, names_who_does_not_answer),
      TEST_OF(survey, ends_at_once_when_nobody_can_be_asked),
      TEST_OF(survey, a_lost_connection_answers_nothing),
      TEST_OF(survey, what_makes_no_sense_is_no_answer),
      TEST_OF(survey, strange_answers_are_thrown_away), TEST_OF(survey, an_answer_is_bounded),
      TEST_OF(survey, so_many_at_once))
