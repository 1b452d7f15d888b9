#include "node/conf_tree.h"

#include <stdio.h>
#include <yaml.h>

struct builder {
    yaml_parser_t yaml;
    struct arena *arena;
    struct conf_report *report;
    struct conf_tree *root;
    struct conf_tree *open[CONF_DEPTH_MAX]; /* lists and maps not yet ended, outermost first */
    size_t depth;
    struct slice key; /* waits for its value; ptr NULL: none */
    unsigned key_line;
    bool key_unused; /* given twice, or too many: its value is read and forgotten */
    size_t node_count;
    size_t document_count;
    bool failed; /* the rest of the text has no meaning */
};

static unsigned line_of(const yaml_mark_t *mark)
{
    return (unsigned)mark->line + 1;
}

static void give_up(struct builder *b, unsigned line, const char *text)
{
    conf_remark(b->report, CONF_ERROR, line, "%s", text);
    b->failed = true;
}

static struct conf_tree *node_new(struct builder *b, enum conf_tree_kind kind, unsigned line)
{
    struct conf_tree *t = ARENA_NEW(b->arena, struct conf_tree);

    t->kind = kind;
    t->line = line;
    if (++b->node_count > CONF_NODES_MAX)
        give_up(b, line, "too many values: at most 1000000; split or shorten the file");
    return t;
}

static struct conf_tree *find(const struct conf_tree *map, struct slice key)
{
    struct conf_tree *t = map->first;

    while (t && !slice_eq(t->key, key))
        t = t->next;
    return t;
}

static void append(struct conf_tree *parent, struct conf_tree *t)
{
    if (parent->last)
        parent->last->next = t;
    else
        parent->first = t;
    parent->last = t;
    parent->count++;
}

/* Puts a finished scalar or a beginning list or map where it belongs. */
static void attach(struct builder *b, struct conf_tree *t)
{
    struct conf_tree *parent = b->depth ? b->open[b->depth - 1] : NULL;

    if (!parent) {
        b->root = t;
    } else if (parent->kind == CONF_TREE_LIST) {
        append(parent, t);
    } else if (!b->key_unused) {
        t->key = b->key;
        t->key_line = b->key_line;
        append(parent, t);
    }
    b->key = slice_none();
    b->key_unused = false;
}

static bool wants_key(const struct builder *b)
{
    return b->depth && b->open[b->depth - 1]->kind == CONF_TREE_MAP && !b->key.ptr;
}

static void take_key(struct builder *b, struct slice text, unsigned line)
{
    struct conf_tree *map = b->open[b->depth - 1];
    struct conf_tree *twin = find(map, text);
    char shown[128];

    b->key = arena_copy(b->arena, text);
    b->key_line = line;
    if (twin)
        conf_remark(b->report, CONF_ERROR, line,
                    "%s: given twice, first on line %u; leave one of them out",
                    conf_show(text, shown, sizeof(shown)), twin->key_line);
    else if (map->count == CONF_KEYS_MAX)
        give_up(b, line, "more than 100 keys in one section; leave some out");
    b->key_unused = twin != NULL;
}

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct slice text =
        slice_make((const char *)event->data.scalar.value, event->data.scalar.length);
    unsigned line = line_of(&event->start_mark);
    struct conf_tree *t;

    if (wants_key(b)) {
        take_key(b, text, line);
        return;
    }
    t = node_new(b, CONF_TREE_SCALAR, line);
    t->text = arena_copy(b->arena, text);
    t->bare = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    attach(b, t);
}

static void on_open(struct builder *b, enum conf_tree_kind kind, const yaml_event_t *event)
{
    unsigned line = line_of(&event->start_mark);
    struct conf_tree *t;

    if (wants_key(b)) {
        give_up(b, line, "a list or map where a key belongs; put texts with [ or { in quotes");
        return;
    }
    if (b->depth == CONF_DEPTH_MAX) {
        give_up(b, line, "nested too deeply: at most 16 levels; put texts with [ or { in quotes");
        return;
    }
    t = node_new(b, kind, line);
    attach(b, t);
    b->open[b->depth++] = t;
}

