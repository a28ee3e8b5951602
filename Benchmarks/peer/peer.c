// A plain SIP user agent over UDP: the floor that Carillon and SIPp are measured against, and a partner for both.
//
// It writes and reads real SIP (own branches, tags and Call-IDs; the peer's To tag, Contact and Record-Route are honoured)
// with sendmmsg and recvmmsg, and has nothing else: no timers, no retransmission, no scenario, no statistics. What it costs
// per call is what the system calls and one pass over the octets cost. A call is INVITE, 180, 200, ACK, BYE, 200.
//
//   peer uac ADDR:PORT --calls N [--window W]         closed loop: W calls at a time
//   peer uac ADDR:PORT --calls N --rate R             open loop: R calls per second, evenly spaced
//   peer pace ADDR:PORT --rate R --seconds S          open loop, Poisson arrivals, woken for each; prints their lateness
//   peer uas ADDR:PORT [--calls N] [--until-idle S]   answers what arrives; ends after N calls, when idle, or on SIGTERM
//
//   --local ADDR:PORT  where the caller sends from (default: a port the kernel picks on 127.0.0.1)
//   --user NAME        user part of the Request-URI (default: service)
//   --domain NAME      domain of the Request-URI, To and From (default: the target address)
//   --gso              UDP_SEGMENT out and UDP_GRO in
//
// Prints one JSON object. Exit status: 0 every call completed, 1 calls missing (idle for 2 s) or refused, 2 usage or system.
// Limits, because it is a floor: responses go to the address the request came from; routes must be loose; IPv4 only.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <math.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 64, GRO_BATCH = 64, LARGEST_MESSAGE = 4096, SLOT = 8192, GRO_SLOT = 65536 };
enum { LANE_BYTES = 65000, LANE_SEGMENTS = 64 };
enum { MOST_VIAS = 8, MOST_ROUTES = 8, SOCKET_BUFFER = 16 << 20, RUN_DIGITS = 8, CALL_DIGITS = 10 };
static const uint64_t SECOND = 1000000000ull;

static struct {
    bool uas, gso, poisson, tcp;
    const char *user, *domain;
    long calls, window;
    double rate, seconds, until_idle;
    struct sockaddr_in target, local;
} options = {.user = "service", .window = 256, .until_idle = 2};

static struct {
    long started, completed, refused, provisionals, repeats, malformed, unexpected, acknowledged;
} count;

static volatile sig_atomic_t stop_asked;

