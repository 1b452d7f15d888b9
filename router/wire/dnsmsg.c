#include "wire/dnsmsg.h"

#include "wire/dnswalk.h"

#include <ldns/ldns.h>

#define TTL_TOP_BIT 0x80000000u

/* RFC 8914 4.7 to 4.13: bogus, expired, not yet valid, DNSKEY, RRSIG, zone key or NSEC missing. */
#define EDE_OPTION      15
#define EDE_BOGUS_FIRST 6
#define EDE_BOGUS_LAST  12

/* ---- names ---- */

/* What a host or service name of ours is made of. Others are legal DNS (RFC 2181 11), but nothing
 * that we could write into a log, ask again and compare with a certificate. */
static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool is_label(struct slice label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!is_name_char(label.ptr[i]))
            return false;
    return label.len >= 1 && label.len <= 63;
}

/* Text to labels with root. */
static enum err name_to_wire(struct slice text, unsigned char wire[DNSWALK_NAME_BYTES_MAX],
                             size_t *ret_len)
{
    size_t len = 0;

    if (text.len + 2 > DNSWALK_NAME_BYTES_MAX)
        return ERR_LIMIT;
    for (size_t from = 0; from <= text.len;) {
        struct slice rest = slice_from_offset(text, from);
        struct slice label = slice_sub(rest, 0, slice_find(rest, '.'));

        if (!is_label(label))
            return ERR_SYNTAX;
        wire[len++] = (unsigned char)label.len;
        memcpy(wire + len, label.ptr, label.len);
        len += label.len;
        from += label.len + 1;
    }
    wire[len++] = 0;
    *ret_len = len;
    return OK;
}

bool dns_is_name(struct slice text)
{
    unsigned char wire[DNSWALK_NAME_BYTES_MAX];
    size_t len;

    return !name_to_wire(text, wire, &len);
}

/* Lower-case text without final dot, in the arena; false if a label is none of ours. ldns has
 * taken the pointers out. The root is "". */
static bool name_from_rdf(const ldns_rdf *name, struct arena *arena, struct slice *ret_text)
{
    struct slice wire = slice_make((const char *)ldns_rdf_data(name), ldns_rdf_size(name));
    char text[DNSWALK_NAME_BYTES_MAX];
    size_t len = 0;
    size_t n;

    for (size_t at = 0; at < wire.len && wire.ptr[at]; at += n + 1) {
        n = (unsigned char)wire.ptr[at];
        if (!is_label(slice_sub(wire, at + 1, n)) || len + n + 1 > sizeof(text))
            return false;
        for (size_t i = 0; i < n; i++)
            text[len++] = (char)LDNS_DNAME_NORMALIZE((int)wire.ptr[at + 1 + i]);
        text[len++] = '.';
    }
    *ret_text = arena_copy(arena, slice_make(text, len ? len - 1 : 0));
    return true;
}