static void on_document(struct builder *b, const yaml_event_t *event)
{
    if (b->document_count++)
        give_up(b, line_of(&event->start_mark), "a second document begins; leave out the line ---");
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        return event->data.scalar.tag;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return event->data.sequence_start.tag;
    if (event->type == YAML_MAPPING_START_EVENT)
        return event->data.mapping_start.tag;
    return NULL;
}

static void take(struct builder *b, const yaml_event_t *event)
{
    if (tag_of(event)) {
        give_up(b, line_of(&event->start_mark),
                "YAML tags have no meaning here; leave it out, or put a text with ! in quotes");
        return;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(b, event);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(b, CONF_TREE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(b, CONF_TREE_MAP, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        break;
    case YAML_ALIAS_EVENT:
        give_up(b, line_of(&event->start_mark),
                "YAML aliases are not followed; write the value again, or put a text with * in "
                "quotes");
        break;
    default:
        break;
    }
}

/* What a person most likely did, by libyaml's words. */
static const char *remedy(const yaml_parser_t *yaml)
{
    if (yaml->context && strstr(yaml->context, "alias"))
        return "put a text with * in quotes";
    if (yaml->problem && strstr(yaml->problem, "cannot start any token"))
        return "indent with spaces, not tabs, and put texts with @, ` or % in quotes";
    if (yaml->problem && strstr(yaml->problem, "control characters"))
        return "remove them";
    return "see to indentation, colons, brackets and quotes";
}

static void on_syntax(struct builder *b)
{
    const yaml_parser_t *yaml = &b->yaml;

    conf_remark(b->report, CONF_ERROR, line_of(&yaml->problem_mark), "not YAML: %s%s%s; %s",
                yaml->problem ? yaml->problem : "unreadable", yaml->context ? " " : "",
                yaml->context ? yaml->context : "", remedy(yaml));
    b->failed = true;
}

static void read_events(struct builder *b)
{
    bool end = false;

    while (!b->failed && !end) {
        yaml_event_t event;

        if (!yaml_parser_parse(&b->yaml, &event)) {
            on_syntax(b);
            return;
        }
        take(b, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
}

/* The line of the first byte that is not UTF-8: the longest good run of lines ends before it. */
static unsigned bad_line(struct slice text)
{
    unsigned line = 1;

    while (text.len) {
        size_t end = slice_find(text, '\n');

        if (!slice_is_utf8(slice_sub(text, 0, end)))
            break;
        text = slice_from_offset(text, end + 1);
        line++;
    }
    return line;
}

static bool readable(struct slice text, struct conf_report *report)
{
    if (text.len > CONF_FILE_BYTES_MAX)
        conf_remark(report, CONF_ERROR, 0, "too large: at most 16MiB; shorten it");
    else if (!slice_is_utf8(text))
        conf_remark(report, CONF_ERROR, bad_line(text),
                    "not UTF-8; save the file in that encoding");
    else
        return true;
    return false;
}

struct conf_tree *conf_tree_parse(struct slice text, struct arena *arena,
                                  struct conf_report *report)
{
    struct builder b = {.arena = arena, .report = report};

    if (!readable(text, report) || !yaml_parser_initialize(&b.yaml))
        return NULL;
    yaml_parser_set_encoding(&b.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.yaml, (const unsigned char *)text.ptr, text.len);
    read_events(&b);
    yaml_parser_delete(&b.yaml);
    if (b.failed)
        return NULL;
    if (!b.root || conf_tree_is_null(b.root)) {
        b.root = node_new(&b, CONF_TREE_MAP, 1);
    } else if (b.root->kind != CONF_TREE_MAP) {
        conf_remark(report, CONF_ERROR, b.root->line,
                    "no sections here; write lines such as \"log: { level: info }\"");
        return NULL;
    }
    return b.root;
}

bool conf_tree_is_null(const struct conf_tree *t)
{
    return t->kind == CONF_TREE_SCALAR && t->bare &&
           (!t->text.len || slice_is(t->text, "~") || slice_is(t->text, "null"));
}

bool conf_tree_is_empty(const struct conf_tree *t)
{
    if (t->kind == CONF_TREE_SCALAR)
        return !t->text.len || conf_tree_is_null(t);
    return !t->count;
}
