// A disk that loses power, for any program that writes through the C library.
//
//   cc -shared -fPIC -DPRELOAD power_cut.c    stands before the C library's fsync and fdatasync (LD_PRELOAD)
//   power_cut settle DISK FOLDER...           everything in these folders is on the disk
//   power_cut cut DISK SEED FOLDER...         the power goes: the folders become what a disk may hold of them, and are settled
//
// DISK holds what is sure to be on the disk: of each file its bytes when it was last synchronised (content/KEY), of each
// folder its names when it was (names/KEY). A synchronised file brings its own name along, as it does on ext4, XFS and btrfs
// and as Postgres expects. What is not sure may be there or not, by page and in any order; of a log whose owner would not
// start on a hole (*.aof) any first part. KEY is a file's number and moment of birth, for numbers are used again.
//
// Nothing is really synchronised: the disk that is tested is the one below, and a millisecond is what it takes.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PIECE = 16 * PAGE, KEY = 64, LONGEST = PATH_MAX + 128 };

static int key_of(int folder, const char *name, char *key, struct statx *info) {
    int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (statx(folder, name, flags, STATX_BASIC_STATS | STATX_BTIME, info) != 0) return -1;
    snprintf(key, KEY, "%llx.%llx.%x", (unsigned long long)info->stx_ino,
             (unsigned long long)info->stx_btime.tv_sec, info->stx_btime.tv_nsec);
    return 0;
}

// MARK: What is sure

static ssize_t read_piece(int file, char *bytes, off_t at) {
    ssize_t done = 0, got;
    while (done < PIECE && (got = pread(file, bytes + done, PIECE - done, at + done)) > 0) done += got;
    return done;
}

// The file's bytes are sure from now on; 1 when that changed anything.
static int keep_content(const char *disk, const char *key, int file, const struct statx *info) {
    char path[PATH_MAX], now[PIECE], then[PIECE];
    snprintf(path, sizeof path, "%s/content/%s", disk, key);
    int kept = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), changed = 0;
    if (kept < 0) return 0;
    flock(kept, LOCK_EX);
    off_t at = 0;
    for (ssize_t count; (count = read_piece(file, now, at)) > 0; at += count) {
        ssize_t known = read_piece(kept, then, at);
        for (ssize_t page = 0; page < count; page += PAGE) {
            ssize_t size = count - page < PAGE ? count - page : PAGE;
            if (page + size <= known && memcmp(now + page, then + page, size) == 0) continue;
            if (pwrite(kept, now + page, size, at + page) != size) abort();
            changed = 1;
        }
    }
    struct stat old;
    if (fstat(kept, &old) == 0 && old.st_size != at) changed |= ftruncate(kept, at) == 0;
    fchmod(kept, info->stx_mode & 0777);
    close(kept);
    return changed;
}

static FILE *open_names(const char *disk, const char *key, const char *mode) {
    char path[LONGEST];
    snprintf(path, sizeof path, "%s/names/%s", disk, key);
    return fopen(path, mode);
}

static int lock_names(const char *disk) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", disk);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock >= 0) flock(lock, LOCK_EX);
    return lock;
}

static void keep_names(const char *disk, const char *key, int folder) {
    int lock = lock_names(disk), copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    char path[LONGEST], other[LONGEST], child[KEY];
    struct statx info;
    // Its owner may be killed here: the old names stay until the new ones are complete.
    snprintf(path, sizeof path, "%s/names/%s", disk, key);
    snprintf(other, sizeof other, "%s/names/%s.new", disk, key);
    FILE *names = list ? fopen(other, "w") : NULL;
    for (struct dirent *entry; names && (entry = readdir(list));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (key_of(folder, entry->d_name, child, &info) == 0) fprintf(names, "%s %s\n", child, entry->d_name);
    }
    if (names) fclose(names);
    if (names && rename(other, path) != 0) abort();
    if (list) closedir(list);
    close(lock);
}

#ifdef PRELOAD

