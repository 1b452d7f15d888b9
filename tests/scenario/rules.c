/* What holds for everything the router writes, whatever a scenario is about. */
#include "scenario/stage.h"

#include "wire/ns.h"

static bool has_text(const struct xnode *n)
{
    for (const struct xnode *c = n->children; c; c = c->next)
        if (xnode_is_text(c) && slice_trim(c->text).len)
            return true;
    return false;
}

/* Conditions, texts and application elements directly inside an error. */
static void count_parts(const struct xnode *n, const char *ns, size_t *ret_conditions,
                        size_t *ret_texts, size_t *ret_others)
{
    *ret_conditions = *ret_texts = *ret_others = 0;
    for (const struct xnode *c = n->children; c; c = c->next) {
        if (xnode_is_text(c))
            continue;
        if (!slice_is(c->ns, ns))
            ++*ret_others;
        else if (slice_is(c->name, "text"))
            ++*ret_texts;
        else
            ++*ret_conditions;
    }
}

static bool is_word_of(struct slice name, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, words[i]))
            return true;
    return false;
}

static const char *const stream_conditions[] = {"bad-format",
                                                "bad-namespace-prefix",
                                                "conflict",
                                                "connection-timeout",
                                                "host-gone",
                                                "host-unknown",
                                                "improper-addressing",
                                                "internal-server-error",
                                                "invalid-from",
                                                "invalid-namespace",
                                                "invalid-xml",
                                                "not-authorized",
                                                "not-well-formed",
                                                "policy-violation",
                                                "remote-connection-failed",
                                                "reset",
                                                "resource-constraint",
                                                "restricted-xml",
                                                "see-other-host",
                                                "system-shutdown",
                                                "undefined-condition",
                                                "unsupported-encoding",
                                                "unsupported-feature",
                                                "unsupported-stanza-type",
                                                "unsupported-version"};

static const char *const stanza_conditions[] = {
    "bad-request",
    "conflict",
    "feature-not-implemented",
    "forbidden",
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "not-authorized",
    "policy-violation",
    "recipient-unavailable",
    "redirect",
    "registration-required",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "service-unavailable",
    "subscription-required",
    "undefined-condition",
    "unexpected-request",
    "remote-connection-failed" /* no condition of RFC 6120, but XEP-0220 2.5 lists it */};

/* RFC 6120 4.9.2; SERR-01. */
static const char *stream_error(const struct xnode *n)
{
    size_t conditions, texts, others;

    count_parts(n, NS_STREAM_ERRORS, &conditions, &texts, &others);
    if (conditions != 1)
        return "SERR-01: a stream error with no or several conditions";
    if (texts > 1 || others > 1)
        return "SERR-01: a stream error with several texts or application elements";
    for (const struct xnode *c = n->children; c; c = c->next) {
        if (!slice_is(c->ns, NS_STREAM_ERRORS) || slice_is(c->name, "text"))
            continue;
        if (!is_word_of(c->name, stream_conditions, COUNT(stream_conditions)))
            return "SERR-01: an unknown stream error condition";
        if (slice_is(c->name, "undefined-condition") && !others)
            return "SERR-01: undefined-condition without an application element";
    }
    return NULL;
}

/* RFC 6120 8.3.2; ERR-01, DB-21. */
static const char *error_child(const struct xnode *e)
{
    static const char *const types[] = {"auth", "cancel", "continue", "modify", "wait"};
    size_t conditions, texts, others;
    struct slice type = xnode_attr(e, "type");

    count_parts(e, NS_STANZA_ERRORS, &conditions, &texts, &others);
    if (conditions != 1)
        return "ERR-01: an error with no or several conditions";
    if (texts > 1 || others > 1)
        return "ERR-01: an error with several texts or application elements";
    if (!type.ptr || !is_word_of(type, types, COUNT(types)))
        return "ERR-02: an error without one of the five types";
    for (const struct xnode *c = e->children; c; c = c->next)
        if (slice_is(c->ns, NS_STANZA_ERRORS) && !slice_is(c->name, "text") &&
            !is_word_of(c->name, stanza_conditions, COUNT(stanza_conditions)))
            return "ERR-01: an unknown stanza error condition";
    return NULL;
}

