/* tests/fuzz/replay.c - runs a fuzzer over each file of the directories (or files) it is given.
 *
 * In place of libFuzzer, so that the corpus belongs to the ordinary tests. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count;

/* The block is as long as the file: a look past its end is seen. */
static void run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = mem_alloc(size);

    if (!f || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last line before a crash names the culprit */
    LLVMFuzzerTestOneInput(data, size);
    mem_free(data);
    count++;
}

static void run(const char *path);

static void run_directory(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;
    char inner[4096];

    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        run(inner);
    }
    if (d)
        closedir(d);
}

static void run(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: not there\n", path);
        exit(1);
    }
    if (S_ISDIR(st.st_mode))
        run_directory(path);
    else
        run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("%u inputs\n", count);
    return count ? 0 : 1; /* a corpus that went missing is no success */
}
