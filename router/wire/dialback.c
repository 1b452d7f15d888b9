#include "wire/dialback.h"

#include "wire/digest.h"
#include "wire/ns.h"
#include "wire/xmlw.h"

/* --- keys (XEP-0185) ------------------------------------------------------------------- */

void dialback_secrets_set(struct dialback_secrets *s, struct slice current, struct slice previous)
{
    digest_sha256_hex(current, s->current_hex);
    s->previous_hex[0] = '\0';
    if (previous.len)
        digest_sha256_hex(previous, s->previous_hex);
}

/* The secret's hex digest is the HMAC key, as the 64 characters it is written in (KEY-01). */
static void make_key(const char *secret_hex, struct slice receiving, struct slice originating,
                     struct slice stream_id, char out[DIALBACK_KEY_LEN + 1])
{
    struct byteq text;

    byteq_init(&text);
    byteq_append(&text, receiving);
    byteq_append(&text, SLICE(" "));
    byteq_append(&text, originating);
    byteq_append(&text, SLICE(" "));
    byteq_append(&text, stream_id);
    digest_hmac_sha256_hex(slice_from(secret_hex), byteq_slice(&text), out);
    byteq_fini(&text);
}

void dialback_key(const struct dialback_secrets *s, struct slice receiving,
                  struct slice originating, struct slice stream_id, char out[DIALBACK_KEY_LEN + 1])
{
    make_key(s->current_hex, receiving, originating, stream_id, out);
}

bool dialback_key_fits(const struct dialback_secrets *s, struct slice receiving,
                       struct slice originating, struct slice stream_id, struct slice key)
{
    char made[DIALBACK_KEY_LEN + 1];
    bool fits;

    make_key(s->current_hex, receiving, originating, stream_id, made);
    fits = digest_equal(slice_from(made), key);
    if (!s->previous_hex[0])
        return fits;
    make_key(s->previous_hex, receiving, originating, stream_id, made);
    return digest_equal(slice_from(made), key) || fits;
}

/* --- elements (XEP-0220) --------------------------------------------------------------- */

static enum dialback_type parse_type(struct slice type)
{
    if (!type.ptr)
        return DIALBACK_REQUEST;
    if (slice_is(type, "valid"))
        return DIALBACK_VALID;
    return slice_is(type, "error") ? DIALBACK_ERROR : DIALBACK_INVALID;
}

/* DB-21: any namespace for <error/>, since peers leave it to the prefix they chose. */
static struct slice parse_condition(const struct element *e)
{
    const struct element *error = element_child(e, "error", NULL);

    for (const struct element *c = error ? error->children : NULL; c; c = c->next)
        if (slice_is(c->ns, NS_STANZA_ERRORS) && !slice_is(c->name, "text"))
            return c->name;
    return slice_none();
}

/* QUIRK-11: white space around a key is none of it. */
static struct slice parse_key(const struct element *e)
{
    struct slice key = slice_trim(e->text);

    return key.len > DIALBACK_KEY_BYTES_MAX ? slice_none() : key;
}

bool dialback_parse(const struct element *e, struct dialback *ret_dialback)
{
    struct dialback d = {.name = DIALBACK_RESULT};

    if (!slice_is(e->ns, NS_DIALBACK))
        return false;
    if (slice_is(e->name, "verify"))
        d.name = DIALBACK_VERIFY;
    else if (!slice_is(e->name, "result"))
        return false;
    d.type = parse_type(element_attr(e, "type"));
    d.from = element_attr(e, "from");
    d.to = element_attr(e, "to");
    d.id = d.name == DIALBACK_VERIFY ? element_attr(e, "id") : slice_none();
    d.key = parse_key(e);
    d.condition = d.type == DIALBACK_ERROR ? parse_condition(e) : slice_none();
    *ret_dialback = d;
    return true;
}

/* Conditions a dialback error may carry, and the type RFC 6120 8.3.3 gives each. The one that is
 * no stanza error (XEP-0220 2.5 made it up) is a trouble that passes. */
static const struct {
    const char *name;
    const char *type;
} conditions[] = {
    {"item-not-found", "cancel"},
    {"remote-connection-failed", "wait"},
    {"remote-server-not-found", "cancel"},
    {"remote-server-timeout", "wait"},
    {"policy-violation", "modify"},
    {"not-authorized", "auth"},
    {"forbidden", "auth"},
    {"not-acceptable", "modify"},
    {"resource-constraint", "wait"},
    {"jid-malformed", "modify"},
    {"bad-request", "modify"},
    {"internal-server-error", "cancel"},
    {"undefined-condition", "cancel"},
};

/* What is not in the table goes out as undefined-condition: a peer's word is not ours to repeat. */
static void put_error(struct slice condition, struct byteq *out)
{
    size_t i = 0;

    while (i < COUNT(conditions) - 1 && !slice_is(condition, conditions[i].name))
        i++;
    xmlw_raw(out, "<error type='");
    xmlw_raw(out, conditions[i].type);
    xmlw_raw(out, "'><");
    xmlw_raw(out, conditions[i].name);
    xmlw_raw(out, " xmlns='" NS_STANZA_ERRORS "'/></error>");
}

void dialback_format(const struct dialback *d, struct byteq *out)
{
    static const char *const types[] = {
        [DIALBACK_REQUEST] = NULL,
        [DIALBACK_VALID] = "valid",
        [DIALBACK_INVALID] = "invalid",
        [DIALBACK_ERROR] = "error",
    };
    const char *name = d->name == DIALBACK_VERIFY ? "verify" : "result";

    xmlw_raw(out, "<db:"); /* DB-01: the stream header binds it */
    xmlw_raw(out, name);
    xmlw_attr(out, "from", d->from);
    xmlw_attr(out, "to", d->to);
    xmlw_attr(out, "id", d->id);
    xmlw_attr(out, "type", slice_from(types[d->type]));
    if (d->type == DIALBACK_VALID || d->type == DIALBACK_INVALID) {
        xmlw_raw(out, "/>");
        return;
    }
    xmlw_raw(out, ">");
    if (d->type == DIALBACK_ERROR)
        put_error(d->condition, out);
    else
        xmlw_text(out, d->key);
    xmlw_raw(out, "</db:");
    xmlw_raw(out, name);
    xmlw_raw(out, ">");
}
