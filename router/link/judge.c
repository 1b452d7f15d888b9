#include "link/judge.h"

#include <stdio.h>

struct judgement {
    struct site *site;
    struct task task;
    struct verdict verdict;
    const char *why_not;
    judge_fn *done;
    void *arg;
};

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void judge_describe(struct stream *s, struct verdict *ret_verdict)
{
    struct tls *t = stream_tls(s);
    struct cert *cert = t ? tls_peer_cert(t) : NULL;

    memset(ret_verdict, 0, sizeof(*ret_verdict));
    if (!t)
        return;
    ret_verdict->tls = true;
    copy(ret_verdict->tls_version, sizeof(ret_verdict->tls_version), tls_version(t));
    copy(ret_verdict->tls_cipher, sizeof(ret_verdict->tls_cipher), tls_cipher(t));
    if (!cert)
        return;
    copy(ret_verdict->cert_names, sizeof(ret_verdict->cert_names), cert_names_text(cert));
    copy(ret_verdict->cert_sha256, sizeof(ret_verdict->cert_sha256), cert_sha256_hex(cert));
    ret_verdict->cert_not_after = cert_not_after(cert);
    cert_unref(cert);
}

/* A DNSSEC-secure SRV answer vouches for its target's name too (CERT-13, RFC 7673 4.1). */
static bool names_fit(const struct cert *cert, struct slice domain, const struct endpoint *e)
{
    if (cert_names(cert, domain, NULL))
        return true;
    return e && e->secure_name && cert_names_host(cert, slice_from(e->host));
}

/* The chain was good at the handshake; a stream may be old. */
static bool has_expired(const struct site *site, const struct cert *cert)
{
    return (int64_t)(loop_wall_us(site->loop) / 1000000) >= cert_not_after(cert);
}

bool judge_pkix(const struct site *site, const struct judge_case *c, const char **ret_why_not)
{
    struct tls *t = stream_tls(c->stream);
    struct cert *cert = t ? tls_peer_cert(t) : NULL;
    const char *why = NULL;

    if (!t)
        why = "no TLS";
    else if (!cert)
        why = "the peer showed no certificate";
    else if (cert_chain(cert))
        why = cert_chain_error(cert); /* a constant of the library */
    else if (has_expired(site, cert))
        why = "the certificate has expired since the handshake";
    else if (!names_fit(cert, c->domain, c->endpoint))
        why = "the certificate does not name the domain";
    cert_unref(cert);
    *ret_why_not = why;
    return !why;
}

static void run(struct task *task)
{
    struct judgement *j = LIST_ENTRY(task, struct judgement, task);

    j->done(j->arg, &j->verdict, j->why_not);
    mem_free(j);
}

struct judgement *judge(struct site *site, const struct judge_case *c, judge_fn *done, void *arg)
{
    struct judgement *j = MEM_NEW(struct judgement);
    bool pkix = judge_pkix(site, c, &j->why_not);

    j->site = site;
    j->done = done;
    j->arg = arg;
    judge_describe(c->stream, &j->verdict);
    for (size_t i = 0; i < c->rule->method_count && !j->verdict.method; i++)
        if (c->rule->methods[i] == METHOD_PKIX && pkix)
            j->verdict.method = METHOD_PKIX;
    if (!j->verdict.method && !j->why_not)
        j->why_not = "policy does not accept certificates (pkix)";
    task_init(&j->task, run);
    loop_post(site->loop, &j->task);
    return j;
}

void judgement_cancel(struct judgement *j)
{
    if (!j)
        return;
    task_cancel(&j->task);
    mem_free(j);
}
