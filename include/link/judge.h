/* link/judge.h - does what the peer showed prove that it is that domain? Asynchronous.
 *
 * The methods of the rule in their order; the first that holds wins. Chain and name (`pkix`) are
 * known at once; methods that need look-ups (later versions) answer when these are done, bounded
 * by timeouts.dns: callers wait for the answer in every case.
 * Spec: RFC 6120 13.7, RFC 7712; CONFORMANCE CERT-01/02/10/13.
 */
#ifndef LINK_JUDGE_H
#define LINK_JUDGE_H

#include "link/site.h"
#include "wire/certid.h"

struct judgement;

typedef void judge_fn(void *arg, const struct verdict *verdict, const char *why_not);

struct judge_case {
    struct stream *stream;           /* TLS is up */
    struct slice domain;             /* normal form: who the peer should be */
    const struct policy_rule *rule;  /* for the call only */
    const struct endpoint *endpoint; /* outbound: for CERT-13; NULL inbound */
};

/* `done` comes posted; verdict->method is METHOD_NONE when nothing held, and `why_not` says what
 * was wrong with the certificate. */
struct judgement *judge(struct site *site, const struct judge_case *c, judge_fn *done, void *arg);
void judgement_cancel(struct judgement *j); /* NULL is fine */

/* The part of pkix that is known at once: used for dialback without dialling back (XEP-0344).
 * `rule` plays no part. */
bool judge_pkix(const struct site *site, const struct judge_case *c, const char **ret_why_not);
/* TLS, cipher and certificate of the stream; method none. */
void judge_describe(struct stream *s, struct verdict *ret_verdict);

#endif