void dns_mix_case(char *name, struct random *rnd)
{
    uint64_t bits = 0;

    for (size_t i = 0; name[i]; i++, bits >>= 1) {
        if (i % 64 == 0)
            bits = random_u64(rnd);
        if ((bits & 1) && ((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z'))
            name[i] ^= 0x20;
    }
}

/* ---- questions ---- */

static ldns_pkt *make_query(const struct dns_question *q, struct slice wire, bool cd)
{
    ldns_rdf *name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire.len, wire.ptr);
    ldns_pkt *pkt =
        name ? ldns_pkt_query_new(name, (ldns_rr_type)q->type, LDNS_RR_CLASS_IN, LDNS_RD | LDNS_AD)
             : NULL;

    if (!pkt) {
        ldns_rdf_deep_free(name);
        return NULL;
    }
    ldns_pkt_set_id(pkt, q->id);
    ldns_pkt_set_cd(pkt, cd);
    ldns_pkt_set_edns_udp_size(pkt, DNS_EDNS_BYTES);
    ldns_pkt_set_edns_do(pkt, true);
    return pkt;
}

enum err dns_format(const struct dns_question *q, bool checking_disabled, unsigned char *buf,
                    size_t room, size_t *ret_len)
{
    unsigned char wire[DNSWALK_NAME_BYTES_MAX];
    uint8_t *made = NULL;
    size_t len = 0;
    ldns_pkt *pkt;
    enum err e;

    e = name_to_wire(slice_from(q->name), wire, &len);
    if (e)
        return e;
    pkt = make_query(q, slice_make((const char *)wire, len), checking_disabled);
    if (!pkt || ldns_pkt2wire(&made, pkt, &len))
        e = ERR_MEMORY;
    else if (len > room)
        e = ERR_LIMIT;
    if (!e) {
        memcpy(buf, made, len);
        *ret_len = len;
    }
    free(made);
    ldns_pkt_free(pkt);
    return e;
}

/* ---- answers ---- */

struct link_of_chain {
    struct slice owner;
    struct slice target;
    uint32_t ttl_s;
};

struct reading {
    struct slice packet;
    const struct dns_question *q;
    struct dns_layout layout;
    struct arena *arena;
    struct slice name; /* where the chain stands */
    struct dns_answer answer;
};

/* A top bit set counts as 0. RFC 2181 8. */
static uint32_t ttl_of(const struct dns_view *v)
{
    return v->ttl_s & TTL_TOP_BIT ? 0 : v->ttl_s;
}

static void keep_least(uint32_t *ttl_s, uint32_t other_s)
{
    if (other_s < *ttl_s)
        *ttl_s = other_s;
}

/* One record by ldns: it has passed the walk and is of a type that we read. */
static ldns_rr *read_rr(const struct reading *r, const struct dns_view *v, size_t rdfs)
{
    size_t pos = v->at;
    ldns_rr *rr = NULL;

    if (ldns_wire2rr(&rr, (const uint8_t *)r->packet.ptr, r->packet.len, &pos, LDNS_SECTION_ANSWER))
        return NULL;
    if (pos == (size_t)(v->rdata.ptr + v->rdata.len - r->packet.ptr) &&
        ldns_rr_rd_count(rr) == rdfs)
        return rr;
    ldns_rr_free(rr);
    return NULL;
}

static bool fill_address(const ldns_rr *rr, struct dns_record *rec)
{
    const ldns_rdf *f = ldns_rr_rdf(rr, 0);

    if (rec->type == DNS_A && ldns_rdf_size(f) == 4) {
        rec->addr.v4.sin_family = AF_INET;
        memcpy(&rec->addr.v4.sin_addr, ldns_rdf_data(f), 4);
        return true;
    }
    if (rec->type == DNS_AAAA && ldns_rdf_size(f) == 16) {
        rec->addr.v6.sin6_family = AF_INET6;
        memcpy(&rec->addr.v6.sin6_addr, ldns_rdf_data(f), 16);
        return true;
    }
    return false;
}

static bool fill_srv(const ldns_rr *rr, struct arena *arena, struct dns_record *rec)
{
    rec->priority = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
    rec->weight = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
    rec->port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
    return name_from_rdf(ldns_rr_rdf(rr, 3), arena, &rec->target);
}

static bool fill(const ldns_rr *rr, const struct dns_view *v, struct arena *arena,
                 struct dns_record *rec)
{
    switch (rec->type) {
    case DNS_A:
    case DNS_AAAA:
        return fill_address(rr, rec);
    case DNS_SRV:
        return fill_srv(rr, arena, rec);
    case DNS_TLSA:
        rec->rdata = arena_copy(arena, v->rdata);
        return true;
    default:
        return false;
    }
}

static size_t rdfs_of(enum dns_type type)
{
    return type == DNS_SRV || type == DNS_TLSA ? 4 : 1;
}

/* A record of the asked type at the end of the chain is taken, or counted as unusable. */
static void take_record(struct reading *r, const struct dns_view *v, const ldns_rr *rr)
{
    struct dns_answer *a = &r->answer;
    struct dns_record *rec = &a->records[a->count];

    if (a->count == DNS_RECORDS_MAX) {
        a->unusable++;
        return;
    }
    rec->type = r->q->type;
    rec->ttl_s = ttl_of(v);
    if (!fill(rr, v, r->arena, rec)) {
        memset(rec, 0, sizeof(*rec));
        a->unusable++;
        return;
    }
    keep_least(&a->ttl_s, rec->ttl_s);
    a->count++;
}

static void take_records(struct reading *r)
{
    for (size_t i = 0; i < r->layout.view_count; i++) {
        const struct dns_view *v = &r->layout.views[i];
        struct slice owner;
        ldns_rr *rr;

        if (v->section != DNS_ANSWER || v->type != r->q->type || v->class != DNS_CLASS_IN)
            continue;
        rr = read_rr(r, v, rdfs_of(r->q->type));
        if (!rr)
            r->answer.unusable++;
        else if (name_from_rdf(ldns_rr_owner(rr), r->arena, &owner) && slice_eq(owner, r->name))
            take_record(r, v, rr);
        ldns_rr_free(rr);
    }
}

/* All aliases of the answer section; how many. Those with names that are none of ours cannot be
 * part of our chain as owner; as target they end it, shown by a NULL target. */
static size_t read_aliases(struct reading *r, struct link_of_chain *links)
{
    size_t n = 0;

    for (size_t i = 0; i < r->layout.view_count; i++) {
        const struct dns_view *v = &r->layout.views[i];
        ldns_rr *rr;

        if (v->section != DNS_ANSWER || v->type != DNS_CNAME || v->class != DNS_CLASS_IN)
            continue;
        rr = read_rr(r, v, 1);
        if (rr && name_from_rdf(ldns_rr_owner(rr), r->arena, &links[n].owner)) {
            if (!name_from_rdf(ldns_rr_rdf(rr, 0), r->arena, &links[n].target))
                links[n].target = slice_none();
            links[n++].ttl_s = ttl_of(v);
        }
        ldns_rr_free(rr);
    }
    return n;
}

static const struct link_of_chain *find_link(const struct link_of_chain *links, size_t n,
                                             struct slice owner)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(links[i].owner, owner))
            return &links[i];
    return NULL;
}

