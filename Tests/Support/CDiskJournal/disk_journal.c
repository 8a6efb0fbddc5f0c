#define _GNU_SOURCE
#include "disk_journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 16384 };
static struct {
    uint64_t device, inode;
    int64_t size;
    int is_named;
} files[MOST];
static int count, recording;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/// The file's place, made if need be; -1 when there is no room.
static int place(uint64_t device, uint64_t inode) {
    for (int i = count - 1; i >= 0; i--)
        if (files[i].inode == inode && files[i].device == device) return i;
    if (count == MOST) return -1;
    files[count].device = device;
    files[count].inode = inode;
    files[count].size = 0;
    files[count].is_named = 0;
    return count++;
}

static void note_names(int folder) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list) return;
    struct dirent *entry;
    struct stat info;
    while ((entry = readdir(list))) {
        if (fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        int i = place(info.st_dev, info.st_ino);
        if (i >= 0) files[i].is_named = 1;
    }
    closedir(list);
}

static int synchronize(long call, int descriptor) {
    struct stat before;
    int known = fstat(descriptor, &before) == 0;
    // What is appended while the call runs may or may not be in it: only what was there before counts.
    int result = (int)syscall(call, descriptor);
    if (result != 0 || !known) return result;
    pthread_mutex_lock(&lock);
    if (recording) {
        int i = place(before.st_dev, before.st_ino);
        if (i >= 0 && before.st_size > files[i].size) files[i].size = before.st_size;
        if (S_ISDIR(before.st_mode)) note_names(descriptor);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fdatasync(int descriptor) { return synchronize(SYS_fdatasync, descriptor); }
int fsync(int descriptor) { return synchronize(SYS_fsync, descriptor); }

void disk_journal_record(int on) {
    pthread_mutex_lock(&lock);
    recording = on;
    count = 0;
    pthread_mutex_unlock(&lock);
}

int64_t disk_journal_size(uint64_t device, uint64_t inode) {
    pthread_mutex_lock(&lock);
    int i = place(device, inode);
    int64_t size = i < 0 ? 0 : files[i].size;
    pthread_mutex_unlock(&lock);
    return size;
}

int disk_journal_is_named(uint64_t device, uint64_t inode) {
    pthread_mutex_lock(&lock);
    int i = place(device, inode);
    int named = i >= 0 && files[i].is_named;
    pthread_mutex_unlock(&lock);
    return named;
}
