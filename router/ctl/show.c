/* router/ctl/show.c - tables: one row a row. */
#include "show.h"

#include "table.h"

#include <inttypes.h>

/* --- members of a row, as text in a turn of buffers --- */

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static uint64_t number_of(const json_t *row, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(row, key));
}

static bool has(const json_t *row, const char *key)
{
    return json_is_integer(json_object_get(row, key));
}

static void add_text(struct table *t, const json_t *row, const char *key)
{
    table_add(t, text_of(row, key));
}

static void add_number(struct table *t, const json_t *row, const char *key)
{
    char buf[24];

    snprintf(buf, sizeof(buf), "%" PRIu64, number_of(row, key));
    table_add(t, has(row, key) ? buf : NULL);
}

static void add_span(struct table *t, const json_t *row, const char *key)
{
    char buf[24];

    table_add(t, has(row, key) ? span_format(number_of(row, key), buf, sizeof(buf)) : NULL);
}

/* A wait that is not going on is no number. */
static void add_wait(struct table *t, const json_t *row, const char *key)
{
    char buf[24];

    table_add(t, number_of(row, key) ? span_format(number_of(row, key), buf, sizeof(buf)) : NULL);
}

static void add_size(struct table *t, const json_t *row, const char *key)
{
    char buf[24];

    table_add(t, has(row, key) ? size_format(number_of(row, key), buf, sizeof(buf)) : NULL);
}

static void add_list(struct table *t, const json_t *row, const char *key)
{
    const json_t *list = json_object_get(row, key);
    char buf[1024] = "";
    size_t at = 0;

    for (size_t i = 0; i < json_array_size(list) && at < sizeof(buf); i++)
        at += (size_t)snprintf(buf + at, sizeof(buf) - at, "%s%s", i ? " " : "",
                               json_string_value(json_array_get(list, i)));
    table_add(t, buf);
}

/* "TLSv1.3" is "1.3" below a head that says TLS. */
static void add_tls(struct table *t, const json_t *row)
{
    const char *version = text_of(row, "tls_version");

    if (version && strncmp(version, "TLSv", 4) == 0)
        version += 4;
    table_add(t, version ? version : json_is_true(json_object_get(row, "tls")) ? "yes" : NULL);
}

/* --- order --- */

static int compare_key(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key);
    const json_t *y = json_object_get(b, key);

    if (json_is_integer(x) && json_is_integer(y))
        return json_integer_value(x) < json_integer_value(y)   ? -1
               : json_integer_value(x) > json_integer_value(y) ? 1
                                                               : 0;
    return strcmp(json_is_string(x) ? json_string_value(x) : "",
                  json_is_string(y) ? json_string_value(y) : "");
}

struct order {
    const char *const *keys; /* ended by NULL */
};

static int by_keys(const void *a, const void *b, void *arg)
{
    const struct order *order = arg;

    for (size_t i = 0; order->keys[i]; i++) {
        int c = compare_key(*(json_t *const *)a, *(json_t *const *)b, order->keys[i]);

        if (c)
            return c;
    }
    return 0;
}

/* Workers answer in their own order; people want one of theirs. The rows are borrowed. */
static json_t **sorted(const json_t *rows, const char *const *keys)
{
    size_t n = json_array_size(rows);
    json_t **list = mem_array(n + 1, sizeof(json_t *));
    struct order order = {keys};

    for (size_t i = 0; i < n; i++)
        list[i] = json_array_get(rows, i);
    qsort_r(list, n, sizeof(json_t *), by_keys, &order);
    return list;
}

typedef void fill_fn(struct table *t, const json_t *row);

struct view {
    const char *heads[TABLE_COLUMNS_MAX];
    size_t columns;
    const char *keys[4];
    fill_fn *fill;
    const char *none; /* what an empty table means */
};

