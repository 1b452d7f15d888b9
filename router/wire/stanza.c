#include "wire/stanza.h"

#include "wire/ns.h"
#include "wire/splice.h"
#include "wire/xmlw.h"

/* What stands around the public part: how much it is, and the domains where they had to be
 * copied. */
struct whole {
    struct stanza stanza;
    char *domains; /* NULL: they lie in the addresses */
    uint32_t room;
    uint32_t domains_len;
    char data[];
};

static struct whole *whole_of(const struct stanza *s)
{
    return (struct whole *)(void *)((char *)(uintptr_t)s - offsetof(struct whole, stanza));
}

struct stanza *stanza_alloc(size_t room, char **ret_room)
{
    struct whole *w;

    assert(room < UINT32_MAX / 2);
    w = mem_alloc(sizeof(*w) + room);
    memset(w, 0, sizeof(*w));
    atomic_init(&w->stanza.refs, 1);
    list_init(&w->stanza.custody_node);
    list_init(&w->stanza.queue_node);
    w->room = (uint32_t)room;
    *ret_room = w->data;
    return &w->stanza;
}

struct stanza *stanza_ref(struct stanza *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void stanza_unref(struct stanza *s)
{
    struct whole *w;

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    w = whole_of(s);
    mem_free(w->domains);
    mem_free(w);
}

size_t stanza_cost(const struct stanza *s)
{
    const struct whole *w = whole_of(s);

    return sizeof(*w) + w->room + w->domains_len;
}

/* The same bytes within `text`: most addresses are in normal form already. */
static bool find_in(struct slice text, struct slice part, struct slice *ret_found)
{
    const char *at = part.ptr;

    if (!text.ptr || !part.len)
        return false;
    if ((uintptr_t)at - (uintptr_t)text.ptr >= text.len)
        at = memmem(text.ptr, text.len, part.ptr, part.len);
    if (!at)
        return false;
    *ret_found = slice_make(at, part.len);
    return true;
}

void stanza_set_domains(struct stanza *s, struct slice from_domain, struct slice to_domain)
{
    struct whole *w = whole_of(s);

    assert(!w->domains);
    if (find_in(s->from, from_domain, &s->from_domain) && find_in(s->to, to_domain, &s->to_domain))
        return;
    w->domains_len = (uint32_t)(from_domain.len + to_domain.len);
    w->domains = mem_alloc(w->domains_len);
    if (from_domain.len)
        memcpy(w->domains, from_domain.ptr, from_domain.len);
    if (to_domain.len)
        memcpy(w->domains + from_domain.len, to_domain.ptr, to_domain.len);
    s->from_domain = slice_make(w->domains, from_domain.len);
    s->to_domain = slice_make(w->domains + from_domain.len, to_domain.len);
}

const char *stanza_kind_name(enum stanza_kind kind)
{
    static const char *const names[] = {
        [STANZA_MESSAGE] = "message", [STANZA_PRESENCE] = "presence", [STANZA_IQ] = "iq"};

    assert((unsigned)kind < COUNT(names));
    return names[kind];
}

struct stanza *stanza_make(const struct stanza_parts *parts)
{
    const struct {
        const char *text;
        struct slice value;
    } attrs[] = {{"to", parts->to},
                 {"from", parts->from},
                 {"id", parts->id},
                 {"type", parts->type},
                 {"xml:lang", parts->lang}};
    struct splice_tag tag;
    struct stanza *s;

    splice_tag_init(&tag);
    splice_tag_begin(&tag, parts->kind);
    for (size_t i = 0; i < COUNT(attrs); i++)
        if (attrs[i].value.ptr)
            splice_tag_attr(&tag, slice_from(attrs[i].text), attrs[i].value);
    s = splice_finish(&tag, (struct slice[2]){parts->inner, slice_none()});
    s->flags = STANZA_MADE;
    splice_tag_fini(&tag);
    return s;
}

struct slice stanza_wire_for(const struct stanza *s, enum stanza_scope scope,
                             struct bytes **ret_owned)
{
    *ret_owned = NULL;
    if (!(s->flags & STANZA_SCOPED) || s->scope == (uint8_t)scope)
        return s->wire;
    *ret_owned = splice_rescope(s->wire, (enum stanza_scope)s->scope, scope);
    return bytes_slice(*ret_owned);
}
