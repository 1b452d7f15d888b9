#include "node/survey.h"

#include "loop/timer.h"
#include "node/parcel.h"

#include <stdio.h>

/* --- one node's answer --- */

enum voice_state { VOICE_WAITED_FOR, VOICE_DONE, VOICE_FAILED };

struct voice {
    char node[FRAME_NAME_MAX + 1];
    enum voice_state state;
    struct byteq rows;
    uint64_t parcel_count;
    uint64_t left_out_count;
    char error[PARCEL_ERROR_BYTES];
};

struct survey {
    struct list node; /* surveys->list */
    struct surveys *all;
    uint64_t number;
    struct voice *voices;
    size_t voice_count;
    size_t waited_count;
    struct timer deadline;
    bool is_done;
    void (*done)(void *arg);
    void *arg;
};

struct surveys {
    struct surveys_options o;
    struct list list;
    size_t count;
    uint64_t last_number;
    size_t bytes; /* rows of all */
};

static void end_if_all(struct survey *s)
{
    if (s->waited_count == 0)
        timer_start(&s->deadline, 0);
}

static void leave(struct survey *s, struct voice *v, enum voice_state state)
{
    v->state = state;
    s->waited_count--;
    end_if_all(s);
}

static void drop_rows(struct survey *s, struct voice *v)
{
    s->all->bytes -= byteq_len(&v->rows);
    byteq_fini(&v->rows);
    byteq_init(&v->rows);
}

static void fail(struct survey *s, struct voice *v, const char *error)
{
    snprintf(v->error, sizeof(v->error), "%s", error);
    drop_rows(s, v);
    leave(s, v, VOICE_FAILED);
}

/* --- hearing --- */

static void take_rows(struct survey *s, struct voice *v, struct slice rows, size_t count)
{
    struct slice between = byteq_len(&v->rows) ? SLICE(",\n") : slice_none();
    size_t more = between.len + rows.len;

    if (byteq_len(&v->rows) + more > SURVEY_NODE_BYTES_MAX ||
        s->all->bytes + more > SURVEY_BYTES_MAX) {
        v->left_out_count += count;
        return;
    }
    byteq_append(&v->rows, between);
    byteq_append(&v->rows, rows);
    s->all->bytes += more;
}

static void hear_parcel(struct survey *s, struct voice *v, struct slice rows)
{
    size_t count;

    if (parcel_check(rows, slice_from(v->node), &count)) {
        fail(s, v, "its answer makes no sense");
        return;
    }
    v->parcel_count++;
    take_rows(s, v, rows, count);
}

static void hear_slip(struct survey *s, struct voice *v, struct slice text)
{
    struct parcel_slip slip;

    if (parcel_read_slip(text, &slip)) {
        fail(s, v, "its answer makes no sense");
    } else if (slip.error[0]) {
        fail(s, v, slip.error);
    } else if (slip.parcel_count != v->parcel_count) {
        fail(s, v, "its answer came in part only: the connection to it is too slow");
    } else {
        v->left_out_count += slip.left_out_count;
        leave(s, v, VOICE_DONE);
    }
}

static struct survey *find(const struct surveys *all, uint64_t number)
{
    LIST_WALK(node, &all->list)
    {
        struct survey *s = LIST_ENTRY(node, struct survey, node);

        if (s->number == number)
            return s;
    }
    return NULL;
}

static struct voice *waited_for(const struct survey *s, struct slice node)
{
    for (size_t i = 0; i < s->voice_count; i++)
        if (s->voices[i].state == VOICE_WAITED_FOR && slice_is(node, s->voices[i].node))
            return &s->voices[i];
    return NULL;
}

void surveys_hear(struct surveys *all, struct slice node, const struct frame_answer *a)
{
    struct survey *s = find(all, a->number);
    struct voice *v = s ? waited_for(s, node) : NULL;

    if (!v)
        return;
    if (a->more)
        hear_parcel(s, v, a->body);
    else
        hear_slip(s, v, a->body);
}

void surveys_lose(struct surveys *all, struct slice node)
{
    LIST_WALK(at, &all->list)
    {
        struct survey *s = LIST_ENTRY(at, struct survey, node);
        struct voice *v = waited_for(s, node);

        if (v)
            fail(s, v, "the mesh connection to it ended");
    }
}

/* --- the end --- */

static void on_deadline(struct timer *t)
{
    struct survey *s = LIST_ENTRY(t, struct survey, deadline);

    for (size_t i = 0; i < s->voice_count; i++)
        if (s->voices[i].state == VOICE_WAITED_FOR)
            fail(s, &s->voices[i], "it did not answer within 2 s");
    timer_stop(&s->deadline);
    s->is_done = true;
    s->done(s->arg);
}

bool survey_is_done(const struct survey *s)
{
    return s->is_done;
}

void survey_walk(const struct survey *s, survey_part_fn *fn, void *arg)
{
    for (size_t i = 0; i < s->voice_count; i++) {
        const struct voice *v = &s->voices[i];
        struct survey_part part = {slice_from(v->node), byteq_slice(&v->rows), v->left_out_count,
                                   v->state == VOICE_FAILED ? v->error : NULL};

        fn(arg, &part);
    }
}

void survey_free(struct survey *s)
{
    for (size_t i = 0; i < s->voice_count; i++)
        drop_rows(s, &s->voices[i]);
    timer_stop(&s->deadline);
    list_remove(&s->node);
    s->all->count--;
    mem_free(s->voices);
    mem_free(s);
}

/* --- the beginning --- */

static void ask(struct survey *s, struct voice *v, const struct survey_options *o)
{
    struct frame_ask f = {s->number, slice_from(o->command), slice_from(o->argument)};

    if (!s->all->o.ask(s->all->o.arg, slice_from(v->node), &f))
        fail(s, v, "there is no mesh connection to it");
}

struct survey *survey_begin(struct surveys *all, const struct survey_options *o)
{
    struct survey *s;

    if (all->count >= SURVEYS_MAX)
        return NULL;
    s = MEM_NEW(struct survey);
    s->all = all;
    s->number = ++all->last_number;
    s->done = o->done;
    s->arg = o->arg;
    s->voices = mem_array(o->node_count, sizeof(*s->voices));
    s->voice_count = s->waited_count = o->node_count;
    timer_init(&s->deadline, all->o.loop, on_deadline);
    timer_start(&s->deadline, SURVEY_MS);
    list_push(&all->list, &s->node);
    all->count++;
    for (size_t i = 0; i < s->voice_count; i++) {
        struct voice *v = &s->voices[i];
        bool fits = slice_to_cstr(o->nodes[i], v->node, sizeof(v->node));

        assert(fits);
        byteq_init(&v->rows);
        ask(s, v, o);
    }
    end_if_all(s);
    return s;
}

struct surveys *surveys_new(const struct surveys_options *o)
{
    struct surveys *all = MEM_NEW(struct surveys);

    all->o = *o;
    list_init(&all->list);
    return all;
}

void surveys_free(struct surveys *all)
{
    LIST_WALK(node, &all->list)
    survey_free(LIST_ENTRY(node, struct survey, node));
    mem_free(all);
}
