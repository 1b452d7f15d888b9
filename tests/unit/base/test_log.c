/* base/log, base/trail, base/counter, base/err: what is told. */
#include "unit/test.h"

#include "base/counter.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trail.h"

#include <errno.h>

static char line[LOG_LINE_BYTES_MAX];

static struct slice format_one(enum log_format format, struct slice value)
{
    struct log_field f = LOG_SLICE("k", value);

    return slice_make(line, log_format_line(line, sizeof(line), format, 1700000000123456u, LOG_WARN,
                                            "seen", &f, 1));
}

#define HEAD_TEXT "2023-11-14T22:13:20.123Z warn seen k="
#define HEAD_JSON                                                                                  \
    "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"event\":\"seen\",\"k\":"

TEST(log, one_line_an_event)
{
    const struct log_field fields[] = {
        LOG_TEXT("a", "x"),
        LOG_INT("n", -7),
        {.key = "left out", .kind = LOG_FIELD_NONE},
        LOG_TEXT("none", NULL),
        LOG_ERR("e", ERR_TIMEOUT),
    };
    size_t n = log_format_line(line, sizeof(line), LOG_LOGFMT, 0, LOG_INFO, "up", fields, 5);

    CHECK_SLICE(slice_make(line, n),
                "1970-01-01T00:00:00.000Z info up a=x n=-7 none=\"\" e=\"timed out\"\n");
    n = log_format_line(line, sizeof(line), LOG_JSON, 0, LOG_INFO, "up", fields, 5);
    CHECK_SLICE(slice_make(line, n),
                "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"up\","
                "\"a\":\"x\",\"n\":-7,\"none\":\"\",\"e\":\"timed out\"}\n");
    n = log_format_line(line, sizeof(line), LOG_LOGFMT, 0, LOG_ERROR, "bare", NULL, 0);
    CHECK_SLICE(slice_make(line, n), "1970-01-01T00:00:00.000Z error bare\n");
}

/* No value begins a line, ends its own quotes, or forges a field. */
TEST(log, values_stay_values)
{
    static const struct {
        const char *value, *logfmt, *json;
    } cases[] = {
        {"plain-1.2/x", "plain-1.2/x", "\"plain-1.2/x\""},
        {"", "\"\"", "\"\""},
        {"a b", "\"a b\"", "\"a b\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"a\"b", "\"a\\\"b\"", "\"a\\\"b\""},
        {"a\\", "\"a\\\\\"", "\"a\\\\\""},
        {"a\nlevel=error", "\"a\\u000alevel=error\"", "\"a\\u000alevel=error\""},
        {"\x1b[2J\x7f", "\"\\u001b[2J\\u007f\"", "\"\\u001b[2J\\u007f\""},
        {"\u00FC", "\"\u00FC\"", "\"\u00FC\""},
        {"a\x80\xC3", "\"a\\ufffd\\ufffd\"", "\"a\\ufffd\\ufffd\""},
        {"\xC2\x9B\xC2\x85", "\"\\u009b\\u0085\"", "\"\\u009b\\u0085\""},
        {"\u2028\u202E\u2066", "\"\\u2028\\u202e\\u2066\"", "\"\\u2028\\u202e\\u2066\""},
    };
    char expected[256];

    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(expected, sizeof(expected), HEAD_TEXT "%s\n", cases[i].logfmt);
        CHECK_SLICE(format_one(LOG_LOGFMT, slice_from(cases[i].value)), expected);
        snprintf(expected, sizeof(expected), HEAD_JSON "%s}\n", cases[i].json);
        CHECK_SLICE(format_one(LOG_JSON, slice_from(cases[i].value)), expected);
    }
    CHECK_SLICE(format_one(LOG_LOGFMT, SLICE("a\0b")), HEAD_TEXT "\"a\\u0000b\"\n");
}

