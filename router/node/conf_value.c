#include "node/conf_row.h"

#include "wire/jid.h"

#include <stdarg.h>
#include <stdio.h>

/* The kinds of values: text to struct. The way back is conf_format.c. */

struct unit {
    const char *word;
    uint64_t size;
};

/* Largest first, as they are written. */
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                         {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit size_units[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"B", 1}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    if (type == CONF_TYPE_TIME || type == CONF_TYPE_TIME_OR_0)
        return time_units;
    if (type == CONF_TYPE_SIZE || type == CONF_TYPE_SIZE_OR_0)
        return size_units;
    return no_units;
}

void conf_number_format(enum conf_type type, uint64_t n, char *buf, size_t size)
{
    const struct unit *u = units_of(type);

    while (u[1].word && n % u->size)
        u++;
    if (n == 0)
        snprintf(buf, size, "0"); /* the one number that needs no unit */
    else
        snprintf(buf, size, "%llu%s", (unsigned long long)(n / u->size), u->word);
}

static void number_range(const struct conf_row *row, char *buf, size_t size)
{
    bool or_0 = row->type == CONF_TYPE_TIME_OR_0 || row->type == CONF_TYPE_SIZE_OR_0;
    char low[32], high[32];

    conf_number_format(row->type, row->min, low, sizeof(low));
    conf_number_format(row->type, row->max, high, sizeof(high));
    snprintf(buf, size, "%s%s to %s", or_0 ? "0, or " : "", low, high);
}

static void word_range(const struct conf_row *row, char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (const struct conf_word *w = row->words; w->word; w++)
        if (!w->later && at < size)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", w->word);
}

static void method_range(char *buf, size_t size)
{
    size_t at = 0;

    for (int m = METHOD_NONE + 1; m < METHOD_MAX && at < size; m++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
                               method_word((enum method)m));
}

static const char *const text_ranges[] = {
    [CONF_TYPE_NAME] = "1 to 64 letters, digits, \".\", \"-\", \"_\"",
    [CONF_TYPE_TOKEN] = "letters, digits, \".\", \"-\", \"_\"",
    [CONF_TYPE_ADDR] = "address:port, or \"\" for none",
    [CONF_TYPE_ADDRS] = "address:port",
    [CONF_TYPE_SOCKET] = "path of at most 107 bytes, or \"\" for none",
    [CONF_TYPE_NETS] = "network/bits or address",
    [CONF_TYPE_DNS_SERVERS] = "address or address:port",
    [CONF_TYPE_DNS_TRUSTED] = "network/bits or address",
    [CONF_TYPE_COMPONENT_DOMAIN] = "name, or \"*.name\"",
    [CONF_TYPE_PATTERN] = "name, \"*.name\" or \"*\"",
    [CONF_TYPE_TARGETS] = "host:port or tls://host:port",
    [CONF_TYPE_REDIS_URLS] = "redis://host:port, rediss://host:port, unix:/path",
    [CONF_TYPE_REDIS_HOSTS] = "host or host:port",
    [CONF_TYPE_FILE] = "file that the service can read",
    [CONF_TYPE_KEYFILE] = "file that the service can read",
    [CONF_TYPE_SECRET] = "file with 1 to 4096 bytes",
    [CONF_TYPE_DIALBACK_SECRET] = "file with 32 to 4096 bytes",
    [CONF_TYPE_LATER] = NULL,
};

void conf_value_range(const struct conf_row *row, char *buf, size_t size)
{
    char range[160] = "";

    if (row->words)
        word_range(row, range, sizeof(range));
    else if (row->type == CONF_TYPE_METHODS)
        method_range(range, sizeof(range));
    else if (row->type <= CONF_TYPE_SIZE_OR_0)
        number_range(row, range, sizeof(range));
    else if ((size_t)row->type < COUNT(text_ranges) && text_ranges[row->type])
        snprintf(range, sizeof(range), "%s", text_ranges[row->type]);
    snprintf(buf, size, *row->note ? "%s (%s)" : "%s", range, row->note);
}

/* "is no address: address:port; remedy". */
static bool wrong(struct conf_value *v, const char *what, const char *remedy, ...) PRINTF(3, 4);

static bool wrong(struct conf_value *v, const char *what, const char *remedy, ...)
{
    char range[256], cure[200];
    va_list args;

    va_start(args, remedy);
    vsnprintf(cure, sizeof(cure), remedy, args);
    va_end(args);
    conf_value_range(v->row, range, sizeof(range));
    snprintf(v->error, sizeof(v->error), *range ? "%s: %s; %s" : "%s%s; %s", what, range, cure);
    return false;
}