/* From the asked name to where no alias leads on. The bound also ends circles. RFC 1034 3.6.2. */
static enum err follow_chain(struct reading *r)
{
    struct link_of_chain *links =
        arena_zalloc(r->arena, (r->layout.view_count + 1) * sizeof(*links));
    size_t n = read_aliases(r, links);
    const struct link_of_chain *next;

    for (size_t steps = 0; (next = find_link(links, n, r->name)) != NULL; steps++) {
        if (steps == DNS_CNAME_MAX || next->target.len == 0)
            return ERR_SYNTAX;
        r->name = next->target;
        r->answer.alias = next->target;
        keep_least(&r->answer.ttl_s, next->ttl_s);
    }
    return OK;
}

/* `name` is `zone` or lies in it. */
static bool lies_in(struct slice name, struct slice zone)
{
    if (zone.len == 0 || slice_eq(name, zone))
        return true;
    return name.len > zone.len && slice_ends(name, zone) &&
           name.ptr[name.len - zone.len - 1] == '.';
}

/* The SOA of the zone that says no: its own TTL or its minimum, the smaller one. RFC 2308 5. */
static bool take_soa(struct reading *r, const struct dns_view *v)
{
    ldns_rr *rr = read_rr(r, v, 7);
    struct slice zone;
    bool ours = rr && name_from_rdf(ldns_rr_owner(rr), r->arena, &zone) && lies_in(r->name, zone);

    if (ours) {
        keep_least(&r->answer.ttl_s, ttl_of(v));
        keep_least(&r->answer.ttl_s, ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)));
    }
    ldns_rr_free(rr);
    return ours;
}

/* No record of the type: is that said by the zone (SOA), is it a referral of a server that does
 * not resolve for us (RFC 2308 2.2), or an alias nobody followed? */
static void judge_absence(struct reading *r)
{
    struct dns_answer *a = &r->answer;
    bool referral = false;

    for (size_t i = 0; i < r->layout.view_count; i++) {
        const struct dns_view *v = &r->layout.views[i];

        if (v->section != DNS_AUTHORITY || v->class != DNS_CLASS_IN)
            continue;
        if (v->type == DNS_SOA && take_soa(r, v)) {
            a->alias = slice_none();
            return;
        }
        referral = referral || v->type == DNS_TYPE_NS;
    }
    if (a->rcode == DNS_NXDOMAIN || !a->alias.len)
        a->ttl_s = 0;
    if (a->rcode == DNS_NXDOMAIN)
        a->alias = slice_none();
    a->lame = referral && a->rcode == DNS_NOERROR && !a->alias.len;
}

