/* Makes conf/fedrouter.yaml, and the keys of conf/man/fedrouter.yaml.5, from node/conf.def; or
 * says whether they are what it would make.
 *
 *   conf_reference --write|--check DIRECTORY
 */
#include "node/conf_row.h"

#include <stdio.h>

#define WIDTH 100

enum entry_kind { ENTRY_SECTION, ENTRY_KEY, ENTRY_LATER, ENTRY_EXAMPLE };

struct entry {
    enum entry_kind kind;
    enum conf_table table;
    const char *path; /* of an example: its text */
    const char *prose;
};

static const struct entry entries[] = {
#define SECTION(path, prose) {ENTRY_SECTION, CONF_ROOT, path, prose},
#define KEY(table, path, type, member, words, text, min, max, when, note, example, prose)          \
    {ENTRY_KEY, CONF_##table, path, prose},
#define LATER(table, path, prose) {ENTRY_LATER, CONF_##table, path, prose},
#define EXAMPLE(table, item)      {ENTRY_EXAMPLE, CONF_##table, item, ""},
#include "node/conf.def"
};

static void put(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

/* Words of `text` in lines that begin with `lead`. */
static void put_wrapped(struct byteq *out, const char *lead, struct slice text)
{
    size_t column = 0;

    while (text.len) {
        struct slice word = slice_sub(text, 0, slice_find(text, ' '));

        if (column && column + 1 + word.len > WIDTH) {
            put(out, "\n");
            column = 0;
        }
        put(out, column ? " " : lead);
        column += column ? 1 : strlen(lead);
        byteq_append(out, word);
        column += word.len;
        text = slice_from_offset(text, word.len + 1);
    }
    put(out, "\n");
}

static bool is_number(enum conf_type type)
{
    return type <= CONF_TYPE_SIZE_OR_0;
}

static void put_one(struct byteq *out, const struct conf_row *row, struct slice text)
{
    if (is_number(row->type))
        byteq_append(out, text);
    else
        conf_yaml_quote(text, out);
}

/* "a, b" of the table as [a, b]. */
static void put_value(struct byteq *out, const struct conf_row *row, const char *value)
{
    struct slice rest = slice_from(value);
    const char *lead = "";

    if (!conf_type_is_list(row->type)) {
        put_one(out, row, rest);
        return;
    }
    put(out, "[");
    while (rest.len) {
        size_t comma = slice_find(rest, ',');

        put(out, lead);
        put_one(out, row, slice_trim(slice_sub(rest, 0, comma)));
        rest = slice_from_offset(rest, comma + 1);
        lead = ", ";
    }
    put(out, "]");
}

/* "0 to 256; default 0; needs a restart"; `shown`: the default stands there anyway. */
static void put_facts(struct byteq *out, const struct conf_row *row, bool shown)
{
    char range[256];
    bool any;

    conf_value_range(row, range, sizeof(range));
    put(out, range);
    any = *range;
    if (row->when == CONF_NEEDED) {
        put(out, any ? "; must be given" : "must be given");
        any = true;
    } else if (*row->default_text && !shown) {
        put(out, any ? "; default " : "default ");
        put_value(out, row, row->default_text);
        any = true;
    }
    if (row->when == CONF_RESTART)
        put(out, any ? "; needs a restart" : "needs a restart");
}

static void put_comment(struct byteq *out, const char *lead, const struct conf_row *row)
{
    struct byteq text;
    size_t before;

    byteq_init(&text);
    put(&text, row->prose);
    put(&text, " [");
    before = byteq_len(&text);
    put_facts(&text, row, !row->example);
    if (byteq_len(&text) == before)
        text.to -= 2; /* nothing to say */
    else
        put(&text, "]");
    put_wrapped(out, lead, byteq_slice(&text));
    byteq_fini(&text);
}

/* ---- the reference file ---- */

static const char reference_head[] =
    "# fedrouter.yaml - every key there is, with its default, or with an example where it has "
    "none.\n"
    "#\n"
    "# Made from the table that the router reads (conf_reference --write conf): change that, not "
    "this.\n"
    "# What is needed is in minimal.yaml. `fedrouter --check` reports all mistakes of a file,\n"
    "# `fedrouter --print-config` shows what it amounts to, SIGHUP reads it again.\n"
    "#\n"
    "# Sizes: 10000B 256KiB 16MiB 1GiB. Times: 500ms 30s 5m 12h 7d. Relative paths begin at this\n"
    "# file's directory. Secrets are in files of their own. ${NAME} in a value stands for that\n"
    "# environment variable, \"$${\" for \"${\" itself. Texts with * [ ] { } : go in quotes.\n"
    "# In brackets behind each key: what may stand there.\n";

static const char *last_key(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* Two blanks for each section that a path is in. */
static const char *indent_of(const char *path)
{
    static const char blanks[] = "                ";
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '.';
    assert(2 * depth < sizeof(blanks));
    return blanks + sizeof(blanks) - 1 - 2 * depth;
}

static void put_line(struct byteq *out, const char *lead, const struct conf_row *row)
{
    put(out, lead);
    put(out, last_key(row->path));
    put(out, ":");
    if (row->type != CONF_TYPE_ITEMS) {
        put(out, " ");
        put_value(out, row, row->example ? row->example : row->default_text);
    }
    put(out, "\n");
}

static void put_root_key(struct byteq *out, const struct conf_row *row)
{
    const char *indent = indent_of(row->path);
    char lead[32];

    put(out, *indent ? "" : "\n");
    snprintf(lead, sizeof(lead), "%s# ", indent);
    put_comment(out, lead, row);
    put_line(out, indent, row);
}

/* A key of the first item of a list: "- " before the first, comments above each. */
static void put_item_key(struct byteq *out, const struct conf_row *row, bool first)
{
    const char *indent = strchr(conf_table_path(row->table), '.') ? "    " : "  ";
    char lead[16];

    snprintf(lead, sizeof(lead), "%s%s# ", indent, first ? "" : "  ");
    put_comment(out, lead, row);
    snprintf(lead, sizeof(lead), "%s%s", indent, first ? "- " : "  ");
    put_line(out, lead, row);
}

static void put_entry(struct byteq *out, const struct entry *e, const struct entry *before)
{
    const struct conf_row *row;

    if (e->kind == ENTRY_SECTION) {
        char lead[32];

        put(out, "\n");
        snprintf(lead, sizeof(lead), "%s# ", indent_of(e->path));
        put_wrapped(out, lead, slice_from(e->prose));
        put(out, indent_of(e->path));
        put(out, last_key(e->path));
        put(out, ":\n");
    } else if (e->kind == ENTRY_EXAMPLE) {
        put(out, "  - ");
        put(out, e->path);
        put(out, "\n");
    } else if (e->kind == ENTRY_KEY) {
        row = conf_row_find(e->table, slice_from(e->path));
        if (e->table == CONF_ROOT)
            put_root_key(out, row);
        else
            put_item_key(out, row, before->table != e->table);
    }
}

static void put_later(struct byteq *out, const char *lead)
{
    struct byteq text;
    const char *comma = "";

    byteq_init(&text);
    put(&text, "Known, but not in this version, and refused unless empty: ");
    for (size_t i = 0; i < COUNT(entries); i++) {
        const char *table = conf_table_path(entries[i].table);

        if (entries[i].kind != ENTRY_LATER)
            continue;
        put(&text, comma);
        put(&text, table);
        put(&text, *table ? "." : "");
        put(&text, entries[i].path);
        comma = ", ";
    }
    put(&text, ".");
    put_wrapped(out, lead, byteq_slice(&text));
    byteq_fini(&text);
}

static void make_yaml(struct byteq *out)
{
    put(out, reference_head);
    for (size_t i = 0; i < COUNT(entries); i++)
        put_entry(out, &entries[i], i ? &entries[i - 1] : NULL);
    put(out, "\n");
    put_later(out, "# ");
}

/* ---- the manual ---- */

#define MAN_BEGIN ".\\\" keys: made by conf_reference --write conf\n"
#define MAN_END   ".\\\" end of keys\n"

/* Text of man(7): a backslash or "-" means itself, no line begins with a dot. */
static void put_man_text(struct byteq *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct slice byte = slice_sub(text, i, 1);

        if (byte.ptr[0] == '\\')
            put(out, "\\e");
        else if (byte.ptr[0] == '-')
            put(out, "\\-");
        else if (byte.ptr[0] == '\'' || (byte.ptr[0] == '.' && i == 0))
            put(out, byte.ptr[0] == '.' ? "\\&." : "\\(aq");
        else
            byteq_append(out, byte);
    }
}

static void put_man_key(struct byteq *out, const struct conf_row *row)
{
    const char *table = conf_table_path(row->table);
    struct byteq facts;

    put(out, ".TP\n.B ");
    put_man_text(out, slice_from(table));
    put(out, *table ? "." : "");
    put_man_text(out, slice_from(row->path));
    put(out, "\n");
    put_man_text(out, slice_from(row->prose));
    put(out, "\n");
    byteq_init(&facts);
    put_facts(&facts, row, false);
    if (byteq_len(&facts)) {
        put(out, ".br\n(");
        put_man_text(out, byteq_slice(&facts));
        put(out, ")\n");
    }
    byteq_fini(&facts);
}

static void make_man_keys(struct byteq *out)
{
    for (size_t i = 0; i < COUNT(entries); i++) {
        const struct entry *e = &entries[i];

        if (e->kind == ENTRY_SECTION) {
            put(out, ".SS ");
            put(out, e->path);
            put(out, "\n");
            put_man_text(out, slice_from(e->prose));
            put(out, "\n");
        } else if (e->kind == ENTRY_KEY) {
            if (e->table == CONF_ROOT && !strchr(e->path, '.')) {
                put(out, ".SS ");
                put(out, e->path);
                put(out, "\n");
            }
            put_man_key(out, conf_row_find(e->table, slice_from(e->path)));
        }
    }
    put(out, ".SS Later versions\n");
    put_later(out, "");
}

/* The page with its keys replaced; the rest is written by hand. */
static bool make_man(struct slice page, struct byteq *out)
{
    const char *begin = memmem(page.ptr, page.len, MAN_BEGIN, strlen(MAN_BEGIN));
    const char *end = memmem(page.ptr, page.len, MAN_END, strlen(MAN_END));

    if (!begin || !end || end < begin)
        return false;
    byteq_append(out, slice_make(page.ptr, (size_t)(begin - page.ptr) + strlen(MAN_BEGIN)));
    make_man_keys(out);
    byteq_append(out, slice_make(end, (size_t)(page.ptr + page.len - end)));
    return true;
}

/* ---- files ---- */

static bool read_file(const char *path, struct byteq *out)
{
    FILE *f = fopen(path, "r");
    size_t n;

    if (!f)
        return false;
    do {
        n = fread(byteq_reserve(out, 65536), 1, 65536, f);
        byteq_grow(out, n);
    } while (n);
    fclose(f);
    return true;
}

static bool write_file(const char *path, struct slice text)
{
    FILE *f = fopen(path, "w");
    bool good = f && fwrite(text.ptr, 1, text.len, f) == text.len;

    return f && !fclose(f) && good;
}

static bool settle(const char *path, struct slice old, struct slice want, bool write)
{
    if (slice_eq(old, want))
        return true;
    if (write && write_file(path, want)) {
        printf("%s: written\n", path);
        return true;
    }
    printf("%s: %s\n", path,
           write ? "cannot be written" : "differs from node/conf.def; conf_reference --write conf");
    return false;
}

static bool do_yaml(const char *dir, bool write)
{
    char path[4096];
    struct byteq old, want;
    bool good;

    byteq_init(&old);
    byteq_init(&want);
    snprintf(path, sizeof(path), "%s/fedrouter.yaml", dir);
    (void)read_file(path, &old);
    make_yaml(&want);
    good = settle(path, byteq_slice(&old), byteq_slice(&want), write);
    byteq_fini(&old);
    byteq_fini(&want);
    return good;
}

static bool do_man(const char *dir, bool write)
{
    char path[4096];
    struct byteq old, want;
    bool good;

    byteq_init(&old);
    byteq_init(&want);
    snprintf(path, sizeof(path), "%s/man/fedrouter.yaml.5", dir);
    good = read_file(path, &old) && make_man(byteq_slice(&old), &want);
    if (!good)
        printf("%s: not there, or without the lines between which the keys stand\n", path);
    good = good && settle(path, byteq_slice(&old), byteq_slice(&want), write);
    byteq_fini(&old);
    byteq_fini(&want);
    return good;
}

int main(int argc, char **argv)
{
    bool write = argc == 3 && !strcmp(argv[1], "--write");
    bool good;

    if (argc != 3 || (!write && strcmp(argv[1], "--check"))) {
        fprintf(stderr, "conf_reference --write|--check DIRECTORY\n");
        return 64;
    }
    good = do_yaml(argv[2], write);
    good = do_man(argv[2], write) && good;
    return good ? 0 : 1;
}