static bool unit_size(const struct unit *units, struct slice word, uint64_t *ret_size)
{
    for (; units->word; units++) {
        if (slice_is(word, units->word)) {
            *ret_size = units->size;
            return true;
        }
    }
    return false;
}

static size_t digits(struct slice text)
{
    size_t n = 0;

    while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
        n++;
    return n;
}

/* What stands after the number is no unit of ours. */
static bool wrong_unit(struct conf_value *v)
{
    const struct unit *units = units_of(v->row->type);
    const char *example = v->row->default_text;

    if (units == no_units)
        return wrong(v, "is no whole number", "write digits only, such as %s", example);
    if (units == time_units)
        return wrong(v, "is no time", "write a whole number with ms, s, m, h or d, such as %s",
                     slice_is(slice_from(example), "0") ? "30s" : example);
    return wrong(v, "is no size", "write a whole number with B, KiB, MiB or GiB, such as %s",
                 slice_is(slice_from(example), "0") ? "64MiB" : example);
}

static bool in_range(struct conf_value *v, uint64_t n, bool too_long)
{
    enum conf_type type = v->row->type;

    if (n == 0 && (type == CONF_TYPE_TIME_OR_0 || type == CONF_TYPE_SIZE_OR_0))
        return true;
    if (!too_long && n < v->row->min)
        return wrong(v, "is too small", "raise it or leave it out");
    if (too_long || n > v->row->max)
        return wrong(v, "is too large", "lower it or leave it out");
    return true;
}

static bool parse_number(struct conf_value *v, struct slice text, void *field)
{
    const struct unit *units = units_of(v->row->type);
    size_t n = digits(text);
    struct slice word = slice_from_offset(text, n);
    uint64_t count = 0;
    uint64_t size = 1;
    bool too_long = !slice_to_u64(slice_sub(text, 0, n), UINT64_MAX, &count);

    /* Bytes and 0 need no unit; a bare time would be seconds to one and minutes to another. */
    if (n == 0 || (word.len && !unit_size(units, word, &size)) ||
        (!word.len && units == time_units && (count || too_long)))
        return wrong_unit(v);
    too_long = too_long || count > UINT64_MAX / size;
    if (!in_range(v, count * size, too_long))
        return false;
    *(uint64_t *)field = count * size;
    return true;
}

