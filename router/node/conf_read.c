#include "node/conf_reader.h"

#include <stdio.h>

#define PATH_BYTES_MAX 160 /* of a key in messages; no known one is longer */

/* Where we are: the table, its struct, and the keys passed on the way, with a final dot. */
struct place {
    enum conf_table table;
    void *base;
    char path[PATH_BYTES_MAX];
};

static size_t index_of(const struct conf_row *row)
{
    size_t count;

    return (size_t)(row - conf_rows(&count));
}

/* "components.grace", "limits.idle": a row as messages name it. */
static const char *full_key(const struct conf_row *row, char buf[PATH_BYTES_MAX])
{
    const char *table = conf_table_path(row->table);

    snprintf(buf, PATH_BYTES_MAX, "%s%s%s", table, *table ? "." : "", row->path);
    return buf;
}

static void complain(struct conf_reader *r, const struct conf_row *row, unsigned line,
                     struct slice value, const char *what)
{
    char key[PATH_BYTES_MAX], shown[256];

    conf_remark(r->report, CONF_ERROR, line, "%s: %s %s", full_key(row, key),
                conf_show(value, shown, sizeof(shown)), what);
}

static void complain_kind(struct conf_reader *r, const struct conf_row *row,
                          const struct conf_tree *t, const char *what)
{
    char key[PATH_BYTES_MAX];

    conf_remark(r->report, CONF_ERROR, t->line, "%s: %s", full_key(row, key), what);
}

static bool names_file(enum conf_type type)
{
    return type == CONF_TYPE_FILE || type == CONF_TYPE_KEYFILE || type == CONF_TYPE_SECRET ||
           type == CONF_TYPE_DIALBACK_SECRET;
}

/* Looks at the file that a value names; secrets are read. */
static bool take_file(struct conf_reader *r, const struct conf_row *row, unsigned line, void *base)
{
    void *field = (char *)base + row->offset;
    char *path = *(char **)field; /* first in struct conf_secret too */
    char key[PATH_BYTES_MAX];

    if (!*path)
        return true; /* none */
    full_key(row, key);
    if (row->type == CONF_TYPE_FILE || row->type == CONF_TYPE_KEYFILE)
        return conf_file_look(r, key, line, path, row->type == CONF_TYPE_KEYFILE, CONF_ERROR);
    conf_secret_read(r, key, line,
                     row->type == CONF_TYPE_SECRET ? 1 : CONF_DIALBACK_SECRET_BYTES_MIN, field);
    return true;
}

/* One text: a value, or an element of a list. */
static bool take_text(struct conf_reader *r, const struct conf_row *row, const struct conf_tree *t,
                      void *base)
{
    struct conf_value v = {.row = row, .arena = &r->conf->arena, .dir = r->source->dir};
    char key[PATH_BYTES_MAX], shown[256], error[256];
    struct slice text;

    if (t->kind != CONF_TREE_SCALAR) {
        complain_kind(r, row, t, "a list or section where one value belongs; write the value only");
        return false;
    }
    if (!conf_expand(r->source, t->text, &r->scratch, error, sizeof(error), &text)) {
        complain(r, row, t->line, t->text, error);
        return false;
    }
    if (!conf_value_parse(&v, text, base)) {
        complain(r, row, t->line, text, v.error);
        return false;
    }
    if (*v.warning)
        conf_remark(r->report, CONF_WARNING, t->line, "%s: %s %s", full_key(row, key),
                    conf_show(text, shown, sizeof(shown)), v.warning);
    return !names_file(row->type) || take_file(r, row, t->line, base);
}

static bool take_list(struct conf_reader *r, const struct conf_row *row, const struct conf_tree *t,
                      void *base)
{
    bool good = true;
    char text[80];

    if (t->kind != CONF_TREE_LIST) {
        complain_kind(r, row, t, "one value where a list belongs; write it in brackets: [ ... ]");
        return false;
    }
    if (t->count > row->max) {
        snprintf(text, sizeof(text), "%zu are too many: at most %u; leave some out", t->count,
                 (unsigned)row->max);
        complain_kind(r, row, t, text);
        return false;
    }
    if (t->count < row->min) {
        complain_kind(r, row, t,
                      row->type == CONF_TYPE_METHODS
                          ? "an empty list proves nothing; name a method or leave it out"
                          : "an empty list; name one or leave it out");
        return false;
    }
    for (const struct conf_tree *e = t->first; e; e = e->next)
        good = take_text(r, row, e, base) && good;
    return good;
}

static bool take_items(struct conf_reader *r, const struct conf_row *row,
                       const struct conf_tree *t);

