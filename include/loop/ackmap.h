/* loop/ackmap.h - which plain bytes lie behind so many bytes on the wire. Pure.
 *
 * TLS makes records, the kernel and the peer's TCP take bytes: a mark says that once `wire` bytes
 * are there, all plain bytes up to `plain` are. Both only grow. When the marks are used up every
 * second one goes and new ones keep their distance: answers become coarser, evenly, never wrong.
 */
#ifndef LOOP_ACKMAP_H
#define LOOP_ACKMAP_H

#include <stdint.h>
#include <string.h>

#define ACKMAP_MARKS 16

struct ackmap {
    struct {
        uint64_t wire;
        uint64_t plain;
    } mark[ACKMAP_MARKS];
    unsigned count;
    uint64_t step; /* of `wire`, between two marks at least; the last is moved until it has it */
};

static inline void ackmap_thin(struct ackmap *m)
{
    m->step = (m->mark[m->count - 1].wire - m->mark[0].wire) / (ACKMAP_MARKS / 2);
    m->count /= 2;
    for (unsigned i = 0; i < m->count; i++)
        m->mark[i] = m->mark[2 * i + 1]; /* the later of two: it vouches for both */
}

static inline void ackmap_add(struct ackmap *m, uint64_t wire, uint64_t plain)
{
    if (m->count == ACKMAP_MARKS)
        ackmap_thin(m);
    if (m->count < 2 || wire - m->mark[m->count - 2].wire > m->step)
        m->count++;
    m->mark[m->count - 1].wire = wire;
    m->mark[m->count - 1].plain = plain;
}

/* Marks that `wire` bytes cover. */
static inline unsigned ackmap_covered(const struct ackmap *m, uint64_t wire)
{
    unsigned n = 0;

    while (n < m->count && m->mark[n].wire <= wire)
        n++;
    return n;
}

/* The plain bytes that are there with `wire` ones, or `least` if no mark says more. */
static inline uint64_t ackmap_plain(const struct ackmap *m, uint64_t wire, uint64_t least)
{
    unsigned n = ackmap_covered(m, wire);

    return n && m->mark[n - 1].plain > least ? m->mark[n - 1].plain : least;
}

/* The same, and forgets the marks passed. */
static inline uint64_t ackmap_pass(struct ackmap *m, uint64_t wire, uint64_t least)
{
    unsigned n = ackmap_covered(m, wire);
    uint64_t plain = ackmap_plain(m, wire, least);

    if (n == 0)
        return plain;
    m->count -= n;
    memmove(m->mark, m->mark + n, m->count * sizeof(m->mark[0]));
    if (m->count < ACKMAP_MARKS / 4)
        m->step /= 2; /* less is under way: look closer again */
    return plain;
}

/* What is past `wire`, which brought `plain`, will never be sent. */
static inline void ackmap_cut(struct ackmap *m, uint64_t wire, uint64_t plain)
{
    m->count = ackmap_covered(m, wire);
    ackmap_add(m, wire, plain);
}

#endif
