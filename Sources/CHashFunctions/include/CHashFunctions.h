#ifndef CHASHFUNCTIONS_H
#define CHASHFUNCTIONS_H

#include <stddef.h>

#pragma clang assume_nonnull begin

/// One hash in the making, of any of the functions; made once and used again for each hash.
typedef struct chf_context chf_context;

/// Never NULL: without memory for this the process ends.
chf_context *chf_create(void);
void chf_destroy(chf_context *context);

void chf_md5_begin(chf_context *context);
void chf_md5_update(chf_context *context, const void *octets, size_t count);
/// Writes 16 octets.
void chf_md5_end(chf_context *context, void *result);

void chf_sha256_begin(chf_context *context);
void chf_sha256_update(chf_context *context, const void *octets, size_t count);
/// Writes 32 octets.
void chf_sha256_end(chf_context *context, void *result);

void chf_sha512_256_begin(chf_context *context);
void chf_sha512_256_update(chf_context *context, const void *octets, size_t count);
/// Writes 32 octets.
void chf_sha512_256_end(chf_context *context, void *result);

#pragma clang assume_nonnull end

#endif
