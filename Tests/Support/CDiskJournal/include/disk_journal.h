#ifndef NEEDLETAIL_DISK_JOURNAL_H
#define NEEDLETAIL_DISK_JOURNAL_H

#include <stdint.h>

/// Notes from now on what this process synchronises (1), or stops noting and forgets (0). The program's own fsync and
/// fdatasync stand in front of the C library's, so nothing has to be told of it.
void disk_journal_record(int on);

/// Bytes of a file that are on the disk by what was synchronised: its size when its last synchronisation began; 0 before
/// the first.
int64_t disk_journal_size(uint64_t device, uint64_t inode);

/// Whether the file's name is on the disk: its folder was synchronised when the name was in it.
int disk_journal_is_named(uint64_t device, uint64_t inode);

#endif