static bool take_value(struct conf_reader *r, const struct conf_row *row, const struct conf_tree *t,
                       void *base)
{
    if (row->type == CONF_TYPE_LATER) {
        if (!conf_tree_is_empty(t))
            complain_kind(r, row, t, "not in this version; leave it out");
        return true;
    }
    if (row->type == CONF_TYPE_ITEMS)
        return take_items(r, row, t);
    if (conf_type_is_list(row->type) &&
        !(row->type == CONF_TYPE_REDIS_URLS && t->kind == CONF_TREE_SCALAR))
        return take_list(r, row, t, base);
    return take_text(r, row, t, base);
}

/* The keys that are known at a place: "name, workers, drain_timeout". */
static void known_keys(const struct place *at, struct slice prefix, char *buf, size_t size)
{
    struct slice last = slice_none();
    size_t count, used = 0;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count && used < size; i++) {
        struct slice path = slice_from(rows[i].path);
        struct slice word = slice_from_offset(path, prefix.len);

        word = slice_sub(word, 0, slice_find(word, '.'));
        if (rows[i].table != at->table || rows[i].type == CONF_TYPE_LATER ||
            !slice_starts(path, prefix) || slice_eq(word, last))
            continue;
        used +=
            (size_t)snprintf(buf + used, size - used, "%s%.*s", used ? ", " : "", SLICE_ARGS(word));
        last = word;
    }
}

/* `path` is as the rows of the table have it. */
static void unknown_key(struct conf_reader *r, const struct place *at, struct slice path,
                        const struct conf_tree *t)
{
    const char *table = conf_table_path(at->table);
    char shown[256], known[512] = "";
    struct slice near;

    conf_show(path, shown, sizeof(shown));
    if (conf_row_nearest(at->table, path, &near)) {
        conf_remark(r->report, CONF_ERROR, t->key_line,
                    "%s%s%s: unknown key; did you mean %s%s%.*s?", table, *table ? "." : "", shown,
                    table, *table ? "." : "", SLICE_ARGS(near));
        return;
    }
    known_keys(at, slice_from(at->path), known, sizeof(known));
    conf_remark(r->report, CONF_ERROR, t->key_line, "%s%s%s: unknown key; known here: %s", table,
                *table ? "." : "", shown, known);
}

static void take_map(struct conf_reader *r, const struct place *at, const struct conf_tree *map);

static void take_section(struct conf_reader *r, const struct place *at, struct slice path,
                         const struct conf_tree *t)
{
    struct place inner = {.table = at->table, .base = at->base};

    if (conf_tree_is_null(t))
        return;
    if (t->kind != CONF_TREE_MAP) {
        conf_remark(r->report, CONF_ERROR, t->line,
                    "%.*s: a section, no value; write its keys below it, indented",
                    SLICE_ARGS(path));
        return;
    }
    assert(path.len + 2 <= sizeof(inner.path)); /* a beginning of known keys */
    memcpy(inner.path, path.ptr, path.len);
    strcpy(inner.path + path.len, ".");
    take_map(r, &inner, t);
}

static void take_entry(struct conf_reader *r, const struct place *at, const struct conf_tree *t)
{
    char buf[PATH_BYTES_MAX];
    size_t prefix = strlen(at->path);
    struct slice key = slice_sub(t->key, 0, sizeof(buf) - prefix); /* cut: unknown anyhow */
    struct slice path = slice_make(buf, prefix + key.len);
    const struct conf_row *row;

    memcpy(buf, at->path, prefix);
    memcpy(buf + prefix, key.ptr, key.len);
    row = conf_row_find(at->table, path);
    if (!row && conf_row_is_section(at->table, path)) {
        take_section(r, at, path, t);
    } else if (!row) {
        unknown_key(r, at, path, t);
    } else if (!conf_tree_is_null(t)) { /* nothing there: as if left out */
        r->lines[index_of(row)] = t->key_line;
        r->states[index_of(row)] = take_value(r, row, t, at->base) ? CONF_GOOD : CONF_BAD;
    }
}

static void take_map(struct conf_reader *r, const struct place *at, const struct conf_tree *map)
{
    for (const struct conf_tree *t = map->first; t; t = t->next)
        take_entry(r, at, t);
}

static void forget_table(struct conf_reader *r, enum conf_table table)
{
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].table == table) {
            r->states[i] = CONF_ABSENT;
            r->lines[i] = 0;
        }
    }
}

static void fill_row(struct conf_reader *r, const struct conf_row *row, unsigned line, void *base)
{
    struct conf_value v = {.row = row, .arena = &r->conf->arena, .dir = r->source->dir};
    enum conf_state state = r->states[index_of(row)];
    char key[PATH_BYTES_MAX], example[256];

    if (state == CONF_GOOD)
        return;
    if (state == CONF_ABSENT && row->when == CONF_NEEDED)
        conf_remark(r->report, CONF_ERROR, line, "%s: missing; add it, such as \"%s: %s\"",
                    full_key(row, key), row->path,
                    conf_show(slice_from(row->example), example, sizeof(example)));
    if (conf_type_is_list(row->type) && state == CONF_BAD)
        return; /* what was good of it stays, to look for contradictions in */
    conf_value_default(&v, base);
}

