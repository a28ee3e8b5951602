// The hash functions of OpenSSL themselves, not EVP: OpenSSL 3.0's EVP_DigestInit_ex2 frees and allocates a context for
// every hash, even where one is used again. What is called here has been deprecated since 3.0 in favour of EVP, and is
// there in every 3.x. None of it can fail.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "CHashFunctions.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct chf_context {
    union {
        MD5_CTX md5;
        SHA256_CTX sha256;
        SHA512_CTX sha512;
    };
};

chf_context *chf_create(void) {
    chf_context *context = calloc(1, sizeof *context);
    if (!context) abort();
    return context;
}

void chf_destroy(chf_context *context) { free(context); }

void chf_md5_begin(chf_context *context) { MD5_Init(&context->md5); }
void chf_md5_update(chf_context *context, const void *octets, size_t count) {
    MD5_Update(&context->md5, octets, count);
}
void chf_md5_end(chf_context *context, void *result) { MD5_Final(result, &context->md5); }

void chf_sha256_begin(chf_context *context) { SHA256_Init(&context->sha256); }
void chf_sha256_update(chf_context *context, const void *octets, size_t count) {
    SHA256_Update(&context->sha256, octets, count);
}
void chf_sha256_end(chf_context *context, void *result) { SHA256_Final(result, &context->sha256); }

// SHA-512/256 is SHA-512 from other initial values, cut to 256 bits (FIPS 180-4 §5.3.6.2, §6.7).
void chf_sha512_256_begin(chf_context *context) {
    static const SHA_LONG64 initial[8] = {
        0x22312194FC2BF72C, 0x9F555FA3C84C64C2, 0x2393B86B6F53B151, 0x963877195940EABD,
        0x96283EE2A88EFFE3, 0xBE5E1E2553863992, 0x2B0199FC2C85B8AA, 0x0EB72DDC81C52CA2,
    };
    SHA512_Init(&context->sha512);
    for (int number = 0; number < 8; number++) context->sha512.h[number] = initial[number];
    context->sha512.md_len = SHA256_DIGEST_LENGTH;
}
void chf_sha512_256_update(chf_context *context, const void *octets, size_t count) {
    SHA512_Update(&context->sha512, octets, count);
}
void chf_sha512_256_end(chf_context *context, void *result) { SHA512_Final(result, &context->sha512); }
