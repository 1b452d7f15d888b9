#include "node/rows.h"

#include "link/component.h"
#include "link/pair.h"
#include "node/rowtext.h"

struct writer {
    struct site *site;
    const struct rows_filter *filter;
    struct rows *rows;
    struct rowtext row; /* the one being written */
};

static bool wanted(const struct writer *w, struct slice local, struct slice remote)
{
    struct slice domain = slice_from(w->filter->domain);

    return !domain.len || slice_eq(local, domain) || slice_eq(remote, domain);
}

/* NULL: there are enough. */
static struct rowtext *row_new(struct writer *w)
{
    struct rowtext *o = &w->row;

    if (w->rows->count >= ROWS_MAX) {
        w->rows->left_out_count++;
        return NULL;
    }
    w->rows->count++;
    rowtext_border(&w->rows->text);
    rowtext_begin(o, &w->rows->text);
    rowtext_slice(o, "node", w->site->settings->node_name);
    rowtext_count(o, "worker", w->site->worker);
    return o;
}

static struct rows *rows_new(struct writer *w, struct site *s, const void *filter)
{
    struct rows *r = MEM_NEW(struct rows);

    byteq_init(&r->text);
    w->site = s;
    w->filter = filter;
    w->rows = r;
    return r;
}

void rows_free(struct rows *r)
{
    byteq_fini(&r->text);
    mem_free(r);
}

