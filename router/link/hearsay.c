#include "link/hearsay.h"

#include "wire/frame.h"

/* What people are shown: text, and nothing that moves, hides or ends it. */
static bool is_text(struct slice s)
{
    while (s.len) {
        size_t n = slice_utf8_first(s);

        if (n == 0 || slice_is_control(slice_sub(s, 0, n)))
            return false;
        s = slice_from_offset(s, n);
    }
    return true;
}

static uint64_t clamp(uint64_t ms)
{
    return ms < PAIR_BACKOFF_MOST_MS ? ms : PAIR_BACKOFF_MOST_MS;
}

static uint64_t later_ms(struct site *s)
{
    return HEARSAY_LATER_MS + random_below(loop_random(s->loop), HEARSAY_LATER_MS);
}

/* A pair lives on one worker. */
static bool concerns(const struct site *s, const struct frame_backoff *row)
{
    char key[PORT_KEY_BYTES_MAX];
    size_t len = router_pair_key(row->local, row->remote, key);

    return row->of_domain || router_key_worker(&s->router, slice_make(key, len)) == s->worker;
}

static void take(struct site *s, struct slice node, const struct frame_backoff *row)
{
    struct outage w = {
        .local = row->local,
        .remote = row->remote,
        .of_domain = row->of_domain,
        .left_ms = clamp(clamp(row->left_ms) + later_ms(s)),
        .failures_count = row->failures_count,
        .why = bounce_of_word(row->why),
        .detail = is_text(row->detail) ? row->detail : slice_none(),
        .node = node,
    };

    counter_add(loop_counters(s->loop), COUNTER_BACKOFFS_HEARD, 1);
    if (!outages_begin(&s->heard, &w, loop_now_ms(s->loop)))
        counter_add(loop_counters(s->loop), COUNTER_BACKOFFS_LEFT_OUT, 1);
    site_wake(s);
}

void hearsay_take(struct site *s, struct slice node, const struct frame_backoffs *told)
{
    for (size_t i = 0; i < told->row_count; i++) {
        const struct frame_backoff *row = &told->rows[i];

        if (!row->left_ms)
            site_peer_alive(s, row->remote);
        else if (concerns(s, row))
            take(s, node, row);
    }
}

void hearsay_forget(struct site *s, struct slice node)
{
    outages_forget(&s->heard, node);
}

bool hearsay_find(const struct site *s, struct slice local, struct slice remote, bool of_domain,
                  uint64_t *since_ms, struct outage *ret_outage)
{
    uint64_t now = loop_now_ms(s->loop);
    uint64_t left;

    if (!outages_find(&s->heard, local, remote, of_domain, now, ret_outage))
        return false;
    if (!*since_ms)
        *since_ms = now;
    if (now - *since_ms >= HEARSAY_MOST_MS)
        return false;
    left = HEARSAY_MOST_MS - (now - *since_ms);
    if (ret_outage->left_ms > left)
        ret_outage->left_ms = left;
    return true;
}
