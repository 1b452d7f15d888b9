#include "route/outages.h"

struct domain {
    char *name;
    struct list rows; /* never empty */
};

struct row {
    struct list in_turn;
    struct list at_domain;
    struct domain *domain;
    char *key;
    char *local;
    char *detail;
    char *node;
    uint64_t serial;
    uint64_t until_ms;
    uint32_t failures_count;
    enum bounce why;
    bool of_domain;
    bool ended;
};

/* --- rows --- */

/* "local remote"; a domain's row has no local part. */
static char *key_of(struct slice local, struct slice remote, bool of_domain)
{
    size_t from = of_domain ? 0 : local.len;
    char *key = mem_alloc(from + 1 + remote.len + 1);

    if (from)
        memcpy(key, local.ptr, from);
    key[from] = ' ';
    if (remote.len)
        memcpy(key + from + 1, remote.ptr, remote.len);
    key[from + 1 + remote.len] = '\0';
    return key;
}

static struct row *find(const struct outages *o, struct slice local, struct slice remote,
                        bool of_domain)
{
    char *key = key_of(local, remote, of_domain);
    struct row *r = map_find(&o->rows, slice_from(key));

    mem_free(key);
    return r;
}

static struct domain *domain_get(struct outages *o, struct slice remote)
{
    struct domain *d = map_find(&o->domains, remote);

    if (d)
        return d;
    d = MEM_NEW(struct domain);
    d->name = mem_strndup(remote);
    list_init(&d->rows);
    map_add(&o->domains, slice_from(d->name), d);
    return d;
}

static void drop(struct outages *o, struct row *r)
{
    struct domain *d = r->domain;

    map_remove(&o->rows, slice_from(r->key));
    list_remove(&r->in_turn);
    list_remove(&r->at_domain);
    mem_free(r->key);
    mem_free(r->local);
    mem_free(r->detail);
    mem_free(r->node);
    mem_free(r);
    if (!list_empty(&d->rows))
        return;
    map_remove(&o->domains, slice_from(d->name));
    mem_free(d->name);
    mem_free(d);
}

static bool make_room(struct outages *o, uint64_t now_ms)
{
    if (outages_count(o) < OUTAGES_MAX)
        return true;
    outages_tick(o, now_ms);
    if (outages_count(o) < OUTAGES_MAX)
        return true;
    drop(o, LIST_FIRST(&o->in_turn, struct row, in_turn));
    return false;
}

static void add(struct outages *o, const struct outage *what, uint64_t until_ms)
{
    struct row *r = MEM_NEW(struct row);

    r->key = key_of(what->local, what->remote, what->of_domain);
    r->local = mem_strndup(what->local);
    r->detail = mem_strndup(what->detail);
    r->node = mem_strndup(what->node);
    r->serial = ++o->serial;
    r->until_ms = until_ms;
    r->failures_count = what->failures_count;
    r->why = what->why;
    r->of_domain = what->of_domain;
    r->ended = what->ended;
    r->domain = domain_get(o, what->remote);
    list_push(&r->domain->rows, &r->at_domain);
    list_push(&o->in_turn, &r->in_turn);
    map_add(&o->rows, slice_from(r->key), r);
}

/* --- words --- */

bool outages_begin(struct outages *o, const struct outage *what, uint64_t now_ms)
{
    struct row *old = find(o, what->local, what->remote, what->of_domain);
    bool roomy;

    if (old)
        drop(o, old);
    roomy = make_room(o, now_ms);
    add(o, what, now_ms + what->left_ms);
    return roomy;
}

void outages_end(struct outages *o, struct slice remote)
{
    struct domain *d;

    while ((d = map_find(&o->domains, remote))) /* it goes with its last row */
        drop(o, LIST_FIRST(&d->rows, struct row, at_domain));
}

void outages_tell_end(struct outages *o, struct slice remote, uint64_t now_ms)
{
    struct outage end = {.remote = remote, .of_domain = true, .ended = true};

    outages_end(o, remote);
    make_room(o, now_ms);
    add(o, &end, now_ms + OUTAGES_END_MS);
}

void outages_forget(struct outages *o, struct slice node)
{
    LIST_WALK(at, &o->in_turn)
    if (slice_is(node, LIST_ENTRY(at, struct row, in_turn)->node))
        drop(o, LIST_ENTRY(at, struct row, in_turn));
}

void outages_clear(struct outages *o)
{
    LIST_WALK(at, &o->in_turn)
    drop(o, LIST_ENTRY(at, struct row, in_turn));
}

void outages_tick(struct outages *o, uint64_t now_ms)
{
    LIST_WALK(at, &o->in_turn)
    if (now_ms >= LIST_ENTRY(at, struct row, in_turn)->until_ms)
        drop(o, LIST_ENTRY(at, struct row, in_turn));
}

size_t outages_count(const struct outages *o)
{
    return map_count(&o->rows);
}

/* --- looking --- */

bool outages_any(const struct outages *o, struct slice remote)
{
    const struct domain *d = map_find(&o->domains, remote);

    if (!d)
        return false;
    for (const struct list *at = d->rows.next; at != &d->rows; at = at->next)
        if (!LIST_ENTRY(at, const struct row, at_domain)->ended)
            return true;
    return false;
}

static struct outage outage_of(const struct row *r, uint64_t now_ms)
{
    return (struct outage){
        .local = slice_from(r->local),
        .remote = slice_from(r->domain->name),
        .of_domain = r->of_domain,
        .ended = r->ended,
        .left_ms = r->until_ms - now_ms,
        .failures_count = r->failures_count,
        .why = r->why,
        .detail = slice_from(r->detail),
        .node = slice_from(r->node),
    };
}

bool outages_find(const struct outages *o, struct slice local, struct slice remote, bool of_domain,
                  uint64_t now_ms, struct outage *ret_outage)
{
    const struct row *r;

    if (!map_find(&o->domains, remote)) /* as nearly always */
        return false;
    r = find(o, local, remote, of_domain);
    if (!r || r->ended || now_ms >= r->until_ms)
        return false;
    *ret_outage = outage_of(r, now_ms);
    return true;
}

/* The first after that word: mostly it is near the end. */
static struct list *first_since(const struct outages *o, uint64_t serial)
{
    struct list *at = o->in_turn.prev;

    while (at != &o->in_turn && LIST_ENTRY(at, struct row, in_turn)->serial > serial)
        at = at->prev;
    return at->next;
}

static size_t bytes_of(const struct outage *w)
{
    return w->local.len + w->remote.len + w->detail.len + w->node.len;
}

size_t outages_since(const struct outages *o, uint64_t *serial, uint64_t now_ms,
                     struct outage *ret_rows, size_t room, size_t bytes)
{
    struct list *at = first_since(o, *serial);
    size_t sum = 0;
    size_t n = 0;

    for (; at != &o->in_turn && n < room && sum < bytes; at = at->next) {
        const struct row *r = LIST_ENTRY(at, struct row, in_turn);

        *serial = r->serial;
        if (now_ms >= r->until_ms)
            continue;
        ret_rows[n] = outage_of(r, now_ms);
        sum += bytes_of(&ret_rows[n++]);
    }
    if (at == &o->in_turn)
        *serial = o->serial;
    return n;
}

/* --- life --- */

void outages_init(struct outages *o, const uint64_t seed[2])
{
    map_init(&o->rows, seed);
    map_init(&o->domains, seed);
    list_init(&o->in_turn);
    o->serial = 0;
}

void outages_fini(struct outages *o)
{
    outages_clear(o);
    map_fini(&o->rows);
    map_fini(&o->domains);
}
