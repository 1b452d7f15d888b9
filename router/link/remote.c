#include "link/remote.h"

#include "link/pair.h"

struct remote *remote_find(struct site *site, struct slice domain)
{
    return map_find(&site->remotes, domain);
}

static struct remote *make(struct site *site, struct slice domain)
{
    struct remote *r = MEM_NEW(struct remote);

    r->site = site;
    r->domain = mem_strndup(domain);
    r->why = BOUNCE_MAX;
    list_init(&r->pairs);
    map_add(&site->remotes, slice_from(r->domain), r);
    return r;
}

struct remote *remote_join(struct site *site, struct slice domain, struct list *at_remote)
{
    struct remote *r = remote_find(site, domain);

    if (!r)
        r = make(site, domain);
    list_push(&r->pairs, at_remote);
    return r;
}

void remote_leave(struct remote *r, struct list *at_remote)
{
    list_remove(at_remote);
    if (!list_empty(&r->pairs))
        return;
    map_remove(&r->site->remotes, slice_from(r->domain));
    mem_free(r->node);
    mem_free(r->detail);
    mem_free(r->domain);
    mem_free(r);
}

bool remote_concerns(enum bounce why)
{
    switch (why) {
    case BOUNCE_NO_SUCH_DOMAIN:
    case BOUNCE_NO_SERVICE:
    case BOUNCE_BOGUS:
    case BOUNCE_DNS_FAILED:
    case BOUNCE_UNREACHABLE:
    case BOUNCE_TLS_FAILED:
    case BOUNCE_NO_TLS:
        return true;
    default:
        return false;
    }
}

static char *copy_of(struct slice text)
{
    return text.len ? mem_strndup(text) : NULL;
}

static void remember(struct remote *r, unsigned rule, enum bounce why, struct slice detail,
                     struct slice node)
{
    char *old[] = {r->detail, r->node};

    r->rule = rule;
    r->why = why;
    r->detail = copy_of(detail);
    r->node = copy_of(node);
    mem_free(old[0]);
    mem_free(old[1]);
}

uint64_t remote_failed(struct remote *r, unsigned rule, enum bounce why, const char *detail)
{
    uint64_t now = loop_now_ms(r->site->loop);
    bool known = r->why != BOUNCE_MAX && !backoff_over(&r->backoff, now);

    remember(r, rule, why, detail ? slice_from(detail) : slice_none(), slice_none());
    r->heard_ms = 0;
    if (known) /* attempts made side by side fail once */
        return r->backoff.until_ms - now;
    return backoff_fail(&r->backoff, loop_random(r->site->loop), now, PAIR_BACKOFF_FIRST_MS,
                        PAIR_BACKOFF_MOST_MS);
}

void remote_heard(struct remote *r, unsigned rule, const struct outage *w)
{
    uint64_t until = loop_now_ms(r->site->loop) + w->left_ms;

    if (r->why != BOUNCE_MAX && r->backoff.until_ms >= until)
        return;
    remember(r, rule, w->why, w->detail, w->node);
    r->backoff.until_ms = until;
    if (r->backoff.failures_count < w->failures_count)
        r->backoff.failures_count = w->failures_count;
}

void remote_alive(struct remote *r)
{
    backoff_reset(&r->backoff);
    r->heard_ms = 0;
    r->why = BOUNCE_MAX;
}

uint64_t remote_wait_ms(const struct remote *r, const struct pair *p, unsigned rule)
{
    uint64_t now = loop_now_ms(r->site->loop);

    if (r->why == BOUNCE_MAX || r->rule != rule)
        return 0;
    if (!backoff_over(&r->backoff, now))
        return r->backoff.until_ms - now;
    return r->trial && r->trial != p ? PAIR_BACKOFF_FIRST_MS : 0;
}
