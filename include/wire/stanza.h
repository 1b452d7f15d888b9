/* wire/stanza.h - one stanza: immutable text and addresses, and the marks of its way.
 *
 * Made by wire/xml (from a peer's bytes) or here (bounces, pings). Counted: the ingress holds
 * one reference from acceptance to fate, whoever queues it holds another.
 *
 * `wire` is the whole element, unprefixed, without a declaration of the content namespace, so
 * that the same bytes serve a jabber:server and a jabber:component:accept stream (RFC 6120
 * 4.8.3). Only where a descendant names the content namespace explicitly are the bytes bound to
 * `scope` (STANZA_SCOPED); stanza_wire_for then rewrites.
 */
#ifndef WIRE_STANZA_H
#define WIRE_STANZA_H

#include "base/bytes.h"
#include "base/list.h"

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };
enum stanza_type {
    STANZA_TYPE_NONE,  /* no attribute */
    STANZA_TYPE_OTHER, /* any other word */
    STANZA_TYPE_ERROR,
    STANZA_TYPE_GET,
    STANZA_TYPE_SET,
    STANZA_TYPE_RESULT,
};
enum stanza_scope { SCOPE_SERVER, SCOPE_COMPONENT };

#define STANZA_SCOPED 1u /* the bytes name `scope`'s namespace somewhere */
#define STANZA_BAD_IQ 2u /* get/set without exactly one child element */
#define STANZA_MADE   4u /* by the router itself: outside the balance */

struct stanza {
    atomic_uint refs;
    uint8_t kind;  /* enum stanza_kind */
    uint8_t type;  /* enum stanza_type */
    uint8_t scope; /* enum stanza_scope the bytes were read in */
    uint8_t flags;
    struct slice wire; /* all slices: owned by the stanza */
    struct slice to;   /* decoded attribute values; ptr NULL: absent */
    struct slice from;
    struct slice id;
    struct slice type_text;
    struct slice lang;

    /* Written by the ingress at the entrance, read-only after. Normalised (wire/jid). */
    struct slice from_domain;
    struct slice to_domain;
    uint64_t accepted_ms; /* the age counts from here; ingress loop's clock */
    uint64_t read_us;     /* end tag read: relay_seconds */

    /* Custody: the ingress's own (route/router, route/lane). */
    struct list custody_node;
    void *instance;    /* struct table_instance it was given to, or NULL */
    uint64_t given;    /* its number among those given to it */
    uint64_t lane_seq; /* set before it crosses; 0: accepted by the owner itself */

    /* Queue: the owner's own (route/outq and what it feeds). */
    struct list queue_node;
    uint64_t queue_mark; /* end position on the connection that carries it */
    void *lane;          /* struct lane_rx that its fate is reported to, or NULL */
    bool resend;         /* was, or may have been, written to a link that died */
    bool resent;         /* and was written once more here, whatever became of it */
};

struct stanza *stanza_ref(struct stanza *s);
void stanza_unref(struct stanza *s);

static inline size_t stanza_bytes(const struct stanza *s)
{
    return s->wire.len;
}

/* What one queued stanza really costs: struct, addresses, wire. */
size_t stanza_cost(const struct stanza *s);

static inline bool stanza_answerable(const struct stanza *s)
{
    /* RFC 6120 8.3.1(8), 8.2.3(4): never answer an error or a result. */
    return s->type != STANZA_TYPE_ERROR && !(s->kind == STANZA_IQ && s->type == STANZA_TYPE_RESULT);
}

struct stanza_parts {
    enum stanza_kind kind;
    struct slice to, from, id, type, lang; /* ptr NULL: leave out */
    struct slice inner;                    /* raw XML, well-formed and self-contained */
};

/* A stanza of our own; refs 1, STANZA_MADE. */
struct stanza *stanza_make(const struct stanza_parts *parts);

/* For wire/xml: one allocation with room for attributes and wire; the caller fills. */
struct stanza *stanza_alloc(size_t room, char **ret_room);

/* Copies the parsed addresses' normalised domains into the stanza (once, at the entrance). */
void stanza_set_domains(struct stanza *s, struct slice from_domain, struct slice to_domain);

/* The bytes to send on a stream of `scope`: s->wire itself, or (STANZA_SCOPED of the other scope)
 * a rewritten copy that *ret_owned holds and the caller unrefs. */
struct slice stanza_wire_for(const struct stanza *s, enum stanza_scope scope,
                             struct bytes **ret_owned);

const char *stanza_kind_name(enum stanza_kind kind);

#endif
