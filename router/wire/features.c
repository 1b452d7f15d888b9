#include "wire/features.h"

#include "wire/ns.h"
#include "wire/xmlw.h"

#include <stdio.h>

static void take_mechanisms(const struct element *e, struct features *f)
{
    f->mechanisms = true;
    for (const struct element *c = e->children; c; c = c->next)
        if (element_is(c, "mechanism", NS_SASL) && slice_eq(slice_trim(c->text), SLICE("EXTERNAL")))
            f->external = true;
}

static uint64_t number(const struct element *limits, const char *name)
{
    const struct element *e = element_child(limits, name, NS_LIMITS);
    uint64_t value;

    if (!e || !slice_to_u64(slice_trim(e->text), UINT64_MAX, &value))
        return 0;
    return value;
}

static void take_limits(const struct element *e, struct features *f)
{
    f->max_bytes = number(e, "max-bytes");
    f->idle_seconds = number(e, "idle-seconds");
}

/* RFC 6120 4.3.2: a feature nobody here knows is ignored, unless it says that it is required. */
static void take(const struct element *e, struct features *f)
{
    if (element_is(e, "starttls", NS_TLS)) {
        f->starttls = true;
        f->starttls_required = element_child(e, "required", NS_TLS) != NULL;
    } else if (element_is(e, "mechanisms", NS_SASL)) {
        take_mechanisms(e, f);
    } else if (element_is(e, "dialback", NS_DIALBACK_FEATURE)) {
        f->dialback = true;
        f->dialback_errors = element_child(e, "errors", NULL) != NULL;
    } else if (element_is(e, "limits", NS_LIMITS)) {
        take_limits(e, f);
    } else if (element_child(e, "required", NULL)) {
        f->unknown_required = true;
    }
}

void features_parse(const struct element *e, struct features *ret_features)
{
    struct features f = {.anything = e->children != NULL};

    for (const struct element *c = e->children; c; c = c->next)
        take(c, &f);
    *ret_features = f;
}

static void put_number(struct byteq *out, const char *name, uint64_t value)
{
    char text[64];

    if (!value)
        return;
    snprintf(text, sizeof(text), "<%s>%llu</%s>", name, (unsigned long long)value, name);
    xmlw_raw(out, text);
}

static void put_limits(struct byteq *out, const struct features *f)
{
    if (!f->max_bytes && !f->idle_seconds)
        return;
    xmlw_raw(out, "<limits xmlns='" NS_LIMITS "'>");
    put_number(out, "max-bytes", f->max_bytes);
    put_number(out, "idle-seconds", f->idle_seconds);
    xmlw_raw(out, "</limits>");
}

void features_format(const struct features *f, struct byteq *out)
{
    xmlw_raw(out, "<stream:features>");
    if (f->starttls)
        xmlw_raw(out, f->starttls_required ? "<starttls xmlns='" NS_TLS "'><required/></starttls>"
                                           : "<starttls xmlns='" NS_TLS "'/>");
    if (f->external)
        xmlw_raw(out, "<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism>"
                      "</mechanisms>");
    if (f->dialback)
        xmlw_raw(out, f->dialback_errors ? "<dialback xmlns='" NS_DIALBACK_FEATURE
                                           "'><errors/></dialback>"
                                         : "<dialback xmlns='" NS_DIALBACK_FEATURE "'/>");
    put_limits(out, f);
    xmlw_raw(out, "</stream:features>");
}
