#define _GNU_SOURCE
#include "internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// What OpenSSL says first is nearest to the reason; what follows is who passed it on.
static cts_context *refuse(cts_context *context, cts_fault *fault, cts_fault_kind kind, int system_error) {
    fault->kind = kind;
    unsigned long error = ERR_peek_error();
    const char *words = "";
    if (system_error != 0) {
        words = strerror(system_error);
    } else if (error != 0 && ERR_SYSTEM_ERROR(error)) {
        words = strerror(ERR_GET_REASON(error));
    } else if (error != 0 && ERR_reason_error_string(error) != NULL) {
        words = ERR_reason_error_string(error);
    }
    strncpy(fault->reason, words, sizeof fault->reason - 1);
    fault->reason[sizeof fault->reason - 1] = 0;
    ERR_clear_error();
    if (context != NULL) cts_context_release(context);
    return NULL;
}

/// A key behind a pass phrase: nobody is asked, since asking would stop the process.
static int no_pass_phrase(char *buffer, int size, int writing, void *asked) {
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static void log_key(const SSL *ssl, const char *line) {
    cts_session *session = SSL_get_app_data(ssl);
    char text[1024];
    size_t length = strlen(line);
    if (session == NULL || length >= sizeof text) return;
    memcpy(text, line, length);
    text[length] = '\n';
    // one write to a file opened for appending: lines of several threads and processes do not mix
    if (write(session->context->key_log_descriptor, text, length + 1) != (ssize_t)length + 1) {
        session->context->counts.key_log_lines_lost += 1;
    }
}

static int keep_ticket(SSL *ssl, SSL_SESSION *ticket) {
    cts_session *session = SSL_get_app_data(ssl);
    if (session == NULL || session->target < 0) return 0;
    cts_target *target = &session->context->targets[session->target];
    SSL_SESSION_free(target->ticket);
    target->ticket = ticket;
    session->context->counts.tickets += 1;
    return 1;
}

static int note_certificate_request(SSL *ssl, void *unused) {
    (void)unused;
    cts_session *session = SSL_get_app_data(ssl);
    if (session != NULL) session->certificate_asked = true;
    return 1;
}

static bool has_hashes(const char *path, int *system_error) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        *system_error = errno;
        return false;
    }
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        const char *name = entry->d_name;
        found = strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' && name[9] <= '9';
    }
    closedir(directory);
    return found;
}

static int open_key_log(const char *path, int *system_error) {
    // non-blocking, for a pipe without a reader would hold the process up
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        *system_error = errno;
        if (descriptor >= 0) close(descriptor);
        return -1;
    }
    if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) { // a pipe would raise SIGPIPE
        *system_error = EINVAL;
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static bool set_protocol(SSL_CTX *ssl_context, const cts_settings *settings) {
    SSL_CTX_set_options(
        ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(
        ssl_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(ssl_context, SSL_MODE_AUTO_RETRY);
    // a receive takes what is there, up to one record of the largest size and its header, and not a header and then a
    // body
    SSL_CTX_set_read_ahead(ssl_context, 1);
    SSL_CTX_set_max_early_data(ssl_context, 0);
    // versions before 1.2 sign with SHA-1, which OpenSSL allows below level 1 only
    if (settings->minimum_version < TLS1_2_VERSION) SSL_CTX_set_security_level(ssl_context, 0);
    return SSL_CTX_set_min_proto_version(ssl_context, settings->minimum_version) == 1
        && SSL_CTX_set_max_proto_version(ssl_context, settings->maximum_version) == 1;
}

static bool set_resumption(SSL_CTX *ssl_context, const cts_settings *settings) {
    if (!settings->server) {
        SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl_context, keep_ticket);
        return true;
    }
    // tickets hold everything, so a server keeps nothing for clients that are gone
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
    static const unsigned char identity[] = "carillon";
    return SSL_CTX_set_session_id_context(ssl_context, identity, sizeof identity - 1) == 1
        && SSL_CTX_set_num_tickets(ssl_context, 1) == 1;
}

cts_context *cts_context_create(const cts_settings *settings, cts_fault *fault) {
    memset(fault, 0, sizeof *fault);
    ERR_clear_error();
    cts_context *context = calloc(1, sizeof *context);
    if (context == NULL) return refuse(NULL, fault, CTS_FAULT_MEMORY, 0);
    context->references = 1;
    context->key_log_descriptor = -1;
    context->server = settings->server;
    context->insecure = settings->insecure;
    SSL_CTX *ssl_context = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method());
    context->ssl_context = ssl_context;
    if (ssl_context == NULL) return refuse(context, fault, CTS_FAULT_MEMORY, 0);
    if (!set_protocol(ssl_context, settings)) return refuse(context, fault, CTS_FAULT_VERSION, 0);
    if (SSL_CTX_set_cipher_list(ssl_context, settings->ciphers_before_13) != 1
        || SSL_CTX_set_ciphersuites(ssl_context, settings->ciphers_13) != 1) {
        return refuse(context, fault, CTS_FAULT_CIPHERS, 0);
    }
    if (!set_resumption(ssl_context, settings)) return refuse(context, fault, CTS_FAULT_MEMORY, 0);

    int system_error = 0;
    if (settings->ca_file != NULL) {
        if (SSL_CTX_load_verify_file(ssl_context, settings->ca_file) != 1) {
            return refuse(context, fault, CTS_FAULT_CA_FILE, 0);
        }
        if (settings->server) SSL_CTX_set_client_CA_list(ssl_context, SSL_load_client_CA_file(settings->ca_file));
    }
    if (settings->ca_directory != NULL) {
        if (!has_hashes(settings->ca_directory, &system_error)) {
            cts_fault_kind kind =
                system_error != 0 ? CTS_FAULT_CA_DIRECTORY : CTS_FAULT_CA_DIRECTORY_WITHOUT_HASHES;
            return refuse(context, fault, kind, system_error);
        }
        if (SSL_CTX_load_verify_dir(ssl_context, settings->ca_directory) != 1) {
            return refuse(context, fault, CTS_FAULT_CA_DIRECTORY, 0);
        }
    }
    if (settings->ca_file == NULL && settings->ca_directory == NULL) {
        SSL_CTX_set_default_verify_paths(ssl_context);
    } else {
        // what the user names is trusted, be it a root or not
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl_context), X509_V_FLAG_PARTIAL_CHAIN);
    }
    int mode = SSL_VERIFY_NONE;
    if (!settings->server) mode = SSL_VERIFY_PEER;
    if (settings->server && settings->require_client_certificate) {
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(ssl_context, mode, NULL);
    SSL_CTX_set_cert_verify_callback(ssl_context, cts_verify, NULL);
    if (!settings->server) SSL_CTX_set_cert_cb(ssl_context, note_certificate_request, NULL);

    if (settings->certificate_file != NULL) {
        bool asked = false;
        SSL_CTX_set_default_passwd_cb(ssl_context, no_pass_phrase);
        SSL_CTX_set_default_passwd_cb_userdata(ssl_context, &asked);
        if (SSL_CTX_use_certificate_chain_file(ssl_context, settings->certificate_file) != 1) {
            return refuse(context, fault, CTS_FAULT_CERTIFICATE, 0);
        }
        const char *key_file = settings->key_file != NULL ? settings->key_file : settings->certificate_file;
        if (SSL_CTX_use_PrivateKey_file(ssl_context, key_file, SSL_FILETYPE_PEM) != 1) {
            cts_fault_kind kind = CTS_FAULT_KEY;
            unsigned long error = ERR_peek_last_error();
            if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH) {
                kind = CTS_FAULT_KEY_OF_ANOTHER;
            } else if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_TYPE_MISMATCH) {
                kind = CTS_FAULT_KEY_OF_ANOTHER;
            } else if (asked) {
                kind = CTS_FAULT_KEY_ENCRYPTED;
            }
            return refuse(context, fault, kind, 0);
        }
        SSL_CTX_set_default_passwd_cb_userdata(ssl_context, NULL);
        if (SSL_CTX_check_private_key(ssl_context) != 1) return refuse(context, fault, CTS_FAULT_KEY_OF_ANOTHER, 0);
        context->has_certificate = true;
    } else if (settings->key_file != NULL) {
        return refuse(context, fault, CTS_FAULT_KEY_WITHOUT_CERTIFICATE, 0);
    } else if (settings->server) {
        return refuse(context, fault, CTS_FAULT_CERTIFICATE_MISSING, 0);
    }
    if (settings->key_log_file != NULL) {
        context->key_log_descriptor = open_key_log(settings->key_log_file, &system_error);
        if (context->key_log_descriptor < 0) return refuse(context, fault, CTS_FAULT_KEY_LOG, system_error);
        SSL_CTX_set_keylog_callback(ssl_context, log_key);
    }
    ERR_clear_error(); // reading PEM ends with an error that is none
    return context;
}