static void keep_own_name(const char *disk, const char *key, char *path) {
    char *slash = strrchr(path, '/'), line[PATH_MAX], known[PATH_MAX], folder_key[KEY];
    struct statx info;
    if (!slash) return;
    *slash = 0;
    int status = key_of(AT_FDCWD, path, folder_key, &info);
    *slash = '/';
    // Somebody may have renamed it meanwhile; then its name is not sure.
    char own[KEY];
    if (status != 0 || key_of(AT_FDCWD, path, own, &info) != 0 || strcmp(own, key) != 0) return;
    snprintf(line, sizeof line, "%s %s\n", key, slash + 1);
    int lock = lock_names(disk), found = 0;
    FILE *names = open_names(disk, folder_key, "a+");
    if (names) {
        rewind(names);
        while (!found && fgets(known, sizeof known, names)) found = strcmp(known, line) == 0;
        if (!found) fputs(line, names);
        fclose(names);
    }
    close(lock);
}

static int synchronize(long call, int descriptor) {
    const char *disk = getenv("POWER_CUT_DISK"), *folders = getenv("POWER_CUT_FOLDERS");
    char link[64], path[PATH_MAX], key[KEY];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = disk && folders ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return (int)syscall(call, descriptor);
    path[length] = 0;
    int isOurs = 0;
    for (const char *folder = folders; *folder && !isOurs; folder += *folder == ':') {
        size_t size = strcspn(folder, ":");
        isOurs = size > 0 && strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == 0);
        folder += size;
    }
    struct statx info;
    if (!isOurs || key_of(descriptor, "", key, &info) != 0) return (int)syscall(call, descriptor);
    if (S_ISDIR(info.stx_mode)) {
        keep_names(disk, key, descriptor);
    } else if (S_ISREG(info.stx_mode)) {
        // A descriptor that only writes cannot be read.
        int copy = open(link, O_RDONLY | O_CLOEXEC);
        if (copy < 0) abort();
        int changed = keep_content(disk, key, copy, &info);
        close(copy);
        keep_own_name(disk, key, path);
        if (changed) usleep(1000);
    }
    return 0;
}

int fdatasync(int descriptor) { return synchronize(SYS_fdatasync, descriptor); }
int fsync(int descriptor) { return synchronize(SYS_fsync, descriptor); }

#else

static void fail(const char *what) {
    fprintf(stderr, "power_cut: %s: %s\n", what, strerror(errno));
    exit(1);
}

static const char *the_disk;

static int settle_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)place;
    char key[KEY];
    struct statx info;
    int file = type == FTW_F || type == FTW_D ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0 || key_of(file, "", key, &info) != 0) return 0;
    if (type == FTW_D) keep_names(the_disk, key, file);
    else keep_content(the_disk, key, file, &info);
    close(file);
    return 0;
}

static void settle(char **folders) {
    char path[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", the_disk, i ? "names" : "content");
        if ((mkdir(path, 0777) != 0 && errno != EEXIST) || chmod(path, 0777) != 0) fail(path);
    }
    close(lock_names(the_disk));
    snprintf(path, sizeof path, "%s/lock", the_disk);
    chmod(path, 0666);
    for (; *folders; folders++)
        if (nftw(*folders, settle_one, 32, FTW_PHYS) != 0) fail(*folders);
}

// MARK: What is left

static uint64_t random_state;

// A number below `limit` (SplitMix64).
static uint64_t random_below(uint64_t limit) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % limit;
}

// Where each file of the folder being cut is now, by key.
static struct {
    char key[KEY], *path;
} *present;
static size_t present_count, present_room;

static int note_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)place;
    struct statx info;
    char key[KEY] = {0};
    if ((type != FTW_F && type != FTW_D) || key_of(AT_FDCWD, path, key, &info) != 0) return 0;
    if (present_count == present_room) {
        present_room = present_room ? present_room * 2 : 1024;
        present = realloc(present, present_room * sizeof *present);
        if (!present) fail("memory");
    }
    memcpy(present[present_count].key, key, KEY);
    present[present_count++].path = strdup(path);
    return 0;
}

