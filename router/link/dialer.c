#include "link/dialer.h"

#include <stdio.h>

/* RFC 8305 8: the recommended delay between attempts at the addresses of one target. */
#define DIALER_STAGGER_MS 250

struct attempt {
    struct list node;
    struct dialer *dialer;
    struct stream *stream;
    const struct endpoint *endpoint;
    struct timer deadline;
};

struct dialer {
    struct site *site;
    struct resolution *res;
    struct stream_options o;
    const struct dialer_handler *h;
    void *arg;
    size_t next; /* endpoint to try */
    struct list attempts;
    struct timer stagger;
    struct task exhausted;
    char text[256];
};

static void try_next(struct dialer *d);

static void note(struct dialer *d, const struct endpoint *e, const char *what)
{
    char addr[ADDR_TEXT_MAX];

    snprintf(d->text, sizeof(d->text), "%.100s%s%s: %.80s", e->host, e->host[0] ? " " : "",
             addr_format(&e->addr, addr), what);
}

static void attempt_free(struct attempt *a)
{
    timer_stop(&a->deadline);
    list_remove(&a->node);
    mem_free(a);
}

/* --- streams nobody wants any more: they close by themselves --- */

static void orphan_closed(void *arg, const struct stream_end *end)
{
    (void)arg;
    (void)end;
}

static const struct stream_handler orphan_handler = {.closed = orphan_closed};

static void withdraw(struct attempt *a)
{
    stream_set_handler(a->stream, &orphan_handler, NULL);
    stream_abort(a->stream, ERR_CANCELLED);
    attempt_free(a);
}

static void withdraw_all(struct dialer *d)
{
    timer_stop(&d->stagger);
    while (!list_empty(&d->attempts))
        withdraw(LIST_FIRST(&d->attempts, struct attempt, node));
}

/* --- one attempt --- */

static void on_connected(void *arg)
{
    struct attempt *a = arg;
    struct dialer *d = a->dialer;
    struct stream *s = a->stream;
    const struct endpoint *e = a->endpoint;

    attempt_free(a);
    withdraw_all(d);
    d->next = (size_t)(e - d->res->endpoints) + 1;
    d->h->connected(d->arg, s, e);
}

static void on_closed(void *arg, const struct stream_end *end)
{
    struct attempt *a = arg;
    struct dialer *d = a->dialer;

    note(d, a->endpoint, err_text(end->transport ? end->transport : ERR_CLOSED));
    attempt_free(a);
    timer_stop(&d->stagger);
    try_next(d);
}

static const struct stream_handler attempt_handler = {
    .connected = on_connected,
    .closed = on_closed,
};

static void on_deadline(struct timer *t)
{
    struct attempt *a = LIST_ENTRY(t, struct attempt, deadline);
    struct dialer *d = a->dialer;

    note(d, a->endpoint, "no answer to the connection");
    withdraw(a);
    try_next(d);
}

static bool start(struct dialer *d, const struct endpoint *e)
{
    struct attempt *a = MEM_NEW(struct attempt);
    enum err err = stream_dial(d->site->loop, &e->addr, &d->o, &attempt_handler, a, &a->stream);

    if (err) {
        note(d, e, err_text(err));
        mem_free(a);
        return false;
    }
    a->dialer = d;
    a->endpoint = e;
    timer_init(&a->deadline, d->site->loop, on_deadline);
    timer_start(&a->deadline, d->site->settings->connect_ms);
    list_push(&d->attempts, &a->node);
    return true;
}

/* May another attempt run beside those under way? Only at an address of the same target. */
static bool beside(const struct dialer *d)
{
    const struct attempt *a = LIST_FIRST(&d->attempts, struct attempt, node);

    return !a || a->endpoint->target == d->res->endpoints[d->next].target;
}

static void try_next(struct dialer *d)
{
    while (d->next < d->res->count && beside(d)) {
        if (start(d, &d->res->endpoints[d->next++])) {
            timer_start(&d->stagger, DIALER_STAGGER_MS);
            return;
        }
    }
    if (list_empty(&d->attempts))
        loop_post(d->site->loop, &d->exhausted);
}

static void on_stagger(struct timer *t)
{
    struct dialer *d = LIST_ENTRY(t, struct dialer, stagger);

    try_next(d);
}

static void run_exhausted(struct task *t)
{
    struct dialer *d = LIST_ENTRY(t, struct dialer, exhausted);

    d->h->exhausted(d->arg, d->text);
}

void dialer_next(struct dialer *d)
{
    try_next(d);
}

struct dialer *dialer_new(struct site *site, struct resolution *res, const struct stream_options *o,
                          const struct dialer_handler *h, void *arg)
{
    struct dialer *d = MEM_NEW(struct dialer);

    d->site = site;
    d->res = resolution_ref(res);
    d->o = *o;
    d->h = h;
    d->arg = arg;
    list_init(&d->attempts);
    timer_init(&d->stagger, site->loop, on_stagger);
    task_init(&d->exhausted, run_exhausted);
    return d;
}

void dialer_free(struct dialer *d)
{
    if (!d)
        return;
    withdraw_all(d);
    task_cancel(&d->exhausted);
    resolution_unref(d->res);
    mem_free(d);
}
