/* tests/unit/route/stanzas.h - stanzas for tests of routing: real ones, with domains set. */
#ifndef TESTS_UNIT_ROUTE_STANZAS_H
#define TESTS_UNIT_ROUTE_STANZAS_H

#include "wire/jid.h"
#include "wire/stanza.h"

#include <stdio.h>

static inline struct slice domain_of(struct slice address)
{
    size_t at = slice_find(address, '@');
    struct slice rest = at < address.len ? slice_from_offset(address, at + 1) : address;

    return slice_sub(rest, 0, slice_find(rest, '/'));
}

/* As if a component had sent it: not of our own making. */
static inline struct stanza *stanza_of(enum stanza_kind kind, const char *type, const char *from,
                                       const char *to, int number, uint64_t accepted_ms)
{
    char id[16];
    struct stanza_parts parts = {.kind = kind,
                                 .from = slice_from(from),
                                 .to = slice_from(to),
                                 .type = slice_from(type),
                                 .inner = SLICE("<body>hello</body>")};
    struct stanza *s;

    snprintf(id, sizeof(id), "%d", number);
    parts.id = slice_from(id);
    s = stanza_make(&parts);
    s->flags &= (uint8_t)~STANZA_MADE;
    s->accepted_ms = accepted_ms;
    stanza_set_domains(s, domain_of(slice_from(from)), domain_of(slice_from(to)));
    return s;
}

static inline struct stanza *message(const char *from, const char *to, int number)
{
    return stanza_of(STANZA_MESSAGE, NULL, from, to, number, 0);
}

static inline int number_of(const struct stanza *s)
{
    uint64_t n = 0;

    return slice_to_u64(s->id, INT32_MAX, &n) ? (int)n : -1;
}

#endif
