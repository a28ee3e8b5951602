#ifndef CARILLON_OCTET_SEARCH_HEAD_H
#define CARILLON_OCTET_SEARCH_HEAD_H

/// The search for the end of a message's head (start line, header fields, empty line) in a stream: 64 octets at a time become
/// one bit each, and only what follows a line end is looked at. In C for the same reason as COctetSearch.h.

#include <stddef.h>
#include <stdint.h>
#include "COctetSearch.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/// How far the search has come. Places count from the message's first octet.
typedef struct {
  /// Nothing before this needs to be looked at again.
  uint32_t searched;
  /// Where the first line begins that may be a Content-Length field; 0 where there is none.
  uint32_t length_line;
  /// How many such lines there are.
  uint32_t length_lines;
} cos_head;

/// A line that may be Content-Length is told by its first octet and, in the long form, by its ninth.
enum { cos_look_ahead = 9 };

/// One bit for each of the 64 octets: set where it is LF.
static inline __attribute__((always_inline)) uint64_t cos_line_ends(const char *octets) {
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi8('\n');
  const __m128i *blocks = (const __m128i *)(const void *)octets;
  const uint64_t a = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(blocks), wanted));
  const uint64_t b = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(blocks + 1), wanted));
  const uint64_t c = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(blocks + 2), wanted));
  const uint64_t d = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(blocks + 3), wanted));
  return a | b << 16 | c << 32 | d << 48;
#else
  uint64_t ends = 0;
  for (unsigned i = 0; i < 64; i++) ends |= (uint64_t)(octets[i] == '\n') << i;
  return ends;
#endif
}

/// Notes that the line may be Content-Length.
static inline __attribute__((always_inline)) void cos_note_line(cos_head *head, ptrdiff_t line) {
  if (!head->length_lines) head->length_line = (uint32_t)line;
  head->length_lines++;
}

/// Looks at the line ends of one stretch, all of which have `cos_look_ahead` octets after them. Returns one past the empty
/// line; 0 where it is not among them.
static inline __attribute__((always_inline)) ptrdiff_t cos_look_at_lines(
    const char *octets, ptrdiff_t place, uint64_t ends, cos_head *head) {
  // C and L in either case, CR, LF, and little else: by their lower five bits. Of these, all but C have bit 3.
  const uint32_t telling = 1u << 3 | 1u << 12 | 1u << 13 | 1u << 10;
  for (; ends; ends &= ends - 1) {
    const char *line = octets + place + __builtin_ctzll(ends) + 1;
    const unsigned first = (uint8_t)line[0];
    if (!(telling >> (first & 31) & 1)) continue;
    if (!(first & 8)) {
      // Content-Length has its L there, few others have one.
      if ((line[8] | 0x20) == 'l') cos_note_line(head, line - octets);
    } else if (first == '\r') {
      if (line[1] == '\n') return line + 2 - octets;
    } else if (first == '\n') {
      return line + 1 - octets;
    } else if ((first | 0x20) == 'l') {
      cos_note_line(head, line - octets);
    }
  }
  return 0;
}

/// The same octet by octet for the last octets at hand, where a line end may need more octets after it than there are: the
/// next search begins at the first such line end, so what is noted after it counts only if the head ends here.
static __attribute__((noinline)) ptrdiff_t cos_look_at_last_lines(const char *octets, ptrdiff_t place, ptrdiff_t count, cos_head *head) {
  cos_head later = *head;
  ptrdiff_t undecided = -1;
  for (; (place = cos_first(octets, '\n', place, count)) >= 0; place++) {
    const ptrdiff_t line = place + 1;
    const ptrdiff_t left = count - line;
    const unsigned first = left > 0 ? (uint8_t)octets[line] : 0;
    const int is_end = first == '\n' || (first == '\r' && left > 1 && octets[line + 1] == '\n');
    if (is_end) {
      *head = later;
      return line + (first == '\n' ? 1 : 2);
    }
    if ((first | 0x20) == 'l' || ((first | 0x20) == 'c' && left > 8 && (octets[line + 8] | 0x20) == 'l')) {
      cos_note_line(&later, line);
    }
    if (undecided < 0) {
      const int is_decided = left > 8 || (left > 0 && (first | 0x20) != 'c' && (first != '\r' || left > 1));
      if (is_decided) {
        *head = later;
      } else {
        undecided = place;
      }
    }
  }
  head->searched = (uint32_t)(undecided < 0 ? count : undecided);
  return 0;
}

#if defined(__x86_64__)
/// `cos_head_end` for processors with AVX2: a quarter fewer instructions.
__attribute__((target("avx2,bmi"), noinline)) static ptrdiff_t cos_head_end_wide(
    const void *base, ptrdiff_t count, cos_head *head) {
  const char *octets = (const char *)base;
  const __m256i wanted = _mm256_set1_epi8('\n');
  ptrdiff_t place = head->searched;
  for (const ptrdiff_t last = count - 64 - cos_look_ahead; place <= last; place += 64) {
    const __m256i *blocks = (const __m256i *)(const void *)(octets + place);
    const uint64_t low = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(blocks), wanted));
    const uint64_t high = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(blocks + 1), wanted));
    const ptrdiff_t end = cos_look_at_lines(octets, place, low | high << 32, head);
    if (end) return end;
  }
  return cos_look_at_last_lines(octets, place, count, head);
}
#endif

/// `cos_head_end` for all other processors.
__attribute__((noinline)) static ptrdiff_t cos_head_end_narrow(const void *base, ptrdiff_t count, cos_head *head) {
  const char *octets = (const char *)base;
  ptrdiff_t place = head->searched;
  for (const ptrdiff_t last = count - 64 - cos_look_ahead; place <= last; place += 64) {
    const ptrdiff_t end = cos_look_at_lines(octets, place, cos_line_ends(octets + place), head);
    if (end) return end;
  }
  return cos_look_at_last_lines(octets, place, count, head);
}

/// One past the empty line that ends the head; 0 where it is not in `0..<count`. Goes on where it stopped the last time,
/// so that a message that comes octet by octet costs no more than its length. Reads nothing outside of `0..<count`.
static inline __attribute__((always_inline)) ptrdiff_t cos_head_end(const void *base, ptrdiff_t count, cos_head *head) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) return cos_head_end_wide(base, count, head);
#endif
  return cos_head_end_narrow(base, count, head);
}

#endif
