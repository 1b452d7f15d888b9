/* Any bytes as a DNS answer. The question is taken from the packet itself, so that the reading
 * goes deep; what comes out keeps the promises of wire/dnsmsg.h. */
#include "wire/dnsmsg.h"
#include "wire/dnswalk.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The asked name as text, case kept. */
static bool name_of(struct slice wire, char *text)
{
    size_t len = 0;

    for (size_t at = 0; at < wire.len && wire.ptr[at]; at += (size_t)wire.ptr[at] + 1) {
        memcpy(text + len, wire.ptr + at + 1, (size_t)wire.ptr[at]);
        len += (size_t)wire.ptr[at];
        text[len++] = '.';
    }
    if (len)
        len--;
    text[len] = '\0';
    return strlen(text) == len;
}

static bool question_of(struct slice packet, struct arena *arena, struct dns_question *q)
{
    struct dns_layout layout;

    if (dnswalk(packet, arena, &layout))
        return false;
    q->id = layout.id;
    q->type = (enum dns_type)layout.question_type;
    return name_of(layout.question, q->name);
}

static void check_name(struct slice s)
{
    assert(s.len < DNS_NAME_TEXT_MAX);
    for (size_t i = 0; i < s.len; i++)
        assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", s.ptr[i]) && s.ptr[i]);
}

static void check_answer(const struct dns_answer *a, const struct dns_question *q)
{
    assert(a->count <= DNS_RECORDS_MAX);
    assert(!a->truncated || a->count == 0);
    assert(a->rcode == DNS_NOERROR || a->count == 0);
    check_name(a->alias);
    for (size_t i = 0; i < a->count; i++) {
        assert(a->records[i].type == q->type);
        assert(a->ttl_s <= a->records[i].ttl_s);
        check_name(a->records[i].target);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice packet = slice_make((const char *)data, size);
    struct dns_question q = {"example.net", DNS_A, 1};
    struct dns_answer a;
    struct arena arena;

    arena_init(&arena);
    if (!question_of(packet, &arena, &q))
        assert(dns_parse(packet, &q, &arena, &a) != OK);
    else if (!dns_parse(packet, &q, &arena, &a))
        check_answer(&a, &q);
    arena_fini(&arena);
    return 0;
}
