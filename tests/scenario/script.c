#include "scenario/script.h"

#include "base/byteq.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define LINES_MAX  200000 /* of one scenario, repetitions laid out */
#define PARAMS_MAX 12
#define DEPTH_MAX  12 /* of macros in macros */

struct raw {
    const char *text;
    const char *where;
    bool indented;
};

struct macro {
    struct macro *next;
    const char *name;
    const char *params[PARAMS_MAX];
    size_t param_count;
    struct raw *lines;
    size_t count;
};

struct reader {
    struct script *script;
    struct macro *macros;
    const char *dir;
};

void script_init(struct script *s)
{
    memset(s, 0, sizeof(*s));
    arena_init(&s->arena);
    s->covers = mem_strdup("");
}

void script_fini(struct script *s)
{
    arena_fini(&s->arena);
    mem_free(s->lines);
    mem_free(s->covers);
}

static bool fail(struct script *s, const char *where, const char *what)
{
    snprintf(s->why, sizeof(s->why), "%s: %s", where, what);
    return false;
}

/* --- words of a line --- */

/* The next word; "..." holds blanks. */
static struct slice take_word(struct slice *rest)
{
    struct slice s = slice_trim(*rest);
    size_t n;

    if (s.len && s.ptr[0] == '"') {
        n = slice_find(slice_from_offset(s, 1), '"');
        *rest = slice_from_offset(s, n + 2);
        return slice_sub(s, 1, n);
    }
    n = slice_find(s, ' ');
    *rest = slice_from_offset(s, n);
    return slice_sub(s, 0, n);
}

static bool first_is(const char *text, const char *word)
{
    struct slice rest = slice_from(text);

    return slice_is(take_word(&rest), word);
}

/* --- lines of a file --- */

static void note_covers(struct script *s, struct slice line)
{
    static const char mark[] = "# covers:";
    size_t size;
    char *all;

    if (!slice_starts(line, SLICE("# covers:")))
        return;
    line = slice_trim(slice_from_offset(line, sizeof(mark) - 1));
    size = strlen(s->covers) + line.len + 2;
    all = mem_alloc(size);
    snprintf(all, size, "%s%s%.*s", s->covers, s->covers[0] ? " " : "", SLICE_ARGS(line));
    mem_free(s->covers);
    s->covers = all;
}

static bool goes_on(struct slice line)
{
    return line.len && line.ptr[line.len - 1] == '\\';
}

static struct slice next_line(struct slice *text)
{
    size_t n = slice_find(*text, '\n');
    struct slice line = slice_sub(*text, 0, n);

    *text = slice_from_offset(*text, n + 1);
    while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

/* The whole of a continued line; *ret_n: how many lines of the file it was. */
static const char *join(struct script *s, struct slice first, struct slice *text, unsigned *ret_n)
{
    struct byteq all;
    const char *joined;

    byteq_init(&all);
    *ret_n = 1;
    while (goes_on(first)) {
        byteq_append(&all, slice_sub(first, 0, first.len - 1));
        first = slice_trim(next_line(text));
        ++*ret_n;
    }
    byteq_append(&all, first);
    joined = arena_copy(&s->arena, byteq_slice(&all)).ptr;
    byteq_fini(&all);
    return joined;
}

static struct raw *split(struct script *s, const char *name, struct slice text, size_t *ret_count)
{
    size_t room = 1;
    struct raw *lines;
    size_t count = 0;
    unsigned number = 1;