TEST(log, long_values_are_cut_between_characters)
{
    char value[LOG_VALUE_BYTES_MAX + 100];
    struct slice s;

    memset(value, 'v', sizeof(value));
    s = format_one(LOG_LOGFMT, slice_make(value, LOG_VALUE_BYTES_MAX));
    CHECK_EQ(s.len, strlen(HEAD_TEXT) + LOG_VALUE_BYTES_MAX + 1);
    s = format_one(LOG_LOGFMT, slice_make(value, LOG_VALUE_BYTES_MAX + 1));
    CHECK(slice_ends(s, SLICE("vvv...\n")));
    CHECK_EQ(s.len, strlen(HEAD_TEXT) + LOG_VALUE_BYTES_MAX + 3 + 1);
    memcpy(value + LOG_VALUE_BYTES_MAX - 2, "\xE2\x98\x83", 3);
    s = format_one(LOG_LOGFMT, slice_make(value, LOG_VALUE_BYTES_MAX + 50));
    CHECK(slice_ends(s, SLICE("vvv...\"\n")) || slice_ends(s, SLICE("vvv...\n")));
    memset(value, 0x80, sizeof(value)); /* no characters at all */
    s = format_one(LOG_JSON, slice_make(value, sizeof(value)));
    CHECK(slice_ends(s, SLICE("\\ufffd...\"}\n")));
}

/* Whatever the size of the buffer: whole fields, a closed line, not a byte behind the end. */
TEST(log, lines_end_within_their_buffer)
{
    struct log_field fields[20];
    char value[100];

    memset(value, '"', sizeof(value));
    for (size_t i = 0; i < COUNT(fields); i++)
        fields[i] = LOG_SLICE("key", slice_make(value, i * 5));
    for (size_t size = 256; size < 1200; size++) {
        for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
            char *buf = mem_alloc(size); /* of that size exactly, for the sanitizer */
            size_t n = log_format_line(buf, size, (enum log_format)format, 0, LOG_INFO, "e", fields,
                                       COUNT(fields));

            CHECK(n <= size);
            CHECK(slice_ends(slice_make(buf, n),
                             format == LOG_JSON ? SLICE("\"}\n") : SLICE("\"\n")));
            mem_free(buf);
        }
    }
}

struct memory_sink {
    struct log_sink sink;
    unsigned lines_count;
    enum log_level level;
    char text[LOG_LINE_BYTES_MAX + 1];
};

static void remember(struct log_sink *sink, enum log_level level, struct slice s)
{
    struct memory_sink *m = (struct memory_sink *)sink;

    m->lines_count++;
    m->level = level;
    slice_to_cstr(s, m->text, sizeof(m->text));
}

static uint64_t half_past(void *arg)
{
    return *(uint64_t *)arg;
}

TEST(log, writes_what_the_level_wants)
{
    struct memory_sink m = {.sink = {.write = remember}};
    uint64_t now_us = 1500000;
    struct log log = {&m.sink, half_past, &now_us};

    atomic_init(&m.sink.level, LOG_WARN);
    atomic_init(&m.sink.format, LOG_LOGFMT);
    LOG(&log, LOG_INFO, "quiet", LOG_INT("n", 1));
    CHECK_EQ(m.lines_count, 0);
    LOG(&log, LOG_WARN, "loud", LOG_INT("n", 1));
    CHECK_EQ(m.lines_count, 1);
    CHECK_EQ(m.level, LOG_WARN);
    CHECK_STR(m.text, "1970-01-01T00:00:01.500Z warn loud n=1\n");
    atomic_store(&m.sink.level, LOG_DEBUG);
    LOG(&log, LOG_DEBUG, "all", LOG_INT("n", 1));
    CHECK_EQ(m.lines_count, 2);
}

TEST(log, levels_have_names)
{
    enum log_level level = LOG_DEBUG;

    CHECK_EQ(log_level_parse(SLICE("warn"), &level), OK);
    CHECK_EQ(level, LOG_WARN);
    CHECK_STR(log_level_name(LOG_ERROR), "error");
    CHECK_EQ(log_level_parse(SLICE("warning"), &level), ERR_NOT_FOUND);
    CHECK_EQ(level, LOG_WARN);
}

