#include "unit/test.h"

#include "node/parcel.h"

#include <jansson.h>

/* --- cutting --- */

static void add_row(struct byteq *q, size_t len)
{
    char *at;

    if (byteq_len(q))
        byteq_append(q, SLICE(",\n"));
    at = byteq_reserve(q, len);
    memset(at, 'x', len);
    byteq_grow(q, len);
}

struct cut {
    size_t parcels, rows, left_out, longest;
};

static struct cut cut_all(const struct byteq *q)
{
    struct slice rows = byteq_slice(q), parcel;
    struct cut c = {0};

    while ((parcel = parcel_cut(&rows, &c.left_out)).len) {
        CHECK(parcel.ptr[0] == 'x' && parcel.ptr[parcel.len - 1] == 'x');
        c.parcels++;
        c.rows += parcel_count(parcel);
        c.longest = parcel.len > c.longest ? parcel.len : c.longest;
    }
    CHECK_EQ(rows.len, 0);
    return c;
}

TEST(parcel, rows_are_cut_between_not_within)
{
    static const struct {
        size_t lengths[6];
        struct cut want;
    } cases[] = {
        {{0}, {0, 0, 0, 0}},
        {{10}, {1, 1, 0, 10}},
        {{10, 20, 30}, {1, 3, 0, 64}},
        {{PARCEL_BYTES_MAX}, {1, 1, 0, PARCEL_BYTES_MAX}},
        {{PARCEL_BYTES_MAX - 3, 1}, {1, 2, 0, PARCEL_BYTES_MAX}},
        {{PARCEL_BYTES_MAX - 2, 1}, {2, 2, 0, PARCEL_BYTES_MAX - 2}},
        {{1, PARCEL_BYTES_MAX, 1}, {3, 3, 0, PARCEL_BYTES_MAX}},
        {{1, PARCEL_ROW_BYTES_MAX, 1}, {3, 3, 0, PARCEL_ROW_BYTES_MAX}},
        {{PARCEL_ROW_BYTES_MAX + 1}, {0, 0, 1, 0}},
        {{PARCEL_ROW_BYTES_MAX + 1, 5, PARCEL_ROW_BYTES_MAX + 1, 5}, {2, 2, 2, 5}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct byteq q;
        struct cut c;

        byteq_init(&q);
        for (size_t k = 0; cases[i].lengths[k]; k++)
            add_row(&q, cases[i].lengths[k]);
        c = cut_all(&q);
        CHECK_MSG(memcmp(&c, &cases[i].want, sizeof(c)) == 0, "%zu: %zu %zu %zu %zu", i, c.parcels,
                  c.rows, c.left_out, c.longest);
        byteq_fini(&q);
    }
}

/* --- slips --- */

TEST(parcel, slips_read_back)
{
    static const struct parcel_slip cases[] = {
        {0, 0, ""}, {7, 123456, ""}, {0, 0, "this node is busy \"now\""}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parcel_slip read;
        struct byteq q;

        byteq_init(&q);
        parcel_write_slip(&cases[i], &q);
        CHECK_EQ(parcel_read_slip(byteq_slice(&q), &read), OK);
        CHECK_EQ(read.parcel_count, cases[i].parcel_count);
        CHECK_EQ(read.left_out_count, cases[i].left_out_count);
        CHECK_STR(read.error, cases[i].error);
        byteq_fini(&q);
    }
}

TEST(parcel, other_slips_are_refused)
{
    static const char *const cases[] = {
        "",
        "[]",
        "{}",
        "{\"parcels\":1}",
        "{\"parcels\":-1,\"left_out\":0}",
        "{\"parcels\":\"1\",\"left_out\":0}",
        "{\"parcels\":1,\"left_out\":0",
        "{\"error\":\"\"}",
        "{\"error\":7}",
        "{\"parcels\":1,\"left_out\":0}{}",
    };
    char large[PARCEL_SLIP_BYTES + 2];
    struct parcel_slip slip;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(parcel_read_slip(slice_from(cases[i]), &slip) == ERR_SYNTAX, "%s", cases[i]);
    memset(large, ' ', sizeof(large) - 1);
    memcpy(large, "{\"error\":\"x\"}", 13);
    CHECK_EQ(parcel_read_slip(slice_make(large, PARCEL_SLIP_BYTES), &slip), OK);
    CHECK_EQ(parcel_read_slip(slice_make(large, PARCEL_SLIP_BYTES + 1), &slip), ERR_SYNTAX);
}

/* A sentence of another node may be too long for ours; it stays one. */
TEST(parcel, a_long_error_is_cut)
{
    char text[600] = "{\"error\":\"";
    struct parcel_slip slip;

    memset(text + 10, 'y', 500);
    memcpy(text + 510, "\"}", 3);
    CHECK_EQ(parcel_read_slip(slice_from(text), &slip), OK);
    CHECK_EQ(strlen(slip.error), PARCEL_ERROR_BYTES - 1);
}

/* --- checking --- */

#define N "{\"node\":\"edge-2\""

TEST(parcel, sound_rows_pass)
{
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        {N "}", 1},
        {N ",\"a\":1},\n" N ",\"b\":[1,2,{\"c\":null}]}", 2},
        {N ",\"x\":-0.5e+10,\"y\":0,\"z\":1E5,\"f\":false,\"t\":true}", 1},
        {N ",\"t\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001f \xc3\xa9\"}", 1},
        {N ",\"e\":{},\"l\":[]}", 1},
        {N ",\"e\":{\"node\":\"edge-1\"},\"n\":123456789012345678}", 1},
        {N ",\"d\":[[[[[[{}]]]]]]}", 1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count;

        CHECK_MSG(parcel_check(slice_from(cases[i].text), SLICE("edge-2"), &count) == OK, "%s",
                  cases[i].text);
        CHECK_EQ(count, cases[i].count);
    }
}

TEST(parcel, other_rows_are_refused)
{
    static const char *const cases[] = {
        "",
        "{}",
        "{\"node\":\"edge-1\"}",         /* another's name */
        "{\"node\":\"edge-22\"}",        /* a longer one */
        "{\"a\":1,\"node\":\"edge-2\"}", /* not first */
        "[" N "}]",                      /* not rows */
        N "}," N "}",                    /* another border */
        N "},\n",                        /* nothing behind it */
        N "} ",                          /* white space */
        N "}\n",                         /* ... */
        N ",\"a\"}",                     /* no value */
        N ",\"a\":}",                    /* ... */
        N ",\"a\":01}",                  /* numbers */
        N ",\"a\":1.}",                  /* ... */
        N ",\"a\":.5}",                  /* ... */
        N ",\"a\":1e}",                  /* ... */
        N ",\"a\":+1}",                  /* ... */
        N ",\"a\":NaN}",                 /* ... */
        N ",\"a\":nul}",                 /* words */
        N ",\"a\":\"\\x\"}",             /* escapes */
        N ",\"a\":\"\\u001g\"}",         /* ... */
        N ",\"a\":\"\\u0000\"}",         /* some parsers end there */
        N ",\"a\":\"\\ud800\"}",         /* half a character */
        N ",\"a\":\"\\u00e9\"}",         /* nobody has to write that */
        N ",\"a\":1234567890123456789}", /* more than a number holds */
        N ",\"a\":1e999}",               /* ... */
        N ",\"node\":\"edge-1\"}",       /* who is it? */
        N ",\"A\":1}",                   /* keys are plain words */
        N ",\"n\\u006fde\":\"x\"}",      /* ... */
        N ",\"\":1}",                    /* ... */
        N ",\"a\":\"b\nc\"}",            /* a bare control character */
        N ",\"a\":\"\xff\"}",            /* not UTF-8 */
        N ",\"a\":\"b}",                 /* open */
        N ",\"a\":[1,2}",                /* ... */
        N ",\"a\":[1,]}",                /* an item too few */
        N ",\"a\":1,}",                  /* ... */
        N,                               /* open */
        N ",\"d\":[[[[[[[{}]]]]]]]}",    /* too deep */
    };
    size_t count;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(parcel_check(slice_from(cases[i]), SLICE("edge-2"), &count) == ERR_SYNTAX, "%s",
                  cases[i]);
}

/* What passes is JSON for a parser that we did not write, whichever byte of it is another. */
TEST(parcel, what_passes_is_json)
{
    static const char row[] = N ",\"a\":[1,-2.5e3,\"b\\u0019\"],\"c\":{\"d\":null,\"e\":true}}";
    char text[sizeof(row)];
    size_t passed = 0;
    size_t count;

    for (size_t i = 0; i + 1 < sizeof(row); i++)
        for (unsigned c = 1; c < 256; c++) {
            json_t *o;

            memcpy(text, row, sizeof(row));
            text[i] = (char)c;
            if (parcel_check(slice_from(text), SLICE("edge-2"), &count))
                continue;
            passed++;
            o = json_loads(text, 0, NULL);
            CHECK_MSG(json_is_object(o), "%s", text);
            json_decref(o);
        }
    CHECK(passed > 100);
}

TESTS(TEST_OF(parcel, rows_are_cut_between_not_within), TEST_OF(parcel, slips_read_back),
      TEST_OF(parcel, other_slips_are_refused), TEST_OF(parcel, a_long_error_is_cut),
      TEST_OF(parcel, sound_rows_pass), TEST_OF(parcel, other_rows_are_refused),
      TEST_OF(parcel, what_passes_is_json))