static bool is_stanza(const struct xnode *n)
{
    return slice_is(n->name, "message") || slice_is(n->name, "presence") || slice_is(n->name, "iq");
}

/* RFC 6120 8.3.1; ERR-01, ERR-04. */
static const char *stanza(const struct xnode *n, const char *content_ns)
{
    const struct xnode *error = xnode_child(n, "error", content_ns);
    bool is_error = slice_is(xnode_attr(n, "type"), "error");

    if (!xnode_attr(n, "from").ptr || !xnode_attr(n, "to").ptr)
        return "a stanza without from or to";
    if (error && !is_error)
        return "ERR-04: an error child in a stanza of another type";
    if (is_error && !error)
        return "ERR-01: a stanza of type error without an error child";
    return error ? error_child(error) : NULL;
}

/* XEP-0220 2.4.1: the prefix; the parts; DB-01, DB-21. */
static const char *dialback(const struct xnode *n, const char *content_ns)
{
    const struct xnode *error = xnode_child(n, "error", content_ns);
    struct slice type = xnode_attr(n, "type");

    if (!slice_is(n->prefix, "db"))
        return "DB-01: a dialback element without the prefix db";
    if (!slice_is(n->name, "result") && !slice_is(n->name, "verify"))
        return "an unknown dialback element";
    if (!xnode_attr(n, "from").len || !xnode_attr(n, "to").len)
        return "a dialback element without from or to";
    if (slice_is(n->name, "verify") && !xnode_attr(n, "id").len)
        return "DB-14: db:verify without id";
    if (!type.ptr && !has_text(n))
        return "DB-03: a dialback request without a key";
    if (slice_is(type, "error"))
        return error ? error_child(error) : "DB-21: a dialback error without an error child";
    if (type.ptr && !slice_is(type, "valid") && !slice_is(type, "invalid"))
        return "a dialback answer of unknown type";
    return NULL;
}

static const char *header(const struct xitem *item, const char *content_ns)
{
    const struct xnode *n = item->node;
    struct slice version = xnode_attr(n, "version");

    if (!slice_is(n->prefix, "stream"))
        return "NS-03: the stream namespace has another prefix than stream";
    for (const struct xattr *d = n->decls; d; d = d->next)
        if (!d->name.len && !slice_is(d->value, content_ns))
            return "NS-02: another content namespace than this port's";
    if (version.ptr && !slice_is(version, "1.0") && !slice_starts(version, SLICE("0.")))
        return "STREAM-08: a version above 1.0, or with leading zeros";
    if (!item->declared)
        return "XML-09: no XML declaration before the header";
    return NULL;
}

static const char *element(const struct xnode *n, const char *content_ns, bool lenient)
{
    if (xnode_is(n, "error", NS_STREAM))
        return stream_error(n);
    if (slice_is(n->ns, NS_DIALBACK))
        return dialback(n, content_ns);
    if (slice_is(n->ns, content_ns) && n->prefix.len)
        return "NS-04: an element of the content namespace with a prefix";
    if (slice_is(n->ns, content_ns) && is_stanza(n))
        return lenient ? NULL : stanza(n, content_ns);
    if (is_stanza(n))
        return "NS-07: a stanza in another namespace than this port's";
    return NULL;
}

const char *rules_broken(const struct xitem *item, const char *content_ns, bool lenient)
{
    switch (item->kind) {
    case X_BAD:
        return item->why;
    case X_HEADER:
        return header(item, content_ns);
    case X_ELEMENT:
        return element(item->node, content_ns, lenient);
    default:
        return NULL;
    }
}
