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

struct ackmark {
    uint64_t wire;
    uint64_t plain;
};

struct ackmap {
    struct ackmark mark[ACKMAP_MARKS];
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

static inline void ackmap_add(struct ackmap *m, struct ackmark mark)
{
    if (m->count == ACKMAP_MARKS)
        ackmap_thin(m);
    if (m->count < 2 || mark.wire - m->mark[m->count - 2].wire > m->step)
        m->count++;
    m->mark[m->count - 1] = mark;
}

/* The plain bytes that are there with `wire` ones, or `least` if no mark says more; forgets the
 * marks passed. */
static inline uint64_t ackmap_pass(struct ackmap *m, uint64_t wire, uint64_t least)
{
    unsigned n = 0;
    uint64_t plain = least;

    for (; n < m->count && m->mark[n].wire <= wire; n++)
        plain = m->mark[n].plain;
    if (n == 0)
        return least;
    m->count -= n;
    memmove(m->mark, m->mark + n, m->count * sizeof(m->mark[0]));
    if (m->count < ACKMAP_MARKS / 4)
        m->step /= 2; /* less is under way: look closer again */
    return plain;
}

#endif
