/* router/ctl/show_words.c - answers that are sentences rather than tables. */
#include "show.h"

#include "table.h"

#include <inttypes.h>
#include <stdarg.h>

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "-";
}

static uint64_t number_of(const json_t *row, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(row, key));
}

static bool flag_of(const json_t *row, const char *key)
{
    return json_is_true(json_object_get(row, key));
}

static void print(const char *format, ...) PRINTF(1, 2);

/* One line. */
static void print(const char *format, ...)
{
    char text[4096];
    char *clean;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    clean = text_clean(text);
    puts(clean);
    mem_free(clean);
}

/* --- status --- */

#define ITEM "  %-12s "

static void print_links(const json_t *row)
{
    static const char *const kinds[] = {"s2s_in", "s2s_out", "component"};
    const json_t *links = json_object_get(row, "links");
    char text[256] = "";
    size_t at = 0;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        const json_t *l = json_object_get(links, kinds[i]);
        uint64_t opening = number_of(l, "opening");

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %" PRIu64, i ? ", " : "",
                               kinds[i], number_of(l, "open"));
        if (opening)
            at += (size_t)snprintf(text + at, sizeof(text) - at, " (and %" PRIu64 " opening)",
                                   opening);
    }
    print(ITEM "%s", "links", text);
}

static void print_flow(const json_t *row)
{
    const json_t *s = json_object_get(row, "stanzas");
    const json_t *q = json_object_get(row, "queues");
    char oldest[24];
    char bytes[24];

    print(ITEM "in %" PRIu64 ", out %" PRIu64 ", bounced %" PRIu64 ", dropped %" PRIu64
               ", held %" PRIu64,
          "stanzas", number_of(s, "in"), number_of(s, "out"), number_of(s, "bounced"),
          number_of(s, "dropped"), number_of(s, "held"));
    if (number_of(q, "stanzas"))
        print(ITEM "%" PRIu64 " stanzas, %s, oldest %s", "queues", number_of(q, "stanzas"),
              size_format(number_of(q, "bytes"), bytes, sizeof(bytes)),
              span_format(number_of(q, "oldest_ms"), oldest, sizeof(oldest)));
    else
        print(ITEM "empty", "queues");
}

static void print_domains(const json_t *row)
{
    const json_t *p = json_object_get(row, "pairs");
    const json_t *c = json_object_get(row, "components");

    print(ITEM "in %" PRIu64 " (%" PRIu64 " proven), out %" PRIu64 " (%" PRIu64 " proven)", "pairs",
          number_of(p, "in"), number_of(p, "in_proven"), number_of(p, "out"),
          number_of(p, "out_proven"));
    print(ITEM "%" PRIu64 " of %" PRIu64 " connected", "components", number_of(c, "connected"),
          number_of(c, "configured"));
}

static void print_resources(const json_t *row)
{
    const json_t *m = json_object_get(row, "memory");
    const json_t *d = json_object_get(row, "descriptors");
    const json_t *store = json_object_get(row, "store");
    char resident[24], limit[24];

    print(ITEM "%s (stanzas may take %s)", "memory",
          size_format(number_of(m, "process_bytes"), resident, sizeof(resident)),
          size_format(number_of(m, "limit_bytes"), limit, sizeof(limit)));
    print(ITEM "%" PRIu64 " of %" PRIu64, "descriptors", number_of(d, "open"),
          number_of(d, "limit"));
    print(ITEM "%s, %s%s%s", "store", text_of(store, "kind"), flag_of(store, "up") ? "up" : "DOWN",
          flag_of(store, "up") ? "" : ": ", flag_of(store, "up") ? "" : text_of(store, "why"));
}

/* Of a node that is alone there is nothing to tell. */
static void print_cluster(const json_t *row)
{
    const json_t *c = json_object_get(row, "cluster");
    const json_t *left = json_object_get(c, "lease_remaining_ms");
    char span[24];

    if (number_of(c, "members") <= 1 && !number_of(c, "mesh_peers"))
        return;
    print(ITEM "%" PRIu64 " members, %" PRIu64 " silent, %" PRIu64 " connected, %" PRIu64
               " configured otherwise",
          "cluster", number_of(c, "members"), number_of(c, "members_silent"),
          number_of(c, "mesh_peers"), number_of(c, "config_differs"));
    if (json_is_integer(left))
        print(ITEM "to write ends in %s unless renewed, %" PRIu64 " promises are missing", "right",
              span_format((uint64_t)json_integer_value(left), span, sizeof(span)),
              number_of(c, "promises_missing"));
}