static void put_peer(struct rowtext *o, const struct addr *peer)
{
    char text[ADDR_TEXT_MAX];
    bool known = peer->sa.sa_family == AF_INET || peer->sa.sa_family == AF_INET6;

    rowtext_text(o, "peer", known ? addr_format(peer, text) : NULL);
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static void put_verdict(struct rowtext *o, const struct verdict *v)
{
    static const struct verdict none;

    char date[DATE_TEXT_MAX];

    if (!v)
        v = &none;
    rowtext_text(o, "method", method_word(v->method));
    rowtext_text(o, "dnssec", dnssec_word(v->dnssec));
    rowtext_text(o, "tls_version", or_null(v->tls_version));
    rowtext_text(o, "tls_cipher", or_null(v->tls_cipher));
    rowtext_text(o, "cert_names", or_null(v->cert_names));
    rowtext_text(o, "cert_sha256", or_null(v->cert_sha256));
    rowtext_text(o, "cert_not_after", date_format(v->cert_not_after, date));
}

/* --- links --- */

static void put_link(struct rowtext *o, const struct link *l, const struct link_row *row)
{
    rowtext_count(o, "id", l->id);
    rowtext_text(o, "kind", link_kind_word(l->kind));
    rowtext_text(o, "state", row->state);
    rowtext_text(o, "state_text", row->state_text);
    rowtext_flag(o, "open", l->open);
    rowtext_slice(o, "local", row->local);
    rowtext_slice(o, "remote", row->remote);
    put_peer(o, &row->peer);
    rowtext_flag(o, "tls", row->tls);
    rowtext_flag(o, "direct_tls", row->direct_tls);
    put_verdict(o, row->verdict);
    rowtext_count(o, "since_ms", row->since_ms);
    rowtext_count(o, "idle_ms", row->idle_ms);
    rowtext_count(o, "pairs", row->pairs_count);
    rowtext_count(o, "stanzas_in", row->stanzas_in);
    rowtext_count(o, "stanzas_out", row->stanzas_out);
    rowtext_count(o, "queue_stanzas", row->queue_count);
    rowtext_flag(o, "paused", row->paused);
}

void *rows_links(struct site *s, const void *arg)
{
    struct writer w;
    struct rows *r = rows_new(&w, s, arg);

    LIST_WALK(node, &s->links)
    {
        const struct link *l = LIST_ENTRY(node, struct link, node);
        struct link_row row = {.id = l->id};
        struct rowtext *o;

        if (w.filter->link_id && w.filter->link_id != l->id)
            continue;
        l->ops->describe(l, &row);
        if (!wanted(&w, row.local, row.remote) || !(o = row_new(&w)))
            continue;
        put_link(o, l, &row);
        rowtext_end(o);
    }
    return r;
}

/* --- pairs --- */

static void put_names(struct rowtext *o, const char *direction, struct slice local,
                      struct slice remote)
{
    rowtext_text(o, "direction", direction);
    rowtext_slice(o, "local", local);
    rowtext_slice(o, "remote", remote);
}

static void put_out_pair(struct rowtext *o, const struct pair_row *row)
{
    put_names(o, "out", row->local, row->remote);
    rowtext_text(o, "state", row->state);
    rowtext_number(o, "link", row->link_id);
    put_verdict(o, row->verdict);
    rowtext_count(o, "queue_stanzas", row->queue_count);
    rowtext_count(o, "queue_bytes", row->queue_bytes);
    rowtext_count(o, "unacked", row->unacked_count);
    rowtext_count(o, "oldest_ms", row->oldest_ms);
    rowtext_count(o, "since_ms", row->since_ms);
    rowtext_count(o, "retry_ms", row->retry_ms);
    rowtext_count(o, "failures", row->failures_count);
    rowtext_text(o, "last_failure", row->last_failure);
    rowtext_text(o, "last_detail", row->last_detail);
    rowtext_text(o, "last_node", row->last_node);
    rowtext_count(o, "token", row->token);
}

static void out_pairs(struct writer *w)
{
    const struct pair *p;
    size_t pos = 0;

    while ((p = map_next(&w->site->pairs, &pos))) {
        struct pair_row row;
        struct rowtext *o;

        pair_describe(p, &row);
        if (!wanted(w, row.local, row.remote) || !(o = row_new(w)))
            continue;
        put_out_pair(o, &row);
        rowtext_end(o);
    }
}

struct in_walk {
    struct writer *writer;
    const struct link *link;
    struct link_row row;
};

static void in_pair(void *arg, const struct link_pair_row *row)
{
    struct in_walk *walk = arg;
    struct verdict verdict = walk->row.verdict ? *walk->row.verdict : (struct verdict){0};
    struct rowtext *o;

    if (!wanted(walk->writer, row->local, row->remote) || !(o = row_new(walk->writer)))
        return;
    put_names(o, "in", row->local, row->remote);
    rowtext_text(o, "state", row->valid ? "valid" : "pending");
    rowtext_count(o, "link", walk->link->id);
    verdict.method = row->valid ? row->method : METHOD_NONE; /* the pair's own, not the stream's */
    put_verdict(o, &verdict);
    rowtext_count(o, "stanzas", row->stanzas_count);
    rowtext_count(o, "since_ms", walk->row.since_ms);
    rowtext_end(o);
}

void *rows_pairs(struct site *s, const void *arg)
{
    struct writer w;
    struct rows *r = rows_new(&w, s, arg);

    out_pairs(&w);
    LIST_WALK(node, &s->links)
    {
        const struct link *l = LIST_ENTRY(node, struct link, node);
        struct in_walk walk = {.writer = &w, .link = l, .row = {.id = l->id}};

        if (!l->ops->walk_pairs)
            continue;
        l->ops->describe(l, &walk.row);
        l->ops->walk_pairs(l, in_pair, &walk);
    }
    return r;
}

/* --- components --- */

static void put_component(struct rowtext *o, const struct component_row *row)
{
    rowtext_slice(o, "domain", row->pattern);
    rowtext_text(o, "state", row->state);
    rowtext_count(o, "link", row->link_id);
    rowtext_count(o, "instance", row->instance_id);
    put_peer(o, &row->peer);
    rowtext_flag(o, "tls", row->tls);
    rowtext_count(o, "since_ms", row->since_ms);
    rowtext_count(o, "stanzas_in", row->stanzas_in);
    rowtext_count(o, "stanzas_out", row->stanzas_out);
    rowtext_count(o, "queue_stanzas", row->queue_count);
    rowtext_count(o, "queue_bytes", row->queue_bytes);
    rowtext_count(o, "oldest_ms", row->oldest_ms);
    rowtext_flag(o, "paused", row->paused);
}

/* Every worker knows which domains are served and who is there: one tells who is not. */
static void absent_components(struct writer *w)
{
    const struct table *t = &w->site->router.table;

    for (size_t i = 0; i < t->count; i++) {
        const struct table_entry *e = t->entries[i];
        struct rowtext *o;

        if (!e->configured || e->instance_count ||
            !wanted(w, slice_from(e->pattern), slice_none()) || !(o = row_new(w)))
            continue;
        rowtext_text(o, "domain", e->pattern);
        rowtext_text(o, "state", "absent");
        rowtext_number(o, "link", 0);
        rowtext_text(o, "peer", NULL);
        rowtext_end(o);
    }
}

void *rows_components(struct site *s, const void *arg)
{
    struct writer w;
    struct rows *r = rows_new(&w, s, arg);
    const struct component *c;
    size_t pos = 0;

    while ((c = map_next(&s->instances, &pos))) {
        struct component_row row;
        struct rowtext *o;

        component_describe(c, &row);
        if (!wanted(&w, row.pattern, slice_none()) || !(o = row_new(&w)))
            continue;
        put_component(o, &row);
        rowtext_end(o);
    }
    if (s->worker == 0)
        absent_components(&w);
    return r;
}

/* --- queues --- */

struct queue_owner {
    const char *kind;
    const char *state;
    struct slice local, remote;
    uint64_t link_id; /* 0: none */
};

static void owner_of_pair(const struct pair *p, struct queue_owner *o)
{
    struct pair_row row;

    pair_describe(p, &row);
    *o = (struct queue_owner){"pair", row.state, row.local, row.remote, row.link_id};
}

static void owner_of_component(const struct component *c, struct queue_owner *o)
{
    struct component_row row;

    component_describe(c, &row);
    *o = (struct queue_owner){"component", row.state, row.pattern, slice_none(), row.link_id};
}

/* Whose queue is it? What is neither a pair's nor a component's waits for an absent one. */
static void find_owner(struct outq *q, struct queue_owner *o)
{
    if (pair_of_queue(q))
        owner_of_pair(pair_of_queue(q), o);
    else if (component_of_queue(q))
        owner_of_component(component_of_queue(q), o);
    else
        *o = (struct queue_owner){"absent", "absent",
                                  slice_from(LIST_ENTRY(q, struct table_entry, held)->pattern),
                                  slice_none(), 0};
}

static void put_queue(struct rowtext *o, const struct outq *q, const struct queue_owner *owner,
                      uint64_t now_ms)
{
    rowtext_text(o, "kind", owner->kind);
    rowtext_slice(o, "local", owner->local);
    rowtext_slice(o, "remote", owner->remote);
    rowtext_text(o, "state", owner->state);
    rowtext_number(o, "link", owner->link_id);
    rowtext_count(o, "stanzas", outq_count(q));
    rowtext_count(o, "unacked", q->unacked_count);
    rowtext_count(o, "bytes", q->bytes);
    rowtext_count(o, "oldest_ms", outq_oldest_ms(q, now_ms));
    rowtext_flag(o, "open", q->open);
}

void *rows_queues(struct site *s, const void *arg)
{
    struct writer w;
    struct rows *r = rows_new(&w, s, arg);

    LIST_WALK(node, &s->router.queues)
    {
        struct outq *q = LIST_ENTRY(node, struct outq, active);
        struct queue_owner owner;
        struct rowtext *o;

        if (!outq_count(q))
            continue;
        find_owner(q, &owner);
        if (!wanted(&w, owner.local, owner.remote) || !(o = row_new(&w)))
            continue;
        put_queue(o, q, &owner, loop_now_ms(s->loop));
        rowtext_end(o);
    }
    return r;
}
