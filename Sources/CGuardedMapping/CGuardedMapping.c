#define _GNU_SOURCE
#include "CGuardedMapping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

// The table is read by the handler, which may run at any instant on any thread: words that are read whole, and a base that
// is written last and cleared first.
static struct {
    _Atomic(uintptr_t) base;
    _Atomic(size_t) octets;
    _Atomic(uint64_t) losses;
} mappings[CARILLON_MAPPING_LIMIT];

_Static_assert(ATOMIC_POINTER_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "a signal handler must not wait for a lock");

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction earlier;
static int installed;
static uintptr_t pageOctets;

static void pageVanished(int number, siginfo_t *information, void *context) {
    (void)context;
    const int reason = errno;
    const uintptr_t place = (uintptr_t)information->si_addr;
    if (information->si_code > 0) {
        for (int slot = 0; slot < CARILLON_MAPPING_LIMIT; slot++) {
            const uintptr_t base = atomic_load_explicit(&mappings[slot].base, memory_order_acquire);
            const size_t octets = atomic_load_explicit(&mappings[slot].octets, memory_order_relaxed);
            if (!base || place < base || place - base >= octets) continue;
            // What was cut is gone to its end: one mapping for all of it, or a large file would need one for each page.
            const uintptr_t page = place & ~(pageOctets - 1);
            const void *zeros = mmap(
                (void *)page, base + octets - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                -1, 0);
            if (zeros == MAP_FAILED) break;
            atomic_fetch_add_explicit(&mappings[slot].losses, 1, memory_order_relaxed);
            errno = reason;
            return;
        }
    }
    // Not ours: on return the access faults again, into the handler that was there before us.
    sigaction(number, &earlier, NULL);
    if (information->si_code <= 0) raise(number);
    errno = reason;
}

static int install(void) {
    if (installed) return 0;
    pageOctets = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {0};
    action.sa_sigaction = pageVanished;
    // Not masked within: a fault of the handler itself must end the process, not hang it.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, &earlier)) return -1;
    installed = 1;
    return 0;
}

const void *carillon_mapping_open(int descriptor, size_t octets) {
    void *base = mmap(NULL, octets, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (base == MAP_FAILED) return NULL;
    int problem = 0;
    pthread_mutex_lock(&opening);
    int slot = 0;
    while (slot < CARILLON_MAPPING_LIMIT && atomic_load(&mappings[slot].base)) slot++;
    if (slot == CARILLON_MAPPING_LIMIT) {
        problem = ENFILE;
    } else if (install()) {
        problem = errno;
    } else {
        atomic_store(&mappings[slot].octets, octets);
        atomic_store(&mappings[slot].losses, 0);
        atomic_store_explicit(&mappings[slot].base, (uintptr_t)base, memory_order_release);
    }
    pthread_mutex_unlock(&opening);
    if (!problem) return base;
    munmap(base, octets);
    errno = problem;
    return NULL;
}

uint64_t carillon_mapping_losses(const void *base) {
    for (int slot = 0; slot < CARILLON_MAPPING_LIMIT; slot++)
        if (atomic_load(&mappings[slot].base) == (uintptr_t)base) return atomic_load(&mappings[slot].losses);
    return 0;
}

void carillon_mapping_close(const void *base, size_t octets) {
    pthread_mutex_lock(&opening);
    for (int slot = 0; slot < CARILLON_MAPPING_LIMIT; slot++)
        if (atomic_load(&mappings[slot].base) == (uintptr_t)base) atomic_store(&mappings[slot].base, 0);
    munmap((void *)(uintptr_t)base, octets);
    pthread_mutex_unlock(&opening);
}
