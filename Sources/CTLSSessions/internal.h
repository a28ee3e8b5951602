#ifndef CTLSSESSIONS_INTERNAL_H
#define CTLSSESSIONS_INTERNAL_H

#include "CTLSSessions.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

typedef struct {
    char *name;
    char *server_name;
    /// The name as an address: 0, 4 or 16 octets.
    int address_length;
    unsigned char address[16];
    SSL_SESSION *ticket;
} cts_target;

struct cts_context {
    SSL_CTX *ssl_context;
    /// The owner's reference and one for each session.
    long references;
    bool server;
    bool insecure;
    bool has_certificate;
    int key_log_descriptor;
    cts_counts counts;
    cts_target *targets;
    int target_count;
};

/// What the verification found wrong; allocated when it did.
typedef struct {
    int code;
    int depth;
    bool wildcard;
    bool overruled_by_uri;
    char *subject;
    char *issuer;
    char *date;
    char *names;
} cts_refusal;

struct cts_session {
    SSL *ssl;
    cts_context *context;
    cts_refusal *refusal;
    uint64_t octets_received;
    int descriptor;
    int target;
    int system_error;
    unsigned long error;
    int overlooked;
    cts_cause cause;
    bool ended;
    bool filled;
    /// The last read wanted what the descriptor did not have: a part of a record may be here, and is nothing to read.
    bool starved;
    bool established;
    bool closed;
    bool offered_ticket;
    bool certificate_asked;
    bool carried_octets;
    bool failed_in_handshake;
    uint8_t first_count;
    /// Of a write that must be made again; 0 for none.
    uint16_t piece_due;
    uint8_t first[32];
};

/// Of the process; NULL without memory.
BIO_METHOD *cts_socket_method(void);
/// In place of OpenSSL's own: the chain, then the name (RFC 5922 §7).
int cts_verify(X509_STORE_CTX *store, void *unused);
void cts_refusal_free(cts_refusal *refusal);
/// Fills in the cause of a failure out of OpenSSL's error queue, which is empty then.
void cts_classify(cts_session *session, int ssl_error);

static inline void cts_forget_errors(void) {
    // clearing touches every entry of the queue, looking at it only two
    if (ERR_peek_error() != 0) ERR_clear_error();
}

#endif
