/* tests/unit/loop/sleeps.h - stands between libuv and the kernel: counts how often the loop asks
 * for events, and may invent the time. Then a sleep takes none, and is over when it would be.
 *
 * Include it in one file of a test: the program's own epoll_wait, epoll_pwait, nanosleep and
 * clock_gettime are found before those of libc. Invented time is for a loop without descriptors:
 * nothing comes but the end of the sleep.
 */
#ifndef TESTS_UNIT_LOOP_SLEEPS_H
#define TESTS_UNIT_LOOP_SLEEPS_H

#include "unit/test.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What CLOCK_BOOTTIME and CLOCK_REALTIME are ahead of the others while time is invented. */
#define SLEEPS_SUSPENDED_S 5000
#define SLEEPS_1970_S      1700000000

static struct {
    uint64_t polls;
    bool invented;
    uint64_t now_us;
    uint64_t slept_ms; /* waiting for events */
} sleeps;

static inline void sleeps_invent(void)
{
    sleeps.invented = true;
    sleeps.now_us = 1000000000;
    sleeps.slept_ms = 0;
}

int epoll_pwait(int epfd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
    sleeps.polls++;
    if (!sleeps.invented)
        return (int)syscall(SYS_epoll_pwait, epfd, events, most, timeout, mask, 8);
    CHECK(timeout >= 0); /* else it would never end */
    sleeps.slept_ms += (uint64_t)timeout;
    sleeps.now_us += (uint64_t)timeout * 1000;
    return 0;
}

int epoll_wait(int epfd, struct epoll_event *events, int most, int timeout)
{
    return epoll_pwait(epfd, events, most, timeout, NULL);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    if (!sleeps.invented)
        return (int)syscall(SYS_nanosleep, time, left);
    sleeps.now_us += (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_nsec / 1000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    uint64_t us = sleeps.now_us;

    if (!sleeps.invented)
        return (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (clock == CLOCK_BOOTTIME)
        us += SLEEPS_SUSPENDED_S * 1000000ULL;
    if (clock == CLOCK_REALTIME)
        us += SLEEPS_1970_S * 1000000ULL;
    ret_time->tv_sec = (time_t)(us / 1000000);
    ret_time->tv_nsec = (long)(us % 1000000 * 1000);
    return 0;
}

#endif