    for (size_t i = 0; i < text.len; i++)
        room += text.ptr[i] == '\n';
    lines = arena_zalloc(&s->arena, room * sizeof(*lines));
    while (text.len) {
        struct slice line = next_line(&text);
        bool indented = line.len && line.ptr[0] == ' ';
        unsigned n;
        const char *joined = join(s, slice_trim(line), &text, &n);

        note_covers(s, line);
        if (joined[0] && joined[0] != '#')
            lines[count++] =
                (struct raw){joined, arena_format(&s->arena, "%s:%u", name, number), indented};
        number += n;
    }
    *ret_count = count;
    return lines;
}

/* --- laying out --- */

static bool emit(struct reader *r, const char *text, const char *where, bool indented)
{
    struct script *s = r->script;

    if (s->count >= LINES_MAX)
        return fail(s, where, "too many lines");
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->lines = mem_realloc(s->lines, s->room * sizeof(*s->lines));
    }
    s->lines[s->count++] = (struct script_line){text, where, indented};
    return true;
}

static struct macro *find_macro(struct reader *r, struct slice name)
{
    for (struct macro *m = r->macros; m; m = m->next)
        if (slice_is(name, m->name))
            return m;
    return NULL;
}

static const char *put_args(struct script *s, const struct macro *m, const struct slice *args,
                            const char *text)
{
    struct slice rest = slice_from(text);
    struct byteq out;
    const char *whole;

    byteq_init(&out);
    while (rest.len) {
        size_t n = slice_find(rest, '%');
        size_t i = 0;
        struct slice name;

        byteq_append(&out, slice_sub(rest, 0, n));
        rest = slice_from_offset(rest, n);
        name = slice_sub(rest, 1, slice_find(slice_from_offset(rest, 1), '%'));
        while (i < m->param_count && !slice_is(name, m->params[i]))
            i++;
        byteq_append(&out, i < m->param_count ? args[i] : slice_sub(rest, 0, 1));
        rest = slice_from_offset(rest, i < m->param_count ? name.len + 2 : 1);
    }
    whole = arena_copy(&s->arena, byteq_slice(&out)).ptr;
    byteq_fini(&out);
    return whole;
}

static bool lay_out(struct reader *r, const struct raw *lines, size_t count, unsigned depth);

static bool use_macro(struct reader *r, const struct macro *m, const struct raw *use,
                      unsigned depth)
{
    struct script *s = r->script;
    struct slice rest = slice_from(use->text);
    struct slice args[PARAMS_MAX];
    struct raw *lines = arena_zalloc(&s->arena, (m->count + 1) * sizeof(*lines));

    if (depth > DEPTH_MAX)
        return fail(s, use->where, "macros use each other too deeply");
    take_word(&rest);
    for (size_t i = 0; i < m->param_count; i++)
        args[i] = take_word(&rest);
    if (slice_trim(rest).len)
        return fail(s, use->where, "too many arguments");
    for (size_t i = 0; i < m->count; i++)
        lines[i] =
            (struct raw){put_args(s, m, args, m->lines[i].text),
                         arena_format(&s->arena, "%s from %s", m->lines[i].where, use->where),
                         m->lines[i].indented};
    return lay_out(r, lines, m->count, depth + 1);
}

/* Lines up to the `end` of what begins before `from`. */
static size_t block_len(const struct raw *lines, size_t from, size_t count)
{
    unsigned depth = 1;
    size_t i;

    for (i = from; i < count; i++) {
        if (first_is(lines[i].text, "macro") || first_is(lines[i].text, "repeat"))
            depth++;
        if (strcmp(lines[i].text, "end") == 0 && --depth == 0)
            break;
    }
    return i - from;
}

static void define(struct reader *r, const struct raw *head, const struct raw *lines, size_t count)
{
    struct macro *m = ARENA_NEW(&r->script->arena, struct macro);
    struct slice rest = slice_from(head->text);
    struct slice word;

    take_word(&rest);
    m->name = arena_copy(&r->script->arena, take_word(&rest)).ptr;
    while ((word = take_word(&rest)).len && m->param_count < PARAMS_MAX)
        m->params[m->param_count++] = arena_copy(&r->script->arena, word).ptr;
    m->lines = arena_alloc(&r->script->arena, (count + 1) * sizeof(*lines));
    memcpy(m->lines, lines, count * sizeof(*lines));
    m->count = count;
    m->next = r->macros;
    r->macros = m;
}

