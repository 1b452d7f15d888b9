#include "sim/links/player.h"

#include "sim/bed.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static const struct player *player;
static volatile uint64_t playing;

/* Whatever ends us, the seed is told. */
static void tell_seed(void)
{
    char text[96];
    int n = snprintf(text, sizeof(text), "while playing: %s --seed %llu\n", player->program,
                     (unsigned long long)playing);

    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        return;
}

static void on_signal(int number)
{
    tell_seed();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch(void)
{
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell_seed);
    else
        signal(SIGSEGV, on_signal);
}

struct request {
    uint64_t from;
    uint64_t count;
    bool loud;
};

static bool take_option(const char *name, const char *value, struct request *r)
{
    uint64_t n;

    if (!value || !slice_to_u64(slice_from(value), UINT32_MAX, &n))
        return false;
    if (strcmp(name, "--seed") == 0)
        *r = (struct request){n, 1, true};
    else if (strcmp(name, "--from") == 0)
        r->from = n;
    else if (strcmp(name, "--count") == 0)
        r->count = n;
    else
        return false;
    return true;
}

static const char *own_dir(const struct request *r)
{
    char name[64];

    snprintf(name, sizeof(name), "%s-%llu", player->dir, (unsigned long long)r->from);
    return bed_dir(name);
}

static void play(const struct request *r, const char *dir)
{
    alarm(player->at_most_s);
    player->play(playing, dir, r->loud);
}

int player_run(const struct player *p, int argc, char **argv)
{
    struct request r = {1, p->count, false};
    const char *dir;

    player = p;
    for (int i = 1; i < argc; i += 2)
        if (!take_option(argv[i], argv[i + 1], &r)) {
            fprintf(stderr, "usage: %s [--seed N | --from N --count N]\n", p->program);
            return 64;
        }
    if (getenv("FEDROUTER_LONG") && !r.loud)
        r.count *= 10;
    watch();
    dir = own_dir(&r);
    p->prepare(dir);
    for (playing = r.from; playing < r.from + r.count; playing++)
        play(&r, dir);
    return 0;
}
