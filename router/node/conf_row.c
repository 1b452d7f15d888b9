#include "node/conf_row.h"

static_assert(sizeof(enum balance) == sizeof(int), "words are stored as int");

#define MINUTES(n) ((n)*60000ull)
#define HOURS(n)   ((n)*3600000ull)
#define MIB(n)     ((n)*1048576ull)
#define GIB(n)     ((n)*1073741824ull)

/* clang-format off */
static const struct conf_word tls_versions[] = {
    {"1.2", CONF_TLS_1_2, false}, {"1.3", CONF_TLS_1_3, false}, {NULL, 0, false}};
static const struct conf_word dnssec_modes[] = {
    {"auto", DNSSEC_MODE_AUTO, false}, {"validate", DNSSEC_MODE_VALIDATE, true},
    {"trust-ad", DNSSEC_MODE_TRUST_AD, false}, {"off", DNSSEC_MODE_OFF, false}, {NULL, 0, false}};
static const struct conf_word store_kinds[] = {
    {"memory", CONF_STORE_MEMORY, false},
    {"redis", CONF_STORE_REDIS, false},
    {NULL, 0, false}};
static const struct conf_word outage_words[] = {
    {"degrade", CONF_OUTAGE_DEGRADE, false}, {"stop", CONF_OUTAGE_STOP, false}, {NULL, 0, false}};
static const struct conf_word connection_words[] = {
    {"replace", CONNECTIONS_REPLACE, false}, {"refuse", CONNECTIONS_REFUSE, false},
    {"share", CONNECTIONS_SHARE, false}, {NULL, 0, false}};
static const struct conf_word balance_words[] = {
    {"to", BALANCE_TO, false}, {"from", BALANCE_FROM, false}, {NULL, 0, false}};
static const struct conf_word allow_words[] = {
    {"both", ALLOW_BOTH, false}, {"in", ALLOW_IN, false}, {"out", ALLOW_OUT, false},
    {"none", ALLOW_NONE, false}, {NULL, 0, false}};
static const struct conf_word tls_words[] = {
    {"required", true, false}, {"optional", false, false}, {NULL, 0, false}};
static const struct conf_word uncertain_words[] = {
    {"resend", CONF_UNCERTAIN_RESEND, false}, {"bounce", CONF_UNCERTAIN_BOUNCE, false},
    {NULL, 0, false}};
static const struct conf_word log_levels[] = {
    {"error", LOG_ERROR, false}, {"warn", LOG_WARN, false}, {"info", LOG_INFO, false},
    {"debug", LOG_DEBUG, false}, {NULL, 0, false}};
static const struct conf_word log_formats[] = {
    {"logfmt", LOG_LOGFMT, false}, {"json", LOG_JSON, false}, {NULL, 0, false}};
/* clang-format on */

#define STRUCT_ROOT        struct conf
#define STRUCT_CERTIFICATE struct conf_certificate
#define STRUCT_COMPONENT   struct conf_component
#define STRUCT_PEER        struct conf_peer

static const struct conf_row rows[] = {
#define KEY(table, path, type, member, words, text, min, max, when, note, example, prose)          \
    {CONF_##table,                                                                                 \
     path,                                                                                         \
     CONF_TYPE_##type,                                                                             \
     offsetof(STRUCT_##table, member),                                                             \
     words,                                                                                        \
     text,                                                                                         \
     min,                                                                                          \
     max,                                                                                          \
     CONF_##when,                                                                                  \
     note,                                                                                         \
     example,                                                                                      \
     prose},
#define LATER(table, path, prose)                                                                  \
    {CONF_##table, path, CONF_TYPE_LATER, 0, NULL, "", 0, 0, CONF_RELOAD, "", NULL, prose},
#include "node/conf.def"
};

static const struct {
    const char *path;
    size_t size;
} tables[CONF_TABLES] = {
    [CONF_ROOT] = {"", sizeof(STRUCT_ROOT)},
    [CONF_CERTIFICATE] = {"tls.certificates", sizeof(STRUCT_CERTIFICATE)},
    [CONF_COMPONENT] = {"components", sizeof(STRUCT_COMPONENT)},
    [CONF_PEER] = {"peers", sizeof(STRUCT_PEER)},
};

const struct conf_row *conf_rows(size_t *ret_count)
{
    *ret_count = COUNT(rows);
    return rows;
}

const struct conf_row *conf_row_find(enum conf_table table, struct slice path)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].table == table && slice_is(path, rows[i].path))
            return &rows[i];
    return NULL;
}

