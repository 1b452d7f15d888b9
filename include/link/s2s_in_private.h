/* link/s2s_in_private.h - what router/link/s2s_in.c, s2s_in_negotiate.c and
 * s2s_in_dialback.c share. */
#ifndef LINK_S2S_IN_PRIVATE_H
#define LINK_S2S_IN_PRIVATE_H

#include "link/entrance.h"
#include "link/judge.h"
#include "link/s2s_in.h"
#include "link/s2s_out.h"

/* A key on its way to its authority. Outlives its pair, and the stream that brought it. */
struct key_check {
    struct site *site;
    struct in_pair *pair; /* NULL: answered, or nobody wants to know any more */
    struct s2s_out *out;
    struct addr asker;
};

struct in_pair {
    struct s2s_in *in;
    char *key;         /* "to from" */
    struct slice from; /* normal form: theirs */
    struct slice to;   /* ours */
    bool valid;
    enum method method;
    uint64_t stanzas_count;
    struct key_check *check; /* its key is being checked; NULL: not */
};

enum s2s_in_state { S2S_IN_HEADER, S2S_IN_JUDGE, S2S_IN_NEGOTIATE, S2S_IN_OPEN, S2S_IN_ENDING };

struct s2s_in {
    struct link link;
    struct site *site;
    struct stream *stream; /* NULL after its `closed` */
    struct entrance entrance;
    enum s2s_in_state state;
    bool direct;
    bool secured;
    bool version_1;
    bool authenticated; /* by SASL: the header may not change any more */
    bool offered_external;
    bool awaits_response;
    bool settled_address;
    bool extended; /* its time was prolonged for a key that we check */
    unsigned sasl_failures;
    char *from; /* of the header, normal form; NULL: not said */
    char *to;   /* a domain of ours, or NULL */
    char stream_id[STREAM_ID_LEN + 1];
    struct judgement *judgement;
    struct verdict verdict;
    char *why_not;
    struct map pairs; /* key -> struct in_pair */
    size_t valid_count;
    size_t pending_count; /* keys being checked */
    struct in_pair *last; /* most stanzas of a stream are of one pair */
    uint64_t stanzas_in;
    uint64_t since_ms;
};

/* --- s2s_in.c: states, pairs and ends --- */
void s2s_in_enter(struct s2s_in *in, enum s2s_in_state state);
/* A name that may be missing. */
struct slice s2s_in_text(const char *s);
/* The rule for a pair of this stream. Borrowed from the current settings. */
const struct policy_rule *s2s_in_rule(const struct s2s_in *in, struct slice to, struct slice from);
struct in_pair *s2s_in_pair(struct s2s_in *in, struct slice from, struct slice to);
struct in_pair *s2s_in_pair_new(struct s2s_in *in, struct slice from, struct slice to);
void s2s_in_pair_free(struct in_pair *p);
/* From now on its stanzas are accepted. */
void s2s_in_pair_valid(struct in_pair *p, enum method method);
void s2s_in_fail(struct s2s_in *in, enum fault f);

/* --- s2s_in_negotiate.c --- */
void s2s_in_on_header(void *arg, const struct xml_header *h);
void s2s_in_on_secured(void *arg);
void s2s_in_on_element(void *arg, const struct element *e);

/* --- s2s_in_dialback.c --- */
/* One element of jabber:server:dialback. */
void s2s_in_dialback(struct s2s_in *in, const struct dialback *d);
/* Nobody waits for the answer any more. */
void s2s_in_drop_check(struct in_pair *p);
/* Keys that came so far are for an id that does not count any more. */
void s2s_in_forget_pending(struct s2s_in *in);
/* The answer does not matter any more: an error with that condition. */
void s2s_in_refuse_pending(struct in_pair *p, const char *condition);
void s2s_in_on_late(void *arg);

#endif
