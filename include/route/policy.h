/* route/policy.h - which rule of the operator applies to a pair of domains. Pure.
 *
 * An ordered list; the first rule that fits (remote domain, local domain) wins; decided per pair.
 * Immutable once made, counted, shared by threads; a reload makes a new one. DESIGN of the
 * options: conf/fedrouter.yaml, `peers`.
 */
#ifndef ROUTE_POLICY_H
#define ROUTE_POLICY_H

#include "base/addr.h"
#include "route/verdict.h"
#include "wire/jid.h"

#define POLICY_TARGETS_MAX 8

enum policy_allow { ALLOW_NONE = 0, ALLOW_IN = 1, ALLOW_OUT = 2, ALLOW_BOTH = 3 };

struct policy_target {
    char host[256]; /* IP literal (without brackets) or a name in A-label form */
    uint16_t port;
    bool direct_tls; /* written tls://host:port */
};

struct policy_rule {
    char *match; /* remote pattern in normal form: "*", "*.name", "name" */
    char *local; /* pattern for our side; "*" when not given */
    enum policy_allow allow;
    bool tls_required;
    enum method methods[METHOD_MAX]; /* in order; those of later versions left out */
    size_t method_count;
    struct policy_target *targets; /* instead of DNS; at most POLICY_TARGETS_MAX */
    size_t target_count;
    unsigned index; /* place in the list, from 0 */
    unsigned line;  /* of the configuration file; 0: built in */
};

struct policy;

/* Takes `rules` with their strings and targets. When no rule fits a pair, a built-in last rule
 * applies: allow both, TLS required, all methods that this version has. */
struct policy *policy_new(struct policy_rule *rules, size_t count);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);
size_t policy_count(const struct policy *p); /* built-in rule included, last */
const struct policy_rule *policy_rule_at(const struct policy *p, size_t i);
/* Never NULL; borrowed from the policy. Domains in normal form. Costs a few look-ups for each
 * label of the domains, however long the list. */
const struct policy_rule *policy_find(const struct policy *p, struct slice local,
                                      struct slice remote);
bool policy_has_method(const struct policy_rule *r, enum method m);
/* False for methods that are known by name only and prove nothing in this version. */
bool policy_method_works(enum method m);
/* True: no pair reaches rule `i`, because the one at *ret_by, earlier, fits all that it fits. For
 * the contradictions that --check reports. */
bool policy_shadowed(const struct policy *p, size_t i, size_t *ret_by);

#endif