TEST(log, limits_swallow_and_sum_up)
{
    struct log_limit l;
    uint64_t swallowed = 99;

    log_limit_init(&l, 2, 1, 0);
    CHECK(log_limit_pass(&l, 0, &swallowed) && swallowed == 0);
    CHECK(log_limit_pass(&l, 0, &swallowed) && swallowed == 0);
    for (int i = 0; i < 5; i++)
        CHECK(!log_limit_pass(&l, 10, &swallowed));
    CHECK(log_limit_pass(&l, 1000, &swallowed) && swallowed == 5);
    CHECK(!log_limit_pass(&l, 1000, &swallowed));
    CHECK(log_limit_pass(&l, 2000, &swallowed) && swallowed == 1);
}

TEST(log, limits_tell_of_the_last_of_a_flood)
{
    struct log_limit l;
    uint64_t swallowed = 99;

    log_limit_init(&l, 1, 1, 0);
    CHECK(log_limit_pass(&l, 0, &swallowed));
    CHECK(!log_limit_owes(&l) && !log_limit_rest(&l, 5000, &swallowed));
    for (uint64_t i = 0; i < 5; i++)
        CHECK(!log_limit_pass(&l, 100 + i, &swallowed));
    CHECK(log_limit_owes(&l) && !log_limit_rest(&l, 104 + LOG_LIMIT_QUIET_MS - 1, &swallowed));
    CHECK(log_limit_rest(&l, 104 + LOG_LIMIT_QUIET_MS, &swallowed) && swallowed == 5);
    CHECK(!log_limit_owes(&l) && !log_limit_rest(&l, 9000, &swallowed));
}

TEST(trail, keeps_first_and_last_steps)
{
    struct trail t;

    trail_init(&t);
    for (int i = 0; i < 100; i++)
        trail_add(&t, (uint64_t)i, "step %d", i);
    CHECK_EQ(t.count, TRAIL_STEPS_MAX);
    CHECK_EQ(t.left_out, 100 - TRAIL_STEPS_MAX);
    for (uint32_t i = 0; i < TRAIL_STEPS_MAX / 2; i++)
        CHECK_EQ(t.steps[i].at_ms, i);
    CHECK_STR(t.steps[TRAIL_STEPS_MAX - 1].text, "step 99");
    CHECK_EQ(t.steps[TRAIL_STEPS_MAX / 2].at_ms, 100 - TRAIL_STEPS_MAX / 2);
    trail_fini(&t);
    CHECK_EQ(t.count, 0);
    trail_add(NULL, 0, "nobody listens");
}

TEST(trail, steps_are_bounded_and_printable)
{
    char text[1000];
    struct trail t;

    trail_init(&t);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    trail_add(&t, 1, "%s", text);
    CHECK_EQ(strlen(t.steps[0].text), TRAIL_STEP_BYTES_MAX - 1);
    trail_add(&t, 2, "a\nb\x1b\x7f\u00FC\x80\xC2\x9B\u202E.");
    CHECK_STR(t.steps[1].text, "a?b??\u00FC?????\?.");
    memcpy(text + TRAIL_STEP_BYTES_MAX - 2, "\u00FC", 2); /* cut in the middle */
    trail_add(&t, 3, "%s", text);
    CHECK(slice_is_utf8(slice_from(t.steps[2].text)));
    trail_fini(&t);
}

