#ifndef CARILLON_OCTET_SEARCH_H
#define CARILLON_OCTET_SEARCH_H

/// The search that reading a message consists of, for stretches of a line's length: there a call of memchr costs more than
/// it finds. In C because Swift has no word for "one bit of each octet"; in a header so that it is inlined.

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Where the first `octet` in `from..<to` stands; -1 where there is none. Reads nothing outside of that.
static inline __attribute__((always_inline)) ptrdiff_t cos_first(
    const void *base, uint8_t octet, ptrdiff_t from, ptrdiff_t to) {
  const char *octets = (const char *)base;
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi8((char)octet);
  while (to - from >= 16) {
    const __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(octets + from)), wanted);
    const unsigned bits = (unsigned)_mm_movemask_epi8(equal);
    if (bits) return from + __builtin_ctz(bits);
    from += 16;
  }
  const ptrdiff_t left = to - from;
  if (left >= 8) {
    // Its first and its last eight, which overlap.
    uint64_t head, tail;
    memcpy(&head, octets + from, 8);
    memcpy(&tail, octets + to - 8, 8);
    const __m128i both = _mm_set_epi64x((int64_t)tail, (int64_t)head);
    const unsigned bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(both, wanted));
    if (!bits) return -1;
    const int first = __builtin_ctz(bits);
    return first < 8 ? from + first : to - 16 + first;
  }
  if (left >= 4) {
    uint32_t head, tail;
    memcpy(&head, octets + from, 4);
    memcpy(&tail, octets + to - 4, 4);
    const __m128i both = _mm_cvtsi64_si128((int64_t)((uint64_t)tail << 32 | head));
    const unsigned bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(both, wanted)) & 0xFF;
    if (!bits) return -1;
    const int first = __builtin_ctz(bits);
    return first < 4 ? from + first : to - 8 + first;
  }
  for (; from < to; from++)
    if ((uint8_t)octets[from] == octet) return from;
  return -1;
#else
  const char *found = to > from ? (const char *)memchr(octets + from, octet, (size_t)(to - from)) : NULL;
  return found ? found - octets : -1;
#endif
}

#endif
