/* router/node/api_status.c - this node as one row, and its certificates. */
#include "inquiry.h"

#include "node/rowtext.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- parts of the status row --- */

static json_t *listener(const char *what, const struct addr *at)
{
    char text[ADDR_TEXT_MAX];
    json_t *o = json_object();

    json_put_text(o, "for", what);
    json_put_text(o, "at", addr_format(at, text));
    return o;
}

static json_t *listeners(struct api *a)
{
    const struct door *door = node_door(a->node);
    const char *control = node_conf(a->node)->listen.control;
    json_t *list = json_array();
    struct addr at;

    for (size_t i = 0; i < door_listener_count(door); i++) {
        enum site_port port = door_listener(door, i, &at);

        json_array_append_new(list, listener(site_port_word(port), &at));
    }
    if (http_address(a->http, &at))
        json_array_append_new(list, listener("http", &at));
    if (control[0]) {
        json_t *o = json_object();

        json_put_text(o, "for", "control");
        json_put_text(o, "at", control);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *links(const struct metrics_part *sum)
{
    json_t *all = json_object();

    for (unsigned k = 0; k < LINK_KINDS; k++) {
        json_t *o = json_object();

        json_put_count(o, "opening", sum->links[k][METRICS_OPENING]);
        json_put_count(o, "open", sum->links[k][METRICS_OPEN]);
        json_put_count(o, "ending", sum->links[k][METRICS_ENDING]);
        json_put(all, link_kind_word((enum link_kind)k), o);
    }
    return all;
}

static json_t *pairs(const struct metrics_part *sum)
{
    uint64_t all[METRICS_DIRECTIONS] = {0};
    uint64_t proven[METRICS_DIRECTIONS] = {0};
    json_t *o = json_object();

    for (unsigned d = 0; d < METRICS_DIRECTIONS; d++)
        for (unsigned m = 0; m < METHOD_MAX; m++) {
            all[d] += sum->pairs[d][m];
            proven[d] += m == METHOD_NONE ? 0 : sum->pairs[d][m];
        }
    json_put_count(o, "in", all[METRICS_IN]);
    json_put_count(o, "in_proven", proven[METRICS_IN]);
    json_put_count(o, "out", all[METRICS_OUT]);
    json_put_count(o, "out_proven", proven[METRICS_OUT]);
    return o;
}

static json_t *stanzas(const struct metrics *m)
{
    struct metrics_balance b;
    json_t *o = json_object();

    metrics_balance(m, &b);
    json_put_count(o, "in", b.in);
    json_put_count(o, "out", b.out);
    json_put_count(o, "bounced", b.bounced);
    json_put_count(o, "dropped", b.dropped);
    json_put_count(o, "held", b.held);
    return o;
}

static json_t *queues(const struct metrics_part *sum)
{
    json_t *o = json_object();

    json_put_count(o, "stanzas", sum->queue_stanza_count);
    json_put_count(o, "bytes", sum->queue_bytes);
    json_put_count(o, "oldest_ms", sum->queue_oldest_ms);
    return o;
}

static json_t *components(const struct metrics_domains *d)
{
    json_t *o = json_object();
    size_t connected = 0;

    for (size_t i = 0; i < d->count; i++)
        connected += d->list[i].value > 0;
    json_put_count(o, "configured", d->count);
    json_put_count(o, "connected", connected);
    return o;
}

static json_t *memory(struct api *a, const struct metrics *m)
{
    json_t *o = json_object();

    json_put_count(o, "process_bytes", m->resident_bytes);
    json_put_count(o, "stanzas_bytes", m->held_bytes);
    json_put_count(o, "tls_bytes", m->sum.tls_bytes);
    json_put_count(o, "parser_bytes", m->sum.parser_bytes);
    json_put_count(o, "limit_bytes", node_memory(a->node)->limit_bytes);
    return o;
}

static json_t *descriptors(const struct metrics *m)
{
    json_t *o = json_object();
    struct rlimit r = {0, 0};

    (void)getrlimit(RLIMIT_NOFILE, &r);
    json_put_count(o, "open", m->descriptor_count);
    json_put_count(o, "limit", r.rlim_cur);
    return o;
}

static json_t *store(struct api *a)
{
    json_t *o = json_object();
    struct members *m = node_members(a->node);
    const struct store_state *s = members_store_state(m);

    json_put_text(o, "kind", s->kind);
    json_put_flag(o, "up", s->up);
    if (!s->up)
        json_put_text(o, "why", s->why);
    json_put_count(o, "pairs", members_owners(m)->counts[OWNER_OURS]);
    return o;
}

static json_t *cluster(const struct metrics *m)
{
    const struct members_numbers *n = &m->cluster;
    json_t *o = json_object();

    json_put_count(o, "members", n->member_count);
    json_put_count(o, "members_silent", n->silent_count);
    json_put_count(o, "promises_missing", n->promises_missing_count);
    json_put_count(o, "mesh_peers", n->peer_count);
    json_put_count(o, "config_differs", n->differs_count);
    if (n->right_left_ms == UINT64_MAX)
        json_put(o, "lease_remaining_ms", json_null()); /* it does not end */
    else
        json_put_count(o, "lease_remaining_ms", n->right_left_ms);
    return o;
}

static json_t *last_reload(const struct api *a)
{
    json_t *o;

    if (!a->reload.at_s)
        return json_null();
    o = json_object();
    json_put_date(o, "at", a->reload.at_s);
    json_put_flag(o, "ok", a->reload.ok);
    json_put_text(o, "error", a->reload.ok ? NULL : a->reload.error);
    return o;
}

/* --- status and nodes --- */

static json_t *node_row(struct api *a, const struct metrics *m)
{
    enum node_state state = node_state(a->node);
    char text[MEMBERS_TEXT_BYTES];
    json_t *o = api_row(a);

    json_put_text(o, "version", FEDROUTER_VERSION);
    json_put_text(o, "state", node_state_word(a->node));
    json_put_text(o, "state_text", node_state_text(a->node, text));
    json_put_count(o, "state_ms", m->cluster.state_ms);
    json_put_flag(o, "ready", node_ready(a->node));
    json_put_flag(o, "draining", state == NODE_DRAINING);
    json_put_count(o, "up_ms", m->up_ms);
    json_put_count(o, "pid", (uint64_t)getpid());
    json_put_count(o, "workers", workers_count(node_workers(a->node)));
    json_put_count(o, "silent_ms", workers_silent_ms(node_workers(a->node)));
    json_put(o, "links", links(&m->sum));
    json_put(o, "pairs", pairs(&m->sum));
    json_put(o, "components", components(&m->sum.components));
    json_put(o, "stanzas", stanzas(m));
    return o;
}

static json_t *status_row(struct api *a, const struct metrics *m)
{
    json_t *o = node_row(a, m);

    json_put(o, "queues", queues(&m->sum));
    json_put(o, "memory", memory(a, m));
    json_put(o, "descriptors", descriptors(m));
    json_put(o, "store", store(a));
    json_put(o, "cluster", cluster(m));
    json_put(o, "listeners", listeners(a));
    json_put_text(o, "config", node_conf(a->node)->file);
    json_put(o, "last_reload", last_reload(a));
    json_put_text(o, "log_level",
                  log_level_name((enum log_level)atomic_load_explicit(&node_sink(a->node)->level,
                                                                      memory_order_relaxed)));
    return o;
}

typedef json_t *row_fn(struct api *a, const struct metrics *m);

static void put_gathered(struct inquiry *q, void **parts, unsigned count, row_fn *row)
{
    struct metrics m;

    if (q->api) {
        metrics_sample(q->api->node, (struct metrics_part *const *)parts, count, &m);
        inquiry_put_row(q, row(q->api, &m));
        metrics_fini(&m);
    }
    for (unsigned i = 0; i < count; i++)
        metrics_part_free(parts[i]);
    inquiry_told(q);
}

static void on_status(void *arg, void **parts, unsigned count)
{
    put_gathered(arg, parts, count, status_row);
}

static void on_node(void *arg, void **parts, unsigned count)
{
    put_gathered(arg, parts, count, node_row);
}

static void tell_status(struct inquiry *q)
{
    workers_gather(node_workers(q->api->node), metrics_part, NULL, 0, on_status, q);
}

static void tell_node(struct inquiry *q)
{
    workers_gather(node_workers(q->api->node), metrics_part, NULL, 0, on_node, q);
}

const struct inquiry_kind inquiry_status = {"status", INQUIRY_NOTHING, tell_status, NULL};
const struct inquiry_kind inquiry_nodes = {"nodes", INQUIRY_NOTHING, tell_node, api_answer_nodes};

void api_status(struct api *a, struct http_request *r)
{
    inquiry_begin(a, r, &inquiry_status, "", inquiry_scope(a, r));
}

void api_nodes(struct api *a, struct http_request *r)
{
    inquiry_begin(a, r, &inquiry_nodes, "", inquiry_scope(a, r));
}

/* --- certificates --- */

static json_t *names_of(const char *text)
{
    json_t *list = json_array();
    struct slice rest = slice_from(text);

    while (rest.len) {
        size_t space = slice_find(rest, ' ');

        if (space)
            json_array_append_new(list, json_stringn(rest.ptr, space));
        rest = slice_from_offset(rest, space + 1);
    }
    return list;
}

/* Which of our domains it is shown for. */
static json_t *domains_of(const struct settings *set, size_t cert)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->component_count; i++) {
        struct slice domain = set->rules[i].pattern;
        char ascii[256];
        bool exact;

        if (domain_to_ascii(domain, ascii, sizeof(ascii)) == OK &&
            tls_context_choose(set->tls_client, slice_from(ascii), &exact) == cert && exact)
            json_array_append_new(list, json_stringn(domain.ptr, domain.len));
    }
    return list;
}

