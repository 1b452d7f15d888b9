/* session/stream_private.h - what router/session/stream.c (states, output, the end) and
 * stream_input.c (what the peer sends) share.
 */
#ifndef SESSION_STREAM_PRIVATE_H
#define SESSION_STREAM_PRIVATE_H

#include "session/stream.h"

enum stream_state { STREAM_NEGOTIATING, STREAM_OPEN, STREAM_CLOSING, STREAM_FLUSHING };

/* One stanza read while the stream was paused: at most what one chunk held. */
struct backlog {
    struct list node;
    bool too_big;
    struct stanza *stanza;
};

struct stream {
    struct loop *loop;
    struct conn *conn;
    struct xml *xml;
    const struct stream_handler *h;
    void *arg;
    struct stream_options o;
    enum stream_state state;
    bool header_sent;
    bool restart_asked; /* a new parser before the next bytes */
    bool tls_asked;     /* the handshake runs */
    bool discard_input; /* clear text behind a starttls, or what follows the end tag */
    bool paused;
    bool delivering; /* inside the owner's stanza handler */
    bool ending_told;
    bool peer_ended; /* its end tag was seen */
    bool end_tag_sent;
    unsigned elements_count; /* before authentication */
    uint64_t opened_ms;
    uint64_t last_input_ms;
    uint64_t last_output_ms;
    uint64_t last_stanza_ms;
    uint64_t rested_ms; /* 0: not yet */
    uint64_t bytes_in;
    uint64_t read_us; /* when the current chunk was read */
    struct timer deadline;
    struct timer keepalive;
    struct task resume_task;
    struct task drained_task;
    struct task ending_task;
    struct list backlog;
    char *error_header; /* ready to send, or NULL */
    struct stream_end end;
};

/* --- stream.c --- */
void stream_parser_new(struct stream *s);
void stream_tell_ending(struct stream *s); /* once */
void stream_put_error_header(struct stream *s);
void stream_put_end_tag(struct stream *s);
void stream_enter_flushing(struct stream *s);
void stream_both_ended(struct stream *s);

/* --- stream_input.c --- */
void stream_on_data(void *arg, struct slice plain);
void stream_run_resume(struct task *t);
void stream_run_drained(struct task *t);
/* What was read before an end or an offence is delivered, whatever pressure says: our kernel
 * acknowledged it, nobody will send it again. */
void stream_deliver_all(struct stream *s);
void stream_fail_and_tell(struct stream *s, enum fault f);
/* A cut of at most `size` - 1 bytes as a C string; no UTF-8: empty. */
void stream_keep_text(struct slice text, char *buf, size_t size);

#endif