/* The upper bits of rcode and the extended errors. RFC 6891 6.1.3, RFC 8914 2. */
static void take_opt(struct dns_answer *a, const struct dns_view *v)
{
    const unsigned char *p = (const unsigned char *)v->rdata.ptr;
    const unsigned char *end = p + v->rdata.len;

    a->rcode |= v->ttl_s >> 24 << 4;
    while (p < end) {
        unsigned option = (unsigned)p[0] << 8 | p[1];
        unsigned len = (unsigned)p[2] << 8 | p[3];
        unsigned code = len >= 2 ? (unsigned)p[4] << 8 | p[5] : 0;

        if (option == EDE_OPTION && code >= EDE_BOGUS_FIRST && code <= EDE_BOGUS_LAST)
            a->bogus = true;
        p += 4 + len;
    }
}

static void take_header(struct reading *r)
{
    struct dns_answer *a = &r->answer;

    a->rcode = DNS_RCODE(r->layout.flags);
    a->truncated = r->layout.flags & DNS_FLAG_TC;
    a->ad = r->layout.flags & DNS_FLAG_AD;
    a->ttl_s = UINT32_MAX;
    for (size_t i = 0; i < r->layout.view_count; i++)
        if (r->layout.views[i].type == DNS_TYPE_OPT)
            take_opt(a, &r->layout.views[i]);
}

/* Byte for byte: the case is part of the question (0x20), as is what a forger must guess. */
static bool answers(const struct dns_layout *l, const struct dns_question *q)
{
    unsigned char wire[DNSWALK_NAME_BYTES_MAX];
    size_t len;

    if (!(l->flags & DNS_FLAG_QR) || DNS_OPCODE(l->flags) != 0 || l->id != q->id)
        return false;
    if (l->question_type != q->type || l->question_class != DNS_CLASS_IN)
        return false;
    return !name_to_wire(slice_from(q->name), wire, &len) &&
           slice_eq(l->question, slice_make((const char *)wire, len));
}

static struct slice lower_copy(struct slice s, struct arena *arena)
{
    char *p = arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        p[i] = (char)LDNS_DNAME_NORMALIZE((int)s.ptr[i]);
    return slice_make(p, s.len);
}

static size_t room_for_records(const struct reading *r)
{
    return r->layout.view_count < DNS_RECORDS_MAX ? r->layout.view_count + 1 : DNS_RECORDS_MAX + 1;
}

static enum err read_content(struct reading *r)
{
    enum err e = follow_chain(r);

    if (e)
        return e;
    r->answer.records = arena_zalloc(r->arena, room_for_records(r) * sizeof(struct dns_record));
    if (r->answer.rcode == DNS_NOERROR)
        take_records(r);
    if (r->answer.count || r->answer.unusable)
        r->answer.alias = slice_none();
    else
        judge_absence(r);
    return OK;
}

enum err dns_parse(struct slice packet, const struct dns_question *q, struct arena *arena,
                   struct dns_answer *ret_answer)
{
    struct reading r = {.packet = packet, .q = q, .arena = arena};
    enum err e;

    if (packet.len > DNS_PACKET_BYTES_MAX)
        return ERR_SYNTAX;
    e = dnswalk(packet, arena, &r.layout);
    if (e)
        return e;
    if (!answers(&r.layout, q))
        return ERR_DENIED;
    take_header(&r);
    r.name = lower_copy(slice_from(q->name), arena);
    if (!r.answer.truncated && (r.answer.rcode == DNS_NOERROR || r.answer.rcode == DNS_NXDOMAIN)) {
        e = read_content(&r);
        if (e)
            return e;
    }
    if (r.answer.ttl_s == UINT32_MAX)
        r.answer.ttl_s = 0; /* nothing that lives */
    *ret_answer = r.answer;
    return OK;
}
