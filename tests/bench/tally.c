#include "bench/tally.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

void tally_init(struct tally *t, size_t pair_count)
{
    memset(t, 0, sizeof(*t));
    t->pair_count = pair_count;
    t->pairs = calloc(pair_count, sizeof(*t->pairs));
    if (!t->pairs)
        abort();
}

void tally_fini(struct tally *t)
{
    for (size_t i = 0; i < t->pair_count; i++) {
        free(t->pairs[i].seen);
        free(t->pairs[i].refused);
    }
    free(t->pairs);
}

static uint64_t *grow(uint64_t *bits, uint64_t from, uint64_t to)
{
    bits = realloc(bits, to / 8);
    if (!bits)
        abort();
    memset((char *)bits + from / 8, 0, (to - from) / 8);
    return bits;
}

static void make_room(struct pair_tally *p)
{
    uint64_t capacity = p->capacity ? p->capacity * 2 : 16 * WORD_BITS;

    if (p->sent < p->capacity)
        return;
    p->seen = grow(p->seen, p->capacity, capacity);
    p->refused = grow(p->refused, p->capacity, capacity);
    p->capacity = capacity;
}

static bool test_bit(const uint64_t *bits, uint64_t n)
{
    return bits[n / WORD_BITS] >> (n % WORD_BITS) & 1;
}

static void set_bit(uint64_t *bits, uint64_t n)
{
    bits[n / WORD_BITS] |= (uint64_t)1 << (n % WORD_BITS);
}

uint64_t tally_sent(struct tally *t, size_t pair)
{
    struct pair_tally *p = &t->pairs[pair];

    make_room(p);
    t->sent++;
    return p->sent++;
}

/* The pair, if it ever sent this number. */
static struct pair_tally *find(struct tally *t, size_t pair, uint64_t number)
{
    if (pair < t->pair_count && number < t->pairs[pair].sent)
        return &t->pairs[pair];
    t->foreign++;
    return NULL;
}

static size_t bucket_of(uint64_t ns)
{
    int power;

    if (ns < LATENCY_STEPS)
        return ns;
    power = 63 - __builtin_clzll(ns); /* at least 5 */
    return (size_t)(power - 4) * LATENCY_STEPS + (ns >> (power - 5)) % LATENCY_STEPS;
}

static uint64_t bucket_end(size_t bucket)
{
    size_t power = bucket / LATENCY_STEPS;

    if (power == 0)
        return bucket;
    return (LATENCY_STEPS + bucket % LATENCY_STEPS + 1) << (power - 1);
}

void tally_received(struct tally *t, size_t pair, uint64_t number, uint64_t latency_ns)
{
    struct pair_tally *p = find(t, pair, number);

    if (!p)
        return;
    if (test_bit(p->seen, number)) {
        t->duplicates++;
        return;
    }
    set_bit(p->seen, number);
    t->received++;
    t->both += test_bit(p->refused, number);
    if (number < p->highest)
        t->reordered++;
    else
        p->highest = number + 1;
    t->latency[bucket_of(latency_ns)]++;
    if (latency_ns > t->latency_max)
        t->latency_max = latency_ns;
}

static struct condition_tally *condition_row(struct tally *t, const char *name, size_t len)
{
    struct condition_tally *row = t->conditions;

    if (len >= CONDITION_BYTES)
        len = CONDITION_BYTES - 1;
    for (; row < &t->conditions[CONDITIONS_MAX - 1]; row++)
        if (!row->name[0] || (strlen(row->name) == len && memcmp(row->name, name, len) == 0))
            break;
    memcpy(row->name, name, len);
    return row;
}

void tally_bounced(struct tally *t, size_t pair, uint64_t number, const char *condition, size_t len)
{
    struct pair_tally *p = find(t, pair, number);

    if (!p)
        return;
    if (test_bit(p->refused, number)) {
        t->bounced_twice++;
        return;
    }
    set_bit(p->refused, number);
    t->bounced++;
    t->both += test_bit(p->seen, number);
    condition_row(t, condition, len)->count++;
}

uint64_t tally_open(const struct tally *t)
{
    return t->sent + t->both - t->received - t->bounced;
}

uint64_t tally_latency(const struct tally *t, double share)
{
    uint64_t total = 0, below = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        total += t->latency[i];
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        below += t->latency[i];
        if (below && (double)below >= share * (double)total)
            return bucket_end(i);
    }
    return 0;
}

void tally_forget_latency(struct tally *t)
{
    memset(t->latency, 0, sizeof(t->latency));
    t->latency_max = 0;
}

void tally_silence_begin(struct tally *t, uint64_t now_ns)
{
    for (struct pair_tally *p = t->pairs; p < t->pairs + t->pair_count; p++) {
        p->heard_ns = now_ns;
        p->silence_ns = 0;
    }
}

static void extend_silence(struct pair_tally *p, uint64_t now_ns)
{
    uint64_t silence = now_ns - p->heard_ns;

    if (silence > p->silence_ns)
        p->silence_ns = silence;
}

void tally_silence_end(struct tally *t, uint64_t now_ns)
{
    for (struct pair_tally *p = t->pairs; p < t->pairs + t->pair_count; p++)
        extend_silence(p, now_ns);
}

void tally_heard(struct tally *t, size_t pair, uint64_t now_ns)
{
    if (pair >= t->pair_count)
        return;
    extend_silence(&t->pairs[pair], now_ns);
    t->pairs[pair].heard_ns = now_ns;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t tally_silence(const struct tally *t, double share)
{
    uint64_t *all = malloc(t->pair_count * sizeof(*all)), found;

    if (!all)
        abort();
    for (size_t i = 0; i < t->pair_count; i++)
        all[i] = t->pairs[i].silence_ns;
    qsort(all, t->pair_count, sizeof(*all), by_size);
    found = all[(size_t)(share * (double)(t->pair_count - 1))];
    free(all);
    return found;
}

void tally_print_bounces(const struct tally *t, FILE *to)
{
    const char *comma = "";

    fputc('{', to);
    for (const struct condition_tally *row = t->conditions; row < &t->conditions[CONDITIONS_MAX];
         row++) {
        if (!row->count)
            continue;
        fprintf(to, "%s\"%s\": %llu", comma, row->name, (unsigned long long)row->count);
        comma = ", ";
    }
    fputc('}', to);
}