static void die(const char *what) {
    fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

#include "message.h"

#include "stream.h"

#include "datagrams.h"

#include "callee.h"

#include "caller.h"

static uint64_t first_at, last_at;      // of the traffic: first message sent or received, last one handled
static struct rusage usage_at_first, usage_at_last;
static uint32_t *lateness;  // open loop: nanoseconds from due to started, by call number

static bool missed(uint64_t since) { return now() - since > (uint64_t)(options.until_idle * 1e9); }

static void run_callee(void) {
    held.mask = (1 << 14) - 1;
    if (!(held.key = calloc(held.mask + 1, sizeof *held.key))) die("calloc");
    uint64_t opened = now();
    while (!stop_asked) {
        int n = receive(0);
        flush();
        if (n > 0) {
            if (!first_at) first_at = now(), getrusage(RUSAGE_SELF, &usage_at_first);
            last_at = 0;
        } else {
            if (first_at && !last_at) last_at = now() - 100000000, getrusage(RUSAGE_SELF, &usage_at_last);
            bool complete = options.calls && count.completed >= options.calls;
            // a little longer than the last call: its final 200 may have been lost, then its BYE comes again
            if (!first_at && now() - opened > 60 * SECOND) break;
            if (first_at && ((complete && now() - last_at > SECOND * 6 / 10) || missed(last_at))) break;
        }
    }
    if (!last_at) last_at = now(), getrusage(RUSAGE_SELF, &usage_at_last);
}

static void run_closed_loop(void) {
    first_at = now();
    getrusage(RUSAGE_SELF, &usage_at_first);
    for (long i = 0; i < options.window && count.started < options.calls; i++) start_call();
    flush();
    uint64_t quiet_since = 0;
    while (count.completed + count.refused < options.calls && !stop_asked) {
        int n = receive(0);
        flush();
        if (n > 0) quiet_since = 0;
        else if (!quiet_since) quiet_since = now();
        else if (missed(quiet_since)) break;
    }
    last_at = now();
    getrusage(RUSAGE_SELF, &usage_at_last);
}

static double gap_to_next(uint64_t *random) {  // ns
    if (!options.poisson) return 1e9 / options.rate;
    *random += 0x9e3779b97f4a7c15ull;
    uint64_t z = *random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return -log(((double)(z >> 11) + 0.5) / 9007199254740992.0) / options.rate * 1e9;
}

static void run_open_loop(void) {
    prctl(PR_SET_TIMERSLACK, 1);
    const bool moderated = options.rate > 5000 && !options.poisson;  // above it a wake a message costs more than a call
    uint64_t random = 1, progress;
    first_at = progress = now();
    getrusage(RUSAGE_SELF, &usage_at_first);
    double due = (double)first_at + gap_to_next(&random);
    while (count.completed + count.refused < options.calls && !stop_asked) {
        uint64_t t = now();
        for (int i = 0; i < BATCH && count.started < options.calls && due <= (double)t; i++) {
            double late = (double)t - due;
            lateness[count.started] = late > 4e9 ? (uint32_t)4e9 : (uint32_t)late;
            start_call();
            due += gap_to_next(&random);
            progress = t;
        }
        flush();
        if (receive(MSG_DONTWAIT) > 0) {
            flush();
            progress = t;
            continue;
        }
        if (count.started == options.calls && missed(progress)) break;
        double wait = count.started < options.calls ? due - (double)now() : 1e8;
        if (moderated) wait = 5e5;
        if (wait <= 0) continue;
        if (wait > 1e8) wait = 1e8;
        struct timespec timeout = {.tv_nsec = (long)wait};
        if (moderated) {
            nanosleep(&timeout, NULL);
        } else {
            struct pollfd p = {.fd = udp, .events = POLLIN};
            ppoll(&p, 1, &timeout, NULL);
        }
    }
    last_at = now();
    getrusage(RUSAGE_SELF, &usage_at_last);
}

static double seconds_between(struct timeval a, struct timeval b) {
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_usec - a.tv_usec) * 1e-6;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int report(void) {
    double wall = first_at ? (double)(last_at - first_at) * 1e-9 : 0;
    double user = seconds_between(usage_at_first.ru_utime, usage_at_last.ru_utime);
    double system = seconds_between(usage_at_first.ru_stime, usage_at_last.ru_stime);
    long missing = (options.calls ? options.calls : count.started) - count.completed - count.refused;
    if (missing < 0) missing = 0;
    double microseconds_per_call = count.completed ? (user + system) / (double)count.completed * 1e6 : 0;
    printf("{\"mode\":\"%s\",\"calls\":%ld,\"missing\":%ld,\"refused\":%ld,\"repeats\":%ld,\"malformed\":%ld,",
           options.uas ? "uas" : options.poisson ? "pace" : "uac", count.completed, missing, count.refused, count.repeats,
           count.malformed);
    printf("\"unexpected\":%ld,\"datagrams_dropped\":%ld,\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f,", count.unexpected,
           dropped_by_socket(), wall, user + system);
    printf("\"user_seconds\":%.6f,\"system_seconds\":%.6f,\"microseconds_per_call\":%.4f,\"calls_per_second\":%.1f", user,
           system, microseconds_per_call, wall > 0 ? (double)count.completed / wall : 0);
    if (lateness && count.started) {
        size_t n = (size_t)count.started;
        qsort(lateness, n, sizeof *lateness, ascending);
        printf(",\"lateness_microseconds\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", lateness[n / 2] / 1e3,
               lateness[n * 99 / 100] / 1e3, lateness[n - 1] / 1e3);
    }
    printf("}\n");
    if (missing)
        fprintf(stderr, "peer: %ld calls missing after %.1f s without a message (%ld started, %ld completed, %ld refused)\n",
                missing, options.until_idle, count.started, count.completed, count.refused);
    if (count.refused) fprintf(stderr, "peer: %ld calls refused\n", count.refused);
    if (count.malformed) fprintf(stderr, "peer: %ld messages could not be read\n", count.malformed);
    return missing || count.refused || count.malformed ? 1 : 0;
}

static void on_signal(int number) {
    (void)number;
    stop_asked = 1;
}

static struct sockaddr_in address_of(const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - text) >= sizeof host) goto wrong;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    long port = atol(colon + 1);
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || port < 0 || port > 65535) goto wrong;
    a.sin_port = htons((uint16_t)port);
    return a;
wrong:
    fprintf(stderr, "peer: expected an IPv4 ADDR:PORT, got %s\n", text);
    exit(2);
}

static int usage(void) {
    fprintf(stderr, "usage: peer uac|pace|uas ADDR:PORT [--calls N] [--window W] [--rate R] [--seconds S]\n"
                    "            [--until-idle S] [--local ADDR:PORT] [--user NAME] [--domain NAME] [--gso] [--tcp]\n");
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 3) return usage();
    options.uas = !strcmp(argv[1], "uas");
    options.poisson = !strcmp(argv[1], "pace");
    if (!options.uas && !options.poisson && strcmp(argv[1], "uac")) return usage();
    options.target = address_of(argv[2]);
    options.local = options.uas ? options.target : address_of("127.0.0.1:0");
    for (int i = 3; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--gso")) {
            options.gso = true;
            continue;
        }
        if (!strcmp(name, "--tcp")) {
            options.tcp = true;
            continue;
        }
        if (++i == argc) return usage();
        if (!strcmp(name, "--calls")) options.calls = atol(argv[i]);
        else if (!strcmp(name, "--window")) options.window = atol(argv[i]);
        else if (!strcmp(name, "--rate")) options.rate = atof(argv[i]);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(argv[i]);
        else if (!strcmp(name, "--until-idle")) options.until_idle = atof(argv[i]);
        else if (!strcmp(name, "--local")) options.local = address_of(argv[i]);
        else if (!strcmp(name, "--user")) options.user = argv[i];
        else if (!strcmp(name, "--domain")) options.domain = argv[i];
        else return usage();
    }
    if (strlen(options.user) > 100 || (options.domain && strlen(options.domain) > 100)) return usage();
    if (!options.uas && options.rate && options.seconds) options.calls = (long)(options.rate * options.seconds);
    if (!options.uas && (options.calls <= 0 || options.calls > 100000000 || options.window <= 0)) return usage();
    if (options.poisson && !options.rate) return usage();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    open_socket();
    prepare_texts();
    if (options.uas) {
        run_callee();
    } else {
        prepare_requests();
        if (!(state = calloc((size_t)options.calls, 1))) die("calloc");
        if (options.rate && !(lateness = calloc((size_t)options.calls, sizeof *lateness))) die("calloc");
        if (options.rate) run_open_loop();
        else run_closed_loop();
    }
    return report();
}
