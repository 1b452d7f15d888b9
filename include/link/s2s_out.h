/* link/s2s_out.h - an outgoing stream: found, connected, secured, authenticated; then it carries
 * the stanzas of one pair, or one dialback question.
 *
 * RESOLVE -> DIAL -> [SECURE] -> GREET -> FEATURES -> PROCEED -> SECURE -> GREET -> FEATURES
 *   -> JUDGE -> AUTH -> GREET -> FEATURES -> OPEN            (EXTERNAL)
 *   -> JUDGE -> DIALBACK -> OPEN                             (our key checked by the peer)
 *   -> VERIFY                                                (we check a key at its authority)
 * A failure before the peer's header is taken on at the next endpoint; a later one ends it.
 *
 * Spec: RFC 6120 4-6, XEP-0178, XEP-0220 2.1, XEP-0368; CONFORMANCE STREAM-*, TLS-*, SASL-03..12,
 * DB-03..09, DB-15/16/29, QUIRK-08/09/13.
 */
#ifndef LINK_S2S_OUT_H
#define LINK_S2S_OUT_H

#include "link/site.h"

struct s2s_out;

enum s2s_out_state {
#define STATE(id, word, deadline, text) S2S_OUT_##id,
#include "link/s2s_out.def"
#undef STATE
    S2S_OUT_STATES
};

enum verify_outcome { VERIFY_VALID, VERIFY_INVALID, VERIFY_ERROR };

struct s2s_out_handler {
    /* The pair may send. */
    void (*opened)(void *arg, const struct verdict *verdict);
    void (*drained)(void *arg);
    void (*flushed)(void *arg, uint64_t mark);
    void (*acked)(void *arg, uint64_t mark);
    /* Answer to s2s_out_verify; for VERIFY_ERROR `condition` (XEP-0220 2.5). */
    void (*verified)(void *arg, enum verify_outcome outcome, const char *condition);
    /* The stream takes nothing more. Once, unless s2s_out_close came before. `why`: as far as it
     * is known by now, BOUNCE_MAX: not; `closed` tells for certain. */
    void (*ending)(void *arg, enum bounce why, const char *detail);
    /* Last. `why`: reason of the failure, BOUNCE_MAX for a clean end; `detail` for people. */
    void (*closed)(void *arg, enum bounce why, const char *detail);
};

/* `local`, `remote`: normal form, copied. For a pair, opened ... closed; events come posted.
 * `until_boot_ms`: nothing is written past it (loop/conn). Borrowed. */
struct s2s_out *s2s_out_open(struct site *site, struct slice local, struct slice remote,
                             const _Atomic uint64_t *until_boot_ms, const struct s2s_out_handler *h,
                             void *arg);
/* A connection for one question: is `key` what `remote` made for stream `id`? */
struct s2s_out *s2s_out_verify(struct site *site, struct slice local, struct slice remote,
                               struct slice id, struct slice key, const struct s2s_out_handler *h,
                               void *arg);

/* Open and with room for output. */
bool s2s_out_writable(const struct s2s_out *o);
/* Appends; returns the mark to compare with flushed and acked. ERR_LIMIT: bigger than the peer
 * said it takes (XEP-0478). */
enum err s2s_out_write(struct s2s_out *o, const struct stanza *s, uint64_t *ret_mark) MUST_USE;
/* A polite end (fault NONE) or an error; `closed` follows. */
void s2s_out_close(struct s2s_out *o, enum fault why);
/* As close, but not another byte: what the peer's TCP has not acknowledged is withdrawn. `closed`
 * follows. */
void s2s_out_abort(struct s2s_out *o, enum fault why);
void s2s_out_set_until(struct s2s_out *o, const _Atomic uint64_t *until_boot_ms);
uint64_t s2s_out_idle_ms(const struct s2s_out *o);
bool s2s_out_is_open(const struct s2s_out *o);
const char *s2s_out_state_word(const struct s2s_out *o);
struct link *s2s_out_link(struct s2s_out *o);

#endif