static bool parse_word(struct conf_value *v, struct slice text, void *field)
{
    for (const struct conf_word *w = v->row->words; w->word; w++) {
        if (!slice_is(text, w->word))
            continue;
        if (w->later)
            return wrong(v, "is not in this version", "choose another or leave it out");
        memcpy(field, &w->value, sizeof(w->value));
        return true;
    }
    return wrong(v, "is none of the words", "choose one or leave it out");
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static bool keep_text(struct conf_value *v, struct slice text, void *field)
{
    *(const char **)field = arena_copy(v->arena, text).ptr;
    return true;
}

static bool parse_name(struct conf_value *v, struct slice text, void *field)
{
    bool good = text.len >= v->row->min && text.len <= v->row->max;
    bool node = v->row->type == CONF_TYPE_NAME;

    for (size_t i = 0; i < text.len; i++)
        good = good && name_byte(text.ptr[i]);
    if (!good && node)
        return wrong(v, "is no name of a node", "choose another, such as edge-1");
    if (!good)
        return wrong(v, "is no such word", "use these, %u to %u", (unsigned)v->row->min,
                     (unsigned)v->row->max);
    return keep_text(v, text, field);
}

static char *absolute(struct conf_value *v, struct slice path)
{
    if (!path.len || path.ptr[0] == '/')
        return arena_format(v->arena, "%.*s", SLICE_ARGS(path));
    return arena_format(v->arena, "%s/%.*s", v->dir, SLICE_ARGS(path));
}

static bool parse_path(struct conf_value *v, struct slice text, void *field)
{
    char *path = absolute(v, text);

    if (v->row->type == CONF_TYPE_SOCKET && strlen(path) > v->row->max)
        return wrong(v, "is too long", "choose a shorter one");
    if (!text.len && v->row->when == CONF_NEEDED)
        return wrong(v, "names no file", "name one");
    *(char **)field = path;
    return true;
}

static bool parse_secret(struct conf_value *v, struct slice text, void *field)
{
    struct conf_secret *secret = field;

    return parse_path(v, text, &secret->file);
}

/* Lists grow one by one and their bound is small. */
static void *one_more(struct arena *arena, void *list, size_t count, size_t size)
{
    char *grown = arena_zalloc(arena, (count + 1) * size);

    if (count)
        memcpy(grown, list, count * size);
    return grown;
}

static bool parse_addr(struct conf_value *v, struct slice text, void *field)
{
    struct conf_addrs *addrs = field;
    struct addr a;

    if (!text.len && v->row->type == CONF_TYPE_ADDR)
        return true;
    if (addr_parse(text, 0, &a))
        return wrong(v, "is no address with port",
                     "write it such as \"127.0.0.1:5347\" or \"[::]:5269\", in quotes");
    addrs->list = one_more(v->arena, addrs->list, addrs->count, sizeof(a));
    addrs->list[addrs->count++] = a;
    return true;
}

static bool wrong_net(struct conf_value *v)
{
    return wrong(v, "is no network", "write it such as 10.0.0.0/8 or \"2001:db8::/32\"");
}

static bool parse_net(struct conf_value *v, struct slice text, void *field)
{
    struct conf_nets *nets = field;
    struct addr_net net;

    if (addr_net_parse(text, &net))
        return wrong_net(v);
    nets->list = one_more(v->arena, nets->list, nets->count, sizeof(net));
    nets->list[nets->count++] = net;
    return true;
}

static bool parse_dns_server(struct conf_value *v, struct slice text, void *field)
{
    struct resolver_options *dns = field;
    struct addr a;

    if (addr_parse(text, 53, &a) || !addr_port(&a))
        return wrong(v, "is no address",
                     "write it such as 127.0.0.1 or \"[::1]:53\", not as a name");
    assert(dns->server_count < RESOLVER_SERVERS_MAX); /* the row says how many fit */
    dns->servers[dns->server_count++] = a;
    return true;
}

static bool parse_dns_trusted(struct conf_value *v, struct slice text, void *field)
{
    struct resolver_options *dns = field;

    assert(dns->trusted_count < RESOLVER_SERVERS_MAX);
    if (addr_net_parse(text, &dns->trusted[dns->trusted_count]))
        return wrong_net(v);
    dns->trusted_count++;
    return true;
}

static bool parse_pattern(struct conf_value *v, struct slice text, void *field)
{
    bool component = v->row->type == CONF_TYPE_COMPONENT_DOMAIN;
    struct domain d;

    if ((component && slice_is(text, "*")) || domain_pattern_parse(text, &d))
        return wrong(v, component ? "is no domain" : "is no pattern of domains",
                     "write whole labels, such as rooms.example.org or \"*.example.org\"");
    return keep_text(v, domain_slice(&d), field);
}

static bool parse_method(struct conf_value *v, struct slice text, void *field)
{
    struct conf_methods *methods = field;
    enum method m;

    if (method_parse(text, &m))
        return wrong(v, "is no way to prove a domain", "choose among them");
    for (size_t i = 0; i < methods->count; i++)
        if (methods->list[i] == m)
            return wrong(v, "is given twice", "leave one out");
    if (!policy_method_works(m)) {
        snprintf(v->warning, sizeof(v->warning), "proves nothing in this version");
        return true;
    }
    methods->list[methods->count++] = m;
    return true;
}

/* A name is kept as DNS and TLS want it. */
static bool target_host(struct slice host, struct policy_target *target)
{
    struct domain d;

    return !domain_parse(host, &d) && !d.ip &&
           !domain_to_ascii(domain_slice(&d), target->host, sizeof(target->host));
}

static bool target_parse(struct slice text, struct policy_target *target)
{
    size_t colon = text.len;
    struct addr a;
    uint64_t port;

    if (!addr_parse(text, 0, &a)) {
        target->port = addr_port(&a);
        addr_format_ip(&a, target->host);
        return target->port;
    }
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (!colon || !slice_to_u64(slice_from_offset(text, colon), 65535, &port) || !port)
        return false;
    target->port = (uint16_t)port;
    return target_host(slice_sub(text, 0, colon - 1), target);
}

static bool parse_target(struct conf_value *v, struct slice text, void *field)
{
    struct conf_targets *targets = field;
    struct policy_target target = {.port = 0};

    if (slice_starts(text, SLICE("tls://"))) {
        target.direct_tls = true;
        text = slice_from_offset(text, 6);
    }
    if (!target_parse(text, &target))
        return wrong(v, "is no host with port",
                     "write it such as \"xmpp.example.net:5269\" or \"tls://192.0.2.1:5270\"");
    assert(targets->count < POLICY_TARGETS_MAX);
    targets->list[targets->count++] = target;
    return true;
}

/* A URL, or host:port of a sentinel. */
static bool parse_place(struct conf_value *v, struct slice text, void *field)
{
    struct conf_places *places = field;
    struct redis_place p;
    const char *problem;
    char what[160];
    enum err e = v->row->type == CONF_TYPE_REDIS_URLS
                     ? redis_url_parse(text, &p, &problem)
                     : redis_host_parse(text, REDIS_SENTINEL_PORT, &p, &problem);

    if (e) {
        snprintf(what, sizeof(what), "is %s", problem);
        return wrong(v, what, "mend it");
    }
    assert(places->count < REDIS_PLACES_MAX); /* the row says how many fit */
    places->list = one_more(v->arena, places->list, places->count, sizeof(p));
    places->list[places->count++] = p;
    return true;
}

static const struct {
    bool (*parse)(struct conf_value *v, struct slice text, void *field);
    bool list;
} types[] = {
    [CONF_TYPE_COUNT] = {parse_number, false},
    [CONF_TYPE_TIME] = {parse_number, false},
    [CONF_TYPE_TIME_OR_0] = {parse_number, false},
    [CONF_TYPE_SIZE] = {parse_number, false},
    [CONF_TYPE_SIZE_OR_0] = {parse_number, false},
    [CONF_TYPE_WORD] = {parse_word, false},
    [CONF_TYPE_NAME] = {parse_name, false},
    [CONF_TYPE_TOKEN] = {parse_name, false},
    [CONF_TYPE_ADDR] = {parse_addr, false},
    [CONF_TYPE_SOCKET] = {parse_path, false},
    [CONF_TYPE_FILE] = {parse_path, false},
    [CONF_TYPE_KEYFILE] = {parse_path, false},
    [CONF_TYPE_SECRET] = {parse_secret, false},
    [CONF_TYPE_DIALBACK_SECRET] = {parse_secret, false},
    [CONF_TYPE_COMPONENT_DOMAIN] = {parse_pattern, false},
    [CONF_TYPE_PATTERN] = {parse_pattern, false},
    [CONF_TYPE_ADDRS] = {parse_addr, true},
    [CONF_TYPE_NETS] = {parse_net, true},
    [CONF_TYPE_DNS_SERVERS] = {parse_dns_server, true},
    [CONF_TYPE_DNS_TRUSTED] = {parse_dns_trusted, true},
    [CONF_TYPE_METHODS] = {parse_method, true},
    [CONF_TYPE_TARGETS] = {parse_target, true},
    [CONF_TYPE_REDIS_URLS] = {parse_place, true},
    [CONF_TYPE_REDIS_HOSTS] = {parse_place, true},
    [CONF_TYPE_ITEMS] = {NULL, true},
    [CONF_TYPE_LATER] = {NULL, false},
};

bool conf_type_is_list(enum conf_type type)
{
    return types[type].list;
}

static void *field_of(const struct conf_row *row, void *table_struct)
{
    return (char *)table_struct + row->offset;
}

bool conf_value_parse(struct conf_value *v, struct slice text, void *table_struct)
{
    v->error[0] = v->warning[0] = '\0';
    return types[v->row->type].parse(v, text, field_of(v->row, table_struct));
}

static void list_default(struct conf_value *v, void *table_struct)
{
    struct slice rest = slice_from(v->row->default_text);

    while (rest.len) {
        size_t comma = slice_find(rest, ',');
        bool fits = conf_value_parse(v, slice_trim(slice_sub(rest, 0, comma)), table_struct);

        assert(fits);
        rest = slice_from_offset(rest, comma + 1);
    }
}

void conf_value_default(struct conf_value *v, void *table_struct)
{
    bool fits = true;

    v->error[0] = v->warning[0] = '\0';
    if (!types[v->row->type].parse || v->row->type == CONF_TYPE_NAME)
        return; /* lists of maps are empty; a name comes from the machine */
    if (types[v->row->type].list)
        list_default(v, table_struct);
    else if (v->row->when == CONF_NEEDED)
        keep_text(v, SLICE(""), field_of(v->row, table_struct));
    else
        fits = conf_value_parse(v, slice_from(v->row->default_text), table_struct);
    assert(fits);
}
