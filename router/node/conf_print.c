#include "node/conf_row.h"

static void put(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

static const char *last_key(const struct conf_row *row)
{
    const char *dot = strrchr(row->path, '.');

    return dot ? dot + 1 : row->path;
}

/* Two blanks for each section that a path is in. */
static void put_indent(struct slice path, struct byteq *out)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '.')
            put(out, "  ");
}

/* One map of a list: "  - match: x" and its further keys. */
static void put_item(enum conf_table table, const void *item, const char *indent, struct byteq *out)
{
    const char *lead = "- ";
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].table != table || rows[i].type == CONF_TYPE_LATER)
            continue;
        put(out, indent);
        put(out, lead);
        put(out, rows[i].path);
        put(out, ": ");
        conf_value_format(&rows[i], item, out);
        put(out, "\n");
        lead = "  ";
    }
}

static size_t item_count(const struct conf *c, enum conf_table table)
{
    if (table == CONF_CERTIFICATE)
        return c->tls.certificate_count;
    if (table == CONF_COMPONENT)
        return c->component_count;
    return policy_count(c->policy) - 1; /* the built-in rule is in no file */
}

static void put_nth_item(const struct conf *c, enum conf_table table, size_t i, const char *indent,
                         struct byteq *out)
{
    struct conf_peer peer;

    if (table == CONF_CERTIFICATE) {
        put_item(table, &c->tls.certificates[i], indent, out);
    } else if (table == CONF_COMPONENT) {
        put_item(table, &c->components[i], indent, out);
    } else {
        conf_peer_from_rule(policy_rule_at(c->policy, i), &peer);
        put_item(table, &peer, indent, out);
    }
}

static void put_items(const struct conf *c, const struct conf_row *row, struct byteq *out)
{
    enum conf_table table = conf_table_of(row);
    size_t count = item_count(c, table);

    put(out, count ? "\n" : " []\n");
    for (size_t i = 0; i < count; i++)
        put_nth_item(c, table, i, strchr(row->path, '.') ? "    " : "  ", out);
}

static void put_value(const struct conf *c, const struct conf_row *row, struct byteq *out)
{
    if (row->type == CONF_TYPE_ITEMS) {
        put_items(c, row, out);
        return;
    }
    put(out, " ");
    conf_value_format(row, c, out);
    put(out, "\n");
}

/* "store:" and "redis:" before the first key of "store.redis". `last`: the path before. */
static void put_sections(struct slice path, struct slice last, struct byteq *out)
{
    size_t from = 0;

    for (size_t dot = slice_find(path, '.'); dot < path.len;
         dot = from + slice_find(slice_from_offset(path, from), '.')) {
        struct slice section = slice_sub(path, 0, dot);

        if (!slice_starts(last, slice_sub(path, 0, dot + 1))) {
            put_indent(section, out);
            byteq_append(out, slice_from_offset(section, from));
            put(out, ":\n");
        }
        from = dot + 1;
    }
}

static void format(const struct conf *c, struct byteq *out)
{
    struct slice last = slice_none();
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].table != CONF_ROOT || rows[i].type == CONF_TYPE_LATER)
            continue;
        put_sections(slice_from(rows[i].path), last, out);
        last = slice_from(rows[i].path);
        put_indent(last, out);
        put(out, last_key(&rows[i]));
        put(out, ":");
        put_value(c, &rows[i], out);
    }
}

void conf_print(const struct conf *c, FILE *out)
{
    struct byteq text;
    struct slice s;

    byteq_init(&text);
    format(c, &text);
    s = byteq_slice(&text);
    (void)fwrite(s.ptr, 1, s.len, out);
    byteq_fini(&text);
}

static bool same_text(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    struct byteq x, y;
    bool same;

    byteq_init(&x);
    byteq_init(&y);
    put_value(a, row, &x);
    put_value(b, row, &y);
    same = slice_eq(byteq_slice(&x), byteq_slice(&y));
    byteq_fini(&x);
    byteq_fini(&y);
    return same;
}

static bool same_secrets(const struct conf *a, const struct conf *b)
{
    for (size_t i = 0; i < a->component_count && i < b->component_count; i++)
        if (!slice_eq(a->components[i].secret.text, b->components[i].secret.text))
            return false;
    return true;
}

/* A secret may change while its file keeps the name. */
static bool same(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    const struct conf_secret *x = (const void *)((const char *)a + row->offset);
    const struct conf_secret *y = (const void *)((const char *)b + row->offset);

    if (!same_text(a, b, row))
        return false;
    if (row->type == CONF_TYPE_DIALBACK_SECRET || row->type == CONF_TYPE_SECRET)
        return slice_eq(x->text, y->text);
    return row->type != CONF_TYPE_ITEMS || conf_table_of(row) != CONF_COMPONENT ||
           same_secrets(a, b);
}

void conf_diff(const struct conf *old, const struct conf *new,
               void (*fn)(void *arg, const char *key, bool reloadable), void *arg)
{
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++)
        if (rows[i].table == CONF_ROOT && rows[i].type != CONF_TYPE_LATER &&
            !same(old, new, &rows[i]))
            fn(arg, rows[i].path, rows[i].when != CONF_RESTART);
}
