#include "wire/sasl.h"

#include "base/encode.h"
#include "wire/ns.h"
#include "wire/xmlw.h"

bool sasl_parse_kind(const struct element *e, enum sasl_kind *ret_kind)
{
    static const char *const names[] = {
        [SASL_AUTH] = "auth",       [SASL_RESPONSE] = "response", [SASL_CHALLENGE] = "challenge",
        [SASL_SUCCESS] = "success", [SASL_FAILURE] = "failure",   [SASL_ABORT] = "abort",
    };
    size_t i = 0;

    if (!slice_is(e->ns, NS_SASL))
        return false;
    while (i < COUNT(names) && !slice_is(e->name, names[i]))
        i++;
    *ret_kind = i < COUNT(names) ? (enum sasl_kind)i : SASL_OTHER;
    return true;
}

/* RFC 6120 6.5 in its order; the first ones are ours to send. */
static const char *const conditions[] = {
    [SASL_ABORTED] = "aborted",
    [SASL_ENCRYPTION_REQUIRED] = "encryption-required",
    [SASL_INCORRECT_ENCODING] = "incorrect-encoding",
    [SASL_INVALID_AUTHZID] = "invalid-authzid",
    [SASL_INVALID_MECHANISM] = "invalid-mechanism",
    [SASL_MALFORMED_REQUEST] = "malformed-request",
    [SASL_NOT_AUTHORIZED] = "not-authorized",
    [SASL_TEMPORARY_FAILURE] = "temporary-auth-failure",
    "account-disabled",
    "credentials-expired",
    "mechanism-too-weak",
};

const char *sasl_failure_name(enum sasl_failure f)
{
    assert((unsigned)f <= SASL_TEMPORARY_FAILURE);
    return conditions[f];
}

static bool is_condition(struct slice name)
{
    for (size_t i = 0; i < COUNT(conditions); i++)
        if (slice_is(name, conditions[i]))
            return true;
    return false;
}

struct slice sasl_failure_condition(const struct element *e)
{
    for (const struct element *c = e->children; c; c = c->next)
        if (slice_is(c->ns, NS_SASL) && is_condition(c->name))
            return c->name;
    return SLICE("not-authorized");
}

/* An empty identity stands for the stream's own; a stream without `from` has none (QUIRK-01). */
static enum sasl_verdict take_own(struct slice from, struct domain *ret_authzid,
                                  enum sasl_failure *ret_failure)
{
    if (domain_parse(from, ret_authzid) == OK)
        return SASL_ACCEPT;
    *ret_failure = SASL_INVALID_AUTHZID;
    return SASL_REJECT;
}

/* SASL-08: a bare domain, and the one the stream speaks for. */
static enum sasl_verdict take_authzid(struct slice authzid, struct slice from,
                                      struct domain *ret_authzid, enum sasl_failure *ret_failure)
{
    struct domain d;

    if (domain_parse(authzid, &d) || (from.len && !slice_eq(domain_slice(&d), from))) {
        *ret_failure = SASL_INVALID_AUTHZID;
        return SASL_REJECT;
    }
    *ret_authzid = d;
    return SASL_ACCEPT;
}

static enum sasl_verdict take_text(struct slice text, struct slice from, struct domain *ret_authzid,
                                   enum sasl_failure *ret_failure)
{
    char authzid[DOMAIN_BYTES_MAX + 1];
    size_t len;

    if (text.len == 0 || slice_is(text, "="))
        return take_own(from, ret_authzid, ret_failure);
    switch (base64_parse(text, authzid, sizeof(authzid), &len)) {
    case OK:
        return take_authzid(slice_make(authzid, len), from, ret_authzid, ret_failure);
    case ERR_LIMIT:
        *ret_failure = SASL_INVALID_AUTHZID; /* longer than any domain */
        return SASL_REJECT;
    default:
        *ret_failure = SASL_INCORRECT_ENCODING; /* SASL-09 */
        return SASL_REJECT;
    }
}

enum sasl_verdict sasl_external_take(const struct element *e, struct slice from,
                                     struct domain *ret_authzid, enum sasl_failure *ret_failure)
{
    bool auth = slice_is(e->name, "auth");

    if (auth && !slice_is(element_attr(e, "mechanism"), "EXTERNAL")) {
        *ret_failure = SASL_INVALID_MECHANISM;
        return SASL_REJECT;
    }
    if (auth && e->text.len == 0)
        return SASL_NEEDS_RESPONSE; /* SASL-06: RFC 6120 6.3.10 */
    return take_text(e->text, from, ret_authzid, ret_failure);
}

/* Base64 of the identity; "=" stands for none (6.4.2). */
static void put_authzid(struct slice authzid, struct byteq *out)
{
    char *to;

    if (!authzid.len) {
        xmlw_raw(out, "=");
        return;
    }
    to = byteq_reserve(out, BASE64_LEN(authzid.len) + 1);
    byteq_grow(out, base64_format(authzid.ptr, authzid.len, to));
}

void sasl_format_auth(struct slice authzid, struct byteq *out)
{
    xmlw_raw(out, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>");
    put_authzid(authzid, out);
    xmlw_raw(out, "</auth>");
}

void sasl_format_response(struct slice authzid, struct byteq *out)
{
    xmlw_raw(out, "<response xmlns='" NS_SASL "'>");
    put_authzid(authzid, out);
    xmlw_raw(out, "</response>");
}

void sasl_format_challenge(struct byteq *out)
{
    xmlw_raw(out, "<challenge xmlns='" NS_SASL "'/>");
}

void sasl_format_success(struct byteq *out)
{
    xmlw_raw(out, "<success xmlns='" NS_SASL "'/>");
}

void sasl_format_failure(enum sasl_failure f, struct byteq *out)
{
    xmlw_raw(out, "<failure xmlns='" NS_SASL "'><");
    xmlw_raw(out, sasl_failure_name(f));
    xmlw_raw(out, "/></failure>");
}