static void show(const struct view *v, const json_t *rows)
{
    json_t **list;
    struct table t;

    if (!json_array_size(rows)) {
        puts(v->none);
        return;
    }
    list = sorted(rows, v->keys);
    table_init(&t, v->heads, v->columns);
    for (size_t i = 0; list[i]; i++)
        v->fill(&t, list[i]);
    table_print(&t, stdout);
    table_fini(&t);
    mem_free(list);
}

/* --- links --- */

static void fill_link(struct table *t, const json_t *row)
{
    bool paused = json_is_true(json_object_get(row, "paused"));

    add_text(t, row, "node");
    add_number(t, row, "id");
    add_text(t, row, "kind");
    add_text(t, row, "local");
    add_text(t, row, "remote");
    table_add(t, paused ? "paused" : text_of(row, "state"));
    add_text(t, row, "method");
    add_tls(t, row);
    add_text(t, row, "peer");
    add_span(t, row, "since_ms");
    add_span(t, row, "idle_ms");
    add_number(t, row, "stanzas_in");
    add_number(t, row, "stanzas_out");
}

void show_links(json_t *rows)
{
    static const struct view view = {
        {"NODE", ">LINK", "KIND", "LOCAL", "REMOTE", "STATE", "METHOD", "TLS", "PEER", ">AGE",
         ">IDLE", ">IN", ">OUT"},
        13,
        {"node", "kind", "id"},
        fill_link,
        "no links",
    };

    show(&view, rows);
}

/* --- pairs --- */

static void fill_pair(struct table *t, const json_t *row)
{
    const char *direction = text_of(row, "direction");
    const char *failure = text_of(row, "last_failure");
    const char *detail = text_of(row, "last_detail");
    const char *at = text_of(row, "last_node");
    char buf[512];

    add_text(t, row, "node");
    add_text(t, row, "local");
    table_add(t, direction && strcmp(direction, "in") == 0 ? "<-" : "->");
    add_text(t, row, "remote");
    add_text(t, row, "state");
    add_text(t, row, "method");
    add_tls(t, row);
    add_number(t, row, "link");
    add_span(t, row, "since_ms");
    add_number(t, row, "queue_stanzas");
    add_wait(t, row, "retry_ms");
    snprintf(buf, sizeof(buf), "%s%s%s%s%s%s", failure ? failure : "", at ? " (told by " : "",
             at ? at : "", at ? ")" : "", detail ? ": " : "", detail ? detail : "");
    table_add(t, buf);
}

void show_pairs(json_t *rows)
{
    static const struct view view = {
        {"NODE", "LOCAL", "", "REMOTE", "STATE", "METHOD", "TLS", ">LINK", ">SINCE", ">QUEUED",
         ">RETRY", "LAST FAILURE"},
        12,
        {"local", "remote", "direction"},
        fill_pair,
        "no pairs",
    };

    show(&view, rows);
}

/* --- components --- */

static void fill_component(struct table *t, const json_t *row)
{
    bool paused = json_is_true(json_object_get(row, "paused"));

    add_text(t, row, "node");
    add_text(t, row, "domain");
    table_add(t, paused ? "paused" : text_of(row, "state"));
    add_number(t, row, "link");
    add_text(t, row, "peer");
    add_span(t, row, "since_ms");
    add_number(t, row, "stanzas_in");
    add_number(t, row, "stanzas_out");
    add_number(t, row, "queue_stanzas");
    add_size(t, row, "queue_bytes");
}

void show_components(json_t *rows)
{
    static const struct view view = {
        {"NODE", "DOMAIN", "STATE", ">LINK", "PEER", ">AGE", ">IN", ">OUT", ">QUEUED", ">BYTES"},
        10,
        {"domain", "node", "link"},
        fill_component,
        "no components are configured",
    };

    show(&view, rows);
}

/* --- queues --- */