bool conf_row_is_section(enum conf_table table, struct slice path)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].table == table && slice_starts(slice_from(rows[i].path), path) &&
            rows[i].path[path.len] == '.')
            return true;
    return false;
}

const char *conf_table_path(enum conf_table table)
{
    assert((unsigned)table < CONF_TABLES);
    return tables[table].path;
}

size_t conf_table_size(enum conf_table table)
{
    assert((unsigned)table < CONF_TABLES);
    return tables[table].size;
}

enum conf_table conf_table_of(const struct conf_row *items_row)
{
    int table = CONF_ROOT + 1;

    while (table < CONF_TABLES && strcmp(tables[table].path, items_row->path))
        table++;
    assert(table < CONF_TABLES);
    return (enum conf_table)table;
}

#define NEAREST_BYTES_MAX 48 /* longer keys are not slips of the pen */

/* Letters to insert, delete, replace or swap (Damerau's, neighbours only). */
static unsigned edits(struct slice a, struct slice b)
{
    unsigned d[3][NEAREST_BYTES_MAX + 1] = {{0}};

    for (size_t i = 0; i <= a.len; i++) {
        unsigned *now = d[i % 3], *before = d[(i + 2) % 3], *first = d[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned best;

            if (i == 0) {
                now[j] = (unsigned)j;
                continue;
            }
            best = before[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                first[j - 2] + 1 < best)
                best = first[j - 2] + 1;
            now[j] = best;
        }
    }
    return d[a.len % 3][b.len];
}

static struct slice last_word(struct slice path)
{
    size_t dot = path.len;

    while (dot > 0 && path.ptr[dot - 1] != '.')
        dot--;
    return slice_from_offset(path, dot);
}

/* How unlike a known path is: its own edits, or, the right key in the wrong place, one edit more
 * than those of its last word. "secret" for "secret_file" is a beginning, not an accident. */
static unsigned unlikeness(struct slice path, struct slice known)
{
    struct slice word = last_word(path);
    struct slice known_word = last_word(known);
    unsigned whole = edits(path, known);
    unsigned last = edits(word, known_word) + 1;

    if (word.len >= 4 && slice_starts(known_word, word))
        last = last < 2 ? last : 2;
    return whole < last ? whole : last;
}

static void consider(struct slice path, struct slice known, unsigned *best, struct slice *nearest)
{
    unsigned n;

    if (known.len > NEAREST_BYTES_MAX)
        return;
    n = unlikeness(path, known);
    if (n < *best) {
        *best = n;
        *nearest = known;
    }
}

bool conf_row_nearest(enum conf_table table, struct slice path, struct slice *ret_path)
{
    unsigned worst = 1 + (unsigned)last_word(path).len / 3;
    unsigned best = worst + 1;

    if (path.len > NEAREST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice known = slice_from(rows[i].path);
        size_t dot = slice_find(known, '.');

        if (rows[i].table != table || rows[i].type == CONF_TYPE_LATER)
            continue;
        consider(path, known, &best, ret_path);
        if (dot < known.len)
            consider(path, slice_sub(known, 0, dot), &best, ret_path);
    }
    return best <= worst;
}

void conf_peer_from_rule(const struct policy_rule *rule, struct conf_peer *ret_peer)
{
    *ret_peer = (struct conf_peer){
        .match = rule->match,
        .local = rule->local,
        .allow = rule->allow,
        .tls = rule->tls_required,
        .line = rule->line,
    };
    ret_peer->auth.count = rule->method_count;
    memcpy(ret_peer->auth.list, rule->methods, sizeof(rule->methods));
    for (size_t i = 0; i < rule->target_count; i++)
        ret_peer->target.list[ret_peer->target.count++] = rule->targets[i];
}

void conf_peer_to_rule(const struct conf_peer *peer, struct policy_rule *ret_rule)
{
    *ret_rule = (struct policy_rule){
        .match = mem_strdup(peer->match),
        .local = mem_strdup(peer->local),
        .allow = peer->allow,
        .tls_required = peer->tls,
        .line = peer->line,
    };
    ret_rule->method_count = peer->auth.count;
    memcpy(ret_rule->methods, peer->auth.list, sizeof(peer->auth.list));
    ret_rule->target_count = peer->target.count;
    if (peer->target.count)
        ret_rule->targets = mem_array(peer->target.count, sizeof(*ret_rule->targets));
    for (size_t i = 0; i < peer->target.count; i++)
        ret_rule->targets[i] = peer->target.list[i];
}
