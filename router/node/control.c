/* router/node/control.c - what an operator may do to a running node, over its control socket. */
#include "api_inner.h"

#include <stdio.h>

static struct log *log_of(struct api *a)
{
    return loop_log(node_loop(a->node));
}

/* --- reload, drain, log --- */

void control_reload(struct api *a, struct http_request *r)
{
    char error[512];
    json_t *row;

    if (api_reload(a, error, sizeof(error))) {
        api_answer_error(r, 409, "%s", error);
        return;
    }
    row = api_row(a);
    json_put_text(row, "config", node_conf(a->node)->file);
    json_put_flag(row, "reloaded", true);
    api_answer_row(r, row);
}

/* A second SIGTERM stops at once; a command that was typed twice should not. */
void control_drain(struct api *a, struct http_request *r)
{
    json_t *row;

    if (node_state(a->node) == NODE_DRAINING) {
        api_answer_error(r, 409, "it is being drained already; a second SIGTERM stops it at once");
        return;
    }
    LOG(log_of(a), LOG_INFO, "control.drain");
    a->hooks.drain(a->hooks.arg);
    row = api_row(a);
    json_put_text(row, "state", node_state_word(a->node));
    json_put_count(row, "most_ms", node_conf(a->node)->node.drain_ms);
    api_answer_row(r, row);
}

void control_log(struct api *a, struct http_request *r)
{
    const char *word = http_query(r, "level");
    struct log_sink *sink = node_sink(a->node);
    enum log_level level;
    enum log_level was;
    json_t *row;

    if (!word || log_level_parse(slice_from(word), &level)) {
        api_answer_error(r, 400, "level=error, warn, info or debug says how much to log");
        return;
    }
    was = (enum log_level)atomic_exchange_explicit(&sink->level, level, memory_order_relaxed);
    LOG(log_of(a), LOG_INFO, "control.log", LOG_TEXT("level", log_level_name(level)));
    row = api_row(a);
    json_put_text(row, "level", log_level_name(level));
    json_put_text(row, "was", log_level_name(was));
    api_answer_row(r, row);
}

/* --- dns --- */

struct lookup {
    struct question *question;
    struct domain domain;
    char ascii[256];
    uint64_t since_ms;
};

static const char *outcome_word(enum resolution_kind kind)
{
    static const char *const words[] = {
        [RESOLVED] = "found",           [RESOLVED_NOTHING] = "nothing",
        [RESOLVED_REFUSED] = "refused", [RESOLVED_FAILED] = "failed",
        [RESOLVED_BOGUS] = "bogus",
    };

    return words[kind];
}

static const char *outcome_text(enum resolution_kind kind)
{
    static const char *const texts[] = {
        [RESOLVED] = "these are dialled, in this order",
        [RESOLVED_NOTHING] = "the domain has no address in DNS",
        [RESOLVED_REFUSED] = "the domain says that it has no XMPP server",
        [RESOLVED_FAILED] = "the name servers did not answer",
        [RESOLVED_BOGUS] = "the answer is forged or broken (DNSSEC)",
    };

    return texts[kind];
}

static json_t *endpoint(const struct endpoint *e)
{
    char text[ADDR_TEXT_MAX];
    json_t *o = json_object();

    json_put_count(o, "target", e->target);
    json_put_text(o, "host", e->host);
    json_put_count(o, "port", e->port);
    json_put_text(o, "address", addr_format(&e->addr, text));
    json_put_flag(o, "direct_tls", e->direct_tls);
    json_put_flag(o, "secure_name", e->secure_name);
    return o;
}

/* Rules that dial something else for some of our domains: what DNS says does not matter then. */
static json_t *ruled_targets(struct api *a, const struct domain *remote)
{
    const struct settings *set = node_settings(a->node);
    json_t *list = json_array();

    for (size_t i = 0; i < set->component_count; i++) {
        const struct policy_rule *rule =
            policy_find(set->policy, set->rules[i].pattern, domain_slice(remote));
        json_t *o;

        if (!rule->target_count)
            continue;
        o = json_object();
        json_put_slice(o, "local", set->rules[i].pattern);
        json_put_count(o, "line", rule->line);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *lookup_row(struct api *a, const struct lookup *l, const struct resolution *res)
{
    json_t *row = api_row(a);
    json_t *list = json_array();

    json_put_slice(row, "domain", domain_slice(&l->domain));
    json_put_text(row, "ascii", l->ascii);
    json_put_text(row, "outcome", outcome_word(res->kind));
    json_put_text(row, "outcome_text", outcome_text(res->kind));
    json_put_text(row, "dnssec", dnssec_word(res->dnssec));
    json_put_text(row, "answers", res->text);
    json_put_count(row, "took_ms", loop_now_ms(node_loop(a->node)) - l->since_ms);
    for (size_t i = 0; i < res->count; i++)
        json_array_append_new(list, endpoint(&res->endpoints[i]));
    json_put(row, "endpoints", list);
    json_put(row, "targets_of_rules", ruled_targets(a, &l->domain));
    return row;
}

static void on_resolved(void *arg, struct resolution *res)
{
    struct lookup *l = arg;
    struct http_request *r;
    struct api *a;

    if (question_end(l->question, &a, &r))
        api_answer_row(r, lookup_row(a, l, res));
    mem_free(l);
}

/* `cached=1`: what is remembered will do; otherwise it is forgotten first. */
void control_dns(struct api *a, struct http_request *r)
{
    const char *text = http_query(r, "domain");
    const char *cached = http_query(r, "cached");
    struct resolver *resolver = desk_resolver(node_desk(a->node));
    struct lookup *l = MEM_NEW(struct lookup);

    if (!api_domain(r, text ? text : "", &l->domain)) {
        mem_free(l);
        return;
    }
    if (l->domain.ip || domain_to_ascii(domain_slice(&l->domain), l->ascii, sizeof(l->ascii))) {
        api_answer_error(r, 400, "\"%.100s\" is not a name for DNS", text);
        mem_free(l);
        return;
    }
    l->question = question_new(a, r);
    l->since_ms = loop_now_ms(node_loop(a->node));
    http_patience(r, node_conf(a->node)->dns.timeout_ms + HTTP_ANSWER_MS);
    if (!cached || strcmp(cached, "1") != 0)
        resolver_forget(resolver, slice_from(l->ascii));
    resolver_ask(resolver, slice_from(l->ascii), on_resolved, l);
}
