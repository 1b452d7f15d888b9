#include "route/policy.h"

#include "base/map.h"

/* First match wins over a list that may have 10,000 rules, without reading the list: rules are
 * found by their patterns. A domain is covered by itself, by "*.rest" for each of its dots and by
 * "*"; these few texts are looked up in a map of remote patterns, each with a map of its local
 * patterns, and the lowest index found is the first match. */

struct remote_node {
    const char *match;
    unsigned first;    /* lowest index of any rule below: nothing later than the best is searched */
    struct map locals; /* local pattern to the first rule with both patterns */
};

struct policy {
    atomic_uint refs;
    struct policy_rule *rules; /* the built-in one is last */
    size_t count;
    struct map remotes; /* pattern to struct remote_node */
};

/* Patterns come from the operator: no stranger chooses keys here. */
static const uint64_t map_seed[2] = {0x706f6c696379, 0x72756c6573};

#define PATTERN_BYTES_MAX (DOMAIN_BYTES_MAX + 2) /* "*." before a name */

/* The patterns that cover `text`, narrowest first. A pattern is covered by just the same texts as
 * a domain spelled like it ("*.b" by "*.b" and "*"), which is how shadowed rules are found. */
struct covers {
    char text[PATTERN_BYTES_MAX];
    size_t len;
    size_t at; /* where the next dot is looked for */
    enum { COVER_SELF, COVER_SUFFIX, COVER_END } stage;
};

static void covers_init(struct covers *c, struct slice text)
{
    assert(text.len <= sizeof(c->text));
    memcpy(c->text, text.ptr, text.len);
    c->len = text.len;
    c->at = 0;
    c->stage = COVER_SELF;
}

static bool covers_next(struct covers *c, struct slice *ret_pattern)
{
    const char *dot;

    if (c->stage == COVER_END)
        return false;
    if (c->stage == COVER_SELF) {
        c->stage = COVER_SUFFIX;
        *ret_pattern = slice_make(c->text, c->len);
        return true;
    }
    dot = memchr(c->text + c->at, '.', c->len - c->at);
    if (!dot || dot == c->text) {
        c->stage = COVER_END;
        *ret_pattern = SLICE("*");
        return true;
    }
    c->at = (size_t)(dot - c->text);
    c->text[c->at - 1] = '*'; /* over the last byte of a label that is done with */
    *ret_pattern = slice_make(dot - 1, c->len - c->at + 1);
    c->at++;
    return true;
}

static struct remote_node *remote_node(struct policy *p, const struct policy_rule *rule)
{
    struct remote_node *node = map_find(&p->remotes, slice_from(rule->match));

    if (node)
        return node;
    node = MEM_NEW(struct remote_node);
    node->match = rule->match;
    node->first = rule->index;
    map_init(&node->locals, map_seed);
    map_add(&p->remotes, slice_from(node->match), node);
    return node;
}

static void index_rule(struct policy *p, struct policy_rule *rule)
{
    struct remote_node *node = remote_node(p, rule);
    struct slice local = slice_from(rule->local);

    if (!map_find(&node->locals, local))
        map_add(&node->locals, local, rule); /* a second one of the same patterns is shadowed */
}

bool policy_method_works(enum method m)
{
    return m == METHOD_PKIX || m == METHOD_DIALBACK;
}

static void built_in(struct policy_rule *rule)
{
    *rule = (struct policy_rule){
        .match = mem_strdup("*"),
        .local = mem_strdup("*"),
        .allow = ALLOW_BOTH,
        .tls_required = true,
    };
    for (int m = METHOD_NONE; m < METHOD_MAX; m++)
        if (policy_method_works((enum method)m))
            rule->methods[rule->method_count++] = (enum method)m;
}

struct policy *policy_new(struct policy_rule *rules, size_t count)
{
    struct policy *p = MEM_NEW(struct policy);

    atomic_init(&p->refs, 1);
    p->rules = mem_realloc(rules, (count + 1) * sizeof(*rules));
    p->count = count + 1;
    built_in(&p->rules[count]);
    map_init(&p->remotes, map_seed);
    for (size_t i = 0; i < p->count; i++) {
        p->rules[i].index = (unsigned)i;
        index_rule(p, &p->rules[i]);
    }
    return p;
}

struct policy *policy_ref(struct policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void free_node(void *arg, struct slice key, void *value)
{
    struct remote_node *node = value;

    map_fini(&node->locals);
    mem_free(node);
}

void policy_unref(struct policy *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    map_walk(&p->remotes, free_node, NULL);
    map_fini(&p->remotes);
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->rules[i].match);
        mem_free(p->rules[i].local);
        mem_free(p->rules[i].targets);
    }
    mem_free(p->rules);
    mem_free(p);
}

size_t policy_count(const struct policy *p)
{
    return p->count;
}

const struct policy_rule *policy_rule_at(const struct policy *p, size_t i)
{
    assert(i < p->count);
    return &p->rules[i];
}

static const struct policy_rule *earlier(const struct policy_rule *a, const struct policy_rule *b)
{
    if (!a || !b)
        return a ? a : b;
    return a->index < b->index ? a : b;
}

static const struct policy_rule *find_local(const struct remote_node *node, struct slice local,
                                            const struct policy_rule *best)
{
    struct covers c;
    struct slice pattern;

    covers_init(&c, local);
    while (covers_next(&c, &pattern))
        best = earlier(best, map_find(&node->locals, pattern));
    return best;
}

const struct policy_rule *policy_find(const struct policy *p, struct slice local,
                                      struct slice remote)
{
    const struct policy_rule *best = NULL;
    struct covers c;
    struct slice pattern;

    covers_init(&c, remote);
    while (covers_next(&c, &pattern)) {
        const struct remote_node *node = map_find(&p->remotes, pattern);

        if (node && (!best || node->first < best->index))
            best = find_local(node, local, best);
    }
    assert(best); /* the built-in rule fits all */
    return best;
}

bool policy_has_method(const struct policy_rule *r, enum method m)
{
    for (size_t i = 0; i < r->method_count; i++)
        if (r->methods[i] == m)
            return true;
    return false;
}

/* Names below a pattern are without number, so no set of narrower rules adds up to a wider one:
 * a rule is out of reach exactly when one single earlier rule covers both its patterns. */
bool policy_shadowed(const struct policy *p, size_t i, size_t *ret_by)
{
    const struct policy_rule *rule = policy_rule_at(p, i);
    const struct policy_rule *first =
        policy_find(p, slice_from(rule->local), slice_from(rule->match));

    if (first == rule)
        return false;
    *ret_by = first->index;
    return true;
}
