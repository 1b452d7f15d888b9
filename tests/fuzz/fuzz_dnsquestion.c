/* Any text as a name to ask: what is built reads back as its own answer, and with one byte of id
 * or question changed it answers another question. */
#include "wire/dnsmsg.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_BYTES 5 /* id, type, where to change, how */

static enum err parse(const unsigned char *packet, size_t len, const struct dns_question *q)
{
    struct dns_answer a;
    struct arena arena;
    enum err e;

    arena_init(&arena);
    e = dns_parse(slice_make((const char *)packet, len), q, &arena, &a);
    arena_fini(&arena);
    return e;
}

/* Offset of one byte of the id or of the question section. */
static size_t place(uint8_t choice, const struct dns_question *q)
{
    size_t n = choice % (2 + strlen(q->name) + 2 + 4);

    return n < 2 ? n : 12 + n - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_TLSA};
    struct dns_question q;
    unsigned char buf[512];
    size_t len;

    if (size < HEAD_BYTES ||
        !slice_to_cstr(slice_make((const char *)data + HEAD_BYTES, size - HEAD_BYTES), q.name,
                       sizeof(q.name)))
        return 0;
    q.id = (uint16_t)(data[0] << 8 | data[1]);
    q.type = types[data[2] % COUNT(types)];
    if (dns_format(&q, false, buf, sizeof(buf), &len))
        return 0;
    assert(parse(buf, len, &q) == ERR_DENIED); /* a question is no answer */
    buf[2] |= 0x80;
    assert(parse(buf, len, &q) == OK);
    buf[place(data[3], &q)] ^= data[4];
    assert((parse(buf, len, &q) == OK) == (data[4] == 0));
    return 0;
}