static void fill_queue(struct table *t, const json_t *row)
{
    add_text(t, row, "node");
    add_text(t, row, "kind");
    add_text(t, row, "local");
    add_text(t, row, "remote");
    add_text(t, row, "state");
    add_number(t, row, "link");
    add_number(t, row, "stanzas");
    add_number(t, row, "unacked");
    add_size(t, row, "bytes");
    add_span(t, row, "oldest_ms");
}

void show_queues(json_t *rows)
{
    static const struct view view = {
        {"NODE", "KIND", "LOCAL", "REMOTE", "STATE", ">LINK", ">STANZAS", ">UNACKED", ">BYTES",
         ">OLDEST"},
        10,
        {"local", "remote", "node"},
        fill_queue,
        "nothing waits",
    };

    show(&view, rows);
}

/* --- certificates --- */

static void fill_cert(struct table *t, const json_t *row)
{
    json_int_t left = json_integer_value(json_object_get(row, "left_seconds"));
    char buf[24];

    add_text(t, row, "node");
    add_list(t, row, "names");
    add_list(t, row, "domains");
    add_text(t, row, "not_after");
    table_add(t, left < 0 ? "ENDED" : span_format((uint64_t)left * 1000, buf, sizeof(buf)));
    add_text(t, row, "file");
}

void show_certs(json_t *rows)
{
    static const struct view view = {
        {"NODE", "NAMES", "SHOWN FOR", "ENDS", ">LEFT", "FILE"},
        6,
        {"node", "not_after"},
        fill_cert,
        "no certificates are configured",
    };

    show(&view, rows);
}

/* --- nodes --- */

static uint64_t open_links(const json_t *row)
{
    static const char *const kinds[] = {"s2s_in", "s2s_out", "component"};
    const json_t *links = json_object_get(row, "links");
    uint64_t n = 0;

    for (size_t i = 0; i < COUNT(kinds); i++)
        n += number_of(json_object_get(links, kinds[i]), "open");
    return n;
}

/* "up 5m10s": how the mesh connection is, and for how long. */
static void add_mesh(struct table *t, const json_t *row)
{
    const char *mesh = text_of(row, "mesh");
    char buf[64], span[24];

    snprintf(buf, sizeof(buf), "%s %s", mesh ? mesh : "",
             span_format(number_of(row, "mesh_ms"), span, sizeof(span)));
    table_add(t, mesh ? buf : NULL);
}

static void add_flag(struct table *t, const json_t *row, const char *key)
{
    const json_t *flag = json_object_get(row, key);

    table_add(t, json_is_boolean(flag) ? json_is_true(flag) ? "yes" : "no" : NULL);
}

static void add_numbers(struct table *t, const json_t *row)
{
    const json_t *components = json_object_get(row, "components");
    char links[24], connected[64];

    snprintf(links, sizeof(links), "%" PRIu64, open_links(row));
    snprintf(connected, sizeof(connected), "%" PRIu64 "/%" PRIu64,
             number_of(components, "connected"), number_of(components, "configured"));
    table_add(t, components ? links : NULL); /* a node that did not answer has none of it */
    add_number(t, json_object_get(row, "pairs"), "out_proven");
    table_add(t, components ? connected : NULL);
    add_number(t, json_object_get(row, "stanzas"), "held");
}

static void fill_node(struct table *t, const json_t *row)
{
    add_text(t, row, "node");
    add_text(t, row, "state");
    add_mesh(t, row);
    add_span(t, row, "unheard_ms");
    add_flag(t, row, "promises");
    add_list(t, row, "differs");
    add_text(t, row, "address");
    add_text(t, row, "version");
    add_span(t, row, "up_ms");
    add_numbers(t, row);
}

void show_nodes(json_t *rows)
{
    static const struct view view = {
        {"NODE", "STATE", "MESH", ">SILENT", "PROMISES", "DIFFERS", "ADDRESS", "VERSION", ">UP",
         ">LINKS", ">PAIRS OUT", ">COMPONENTS", ">HELD"},
        13,
        {"node"},
        fill_node,
        "no nodes",
    };

    show(&view, rows);
}