static void fill_table(struct conf_reader *r, enum conf_table table, unsigned line, void *base)
{
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++)
        if (rows[i].table == table)
            fill_row(r, &rows[i], line, base);
}

/* An `auth` that is there but names only methods of later versions would let nobody in. */
static void check_auth(struct conf_reader *r, const struct conf_peer *peer)
{
    const struct conf_row *row = conf_row_find(CONF_PEER, SLICE("auth"));

    if (r->states[index_of(row)] == CONF_GOOD && !peer->auth.count)
        conf_remark(r->report, CONF_ERROR, r->lines[index_of(row)],
                    "peers.auth: nothing that proves a domain in this version is left; add pkix or "
                    "dialback");
}

static void take_item(struct conf_reader *r, enum conf_table table, const struct conf_tree *t,
                      void *item)
{
    struct place at = {.table = table, .base = item};

    if (t->kind != CONF_TREE_MAP) {
        conf_remark(r->report, CONF_ERROR, t->line,
                    "%s: an item without keys; write it such as \"- { key: value }\"",
                    conf_table_path(table));
        return;
    }
    forget_table(r, table);
    take_map(r, &at, t);
    fill_table(r, table, t->line, item);
    if (table == CONF_PEER)
        check_auth(r, item);
}

static void keep_items(struct conf_reader *r, enum conf_table table, void *items, size_t count)
{
    struct conf *c = r->conf;

    if (table == CONF_CERTIFICATE) {
        c->tls.certificates = items;
        c->tls.certificate_count = count;
    } else if (table == CONF_COMPONENT) {
        c->components = items;
        c->component_count = count;
    } else {
        r->peers = items;
        r->peer_count = count;
    }
}

static void set_line(enum conf_table table, void *item, unsigned line)
{
    if (table == CONF_CERTIFICATE)
        ((struct conf_certificate *)item)->line = line;
    else if (table == CONF_COMPONENT)
        ((struct conf_component *)item)->line = line;
    else
        ((struct conf_peer *)item)->line = line;
}

/* Items that are no maps are left out of the result; they are reported. */
static bool take_items(struct conf_reader *r, const struct conf_row *row, const struct conf_tree *t)
{
    enum conf_table table = conf_table_of(row);
    struct arena *arena = table == CONF_PEER ? &r->scratch : &r->conf->arena;
    size_t size = conf_table_size(table);
    size_t count = 0;
    char *items;

    if (t->kind != CONF_TREE_LIST) {
        complain_kind(r, row, t, "a list of items belongs here; begin each with \"- \"");
        return false;
    }
    if (t->count > row->max) {
        complain_kind(r, row, t, "too many items; leave some out");
        return false;
    }
    items = arena_zalloc(arena, (t->count + 1) * size);
    for (const struct conf_tree *e = t->first; e; e = e->next) {
        take_item(r, table, e, items + count * size);
        set_line(table, items + count * size, e->line);
        count += e->kind == CONF_TREE_MAP;
    }
    keep_items(r, table, items, count);
    return true;
}

/* The defaults that depend on the machine. */
static void machine_defaults(struct conf_reader *r)
{
    struct conf *c = r->conf;
    const struct conf_row *name = conf_row_find(CONF_ROOT, SLICE("node.name"));
    struct conf_value v = {.row = name, .arena = &c->arena, .dir = r->source->dir};

    if (conf_line_of(r, "node.name") == 0 &&
        !conf_value_parse(&v, slice_from(r->source->host_name), c))
        complain(r, name, 0, slice_from(r->source->host_name), v.error);
    if (!c->node.name)
        c->node.name = arena_format(&c->arena, "%s", "");
    if (conf_line_of(r, "tls.trust_file") == 0 &&
        !conf_file_look(r, "tls.trust_file", 0, c->tls.trust_file, false, CONF_WARNING))
        c->tls.trust_file = arena_format(&c->arena, "%s", "");
}

void conf_read(struct conf_reader *r, const struct conf_tree *root)
{
    struct place at = {.table = CONF_ROOT, .base = r->conf};

    take_map(r, &at, root);
    fill_table(r, CONF_ROOT, 0, r->conf);
    machine_defaults(r);
    r->conf->dns.timeout_ms = r->conf->timeouts.dns_ms;
}

unsigned conf_line_of(const struct conf_reader *r, const char *path)
{
    return r->lines[index_of(conf_row_find(CONF_ROOT, slice_from(path)))];
}

bool conf_good(const struct conf_reader *r, const char *path)
{
    return r->states[index_of(conf_row_find(CONF_ROOT, slice_from(path)))] != CONF_BAD;
}
