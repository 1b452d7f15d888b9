#include "route/bounce.h"

#include "wire/ns.h"
#include "wire/xmlw.h"

static const struct {
    const char *word;
    const char *condition;
    const char *type;
    const char *text;
} rows[BOUNCE_MAX] = {
#define BOUNCE(id, word, condition, type, text) [BOUNCE_##id] = {word, condition, type, text},
#include "route/bounce.def"
#undef BOUNCE
};

const char *bounce_word(enum bounce b)
{
    assert((unsigned)b < BOUNCE_MAX);
    return rows[b].word;
}

enum bounce bounce_of_word(struct slice word)
{
    for (unsigned b = 0; b < BOUNCE_MAX; b++)
        if (slice_is(word, rows[b].word))
            return (enum bounce)b;
    return BOUNCE_LINK_LOST;
}

const char *bounce_condition(enum bounce b)
{
    assert((unsigned)b < BOUNCE_MAX);
    return rows[b].condition;
}

const char *bounce_text(enum bounce b)
{
    assert((unsigned)b < BOUNCE_MAX);
    return rows[b].text;
}

/* <error type='..'><condition/><text>word: text (detail)</text></error> */
static void format_error(struct byteq *out, enum bounce why, struct slice detail)
{
    xmlw_raw(out, "<error");
    xmlw_attr(out, "type", slice_from(rows[why].type));
    xmlw_raw(out, "><");
    xmlw_raw(out, rows[why].condition);
    xmlw_raw(out,
             " xmlns='" NS_STANZA_ERRORS "'/><text xmlns='" NS_STANZA_ERRORS "' xml:lang='en'>");
    xmlw_text(out, slice_from(rows[why].word));
    xmlw_raw(out, ": ");
    xmlw_text(out, slice_from(rows[why].text));
    if (detail.len) {
        xmlw_raw(out, " (");
        xmlw_text(out, detail);
        xmlw_raw(out, ")");
    }
    xmlw_raw(out, "</text>");
    if (why == BOUNCE_TOO_BIG)
        xmlw_raw(out, "<stanza-too-big xmlns='" NS_ERRORS "'/>");
    xmlw_raw(out, "</error>");
}

struct stanza *bounce_make(const struct stanza *s, enum bounce why, struct slice detail,
                           struct slice own)
{
    struct byteq inner;
    struct stanza *answer;
    struct stanza_parts parts = {
        .kind = (enum stanza_kind)s->kind,
        .to = s->from,
        .from = own.len ? own : s->to,
        .id = s->id,
        .type = SLICE("error"),
    };

    if (!stanza_answerable(s))
        return NULL;
    byteq_init(&inner);
    format_error(&inner, why, detail);
    parts.inner = byteq_slice(&inner);
    answer = stanza_make(&parts);
    byteq_fini(&inner);
    return answer;
}
