/*
 * LD_PRELOAD: a disk that fails at chosen calls below one folder, and notes what of each file is durable. See
 * failing-disk.ts, which compiles it, arms it and reads its notes.
 *
 * Control is a file of 128 octets that is mapped by every process: int32 armed, operations (bits), skip, times (-1:
 * for ever), errno, drop, hits, seen, and then a text that the path must hold. Notes are lines:
 *
 *     N inode path          made, or emptied
 *     S inode octets path   so many octets are durable
 *     L inode octets path   a sync failed, and what it covered will be lost, though it can be read until then
 *     H operation path      a call was made to fail
 *
 * A sync that succeeds is noted and not made: nothing here loses power but the test.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SYNC = 1, WRITE = 2, OPEN = 4, RENAME = 8, UNLINK = 16, MKDIR = 32, TRUNCATE = 64 };

struct control {
  int armed, operations, skip, times, error, drop, hits, seen;
  char filter[96];
};

static struct control *control;
static const char *folder;
static int notes = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long raw_write(int fd, const void *octets, size_t count) { return syscall(SYS_write, fd, octets, count); }

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_DISK_CONTROL");
  folder = getenv("FAILING_DISK_FOLDER");
  if (path == NULL || folder == NULL) return;
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) control = mapped;
  syscall(SYS_close, fd);
  notes = syscall(SYS_openat, AT_FDCWD, getenv("FAILING_DISK_NOTES"), O_WRONLY | O_APPEND | O_CLOEXEC);
}

static int is_mine(const char *path) {
  return control != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

/* The path of an open file, when it is below the folder. */
static int path_of(int fd, char *path, size_t size) {
  if (control == NULL) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_mine(path);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
  char line[1024];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(line, sizeof line, format, values);
  va_end(values);
  if (notes >= 0 && length > 0) raw_write(notes, line, length);
}

/* Whether this call is to fail; errno is set then. */
static int fails(int operation, const char *name, const char *path) {
  int hit = 0;
  pthread_mutex_lock(&lock);
  if (control->armed && (control->operations & operation) && strstr(path, control->filter) != NULL) {
    control->seen++;
    if (control->skip > 0) control->skip--;
    else if (control->times != 0) {
      if (control->times > 0) control->times--;
      control->hits++;
      hit = 1;
    }
  }
  int error = control->error;
  pthread_mutex_unlock(&lock);
  if (!hit) return 0;
  note("H %s %s\n", name, path + strlen(folder));
  errno = error;
  return 1;
}

static int synced(int fd, const char *name, int (*real)(int)) {
  char path[512];
  if (!path_of(fd, path, sizeof path)) return real(fd);
  struct stat state;
  int is_file = fstat(fd, &state) == 0 && S_ISREG(state.st_mode);
  if (fails(SYNC, name, path)) {
    int error = errno;
    /* A disk that lies: it says that all is durable, and nothing is. */
    if (error == 0) return 0;
    if (control->drop && is_file) {
      note("L %lu %lu %s\n", (unsigned long)state.st_ino, (unsigned long)state.st_size, path);
    }
    errno = error;
    return -1;
  }
  if (is_file) note("S %lu %lu %s\n", (unsigned long)state.st_ino, (unsigned long)state.st_size, path);
  return 0;
}

#define REAL(type, name, parameters)                                   \
  static type(*real) parameters;                                       \
  if (real == NULL) real = (type(*) parameters)dlsym(RTLD_NEXT, #name)

int fsync(int fd) {
  REAL(int, fsync, (int));
  return synced(fd, "fsync", real);
}

int fdatasync(int fd) {
  REAL(int, fdatasync, (int));
  return synced(fd, "fdatasync", real);
}

/* A write that fails has written a part. */
static int write_fails(int fd, const void *octets, size_t count, const char *name) {
  char path[512];
  if (!path_of(fd, path, sizeof path) || !fails(WRITE, name, path)) return 0;
  int error = errno;
  raw_write(fd, octets, count / 2);
  errno = error;
  return 1;
}

ssize_t write(int fd, const void *octets, size_t count) {
  return write_fails(fd, octets, count, "write") ? -1 : raw_write(fd, octets, count);
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) {
  REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t));
  char path[512];
  if (path_of(fd, path, sizeof path) && fails(WRITE, "pwrite", path)) return -1;
  return real(fd, octets, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, writev, (int, const struct iovec *, int));
  if (count > 0 && write_fails(fd, parts[0].iov_base, parts[0].iov_len, "writev")) return -1;
  return real(fd, parts, count);
}

/* LevelDB writes through stdio, whose own calls of the system can't be replaced. */
int fflush_unlocked(FILE *file) {
  REAL(int, fflush_unlocked, (FILE *));
  size_t pending = file == NULL ? 0 : __fpending(file);
  if (pending > 0 && write_fails(fileno_unlocked(file), file->_IO_write_base, pending, "fflush")) {
    int error = errno;
    __fpurge(file);
    errno = error;
    return EOF;
  }
  return real(file);
}

static int open_fails(const char *path, int is_write) {
  return is_write && is_mine(path) && fails(OPEN, "open", path);
}

static void opened(int fd, const char *path, int is_new) {
  struct stat state;
  if (fd < 0 || !is_new || !is_mine(path)) return;
  int error = errno;
  if (fstat(fd, &state) == 0 && S_ISREG(state.st_mode) && state.st_size == 0) {
    note("N %lu %s\n", (unsigned long)state.st_ino, path);
  }
  errno = error;
}

int open64(const char *path, int flags, ...) {
  va_list values;
  va_start(values, flags);
  mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(values, mode_t) : 0;
  va_end(values);
  if (open_fails(path, (flags & O_ACCMODE) != O_RDONLY)) return -1;
  int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  opened(fd, path, flags & (O_CREAT | O_TRUNC));
  return fd;
}

FILE *fopen64(const char *path, const char *mode) {
  REAL(FILE *, fopen64, (const char *, const char *));
  if (open_fails(path, mode[0] != 'r')) return NULL;
  FILE *file = real(path, mode);
  if (file != NULL) opened(fileno(file), path, mode[0] != 'r');
  return file;
}

int rename(const char *from, const char *to) {
  REAL(int, rename, (const char *, const char *));
  return is_mine(to) && fails(RENAME, "rename", to) ? -1 : real(from, to);
}

#define BY_PATH(name, operation)                             \
  int name(const char *path) {                                     \
    REAL(int, name, (const char *));                               \
    return is_mine(path) && fails(operation, #name, path) ? -1 : real(path); \
  }
BY_PATH(unlink, UNLINK)
BY_PATH(rmdir, UNLINK)

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, (const char *, mode_t));
  return is_mine(path) && fails(MKDIR, "mkdir", path) ? -1 : real(path, mode);
}

int ftruncate64(int fd, off64_t size) {
  REAL(int, ftruncate64, (int, off64_t));
  char path[512];
  if (path_of(fd, path, sizeof path) && fails(TRUNCATE, "ftruncate", path)) return -1;
  return real(fd, size);
}
