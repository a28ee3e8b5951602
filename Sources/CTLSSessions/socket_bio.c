#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE. This one does not, and keeps what a failure is
// told by.

static int send_octets(BIO *bio, const char *octets, int count) {
    cts_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent;
    do {
        sent = send(session->descriptor, octets, (size_t)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return (int)sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        BIO_set_retry_write(bio);
    } else {
        session->system_error = errno;
    }
    return -1;
}

static int receive_octets(BIO *bio, char *octets, int capacity) {
    cts_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t received;
    do {
        received = recv(session->descriptor, octets, (size_t)capacity, MSG_DONTWAIT);
    } while (received < 0 && errno == EINTR);
    session->filled = received == capacity;
    if (received > 0) {
        if (session->first_count < sizeof session->first) {
            size_t missing = sizeof session->first - session->first_count;
            size_t taken = (size_t)received < missing ? (size_t)received : missing;
            memcpy(session->first + session->first_count, octets, taken);
            session->first_count += (uint8_t)taken;
        }
        session->octets_received += (uint64_t)received;
        return (int)received;
    }
    if (received == 0) {
        session->ended = true;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        BIO_set_retry_read(bio);
    } else {
        session->system_error = errno;
    }
    return received == 0 ? 0 : -1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
    (void)number, (void)pointer;
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return ((cts_session *)BIO_get_data(bio))->ended;
    return 0;
}

static BIO_METHOD *method;

static void make_method(void) {
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carillon socket");
    if (made == NULL) return;
    BIO_meth_set_write(made, send_octets);
    BIO_meth_set_read(made, receive_octets);
    BIO_meth_set_ctrl(made, control);
    method = made;
}

BIO_METHOD *cts_socket_method(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    return method;
}
