#ifndef CTLSSESSIONS_H
#define CTLSSESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// TLS over a connected, non-blocking stream socket, by OpenSSL 3. Nothing here blocks, raises a signal or leaves
// anything in OpenSSL's error queue. A context and its sessions belong to one thread.

typedef struct cts_context cts_context;
typedef struct cts_session cts_session;

/// Texts are copied. Paths of NULL: not given.
typedef struct {
    bool server;
    /// Whatever certificate the peer has is accepted.
    bool insecure;
    /// Servers: a client without a certificate is refused.
    bool require_client_certificate;
    /// Trust anchors; with neither, the system's.
    const char *_Nullable ca_file;
    const char *_Nullable ca_directory;
    /// PEM, our certificate first, then its issuers.
    const char *_Nullable certificate_file;
    const char *_Nullable key_file;
    const char *_Nullable key_log_file;
    /// As on the wire: 0x0301 to 0x0304.
    int minimum_version;
    int maximum_version;
    const char *_Nullable ciphers_before_13;
    const char *_Nullable ciphers_13;
} cts_settings;

/// What a context could not be made of.
typedef enum {
    CTS_FAULT_NONE,
    CTS_FAULT_MEMORY,
    CTS_FAULT_VERSION,
    CTS_FAULT_CIPHERS,
    CTS_FAULT_CA_FILE,
    CTS_FAULT_CA_DIRECTORY,
    CTS_FAULT_CA_DIRECTORY_WITHOUT_HASHES,
    CTS_FAULT_CERTIFICATE,
    CTS_FAULT_CERTIFICATE_MISSING,
    CTS_FAULT_KEY,
    CTS_FAULT_KEY_WITHOUT_CERTIFICATE,
    CTS_FAULT_KEY_ENCRYPTED,
    CTS_FAULT_KEY_OF_ANOTHER,
    CTS_FAULT_KEY_LOG,
} cts_fault_kind;

typedef struct {
    cts_fault_kind kind;
    /// In OpenSSL's or the system's words, ended by 0; may be empty.
    char reason[160];
} cts_fault;

typedef struct {
    uint64_t full;
    uint64_t resumed;
    uint64_t failed;
    uint64_t tickets;
    uint64_t key_log_lines_lost;
} cts_counts;

/// NULL with `fault` filled in where the settings cannot be used.
cts_context *_Nullable cts_context_create(const cts_settings *settings, cts_fault *fault);
/// The sessions of a context may outlive this call.
void cts_context_release(cts_context *context);
cts_counts cts_context_counts(const cts_context *context);
/// Clients: a server to connect to, which keeps its last ticket. `name` is what its certificate must be for, NULL for
/// anybody; `server_name` is sent as SNI, NULL for none. The index of the target; -1 without memory.
int cts_context_add_target(cts_context *context, const char *_Nullable name, const char *_Nullable server_name);
/// Drops the ticket of the target: its next handshake is a full one.
void cts_context_forget(cts_context *context, int target);
/// Whether a text is an IPv4 or IPv6 address, brackets allowed.
bool cts_is_address(const char *text);

/// Results below zero of what reads, writes and shakes hands.
enum {
    CTS_WANTS_READ = -1,
    CTS_WANTS_WRITE = -2,
    CTS_FAILED = -3,
    /// The peer said that it sends no more.
    CTS_CLOSED = -4,
    /// The peer ended the connection without saying so.
    CTS_TRUNCATED = -5,
};

/// `target` is not looked at on the server's side. The descriptor stays the caller's. NULL without memory.
cts_session *_Nullable cts_session_create(cts_context *context, int target, int descriptor);
void cts_session_destroy(cts_session *session);
/// 0 when done.
int cts_session_handshake(cts_session *session);
/// The number of octets, > 0, or one of the results below zero. Reads records until the room is full or nothing is left
/// of what one receive brought.
ptrdiff_t cts_session_read(cts_session *session, void *octets, size_t capacity);
/// The number of octets taken, > 0, or one of the results below zero. After CTS_WANTS_WRITE, and after fewer octets
/// than `count` were taken, the next call must begin with the octets not taken: a record of them is made already. With
/// fewer than that record holds (16,384 at most) nothing happens.
ptrdiff_t cts_session_write(cts_session *session, const void *octets, size_t count);
/// Sends close_notify. 0 when sent.
int cts_session_close(cts_session *session);
/// Whether a further read may bring octets without the descriptor becoming readable.
bool cts_session_has_more(const cts_session *session);
bool cts_session_resumed(const cts_session *session);
/// As on the wire, 0 before the handshake.
int cts_session_version(const cts_session *session);
const char *cts_session_cipher(const cts_session *session);
/// The verify code that the insecure switch passed over; 0 for none.
int cts_session_overlooked(const cts_session *session);

typedef enum {
    CTS_CAUSE_UNKNOWN,
    CTS_CAUSE_EXPIRED,
    CTS_CAUSE_NOT_YET_VALID,
    CTS_CAUSE_SELF_SIGNED,
    CTS_CAUSE_UNKNOWN_AUTHORITY,
    CTS_CAUSE_WRONG_NAME,
    CTS_CAUSE_CERTIFICATE_REFUSED,
    CTS_CAUSE_NO_COMMON_CIPHER,
    CTS_CAUSE_NO_COMMON_VERSION,
    CTS_CAUSE_NOT_TLS,
    CTS_CAUSE_CERTIFICATE_WANTED,
    CTS_CAUSE_OWN_CERTIFICATE_REFUSED,
    CTS_CAUSE_PEER_WITHOUT_CERTIFICATE,
    CTS_CAUSE_CUT_OFF,
    CTS_CAUSE_CONNECTION_LOST,
    CTS_CAUSE_ALERT,
    CTS_CAUSE_BROKEN,
    CTS_CAUSE_MEMORY,
} cts_cause;

/// What is known of a failure. Texts live as long as the session, and are printable; NULL where there is none.
typedef struct {
    cts_cause cause;
    bool server;
    bool during_handshake;
    /// The certificate's names have a wildcard, which counts for nothing in SIP (RFC 5922 §7.2).
    bool wildcard;
    /// The certificate has the name as dNSName, but also SIP URIs, and then those alone count (RFC 5922 §7.1).
    bool overruled_by_uri;
    /// X509_V_ERR_…, 0 for none; and how far above the peer's own certificate.
    int verify_code;
    int verify_depth;
    /// The alert that the peer sent, -1 for none.
    int alert;
    /// errno of the socket, 0 for none.
    int system_error;
    uint64_t octets_received;
    /// The first of them.
    uint8_t first[32];
    int first_count;
    const char *_Nullable verify_words;
    const char *_Nullable reason;
    const char *_Nullable expected_name;
    const char *_Nullable subject;
    const char *_Nullable issuer;
    /// The end or the beginning of the validity, whichever the cause is about.
    const char *_Nullable date;
    const char *_Nullable names;
} cts_report;

cts_report cts_session_report(const cts_session *session);

#pragma clang assume_nonnull end

#endif