static const char *path_of(const char *key) {
    for (size_t i = 0; i < present_count; i++)
        if (strcmp(present[i].key, key) == 0) return present[i].path;
    return NULL;
}

enum keeping { SURE, WRITTEN, FIRST_PART, PAGES };

// Writes what may be left of a file: what is sure, and of what was written since, by chance, nothing, all, the first part or
// some pages. Where a file grew and its bytes did not arrive, there are zeros.
static void cut_file(const char *key, const char *path, const char *out) {
    char sure_path[PATH_MAX], old[PAGE], new[PAGE], zeros[PAGE] = {0};
    snprintf(sure_path, sizeof sure_path, "%s/content/%s", the_disk, key);
    int sure = open(sure_path, O_RDONLY), written = path ? open(path, O_RDONLY) : -1;
    struct stat was = {0}, is = {0};
    if (sure >= 0) fstat(sure, &was);
    if (written >= 0) fstat(written, &is);
    else is = was;
    mode_t mode = (sure < 0 && written < 0 ? 0600 : is.st_mode) & 0777;
    int file = open(out, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (file < 0) fail(out);
    if (fchown(file, is.st_uid, is.st_gid) != 0 || fchmod(file, mode) != 0) fail(out);
    size_t length = strlen(out);
    int noHoles = length > 4 && strcmp(out + length - 4, ".aof") == 0;
    enum keeping keeping = written < 0 ? SURE : random_below(noHoles ? 3 : 4);
    off_t size = keeping == SURE ? was.st_size : is.st_size;
    if (is.st_size > was.st_size && keeping >= FIRST_PART) {
        size = was.st_size + random_below(is.st_size - was.st_size + 1);
        // A file ends where a write did, or at the end of a page.
        if (!noHoles && size != is.st_size) size = size / PAGE * PAGE > was.st_size ? size / PAGE * PAGE : was.st_size;
    }
    off_t turn = random_below(size / PAGE + 2) * PAGE;
    for (off_t at = 0; at < size; at += PAGE) {
        ssize_t count = size - at < PAGE ? size - at : PAGE;
        ssize_t old_count = sure < 0 ? 0 : pread(sure, old, count, at);
        ssize_t new_count = written < 0 ? 0 : pread(written, new, count, at);
        if (old_count < 0 || new_count < 0) fail(out);
        memset(old + old_count, 0, PAGE - old_count);
        int isNew = keeping == WRITTEN || (keeping == FIRST_PART && (noHoles || at < turn))
            || (keeping == PAGES && random_below(2));
        const char *bytes = isNew && new_count == count ? new : old_count > 0 ? old : zeros;
        if (pwrite(file, bytes, count, at) != count) fail(out);
    }
    close(file);
    if (sure >= 0) close(sure);
    if (written >= 0) close(written);
}

// What a folder holds after the cut: a name, and where its file is made until all of the old ones are read.
static struct {
    char *out, *made;
} *chosen;
static size_t chosen_count, chosen_room, made_count;

static void choose(const char *out, const char *made) {
    // The name may have been another file's before, which was sure then.
    for (size_t i = 0; i < chosen_count; i++) {
        if (strcmp(chosen[i].out, out) != 0) continue;
        chosen[i].made = made ? strdup(made) : NULL;
        return;
    }
    if (chosen_count == chosen_room) {
        chosen_room = chosen_room ? chosen_room * 2 : 1024;
        chosen = realloc(chosen, chosen_room * sizeof *chosen);
        if (!chosen) fail("memory");
    }
    chosen[chosen_count].out = strdup(out);
    chosen[chosen_count++].made = made ? strdup(made) : NULL;
}

// Whether a file lies at `path` and all of it is sure: then a cut changes nothing.
static int is_sure(const char *key, const char *path) {
    char sure_path[PATH_MAX], old[PIECE], new[PIECE];
    snprintf(sure_path, sizeof sure_path, "%s/content/%s", the_disk, key);
    int sure = open(sure_path, O_RDONLY), written = open(path, O_RDONLY), same = sure >= 0 && written >= 0;
    for (off_t at = 0; same; at += PIECE) {
        ssize_t count = read_piece(written, new, at);
        same = read_piece(sure, old, at) == count && memcmp(old, new, count) == 0;
        if (count < PIECE) break;
    }
    if (sure >= 0) close(sure);
    if (written >= 0) close(written);
    return same;
}

static void cut_folder(const char *key, const char *path);

static void cut_entry(const char *key, const char *name, const char *folder) {
    char out[PATH_MAX], made[PATH_MAX];
    if (snprintf(out, sizeof out, "%s/%s", folder, name) >= (int)sizeof out) fail(name);
    const char *path = path_of(key);
    struct stat status;
    if (path && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        choose(out, NULL);
        return cut_folder(key, path);
    }
    if (path && strcmp(path, out) == 0 && is_sure(key, path)) return choose(out, NULL);
    char sure[PATH_MAX];
    snprintf(sure, sizeof sure, "%s/content/%s", the_disk, key);
    if (!path && access(sure, F_OK) != 0) return;
    snprintf(made, sizeof made, "%s/made-%zu", the_disk, made_count++);
    cut_file(key, path, made);
    choose(out, made);
}

// Whether a later line names the same file: it was renamed and synchronised again, and that took the older name away.
static int is_named_again(FILE *names, const char *key) {
    char line[PATH_MAX];
    long here = ftell(names);
    size_t length = strlen(key);
    int found = 0;
    while (!found && fgets(line, sizeof line, names)) found = strncmp(line, key, length) == 0 && line[length] == ' ';
    fseek(names, here, SEEK_SET);
    return found;
}

// Chooses for a folder its names when it was last synchronised, or those that it has now.
static void cut_folder(const char *key, const char *path) {
    char line[PATH_MAX], child[KEY];
    struct statx info;
    FILE *names = open_names(the_disk, key, "r");
    if (random_below(2)) {
        while (names && fgets(line, sizeof line, names)) {
            char *space = strchr(line, ' ');
            line[strlen(line) - 1] = 0;
            *space = 0;
            if (!is_named_again(names, line)) cut_entry(line, space + 1, path);
        }
    } else {
        DIR *list = opendir(path);
        if (!list) fail(path);
        for (struct dirent *entry; (entry = readdir(list));) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            if (key_of(dirfd(list), entry->d_name, child, &info) == 0) cut_entry(child, entry->d_name, path);
        }
        closedir(list);
    }
    if (names) fclose(names);
}

