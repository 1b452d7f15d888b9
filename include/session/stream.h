/* session/stream.h - one XMPP stream: headers, restarts, TLS, budgets before authentication,
 * errors and the end.
 *
 * Owned by a link (s2s_in, s2s_out, component) until `closed`, its last call. Calls down never
 * call back up: events are posted or come from the connection.
 * Spec: RFC 6120 4, 5.4, 8; CONFORMANCE STREAM-*, SERR-*, TLS-05/06/07, LIMIT-05.
 */
#ifndef SESSION_STREAM_H
#define SESSION_STREAM_H

#include "loop/conn.h"
#include "loop/timer.h"
#include "wire/features.h"
#include "wire/xml.h"

struct stream;

/* Why a stream ended; valid during `closed`. */
struct stream_end {
    enum fault fault;      /* ours: FAULT_NONE if we sent no error */
    char peer_error[64];   /* condition of the peer's stream error, or "" */
    char peer_text[128];   /* its text, or "" */
    enum err transport;    /* what the connection said; OK: closed by us */
    const char *tls_error; /* or "" */
    bool clean;            /* both end tags were seen */
};

/* What kind of end it was (metric links_closed_total), and one word for the log. */
enum stream_ended {
    ENDED_CLEAN,
    ENDED_FAULT,
    ENDED_PEER_ERROR,
    ENDED_TLS,
    ENDED_TRANSPORT,
    ENDED_MAX
};
enum stream_ended stream_end_class(const struct stream_end *end);
const char *stream_end_class_word(enum stream_ended c);
const char *stream_end_word(const struct stream_end *end);

struct stream_handler {
    void (*connected)(void *arg); /* dialled ones */
    void (*secured)(void *arg);   /* TLS is up; a new parser waits for a header */
    void (*header)(void *arg, const struct xml_header *h);
    void (*features)(void *arg, const struct features *f);
    void (*element)(void *arg, const struct element *e); /* no stanza, no features, no error */
    void (*stanza)(void *arg, struct stanza *s);         /* takes the reference */
    void (*too_big)(void *arg, struct stanza *s);        /* takes the reference */
    void (*flushed)(void *arg, uint64_t mark);
    void (*acked)(void *arg, uint64_t mark);
    void (*drained)(void *arg);
    /* The time for the negotiation is over: an error follows, what is owed may be said before. */
    void (*late)(void *arg);
    /* The peer's end tag or error came, or ours went out: nothing new is to be written; what is
     * to be reclaimed can be. Once; `closed` follows. */
    void (*ending)(void *arg);
    void (*closed)(void *arg, const struct stream_end *end);
};

struct stream_options {
    enum stanza_scope scope;
    struct xml_limits limits; /* after authentication */
    size_t preauth_bytes;     /* before: of the whole connection, in plain text */
    unsigned preauth_elements;
    uint64_t negotiation_ms; /* deadline of the whole negotiation; traffic does not extend it.
                              * 0: the owner keeps time itself */
    uint64_t close_ms;       /* how long we wait for the peer's end tag */
    uint64_t keepalive_ms;   /* a space is sent after so long without output; 0: never */
};

#define STREAM_PREAUTH_ELEMENTS_MAX 64

/* On failure nothing was opened (a given fd and tls are gone) and no event comes. */
enum err stream_dial(struct loop *l, const struct addr *to, const struct stream_options *o,
                     const struct stream_handler *h, void *arg, struct stream **ret) MUST_USE;
/* Takes fd. `tls`: Direct TLS begins at once (taken); NULL: in clear. */
enum err stream_adopt(struct loop *l, int fd, const struct addr *peer, struct tls *tls,
                      const struct stream_options *o, const struct stream_handler *h, void *arg,
                      struct stream **ret) MUST_USE;

/* The next owner (link/dialer hands a connected stream to s2s_out). */
void stream_set_handler(struct stream *s, const struct stream_handler *h, void *arg);

struct stream_header {
    struct slice to, from, id; /* ptr NULL: left out */
    struct slice lang;         /* ptr NULL: "en" */
    const char *version;       /* "1.0", or NULL: left out (0.9 peers, components) */
};
/* Sends the XML declaration and header; remembered, so that an error is preceded by one. */
void stream_send_header(struct stream *s, const struct stream_header *h);
/* The header that goes before an error when none was sent yet (4.9.1.2). Copied. */
void stream_set_error_header(struct stream *s, const struct stream_header *h);
bool stream_header_sent(const struct stream *s);
/* The next input is a new document (after SASL); the old parser goes when safe. */
void stream_restart(struct stream *s);
/* Takes tls; what the peer sent in clear and we have not looked at is discarded. */
void stream_start_tls(struct stream *s, struct tls *tls);
/* Negotiation is over: budgets and deadline end, stanza limits rise, the peer's chain goes. */
void stream_authenticated(struct stream *s);
/* To be called now and then: an open stream on which nothing came or went for STREAM_REST_MS gives
 * its parser back. Costs a comparison where there is nothing to give. */
#define STREAM_REST_MS 5000
void stream_rest(struct stream *s);
/* The negotiation may take so much longer: the next move is not the peer's. */
void stream_extend_deadline(struct stream *s, uint64_t ms);

/* Where to append; stream_touch afterwards. NULL once ending. */
struct byteq *stream_out(struct stream *s);
void stream_touch(struct stream *s);
uint64_t stream_mark(const struct stream *s);
size_t stream_pending(const struct stream *s);
bool stream_ending(const struct stream *s);
/* May another stanza be appended now? (Not ending, output not above CONN_HIGH_BYTES.) */
bool stream_writable(const struct stream *s);

/* Delivered items stop after the current one; what was read waits. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* <stream:error>, end tag, and so on. Behind an offence nothing is looked at (SERR-02); where we
 * end an open stream for reasons of our own (fault_is_ours), stanzas still come until the peer has
 * heard of it and ended too: its kernel took them for delivered. */
void stream_fail(struct stream *s, enum fault f);
/* A polite end: end tag, then wait for the peer's. Stanzas still come until then. */
void stream_close(struct stream *s);
/* Connection reset or dropped without a word (TLS failures, dead peers). */
void stream_abort(struct stream *s, enum err why);
/* Bare TCP close after what is queued (starttls <failure/>, 5.4.2.2). `end_tag` first if asked. */
void stream_hang_up(struct stream *s, bool end_tag);

/* Major and minor as numbers (RFC 6120 4.7.5). False: no version number. */
bool stream_version(struct slice text, unsigned *ret_major, unsigned *ret_minor);

struct conn *stream_conn(struct stream *s);
struct tls *stream_tls(struct stream *s);
uint64_t stream_opened_ms(const struct stream *s);
uint64_t stream_last_input_ms(const struct stream *s);
uint64_t stream_last_stanza_ms(const struct stream *s);
void stream_note_stanza(struct stream *s); /* one was written: for idleness */
uint64_t stream_bytes_in(const struct stream *s);
size_t stream_parser_bytes(const struct stream *s);
/* What our kernel still holds is read and delivered now, paused or not. */
void stream_drain_input(struct stream *s);

#endif
