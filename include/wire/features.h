/* wire/features.h - <stream:features/> of a server: what is offered, both ways. Pure.
 *
 * Spec: RFC 6120 4.3.2; XEP-0220 2.4.2; XEP-0478. CONFORMANCE STREAM-11, LIMIT-07/08.
 */
#ifndef WIRE_FEATURES_H
#define WIRE_FEATURES_H

#include "base/byteq.h"
#include "wire/xml.h"

struct features {
    bool starttls;
    bool starttls_required;
    bool external;   /* EXTERNAL among the mechanisms */
    bool mechanisms; /* a mechanisms element at all */
    bool dialback;
    bool dialback_errors;
    bool unknown_required; /* something we do not know carries <required/> */
    bool anything;         /* at least one child */
    uint64_t max_bytes;    /* XEP-0478; 0: not said */
    uint64_t idle_seconds; /* 0: not said */
};

/* `e` is stream:features. */
void features_parse(const struct element *e, struct features *ret_features);
void features_format(const struct features *f, struct byteq *out);

#endif