TEST(counter, cells_do_not_overlap)
{
    struct counters c = {0};

    counter_add(&c, COUNTER_RESENT, 2);
    counter_add(&c, COUNTER_RESENT, 3);
    CHECK_EQ(counter_read(&c, COUNTER_RESENT), 5);
    counter_add_to(&c, BOUNCED, 0, 1);
    counter_add_to(&c, BOUNCED, 31, 7);
    CHECK_EQ(counter_read(&c, COUNTER_BOUNCED), 1);
    CHECK_EQ(counter_read(&c, COUNTER_BOUNCED_END), 7);
    CHECK_EQ(COUNTER_BOUNCED_END - COUNTER_BOUNCED, 31);
    CHECK_EQ(COUNTER_DROPPED, COUNTER_BOUNCED_END + 1);
    CHECK_EQ(COUNTER_RELAY, COUNTER_TIME_TO_OPEN_SUM_US + 1);
}

TEST(counter, histograms_have_bounds)
{
    struct counters c = {0};
    uint64_t total = 0;

    counter_observe(&c, COUNTER_RELAY, 0);
    counter_observe(&c, COUNTER_RELAY, 100); /* a bound is inside its bucket */
    counter_observe(&c, COUNTER_RELAY, 101);
    counter_observe(&c, COUNTER_RELAY, 30000000);
    counter_observe(&c, COUNTER_RELAY, 30000001);
    CHECK_EQ(counter_read(&c, COUNTER_RELAY), 2);
    CHECK_EQ(counter_read(&c, COUNTER_RELAY + 1), 1);
    CHECK_EQ(counter_read(&c, COUNTER_RELAY + HISTOGRAM_BUCKETS - 2), 1);
    CHECK_EQ(counter_read(&c, COUNTER_RELAY + HISTOGRAM_BUCKETS - 1), 1);
    CHECK_EQ(counter_read(&c, COUNTER_RELAY_SUM_US), 60000202);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += counter_read(&c, COUNTER_RELAY + i);
    CHECK_EQ(total, 5);
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
        CHECK(histogram_bounds_us[i - 1] < histogram_bounds_us[i]);
}

TEST(err, each_has_a_word_and_a_text)
{
    for (int e = OK; e < ERR_MAX; e++) {
        const char *word = err_name((enum err)e);

        CHECK(word[0] && err_text((enum err)e)[0]);
        for (const char *p = word; *p; p++)
            CHECK_MSG((*p >= 'a' && *p <= 'z') || *p == '-', "%s", word);
    }
    CHECK_STR(err_name(ERR_NOT_FOUND), "not-found");
    CHECK_STR(err_text(ERR_NOT_FOUND), "not found");
}

TEST(err, comes_from_errno)
{
    static const struct {
        int err_no;
        enum err e;
    } cases[] = {
        {0, OK},
        {EAGAIN, ERR_AGAIN},
        {ECONNREFUSED, ERR_REFUSED},
        {ECONNRESET, ERR_RESET},
        {EPIPE, ERR_RESET},
        {EHOSTUNREACH, ERR_UNREACHABLE},
        {ENETDOWN, ERR_UNREACHABLE},
        {ETIMEDOUT, ERR_TIMEOUT},
        {EMFILE, ERR_DESCRIPTORS},
        {EADDRINUSE, ERR_IN_USE},
        {ENOENT, ERR_NOT_FOUND},
        {EACCES, ERR_DENIED},
        {ENOSPC, ERR_IO},
        {EDOM, ERR_SYSTEM},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_EQ(err_from_errno(cases[i].err_no), cases[i].e);
}

TESTS(TEST_OF(log, one_line_an_event), TEST_OF(log, values_stay_values),
      TEST_OF(log, long_values_are_cut_between_characters),
      TEST_OF(log, lines_end_within_their_buffer), TEST_OF(log, writes_what_the_level_wants),
      TEST_OF(log, levels_have_names), TEST_OF(log, limits_swallow_and_sum_up),
      TEST_OF(log, limits_tell_of_the_last_of_a_flood), TEST_OF(trail, keeps_first_and_last_steps),
      TEST_OF(trail, steps_are_bounded_and_printable), TEST_OF(counter, cells_do_not_overlap),
      TEST_OF(counter, histograms_have_bounds), TEST_OF(err, each_has_a_word_and_a_text),
      TEST_OF(err, comes_from_errno))
