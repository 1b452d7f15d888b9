/* link/s2s_out_private.h - what router/link/s2s_out.c and s2s_out_negotiate.c share. */
#ifndef LINK_S2S_OUT_PRIVATE_H
#define LINK_S2S_OUT_PRIVATE_H

#include "link/dialer.h"
#include "link/judge.h"
#include "link/s2s_out.h"

struct s2s_out {
    struct link link;
    struct site *site;
    char *local;
    char *remote;
    const struct s2s_out_handler *h;
    void *arg;
    enum s2s_out_state state;
    struct timer deadline;
    uint64_t since_ms;
    uint64_t negotiate_until_ms; /* this connection's; 0: none yet */
    uint64_t give_up_ms;         /* a question's; 0: a pair's stream may try on */
    struct ask *ask;
    struct dialer *dialer;
    const struct endpoint *endpoint; /* NULL before and once it is open */
    bool direct_tls;
    const _Atomic uint64_t *until_boot_ms; /* NULL: a question; it carries no stanza */
    struct stream *stream;
    struct judgement *judgement;
    struct policy *policy; /* keeps `rule` */
    const struct policy_rule *rule;
    struct verdict verdict;
    char *why_not;   /* what was wrong with the certificate */
    char *stream_id; /* the peer's, of the latest header */
    bool secured;
    bool judged;
    bool authenticated;
    bool external_failed;
    bool external_offered;
    bool skip_external;   /* closed after EXTERNAL failed: once more, straight to dialback */
    enum bounce last_why; /* the endpoint before this one was reached, but no use: `detail` */
    bool version_1;
    uint64_t peer_max_bytes;
    uint64_t stanzas_out;
    char *verify_id; /* of a question; NULL: serves a pair */
    char *verify_key;
    enum bounce why; /* of the end */
    char *detail;    /* in words; NULL: none */
    bool reported;   /* the question is answered */
    bool ending_told;
    struct task done;
};

struct slice s2s_out_local(const struct s2s_out *o);
struct slice s2s_out_remote(const struct s2s_out *o);

/* --- s2s_out.c: states and ends --- */
/* The only place that writes `state`. */
void s2s_out_enter(struct s2s_out *o, enum s2s_out_state state);
/* The first cause is the one to tell. */
void s2s_out_fail(struct s2s_out *o, enum bounce why, const char *detail);
void s2s_out_fail_with(struct s2s_out *o, enum bounce why, const char *detail, enum fault f);
/* Answers the question, once. */
void s2s_out_report(struct s2s_out *o, enum verify_outcome outcome, const char *condition);
/* ENDING; the stream closes, or is gone. */
void s2s_out_finish(struct s2s_out *o);

/* --- s2s_out_negotiate.c: from the connection to the proof --- */
void s2s_out_send_header(struct s2s_out *o);
void s2s_out_start_tls(struct s2s_out *o, bool direct);
bool s2s_out_dialback_allowed(const struct s2s_out *o);
void s2s_out_on_header(void *arg, const struct xml_header *h);
void s2s_out_on_features(void *arg, const struct features *f);
void s2s_out_on_secured(void *arg);
void s2s_out_on_element(void *arg, const struct element *e);

#endif
