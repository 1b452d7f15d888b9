#include "wire/fault.h"

static const struct {
    const char *word;
    const char *condition;
    const char *section;
    const char *text;
} rows[FAULT_MAX] = {
#define FAULT(id, word, condition, section, text) [FAULT_##id] = {word, condition, section, text},
#include "wire/fault.def"
#undef FAULT
};

const char *fault_word(enum fault f)
{
    assert((unsigned)f < FAULT_MAX);
    return rows[f].word;
}

const char *fault_condition(enum fault f)
{
    assert((unsigned)f < FAULT_MAX);
    return rows[f].condition;
}

const char *fault_section(enum fault f)
{
    assert((unsigned)f < FAULT_MAX);
    return rows[f].section;
}

const char *fault_text(enum fault f)
{
    assert((unsigned)f < FAULT_MAX);
    return rows[f].text;
}

bool fault_is_ours(enum fault f)
{
    switch (f) {
    case FAULT_CONFLICT:
    case FAULT_DEAD_PEER: /* perhaps only slow: what it wrote before it heard of it counts */
    case FAULT_IDLE:
    case FAULT_CERT_EXPIRED:
    case FAULT_SHUTDOWN:
    case FAULT_CONFIG_CHANGED:
    case FAULT_CLOSED_BY_OPERATOR:
    case FAULT_PARKED:
        return true;
    default:
        return false;
    }
}

static void put(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

/* The texts of the table hold no character that XML would want escaped. */
void fault_format(enum fault f, struct byteq *out)
{
    const char *condition = fault_condition(f);

    put(out, "<stream:error><");
    put(out, condition);
    put(out, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    if (fault_text(f)[0]) {
        put(out, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>");
        put(out, fault_text(f));
        put(out, "</text>");
    }
    if (f == FAULT_STANZA_TOO_BIG)
        put(out, "<stanza-too-big xmlns='urn:xmpp:errors'/>");
    else if (strcmp(condition, "undefined-condition") == 0) {
        put(out, "<");
        put(out, fault_word(f));
        put(out, " xmlns='urn:fedrouter:fault:0'/>");
    }
    put(out, "</stream:error>");
}