void cts_context_release(cts_context *context) {
    context->references -= 1;
    if (context->references > 0) return;
    for (int index = 0; index < context->target_count; index += 1) {
        SSL_SESSION_free(context->targets[index].ticket);
        free(context->targets[index].name);
        free(context->targets[index].server_name);
    }
    free(context->targets);
    SSL_CTX_free(context->ssl_context);
    if (context->key_log_descriptor >= 0) close(context->key_log_descriptor);
    free(context);
}

cts_counts cts_context_counts(const cts_context *context) { return context->counts; }

/// The number of octets of an address, 0 where the text is none.
static int read_address(const char *text, unsigned char *address) {
    char bare[INET6_ADDRSTRLEN + 2];
    size_t length = strlen(text);
    if (length >= sizeof bare || length == 0) return 0;
    memcpy(bare, text, length + 1);
    if (bare[0] == '[' && bare[length - 1] == ']') {
        bare[length - 1] = 0;
        memmove(bare, bare + 1, length - 1);
        return inet_pton(AF_INET6, bare, address) == 1 ? 16 : 0;
    }
    if (inet_pton(AF_INET, bare, address) == 1) return 4;
    return inet_pton(AF_INET6, bare, address) == 1 ? 16 : 0;
}

bool cts_is_address(const char *text) {
    unsigned char address[16];
    return read_address(text, address) != 0;
}

int cts_context_add_target(cts_context *context, const char *name, const char *server_name) {
    cts_target *grown = realloc(context->targets, sizeof *grown * (size_t)(context->target_count + 1));
    if (grown == NULL) return -1;
    context->targets = grown;
    cts_target *target = &grown[context->target_count];
    memset(target, 0, sizeof *target);
    if (name != NULL) {
        target->name = strdup(name);
        if (target->name == NULL) return -1;
        size_t length = strlen(name);
        if (length > 1 && name[length - 1] == '.') target->name[length - 1] = 0; // the root, as in sip.example.com.
        target->address_length = read_address(target->name, target->address);
    }
    if (server_name != NULL) {
        target->server_name = strdup(server_name);
        if (target->server_name == NULL) {
            free(target->name);
            return -1;
        }
        size_t length = strlen(server_name);
        if (length > 1 && server_name[length - 1] == '.') target->server_name[length - 1] = 0;
    }
    context->target_count += 1;
    return context->target_count - 1;
}

void cts_context_forget(cts_context *context, int target) {
    SSL_SESSION_free(context->targets[target].ticket);
    context->targets[target].ticket = NULL;
}
