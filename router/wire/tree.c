#include "wire/tree.h"

struct tree_node {
    struct element element;
    struct tree_node *parent;
    struct element **tail; /* where the next child is hung */
    char *text;
    size_t text_room;
};

void tree_begin(struct tree *t, struct arena *arena)
{
    *t = (struct tree){.arena = arena};
}

static void hang(struct tree *t, struct tree_node *node)
{
    if (!t->open) {
        t->root = &node->element;
        return;
    }
    *t->open->tail = &node->element;
    t->open->tail = &node->element.next;
}

bool tree_start(struct tree *t, const struct qname *name, size_t attr_count)
{
    struct tree_node *node;

    if (t->count == TREE_ELEMENTS_MAX)
        return false;
    t->count++;
    node = ARENA_NEW(t->arena, struct tree_node);
    node->element.ns = arena_copy(t->arena, name->ns);
    node->element.name = arena_copy(t->arena, name->local);
    if (attr_count)
        node->element.attrs = arena_alloc(t->arena, attr_count * sizeof(struct xml_attr));
    node->tail = &node->element.children;
    hang(t, node);
    node->parent = t->open;
    t->open = node;
    return true;
}

void tree_attr(struct tree *t, const struct qname *name, struct slice value)
{
    struct element *e = &t->open->element;

    e->attrs[e->attr_count++] =
        (struct xml_attr){arena_copy(t->arena, name->ns), arena_copy(t->arena, name->local),
                          arena_copy(t->arena, value)};
}

/* Room doubles: text comes in as many pieces as it has lines and references. */
static void make_room(struct tree *t, struct tree_node *node, size_t n)
{
    size_t room = node->text_room ? node->text_room : 64;
    char *text;

    if (node->text_room >= n)
        return;
    while (room < n)
        room *= 2;
    text = arena_alloc(t->arena, room);
    if (node->element.text.len)
        memcpy(text, node->text, node->element.text.len);
    node->text = text;
    node->text_room = room;
}

void tree_text(struct tree *t, struct slice text)
{
    struct tree_node *node = t->open;
    size_t len = node->element.text.len;

    make_room(t, node, len + text.len);
    memcpy(node->text + len, text.ptr, text.len);
    node->element.text = slice_make(node->text, len + text.len);
}

void tree_end(struct tree *t)
{
    assert(t->open);
    t->open = t->open->parent;
}

struct slice element_attr(const struct element *e, const char *name)
{
    for (size_t i = 0; i < e->attr_count; i++)
        if (!e->attrs[i].ns.len && slice_is(e->attrs[i].name, name))
            return e->attrs[i].value;
    return slice_none();
}

bool element_is(const struct element *e, const char *name, const char *ns)
{
    return slice_is(e->name, name) && (!ns || slice_is(e->ns, ns));
}

const struct element *element_child(const struct element *e, const char *name, const char *ns)
{
    for (const struct element *c = e->children; c; c = c->next)
        if (element_is(c, name, ns))
            return c;
    return NULL;
}
