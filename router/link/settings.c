#include "link/settings.h"

struct settings *settings_new(void)
{
    struct settings *s = MEM_NEW(struct settings);

    atomic_init(&s->refs, 1);
    arena_init(&s->arena);
    return s;
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(s->tls_server);
    tls_context_unref(s->tls_direct);
    tls_context_unref(s->tls_client);
    tls_context_unref(s->tls_component);
    tls_context_unref(s->tls_mesh);
    policy_unref(s->policy);
    explicit_bzero(&s->dialback, sizeof(s->dialback));
    arena_fini(&s->arena);
    mem_free(s);
}
