// A file mapped so that its pages may vanish (the file is cut, the disk fails, the server behind it goes away): where the
// kernel would end the process with SIGBUS, zeros are read from then on, and the loss is counted.
#ifndef CGUARDEDMAPPING_H
#define CGUARDEDMAPPING_H

#include <stddef.h>
#include <stdint.h>

enum {
    /// Mappings at one time.
    CARILLON_MAPPING_LIMIT = 64,
};

/// Maps the first `octets` of a file for reading. The first call installs a handler for SIGBUS; faults elsewhere go to the
/// handler that was there before. Returns NULL with errno; ENFILE: CARILLON_MAPPING_LIMIT are in use.
const void *carillon_mapping_open(int descriptor, size_t octets);

/// How often pages of this mapping were met that are no longer there.
uint64_t carillon_mapping_losses(const void *base);

/// Gives the mapping back. No thread may be reading it.
void carillon_mapping_close(const void *base, size_t octets);

#endif
