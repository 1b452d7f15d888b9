#include "wire/frame.h"

#include "base/random.h"
#include "unit/test.h"
#include "wire/stanza.h"

/* As SLICE, where only a constant may stand. */
#define SLICE_OF(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

static struct arena arena;

/* One of each, every field different from its neighbours. */
static struct frame_run runs[] = {{4, FRAME_SENT, {NULL, 0}, {NULL, 0}},
                                  {9, FRAME_BOUNCED, SLICE_OF("timeout"), SLICE_OF("refused")}};
static struct frame_pair pairs[] = {{SLICE_OF("a.example"), SLICE_OF("b.example")},
                                    {SLICE_OF("c.example"), SLICE_OF("d.example")}};
static struct frame_member members[] = {{SLICE_OF("edge-1"), 77}, {SLICE_OF("edge-2"), 78}};
static struct frame_component components[] = {{SLICE_OF("*.a.example"), 5, 6, true},
                                              {SLICE_OF("b.example"), 7, 8, false}};
static struct frame_address addresses[] = {{SLICE_OF("\1\2\3\4"), 9},
                                           {SLICE_OF("0123456789abcdef"), 10}};
static struct frame_backoff backoffs[] = {
    {SLICE_OF("a.example"), SLICE_OF("b.example"), true, 1500, 4, SLICE_OF("unreachable"),
     SLICE_OF("192.0.2.1:5269: refused")},
    {SLICE_OF("a.example"), SLICE_OF("c.example"), false, 1, 0, SLICE_OF("x"), {NULL, 0}},
    {{NULL, 0}, SLICE_OF("d.example"), false, 0, 0, {NULL, 0}, {NULL, 0}},
};

#define DIGEST SLICE_OF("0123456789abcdef0123456789abcdef")

static const struct frame each[] = {
    {FRAME_HELLO, .hello = {1,
                            1,
                            SLICE_OF("edge-1"),
                            11,
                            12,
                            13,
                            14,
                            SLICE_OF("10.0.0.5:5290"),
                            DIGEST,
                            DIGEST,
                            DIGEST,
                            {NULL, 0}}},
    {FRAME_OPEN, .open = {1, 2, 3, SLICE_OF("a.example b.example")}},
    {FRAME_DATA, .data = {1, 2, 4, 3, 500, STANZA_IQ, STANZA_TYPE_GET, SCOPE_COMPONENT,
                          STANZA_SCOPED, SLICE_OF("<iq/>")}},
    {FRAME_CLOSE, .close = {1, 2}},
    {FRAME_DONE, .done = {1, 2, runs, 2}},
    {FRAME_REFUSE, .refuse = {1, 2, SLICE_OF("not-owner"), SLICE_OF("edge-2"), 3, 4}},
    {FRAME_CREDIT, .credit = {1, 2, 3, 16384, true, false}},
    {FRAME_HANDOFF, .handoff = {FRAME_TAKEN, SLICE_OF("a.example"), SLICE_OF("b.example"), 5}},
    {FRAME_PING, .ping = {1, 2, 9, pairs, 2}},
    {FRAME_PONG, .pong = {1, 2, true, false, true, true, SLICE_OF("10")}},
    {FRAME_BYE, .bye = {3, members, 2}},
    {FRAME_COMPONENTS, .components = {1, true, false, components, 2}},
    {FRAME_ADDRESSES, .addresses = {addresses, 2}},
    {FRAME_BACKOFFS, .backoffs = {backoffs, 3}},
    {FRAME_BURIED, .gone = {{SLICE_OF("edge-1"), 6}}},
    {FRAME_FORGET, .gone = {{SLICE_OF("edge-1"), 6}}},
    {FRAME_ASK, .ask = {1, SLICE_OF("links"), SLICE_OF("b.example")}},
    {FRAME_ANSWER, .answer = {1, true, SLICE_OF("[]")}},
    {FRAME_HEARD, .heard = {7}},
};

static struct byteq *written(const struct frame *f)
{
    static struct byteq out;

    byteq_fini(&out);
    frame_write(&out, f);
    return &out;
}

TEST(frame, each_comes_back_as_it_was)
{
    struct frame f;
    size_t used;

    CHECK_EQ(COUNT(each), FRAME_TYPES - 1);
    for (size_t i = 0; i < COUNT(each); i++) {
        struct byteq first = *written(&each[i]);
        struct slice bytes = byteq_slice(&first);

        CHECK_EQ(each[i].type, i + 1);
        CHECK_EQ(frame_next(bytes, &arena, &f, &used), OK);
        CHECK_EQ(used, bytes.len);
        CHECK_EQ(f.type, each[i].type);
        {
            struct byteq again;

            byteq_init(&again);
            frame_write(&again, &f);
            CHECK(slice_eq(byteq_slice(&again), bytes));
            byteq_fini(&again);
        }
        for (size_t n = 0; n < bytes.len; n++)
            CHECK_EQ(frame_next(slice_sub(bytes, 0, n), &arena, &f, &used), ERR_AGAIN);
    }
}