static void print_listeners(const json_t *row)
{
    const json_t *list = json_object_get(row, "listeners");

    for (size_t i = 0; i < json_array_size(list); i++)
        print(ITEM "%-13s %s", i ? "" : "listening", text_of(json_array_get(list, i), "for"),
              text_of(json_array_get(list, i), "at"));
}

static void print_config(const json_t *row)
{
    const json_t *last = json_object_get(row, "last_reload");

    print(ITEM "%s", "config", text_of(row, "config"));
    if (json_is_object(last) && flag_of(last, "ok"))
        print(ITEM "%s", "reloaded", text_of(last, "at"));
    else if (json_is_object(last))
        print(ITEM "FAILED at %s: %s", "reload", text_of(last, "at"), text_of(last, "error"));
    print(ITEM "%s", "log level", text_of(row, "log_level"));
}

void show_status(json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        char up[24];

        print("%s: %s, %s", text_of(row, "node"), text_of(row, "state"),
              text_of(row, "state_text"));
        print(ITEM "%s, process %" PRIu64 ", %" PRIu64 " workers, up %s", "version",
              text_of(row, "version"), number_of(row, "pid"), number_of(row, "workers"),
              span_format(number_of(row, "up_ms"), up, sizeof(up)));
        print_links(row);
        print_domains(row);
        print_flow(row);
        print_resources(row);
        print_cluster(row);
        print_listeners(row);
        print_config(row);
    }
}

/* --- dns --- */

static void print_endpoints(const json_t *list)
{
    static const char *const heads[] = {"", "HOST", "ADDRESS", "TLS", "NAME IS"};
    struct table t;

    table_init(&t, heads, COUNT(heads));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);

        table_add(&t, " ");
        table_add(&t, text_of(e, "host"));
        table_add(&t, text_of(e, "address"));
        table_add(&t, flag_of(e, "direct_tls") ? "direct" : "starttls");
        table_add(&t, flag_of(e, "secure_name") ? "secure" : "insecure");
    }
    if (json_array_size(list))
        table_print(&t, stdout);
    table_fini(&t);
}

void show_dns(json_t *rows)
{
    const json_t *row = json_array_get(rows, 0);
    const json_t *ruled = json_object_get(row, "targets_of_rules");
    char took[24];

    print("%s: %s: %s", text_of(row, "domain"), text_of(row, "outcome"),
          text_of(row, "outcome_text"));
    if (strcmp(text_of(row, "domain"), text_of(row, "ascii")) != 0)
        print(ITEM "%s", "asked for", text_of(row, "ascii"));
    print(ITEM "%s", "answers", text_of(row, "answers"));
    print(ITEM "%s", "dnssec", text_of(row, "dnssec"));
    print(ITEM "%s", "took", span_format(number_of(row, "took_ms"), took, sizeof(took)));
    print_endpoints(json_object_get(row, "endpoints"));
    for (size_t i = 0; i < json_array_size(ruled); i++)
        print("from %s the targets of the rule in line %" PRIu64 " are dialled instead",
              text_of(json_array_get(ruled, i), "local"),
              number_of(json_array_get(ruled, i), "line"));
}

/* --- commands --- */

void show_closed(json_t *rows)
{
    uint64_t n = 0;

    for (size_t i = 0; i < json_array_size(rows); i++)
        n += number_of(json_array_get(rows, i), "closed");
    print("%" PRIu64 " %s closed", n, n == 1 ? "link is" : "links are");
}

void show_reloaded(json_t *rows)
{
    print("%s was read again", text_of(json_array_get(rows, 0), "config"));
}

void show_draining(json_t *rows)
{
    const json_t *row = json_array_get(rows, 0);
    char most[24];

    print("%s drains, for %s at most, and stops", text_of(row, "node"),
          span_format(number_of(row, "most_ms"), most, sizeof(most)));
}

void show_forgotten(json_t *rows)
{
    const json_t *row = json_array_get(rows, 0);

    print("%s (incarnation %" PRIu64 ") is forgotten; %" PRIu64 " other nodes were told",
          text_of(row, "forgotten"), number_of(row, "incarnation"), number_of(row, "told"));
}

void show_log(json_t *rows)
{
    const json_t *row = json_array_get(rows, 0);

    print("log level is %s now, was %s", text_of(row, "level"), text_of(row, "was"));
}
