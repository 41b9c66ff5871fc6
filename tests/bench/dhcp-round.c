/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-round FD COUNT HEADER: writes the frame on standard input to the tap FD, behind HEADER zero
 * bytes, and reads what comes back, COUNT times. Prints the ns of processor time that a round
 * takes, and the length of what comes back, without the header.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

int
main(int argc, char **argv)
{
    static char question[2048], answer[4096];
    const int fd = argc == 4 ? atoi(argv[1]) : -1;
    const long count = argc == 4 ? atol(argv[2]) : 0, header = argc == 4 ? atol(argv[3]) : 0;
    ssize_t length, got = 0;
    long start;

    if (fd < 0 || count <= 0 || header < 0 || header > 64)
        return 2;
    length = read(STDIN_FILENO, question + header, sizeof question - (size_t)header);
    start = now();
    for (long i = 0; i < count; i++) {
        if (length <= 0 || write(fd, question, (size_t)(header + length)) < 0 ||
            (got = read(fd, answer, sizeof answer)) <= 0) {
            fprintf(stderr, "dhcp-round: round %ld: %s\n", i, strerror(errno));
            return 1;
        }
    }
    printf("%ld %zd\n", (now() - start) / count, got - header);
    return 0;
}