TEST(frame, tells_what_was_said)
{
    struct frame f;
    size_t used;

    CHECK_EQ(frame_next(byteq_slice(written(&each[FRAME_DATA - 1])), &arena, &f, &used), OK);
    CHECK(f.data.lane == 1 && f.data.generation == 2 && f.data.seq == 4 && f.data.done == 3);
    CHECK(f.data.age_ms == 500 && f.data.kind == STANZA_IQ && f.data.type == STANZA_TYPE_GET);
    CHECK(f.data.scope == SCOPE_COMPONENT && f.data.flags == STANZA_SCOPED);
    CHECK_SLICE(f.data.wire, "<iq/>");
    CHECK_EQ(frame_next(byteq_slice(written(&each[FRAME_DONE - 1])), &arena, &f, &used), OK);
    CHECK_EQ(f.done.run_count, 2);
    CHECK_EQ(f.done.runs[1].last_seq, 9);
    CHECK_EQ(f.done.runs[1].fate, FRAME_BOUNCED);
    CHECK_SLICE(f.done.runs[1].why, "timeout");
    CHECK_SLICE(f.done.runs[1].detail, "refused");
    CHECK_EQ(frame_next(byteq_slice(written(&each[FRAME_PONG - 1])), &arena, &f, &used), OK);
    CHECK(f.pong.number == 1 && f.pong.incarnation == 2 && f.pong.promise && !f.pong.can_claim &&
          f.pong.same_list);
    CHECK_SLICE(f.pong.not_mine, "10");
}

TEST(frame, tells_of_back_offs)
{
    const struct frame_backoff *row;
    struct frame f;
    size_t used;

    CHECK_EQ(frame_next(byteq_slice(written(&each[FRAME_BACKOFFS - 1])), &arena, &f, &used), OK);
    CHECK_EQ(f.backoffs.row_count, 3);
    row = &f.backoffs.rows[0];
    CHECK_SLICE(row->local, "a.example");
    CHECK_SLICE(row->remote, "b.example");
    CHECK(row->of_domain && row->left_ms == 1500 && row->failures_count == 4);
    CHECK_SLICE(row->why, "unreachable");
    CHECK_SLICE(row->detail, "192.0.2.1:5269: refused");
    CHECK_SLICE(f.backoffs.rows[2].remote, "d.example");
    CHECK_EQ(f.backoffs.rows[2].left_ms, 0);
}

/* `bytes` with one byte more or less in its length field. */
static enum err with_length(struct slice bytes, int by)
{
    char buf[4096];
    struct frame f;
    size_t used;
    size_t len = bytes.len - 4 + (size_t)by;

    memset(buf, 0, sizeof(buf));
    memcpy(buf, bytes.ptr, bytes.len);
    buf[2] = (char)(len >> 8);
    buf[3] = (char)len;
    return frame_next(slice_make(buf, 4 + len), &arena, &f, &used);
}

TEST(frame, is_used_up_to_its_last_byte)
{
    for (size_t i = 0; i < COUNT(each); i++) {
        struct slice bytes = byteq_slice(written(&each[i]));
        bool ends_open = each[i].type == FRAME_DATA || each[i].type == FRAME_ANSWER;

        CHECK_EQ(with_length(bytes, 1), ends_open ? OK : ERR_SYNTAX);
        CHECK_EQ(with_length(bytes, -1), ends_open ? OK : ERR_SYNTAX);
    }
}

