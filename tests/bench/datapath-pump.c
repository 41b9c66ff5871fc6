/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * datapath-pump frames OUT OUT-HEADER IN IN-HEADER COUNT <FRAME
 *     writes the frame COUNT times to OUT and, unless IN is -1, reads each again from IN
 * datapath-pump stream LISTENER SOCKET ADDRESS PORT MIB TUN:TAP...
 *     sends MIB mebibytes from SOCKET, which it connects, to LISTENER, while it carries frames
 *     between each pair of descriptors, as a VMM does between its guest and the guest's tap
 *
 * Descriptors are inherited. A header is what stands before each frame: 10 bytes for virtio-net's,
 * 0 for a packet socket. Prints the processor time of the whole process, in ns: for each frame, or
 * for each mebibyte. With the process on one processor that includes what the kernel does for it in
 * softirqs, except for what it leaves to ksoftirqd, which the caller adds; the time when other
 * processes run is not in it. tests/bench/datapath calls this program and explains the rest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VNET_HEADER 10
#define BATCH 64      /* frames in a queue at once; each of the queues has room for 500 */
#define PATIENCE 1000 /* ms for a frame that ksoftirqd still has */
#define LARGEST (VNET_HEADER + 65550)
#define CHUNK (256 * 1024)
#define MEBIBYTE (1024L * 1024)

static _Noreturn void
die(const char *what, int errnum)
{
    fprintf(stderr, "datapath-pump: %s%s%s\n", what, errnum ? ": " : "",
            errnum ? strerror(errnum) : "");
    exit(EXIT_FAILURE);
}

/* ns that this process has run, in all of its threads. */
static double
spent(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void
prepare_tap(int fd, unsigned int offloads)
{
    int header = VNET_HEADER;

    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
        die("a tap's header and offloads", errno);
}

static int
wait_for(int fd, short events, int timeout)
{
    struct pollfd item = {.fd = fd, .events = events};
    int r;

    do
        r = poll(&item, 1, timeout);
    while (r < 0 && errno == EINTR);
    return r > 0;
}

/* ---- frames ---- */

typedef struct Pump {
    int out, in;
    size_t in_header, length;
    long lost;
    char frame[LARGEST];
} Pump;

/* Returns 0 if none comes. */
static int
take_one(Pump *pump)
{
    char taken[LARGEST];

    for (;;) {
        ssize_t n = read(pump->in, taken, sizeof taken);

        if (n > (ssize_t)pump->in_header)
            return 1;
        if (n >= 0 || (errno != EAGAIN && errno != EINTR))
            die("read", errno);
        if (!wait_for(pump->in, POLLIN, PATIENCE))
            return 0;
    }
}

static void
pump_batch(Pump *pump, long count)
{
    for (long i = 0; i < count; i++) {
        if (write(pump->out, pump->frame, pump->length) < 0)
            die("write", errno);
    }
    for (long i = 0; pump->in >= 0 && i < count; i++) {
        if (!take_one(pump)) {
            pump->lost += count - i;
            return;
        }
    }
}

static void
pump_all(Pump *pump, long count)
{
    for (long left = count; left > 0; left -= BATCH)
        pump_batch(pump, left < BATCH ? left : BATCH);
}

static int
frames(char **words)
{
    static Pump pump;
    size_t header = (size_t)atol(words[1]);
    long count = atol(words[4]);
    ssize_t length;
    double begin;

    pump.out = atoi(words[0]);
    pump.in = atoi(words[2]);
    pump.in_header = (size_t)atol(words[3]);
    length = read(STDIN_FILENO, pump.frame + header, sizeof pump.frame - header);
    if (length <= 0 || count <= 0)
        die("no frame to send", 0);
    pump.length = header + (size_t)length;
    if (header)
        prepare_tap(pump.out, 0);
    if (pump.in >= 0 && pump.in_header)
        prepare_tap(pump.in, 0);
    pump_all(&pump, 10 * BATCH); /* caches are warm after that */
    begin = spent();
    pump_all(&pump, count);
    printf("%.1f\n", (spent() - begin) / (double)count);
    if (pump.lost)
        die("frames were lost", 0);
    return 0;
}

/* ---- a stream ---- */

typedef struct Stream {
    int listener, socket;
    struct sockaddr_in to;
    long bytes;
} Stream;

/* Carries what lies there, but not for ever: the other direction has its turn. A frame for which
 * there is no room is lost, as in every tap. */
static void
carry(int from, int to)
{
    static _Thread_local char frame[LARGEST];

    for (int i = 0; i < BATCH; i++) {
        ssize_t n = read(from, frame, sizeof frame);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            die("read", errno);
        if (write(to, frame, (size_t)n) < 0 && errno != EAGAIN && errno != ENOBUFS)
            die("write", errno);
    }
}

/* A thread for each pair: both descriptors are non-blocking. */
static void *
relay(void *data)
{
    const int *pair = data;
    struct pollfd items[] = {{pair[0], POLLIN, 0}, {pair[1], POLLIN, 0}};

    for (;;) {
        if (poll(items, 2, -1) < 0 && errno != EINTR)
            die("poll", errno);
        if (items[0].revents)
            carry(pair[0], pair[1]);
        if (items[1].revents)
            carry(pair[1], pair[0]);
    }
    return NULL;
}

static void
start(void *(*body)(void *), void *data)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, body, data) != 0 || pthread_detach(thread) != 0)
        die("a thread", 0);
}

static void *
send_all(void *data)
{
    static char chunk[CHUNK];
    const Stream *stream = data;

    for (long left = stream->bytes; left > 0;) {
        ssize_t n = write(stream->socket, chunk, left < CHUNK ? (size_t)left : CHUNK);

        if (n < 0)
            die("send", errno);
        left -= n;
    }
    return NULL;
}

static void
receive_all(int fd, long left)
{
    static char chunk[CHUNK];

    while (left > 0) {
        ssize_t n = read(fd, chunk, sizeof chunk);

        if (n <= 0)
            die("receive", n < 0 ? errno : ECONNRESET);
        left -= n;
    }
}

static int
start_relays(char **words)
{
    static const unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

    for (; *words; words++) {
        int *pair = malloc(2 * sizeof *pair);

        if (!pair || sscanf(*words, "%d:%d", &pair[0], &pair[1]) != 2)
            die("TUN:TAP", EINVAL);
        prepare_tap(pair[0], offloads);
        prepare_tap(pair[1], offloads);
        start(relay, pair);
    }
    return 0;
}

static int
stream(char **words)
{
    Stream stream = {.listener = atoi(words[0]), .socket = atoi(words[1])};
    long mebibytes = atol(words[4]);
    double begin;
    int fd;

    stream.to.sin_family = AF_INET;
    stream.to.sin_port = htons((unsigned short)atoi(words[3]));
    stream.bytes = mebibytes * MEBIBYTE;
    if (inet_pton(AF_INET, words[2], &stream.to.sin_addr) != 1 || mebibytes <= 0)
        die("ADDRESS PORT MIB", EINVAL);
    start_relays(words + 5);
    if (connect(stream.socket, (struct sockaddr *)&stream.to, sizeof stream.to) < 0)
        die("connect", errno);
    fd = accept(stream.listener, NULL, NULL);
    if (fd < 0)
        die("accept", errno);
    begin = spent();
    start(send_all, &stream);
    receive_all(fd, stream.bytes);
    printf("%.1f\n", (spent() - begin) / (double)mebibytes);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "frames") == 0)
        return frames(argv + 2);
    if (argc > 7 && strcmp(argv[1], "stream") == 0)
        return stream(argv + 2);
    die("the head of this program's source says how it is called", 0);
}
