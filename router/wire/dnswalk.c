#include "wire/dnswalk.h"

#include "wire/dnsmsg.h"

#define TYPE_PTR   12
#define TYPE_DNAME 39

/* Where we are; `bad` sticks, and everything read after it is 0. */
struct walk {
    struct slice packet;
    size_t at;
    bool bad;
};

static const unsigned char *take(struct walk *w, size_t n)
{
    static const unsigned char zero[16];
    const char *p = w->packet.ptr + w->at;

    assert(n <= sizeof(zero));
    if (w->bad || n > w->packet.len - w->at) {
        w->bad = true;
        return zero;
    }
    w->at += n;
    return (const unsigned char *)p;
}

static void skip(struct walk *w, size_t n)
{
    if (w->bad || n > w->packet.len - w->at)
        w->bad = true;
    else
        w->at += n;
}

static unsigned take_u8(struct walk *w)
{
    return *take(w, 1);
}

static uint16_t take_u16(struct walk *w)
{
    const unsigned char *p = take(w, 2);

    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t take_u32(struct walk *w)
{
    uint32_t high = take_u16(w);

    return high << 16 | take_u16(w);
}

/* Labels up to the root or a pointer. Their bytes are added to *sum: the whole name, pointers
 * followed, has at most 255 (RFC 1035 3.1). True: a pointer to *ret_to ends them. */
static bool take_labels(struct walk *w, size_t *sum, size_t *ret_to)
{
    for (;;) {
        unsigned len = take_u8(w);

        if (w->bad || len == 0)
            return false;
        if ((len & 0xc0) == 0xc0) {
            *ret_to = (size_t)(len & 0x3f) << 8 | take_u8(w);
            return !w->bad;
        }
        *sum += len + 1;
        if (len > 63 || *sum >= DNSWALK_NAME_BYTES_MAX)
            w->bad = true;
        skip(w, len);
    }
}

/* Each pointer must lead to a place before the labels that it ends: so every step goes back and
 * the walk ends, whatever the packet says. RFC 1035 4.1.4: "a prior occurrence". */
static void take_name(struct walk *w)
{
    size_t start = w->at;
    size_t sum = 0;
    size_t to;
    struct walk far;

    if (!take_labels(w, &sum, &to))
        return;
    far = *w;
    for (;;) {
        if (to >= start || to < DNSWALK_HEADER_BYTES) {
            w->bad = true;
            return;
        }
        far.at = start = to;
        if (!take_labels(&far, &sum, &to))
            break;
    }
    w->bad = far.bad;
}

/* Options must fill the record. RFC 6891 6.1.2. */
static void take_options(struct walk *w, size_t end)
{
    while (!w->bad && w->at < end) {
        take_u16(w);
        skip(w, take_u16(w));
    }
}

static void take_rdata(struct walk *w, uint16_t type, size_t end)
{
    switch (type) {
    case DNS_A:
        skip(w, 4);
        break;
    case DNS_AAAA:
        skip(w, 16);
        break;
    case DNS_CNAME:
    case DNS_TYPE_NS:
    case TYPE_PTR:
    case TYPE_DNAME:
        take_name(w);
        break;
    case DNS_SOA:
        take_name(w);
        take_name(w);
        skip(w, 20);
        break;
    case DNS_SRV:
        skip(w, 6);
        take_name(w);
        break;
    case DNS_TLSA: /* three numbers and at least a byte to compare; RFC 6698 2.1 */
        skip(w, 4);
        if (!w->bad && w->at < end)
            w->at = end;
        break;
    case DNS_TYPE_OPT:
        take_options(w, end);
        break;
    default: /* nobody reads these */
        w->at = end;
    }
}

static void take_record(struct walk *w, enum dns_section section, struct dns_view *v)
{
    size_t len;

    v->section = section;
    v->at = w->at;
    take_name(w);
    v->type = take_u16(w);
    v->class = take_u16(w);
    v->ttl_s = take_u32(w);
    len = take_u16(w);
    if (w->bad || len > w->packet.len - w->at) {
        w->bad = true;
        return;
    }
    v->rdata = slice_sub(w->packet, w->at, len);
    take_rdata(w, v->type, w->at + len);
    if (w->packet.ptr + w->at != v->rdata.ptr + len)
        w->bad = true;
}

/* One OPT at most, of the root, among the additional records. RFC 6891 6.1.1. */
static bool opt_is_right(struct slice packet, const struct dns_view *v, size_t *opts)
{
    if (v->type != DNS_TYPE_OPT)
        return true;
    return v->section == DNS_ADDITIONAL && packet.ptr[v->at] == 0 && ++*opts == 1;
}

static void take_records(struct walk *w, const uint16_t counts[DNS_SECTIONS],
                         struct dns_layout *layout)
{
    size_t opts = 0;

    for (unsigned s = 0; s < DNS_SECTIONS; s++)
        for (unsigned i = 0; i < counts[s] && !w->bad; i++) {
            struct dns_view *v = &layout->views[layout->view_count++];

            take_record(w, (enum dns_section)s, v);
            if (!w->bad && !opt_is_right(w->packet, v, &opts))
                w->bad = true;
        }
    if (w->at != w->packet.len)
        w->bad = true;
}

/* The only question is the first name in the packet: a pointer has nowhere to go. */
static void take_question(struct walk *w, struct dns_layout *layout)
{
    size_t from = w->at;

    take_name(w);
    layout->question = slice_sub(w->packet, from, w->at - from);
    layout->question_type = take_u16(w);
    layout->question_class = take_u16(w);
}

enum err dnswalk(struct slice packet, struct arena *arena, struct dns_layout *ret_layout)
{
    struct walk w = {.packet = packet};
    struct dns_layout layout = {0};
    uint16_t question_count;
    uint16_t counts[DNS_SECTIONS];
    size_t total;

    layout.id = take_u16(&w);
    layout.flags = take_u16(&w);
    question_count = take_u16(&w);
    for (unsigned s = 0; s < DNS_SECTIONS; s++)
        counts[s] = take_u16(&w);
    if (w.bad || question_count != 1)
        return ERR_SYNTAX;
    take_question(&w, &layout);
    total = (size_t)counts[DNS_ANSWER] + counts[DNS_AUTHORITY] + counts[DNS_ADDITIONAL];
    if (w.bad || total > DNSWALK_RECORDS_MAX)
        return ERR_SYNTAX;
    if (!(layout.flags & DNS_FLAG_TC)) {
        layout.views = arena_zalloc(arena, (total + 1) * sizeof(*layout.views));
        take_records(&w, counts, &layout);
    }
    if (w.bad)
        return ERR_SYNTAX;
    *ret_layout = layout;
    return OK;
}