TEST(frame, rejects_what_no_node_would_say)
{
    static const struct {
        struct slice bytes;
        enum err e;
    } cases[] = {
        {SLICE_OF("\0\0\0\0\1"), ERR_SYNTAX}, /* nothing, not even a type */
        {SLICE_OF("\0\0\0\1\0"), ERR_SYNTAX}, /* no such types */
        {SLICE_OF("\0\0\0\1\xff"), ERR_SYNTAX},
        {SLICE_OF("\0\4\0\1\5"), ERR_LIMIT}, /* too long, as its header says */
        {SLICE_OF("\4\0\0\1\3"), ERR_LIMIT}, /* DATA too */
        {SLICE_OF("\xff\xff\xff\xff\3"), ERR_LIMIT},
        {SLICE_OF("\0\0\0\x0f\5"
                  "\0\0\0\0\0\0\0\1\0\0\0\1\0\0"),
         ERR_SYNTAX}, /* DONE of nothing */
        {SLICE_OF("\0\0\0\x0f\5"
                  "\0\0\0\0\0\0\0\1\0\0\0\1\xff\xff"),
         ERR_SYNTAX}, /* a list longer than its frame */
        {SLICE_OF("\0\0\0\x24\5"
                  "\0\0\0\0\0\0\0\1\0\0\0\1\0\1"
                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
         ERR_SYNTAX}, /* up to 0 */
        {SLICE_OF("\0\0\0\x1b\7"
                  "\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\2\0"),
         ERR_SYNTAX}, /* flag 2 */
        {SLICE_OF("\0\0\0\x0d\x0f"
                  "\0\x0b"
                  "0123456789a"),
         ERR_SYNTAX},
        {SLICE_OF("\0\0\0\x15\x0e"
                  "\0\1\0\0\0\1"
                  "b\0\0\0\0\0\0\0\0\0\0\0\0\0"),
         OK}, /* it lives ... */
        {SLICE_OF("\0\0\0\x16\x0e"
                  "\0\1\0\0\0\1"
                  "b\0\0\0\0\0\0\0\0\0\0\1x\0\0"),
         ERR_SYNTAX}, /* ... for a cause */
        {SLICE_OF("\0\0\0\x15\x0e"
                  "\0\1\0\0\0\1"
                  "b\0\0\0\0\0\0\0\0\7\0\0\0\0"),
         ERR_SYNTAX}, /* ... having failed seven times */
        {SLICE_OF("\0\0\0\x17\x0e"
                  "\0\1\0\1"
                  "a\0\1"
                  "b\0\0\0\0\1\0\0\0\0\0\1x\0\0"),
         OK},
        {SLICE_OF("\0\0\0\x16\x0e"
                  "\0\1\0\1"
                  "a\0\1"
                  "b\0\0\0\0\1\0\0\0\0\0\0\0\0"),
         ERR_SYNTAX}, /* it failed for no cause */
    };
    struct frame f;
    size_t used;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(frame_next(cases[i].bytes, &arena, &f, &used) == cases[i].e, "case %zu", i);
}

/* Whatever single byte is changed: understood as something else, or refused; never a look outside
 * (a sanitizer sees it: the block is as long as the frame). */
TEST(frame, survives_any_changed_byte)
{
    struct frame f;
    size_t used;

    for (size_t i = 0; i < COUNT(each); i++) {
        struct slice bytes = byteq_slice(written(&each[i]));

        for (size_t at = 0; at < bytes.len; at++)
            for (unsigned v = 0; v < 256; v += 1 + v / 4) {
                char *copy = mem_alloc(bytes.len);

                memcpy(copy, bytes.ptr, bytes.len);
                copy[at] = (char)v;
                (void)!frame_next(slice_make(copy, bytes.len), &arena, &f, &used);
                mem_free(copy);
            }
        arena_reset(&arena);
    }
}

/* A hello of a later version may go on behind what we know; nothing else may, nor may ours. */
TEST(frame, only_a_later_hello_goes_on)
{
    struct frame hello = each[0];
    struct frame f;
    size_t used;

    hello.hello.version_most = FRAME_VERSION_MOST + 1;
    hello.hello.rest = SLICE("what comes");
    CHECK_EQ(frame_next(byteq_slice(written(&hello)), &arena, &f, &used), OK);
    CHECK_SLICE(f.hello.rest, "what comes");
    CHECK_EQ(with_length(byteq_slice(written(&each[0])), 1), ERR_SYNTAX);
}

TEST(frame, preface_names_the_dialler)
{
    char out[FRAME_PREFACE_MAX];
    size_t n = frame_preface_write(SLICE("edge-1"), out);
    struct slice node;
    size_t used;

    CHECK_EQ(frame_preface_parse(slice_make(out, n), &node, &used), OK);
    CHECK_SLICE(node, "edge-1");
    CHECK_EQ(used, n);
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(frame_preface_parse(slice_make(out, i), &node, &used), ERR_AGAIN);
        CHECK(used > i && used <= n);
    }
    CHECK_EQ(frame_preface_parse(SLICE("FRMESH1\n\0"), &node, &used), ERR_SYNTAX);
    CHECK_EQ(frame_preface_parse(SLICE("FRMESH1\n\x41"), &node, &used), ERR_SYNTAX);
    CHECK_EQ(frame_preface_parse(SLICE("\x16\x03\x01"), &node, &used), ERR_SYNTAX); /* TLS */
    CHECK_EQ(frame_preface_parse(SLICE("FRMESH1\n\3a\0b"), &node, &used), ERR_SYNTAX);
    CHECK_EQ(frame_preface_parse(SLICE("FRMESH1\n\3a b"), &node, &used), ERR_SYNTAX);
}

TESTS(TEST_OF(frame, each_comes_back_as_it_was), TEST_OF(frame, tells_what_was_said),
      TEST_OF(frame, tells_of_back_offs), TEST_OF(frame, is_used_up_to_its_last_byte),
      TEST_OF(frame, rejects_what_no_node_would_say), TEST_OF(frame, survives_any_changed_byte),
      TEST_OF(frame, only_a_later_hello_goes_on), TEST_OF(frame, preface_names_the_dialler))
