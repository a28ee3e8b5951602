#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
