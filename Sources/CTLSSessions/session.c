#define _GNU_SOURCE
#include "internal.h"

#include <stdlib.h>
#include <string.h>

cts_session *cts_session_create(cts_context *context, int target, int descriptor) {
    cts_forget_errors();
    cts_session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    session->context = context;
    session->target = context->server ? -1 : target;
    session->descriptor = descriptor;
    BIO_METHOD *method = cts_socket_method();
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    session->ssl = SSL_new(context->ssl_context);
    if (bio == NULL || session->ssl == NULL) {
        BIO_free(bio);
        SSL_free(session->ssl);
        free(session);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    context->references += 1;
    if (context->server) {
        SSL_set_accept_state(session->ssl);
        return session;
    }
    SSL_set_connect_state(session->ssl);
    cts_target *peer = &context->targets[target];
    if (peer->server_name != NULL) SSL_set_tlsext_host_name(session->ssl, peer->server_name);
    if (peer->ticket != NULL && SSL_SESSION_is_resumable(peer->ticket)) {
        // OpenSSL wants a ticket of TLS 1.3 to be used once, and marks it. A pool opens many connections with the last
        // one it got, and what is lost by that is that an observer can tell that they belong together (RFC 8446 §C.4).
        SSL_SESSION *copy = SSL_SESSION_dup(peer->ticket);
        session->offered_ticket = copy != NULL && SSL_set_session(session->ssl, copy) == 1;
        SSL_SESSION_free(copy);
    }
    cts_forget_errors();
    return session;
}

void cts_session_destroy(cts_session *session) {
    // Without this OpenSSL takes a connection that was not closed in both ways for a reason not to resume its session
    // (RFC 5246 §7.2.1 lifted that rule), and a load generator does close in a hurry.
    if (session->established && session->cause == CTS_CAUSE_UNKNOWN) {
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(session->ssl);
    cts_refusal_free(session->refusal);
    cts_context_release(session->context);
    free(session);
    cts_forget_errors();
}

static bool has_failed(const cts_session *session) { return session->cause != CTS_CAUSE_UNKNOWN; }

static int fail(cts_session *session, int ssl_error) {
    session->failed_in_handshake = !session->established;
    cts_classify(session, ssl_error);
    if (!session->established) {
        session->context->counts.failed += 1;
        // whatever is wrong with the ticket, the next handshake shall not depend on it
        if (session->offered_ticket) cts_context_forget(session->context, session->target);
    }
    return CTS_FAILED;
}

int cts_session_handshake(cts_session *session) {
    if (session->established) return 0;
    if (has_failed(session)) return CTS_FAILED;
    cts_forget_errors();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->established = true;
        if (SSL_session_reused(session->ssl)) {
            session->context->counts.resumed += 1;
        } else {
            session->context->counts.full += 1;
        }
        return 0;
    }
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_READ) return CTS_WANTS_READ;
    if (error == SSL_ERROR_WANT_WRITE) return CTS_WANTS_WRITE;
    return fail(session, error);
}

/// What a read or write that brought nothing means.
static ptrdiff_t stopped(cts_session *session, int error) {
    if (error == SSL_ERROR_WANT_READ) return CTS_WANTS_READ;
    if (error == SSL_ERROR_WANT_WRITE) return CTS_WANTS_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN) return CTS_CLOSED;
    return fail(session, error);
}

ptrdiff_t cts_session_read(cts_session *session, void *octets, size_t capacity) {
    if (has_failed(session)) return session->cause == CTS_CAUSE_CUT_OFF ? CTS_TRUNCATED : CTS_FAILED;
    cts_forget_errors();
    session->starved = false;
    size_t count = 0;
    while (count < capacity) {
        size_t part = 0;
        if (SSL_read_ex(session->ssl, (char *)octets + count, capacity - count, &part) == 1) {
            session->carried_octets = true;
            count += part;
            if (!SSL_has_pending(session->ssl)) break; // else a receive would say that there is nothing
            continue;
        }
        int error = SSL_get_error(session->ssl, 0);
        session->starved = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        // an end or a failure comes again at the next call; what is here goes out first
        if (count > 0 && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
                          || error == SSL_ERROR_ZERO_RETURN)) break;
        ptrdiff_t result = stopped(session, error);
        if (count > 0) break;
        if (session->cause == CTS_CAUSE_CUT_OFF) return CTS_TRUNCATED;
        return result;
    }
    return (ptrdiff_t)count;
}

ptrdiff_t cts_session_write(cts_session *session, const void *octets, size_t count) {
    if (has_failed(session)) return CTS_FAILED;
    cts_forget_errors();
    size_t taken = 0;
    while (taken < count) {
        // One record a call: of two OpenSSL would tell of neither where the socket fills up at the second, and would
        // want both again. What a call began with it must be called with again.
        size_t left = count - taken;
        size_t piece = session->piece_due;
        if (piece == 0) piece = left < SSL3_RT_MAX_PLAIN_LENGTH ? left : SSL3_RT_MAX_PLAIN_LENGTH;
        if (piece > left) break;
        size_t part = 0;
        if (SSL_write_ex(session->ssl, (const char *)octets + taken, piece, &part) == 1) {
            session->piece_due = 0;
            taken += part;
            continue;
        }
        ptrdiff_t result = stopped(session, SSL_get_error(session->ssl, 0));
        session->piece_due = (uint16_t)piece;
        if (taken == 0) return result;
        break;
    }
    return taken > 0 ? (ptrdiff_t)taken : CTS_WANTS_WRITE;
}

int cts_session_close(cts_session *session) {
    if (has_failed(session) || !session->established) return CTS_FAILED;
    if (session->closed) return 0;
    cts_forget_errors();
    int result = SSL_shutdown(session->ssl);
    int error = result >= 0 ? SSL_ERROR_NONE : SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_WRITE) return CTS_WANTS_WRITE;
    if (session->system_error != 0) return fail(session, error);
    // a second call, when ours is out, reads already; whatever that says, reading is where it is told
    cts_forget_errors();
    session->closed = true;
    return 0;
}

bool cts_session_has_more(const cts_session *session) {
    // SSL_has_pending counts a record that has come in part, too
    return session->filled || session->ended || has_failed(session)
        || (!session->starved && SSL_has_pending(session->ssl)) || SSL_get_shutdown(session->ssl) & SSL_RECEIVED_SHUTDOWN;
}

bool cts_session_resumed(const cts_session *session) { return SSL_session_reused(session->ssl); }

int cts_session_version(const cts_session *session) {
    return session->established ? SSL_version(session->ssl) : 0;
}

const char *cts_session_cipher(const cts_session *session) { return SSL_get_cipher_name(session->ssl); }

int cts_session_overlooked(const cts_session *session) { return session->overlooked; }
