// Counts what a program asks of the heap, by thread: LD_PRELOAD it, and at the program's end the file named by
// CARILLON_ALLOCATIONS has a line for each thread that allocated: allocations, octets, name.
//
// Counted are malloc, calloc, realloc (also where it could grow in place) and the aligned ones; what the program maps itself is not.
// The counts are the thread's own until it ends, so counting adds no locks and no allocation.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { MOST_THREADS = 256 };

struct account {
  unsigned long long allocations, octets;
  char name[16];
};

static struct account accounts[MOST_THREADS];
static atomic_uint opened;
static pthread_key_t key;
static _Thread_local struct account *own;

static void take_name(void *account) {
  struct account *a = account;
  pthread_getname_np(pthread_self(), a->name, sizeof a->name);
}

__attribute__((constructor)) static void begin(void) { pthread_key_create(&key, take_name); }

static void count(size_t octets) {
  if (!own) {
    unsigned place = atomic_fetch_add(&opened, 1);
    if (place >= MOST_THREADS) abort();
    own = &accounts[place];
  }
  // The key exists from the constructor on; the first of 32 keys need no memory of their own.
  if (!own->name[0] && key) {
    own->name[0] = '?';
    pthread_setspecific(key, own);
  }
  own->allocations++;
  own->octets += octets;
}

void *malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}

void *calloc(size_t members, size_t size) {
  count(members * size);
  return __libc_calloc(members, size);
}

void *realloc(void *old, size_t size) {
  count(size);
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  void *memory = memalign(alignment, size);
  if (!memory) return ENOMEM;
  *result = memory;
  return 0;
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("CARILLON_ALLOCATIONS");
  if (!path) return;
  if (own) take_name(own);
  unsigned threads = atomic_load(&opened);
  struct account seen[MOST_THREADS];
  for (unsigned i = 0; i < threads; i++) seen[i] = accounts[i];  // before writing, which allocates
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (unsigned i = 0; i < threads; i++) fprintf(file, "%llu %llu %s\n", seen[i].allocations, seen[i].octets, seen[i].name);
  fclose(file);
}