/* `domains`: a new reference. */
static json_t *cert_row(struct api *a, const struct tls_own_cert *c, json_t *domains)
{
    int64_t now_s = (int64_t)(loop_wall_us(node_loop(a->node)) / 1000000);
    json_t *o = api_row(a);

    json_put_text(o, "file", c->file);
    json_put(o, "names", names_of(c->names));
    json_put(o, "domains", domains);
    json_put_text(o, "issuer", c->issuer);
    json_put_date(o, "not_after", c->not_after);
    json_put(o, "left_seconds", json_integer((json_int_t)(c->not_after - now_s)));
    return o;
}

static void put_cert(struct api *a, const struct tls_own_cert *c, json_t *domains,
                     struct byteq *rows)
{
    rowtext_border(rows);
    json_write(cert_row(a, c, domains), rows);
}

/* Of links, then of the mesh, which is shown for no domain. */
void api_certs(struct api *a, struct http_request *r)
{
    const struct settings *set = node_settings(a->node);
    const struct tls_own_cert *certs;
    size_t n = tls_context_certs(set->tls_client, &certs);
    struct byteq rows;
    struct byteq body;

    byteq_init(&rows);
    for (size_t i = 0; i < n; i++)
        put_cert(a, &certs[i], domains_of(set, i), &rows);
    n = set->tls_mesh ? tls_context_certs(set->tls_mesh, &certs) : 0;
    for (size_t i = 0; i < n; i++)
        put_cert(a, &certs[i], json_array(), &rows);
    byteq_init(&body);
    byteq_append(&body, SLICE("["));
    byteq_append(&body, byteq_slice(&rows));
    byteq_append(&body, SLICE("]\n"));
    byteq_fini(&rows);
    http_answer(r, 200, API_JSON, &body);
}