static const char *the_folder;

// Removes what the cut did not leave.
static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    if (strcmp(path, the_folder) == 0) return 0;
    for (size_t i = 0; i < chosen_count; i++)
        if (!chosen[i].made && strcmp(chosen[i].out, path) == 0) return 0;
    return remove(path);
}

static void cut(char **folders) {
    for (; *folders; folders++) {
        char key[KEY];
        struct statx info;
        the_folder = *folders;
        present_count = chosen_count = 0;
        if (nftw(*folders, note_one, 32, FTW_PHYS) != 0 || key_of(AT_FDCWD, *folders, key, &info) != 0) fail(*folders);
        cut_folder(key, *folders);
        if (nftw(*folders, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0) fail(*folders);
        for (size_t i = 0; i < chosen_count; i++)
            if (chosen[i].made && rename(chosen[i].made, chosen[i].out) != 0) fail(chosen[i].out);
    }
}

int main(int count, char **arguments) {
    umask(0);
    if (count > 3 && strcmp(arguments[1], "settle") == 0) {
        the_disk = arguments[2];
        settle(arguments + 3);
    } else if (count > 4 && strcmp(arguments[1], "cut") == 0) {
        the_disk = arguments[2];
        random_state = strtoull(arguments[3], NULL, 10);
        cut(arguments + 4);
        settle(arguments + 4);
    } else {
        fputs("usage: power_cut settle DISK FOLDER... | power_cut cut DISK SEED FOLDER...\n", stderr);
        return 64;
    }
    return 0;
}

#endif