static bool repeat(struct reader *r, const struct raw *head, const struct raw *lines, size_t count,
                   unsigned depth)
{
    struct slice rest = slice_from(head->text);
    uint64_t times;

    take_word(&rest);
    if (!slice_to_u64(slice_trim(rest), LINES_MAX, &times))
        return fail(r->script, head->where, "repeat how often?");
    for (uint64_t i = 1; i <= times; i++) {
        const char *let = arena_format(&r->script->arena, "let I %llu", (unsigned long long)i);

        if (!emit(r, let, head->where, false) || !lay_out(r, lines, count, depth + 1))
            return false;
    }
    return true;
}

static bool read_file(struct reader *r, const char *file, unsigned depth);

static bool include(struct reader *r, const struct raw *line, unsigned depth)
{
    struct slice rest = slice_from(line->text);
    const char *path;

    take_word(&rest);
    path = arena_format(&r->script->arena, "%s/%.*s", r->dir, SLICE_ARGS(slice_trim(rest)));
    return read_file(r, path, depth + 1);
}

static bool lay_out(struct reader *r, const struct raw *lines, size_t count, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return fail(r->script, lines->where, "nested too deeply");
    for (size_t i = 0; i < count; i++) {
        const struct raw *line = &lines[i];
        struct slice rest = slice_from(line->text);
        struct slice word = take_word(&rest);
        struct macro *m = line->indented ? NULL : find_macro(r, word);
        bool ok = true;

        if (slice_is(word, "macro") || slice_is(word, "repeat")) {
            size_t n = block_len(lines, i + 1, count);

            if (i + 1 + n >= count)
                return fail(r->script, line->where, "no end");
            if (slice_is(word, "macro"))
                define(r, line, lines + i + 1, n);
            else
                ok = repeat(r, line, lines + i + 1, n, depth);
            i += n + 1;
        } else if (slice_is(word, "include")) {
            ok = include(r, line, depth);
        } else if (m) {
            ok = use_macro(r, m, line, depth);
        } else {
            ok = emit(r, line->text, line->where, line->indented);
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool read_text(struct reader *r, const char *name, struct slice text, unsigned depth)
{
    size_t count;
    struct raw *lines = split(r->script, name, text, &count);

    return lay_out(r, lines, count, depth);
}

bool script_add(struct script *s, const char *name, struct slice text)
{
    struct reader r = {s, NULL, "."};

    return read_text(&r, name, text, 0);
}

static bool slurp(const char *path, struct byteq *out)
{
    FILE *f = fopen(path, "r");
    char buf[4096];
    size_t n;

    if (!f)
        return false;
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        byteq_append(out, slice_make(buf, n));
    fclose(f);
    return true;
}

static const char *base_name(const char *path)
{
    const char *bar = strrchr(path, '/');

    return bar ? bar + 1 : path;
}

static bool read_file(struct reader *r, const char *path, unsigned depth)
{
    struct byteq text;
    bool ok;

    byteq_init(&text);
    ok = slurp(path, &text) ? read_text(r, base_name(path), byteq_slice(&text), depth)
                            : fail(r->script, path, strerror(errno));
    byteq_fini(&text);
    return ok;
}

static bool load_from(struct reader *r, const char *file)
{
    char *common = arena_format(&r->script->arena, "%s/common.mac", r->dir);

    if (access(common, R_OK) == 0 && !read_file(r, common, 0))
        return false;
    return read_file(r, file, 0);
}

bool script_load(struct script *s, const char *file)
{
    struct reader r = {s, NULL, "."};
    char *dir = mem_strdup(file);
    char *bar = strrchr(dir, '/');
    bool ok;

    if (bar) {
        *bar = 0;
        r.dir = dir;
    }
    ok = load_from(&r, file);
    mem_free(dir);
    return ok;
}
