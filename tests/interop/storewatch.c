/* storewatch [CLAIMS] - one node at the table that FEDROUTER_TEST_REDIS names, renewing four times
 * a second; a line whenever something changes, until it is killed:
 *
 *   up PLACE | down WHY | broken WHY | epoch N settled | claimed N in MS ms
 *
 * CLAIMS: so many pairs are claimed once, when the list allows it. */
#include "unit/storebed.h"

#include <inttypes.h>

#define TICK_MS 250

struct watch {
    struct loop *loop;
    struct store *s;
    struct timer tick;
    uint64_t incarnation;
    uint64_t epoch, version;
    bool settled;
    bool was_up;
    char said[STORE_WHY_BYTES];
    unsigned left, claimed, asked; /* pairs */
    uint64_t began_us;
};

static void say_state(struct watch *w)
{
    const struct store_state *state = store_state(w->s);

    if (state->up != w->was_up || (!state->up && strcmp(state->why, w->said)))
        printf(state->up ? "up %s\n" : "down %s\n", state->up ? state->place : state->why);
    w->was_up = state->up;
    snprintf(w->said, sizeof(w->said), "%s", state->why);
}

static void on_broken(void *arg, const char *why)
{
    printf("broken %s\n", why);
}

static void claim_more(struct watch *w);

static void on_claimed(void *arg, const struct store_answer *a)
{
    struct watch *w = arg;

    if (!a || a->word != STORE_OK) {
        w->began_us = 0; /* once more, when the next renewal is answered */
        return;
    }
    for (size_t i = 0; i < a->row_count; i++)
        w->claimed += a->rows[i].granted;
    w->left -= (unsigned)a->row_count;
    if (w->left)
        claim_more(w);
    else
        printf("claimed %u in %.1f ms\n", w->claimed,
               (double)(loop_now_us(w->loop) - w->began_us) / 1000);
}

/* Names as long as those of the network: two dozen bytes. */
static void claim_more(struct watch *w)
{
    static struct store_pair pairs[STORE_BATCH_MAX];
    static char names[STORE_BATCH_MAX][48];
    unsigned count = w->left < STORE_BATCH_MAX ? w->left : STORE_BATCH_MAX;

    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "xmpp-%08u.example.net", w->asked++);
        pairs[i] = (struct store_pair){.local = SLICE("rooms.example.org"),
                                       .remote = slice_from(names[i])};
    }
    store_claim(w->s, store_as(w->s), pairs, count, on_claimed, w);
}

static void on_renewed(void *arg, const struct store_renewal *r)
{
    struct watch *w = arg;

    say_state(w);
    if (!r)
        return;
    if (r->outcome != STORE_RENEWED) {
        w->incarnation++;
        w->epoch = w->version = 0;
        w->settled = false;
        return;
    }
    if (r->settled && (r->epoch != w->epoch || !w->settled))
        printf("epoch %" PRIu64 " settled\n", r->epoch);
    w->epoch = r->epoch;
    w->version = r->version;
    w->settled = r->settled;
    if (w->settled && w->left && !w->began_us) {
        w->began_us = loop_now_us(w->loop);
        claim_more(w);
    }
}

static void on_tick(struct timer *t)
{
    struct watch *w = LIST_ENTRY(t, struct watch, tick);
    struct store_renew r = {.incarnation = w->incarnation,
                            .epoch = w->epoch,
                            .ack = w->version,
                            .mode = w->settled ? STORE_RIGHT
                                    : w->epoch ? STORE_SETTLE
                                               : STORE_NEW};

    say_state(w);
    timer_start(t, TICK_MS);
    store_renew(w->s, &r, on_renewed, w);
}

int main(int argc, char **argv)
{
    static struct counters counters;
    static struct log_sink sink;
    static const struct store_events events = {.broken = on_broken};
    struct watch w = {.left = argc > 1 ? (unsigned)atoi(argv[1]) : 0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    w.loop = loop_new(&counters, &sink);
    w.incarnation = loop_wall_us(w.loop);
    w.s = storebed_open(w.loop, "w", "10.0.0.9:5290", "degrade", &events, &w);
    timer_init(&w.tick, w.loop, on_tick);
    timer_start(&w.tick, 0);
    loop_run(w.loop);
    return 0;
}
