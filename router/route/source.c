#include "route/source.h"

void source_init(struct source *s, void (*pause)(struct source *), void (*resume)(struct source *))
{
    list_init(&s->at_gate);
    s->paused_since_ms = 0;
    s->pause = pause;
    s->resume = resume;
}

void source_fini(struct source *s)
{
    list_remove(&s->at_gate);
}

void gate_init(struct gate *g)
{
    list_init(&g->sources);
}

void gate_hold(struct gate *g, struct source *s, uint64_t now_ms)
{
    if (source_paused(s))
        return;
    list_push(&g->sources, &s->at_gate);
    s->paused_since_ms = now_ms;
    s->pause(s);
}

void source_release(struct source *s)
{
    if (!source_paused(s))
        return;
    list_remove(&s->at_gate);
    s->resume(s);
}

void gate_open(struct gate *g)
{
    struct list all;

    /* A resumed source may be held again at once, at this gate: it must not be met twice. */
    list_init(&all);
    list_append_all(&all, &g->sources);
    while (!list_empty(&all))
        source_release(LIST_FIRST(&all, struct source, at_gate));
}
