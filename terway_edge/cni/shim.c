// The executable that a runtime calls: it carries environment and stdin to the agent and the agent's answer back.
// It parses no JSON. The bytes on the socket are specified in wire.py; shim.py is its twin for hosts without a build.
//
//   TERWAY_EDGE_RUN        directory of cni.sock and heartbeat (/run/terway-edge)
//   TERWAY_EDGE_STATE      directory of spool/ (/var/lib/terway-edge)
//   TERWAY_EDGE_BUDGET_MS  upper limit of every budget below, for runtimes with shorter deadlines
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MARK "terway-edge CNI shim"  // by this the installer knows the file as ours
#define LOOK "is the terway-edge agent running on this node? See its log: crictl ps -a --name terway-edge"

enum { HEADER = 12, REPLY_HEADER = 5, CHUNK = 64 << 10 };
enum { ENVIRON_LIMIT = 256 << 10, PAYLOAD_LIMIT = 16 << 20 };
enum { STDIN_MS = 5000, AWAY_MS = 5000, RETRY_MS = 100, LOCK_MS = 20, FRESH_SECONDS = 30 };
enum { ENVIRONMENT = 4, IO_FAILURE = 5, DECODE = 6, AGAIN = 11, UNAVAILABLE = 50 };  // CNI 1.1.0, "Error"

static const struct command {
    const char *name;
    long budget_ms;
    size_t stdin_limit;
} commands[] = {
    {"ADD", 60000, 1 << 20}, {"DEL", 25000, 1 << 20},   {"CHECK", 5000, 1 << 20},
    {"GC", 20000, 4 << 20},  {"STATUS", 1000, 1 << 20},
};

// How one attempt ended. AWAY: nobody listens; TORN: closed before a whole reply; HUNG: the budget is spent.
enum outcome { ANSWERED, AWAY, TORN, HUNG, BROKEN };

static struct buffer {
    char *bytes;
    size_t used, room;
} request, reply;

static int64_t started, deadline;  // CLOCK_BOOTTIME, ms
static const char *command, *run_dir, *state_dir;
static char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];

// Tests build with -DFAILPOINTS and say TERWAY_EDGE_SHIM_FAILPOINT=NAME:kill, or NAME:stop. What is installed has none.
#ifdef FAILPOINTS
static void reach(const char *name) {
    const char *wanted = getenv("TERWAY_EDGE_SHIM_FAILPOINT");
    size_t length = strlen(name);
    if (!wanted || strncmp(wanted, name, length) || wanted[length] != ':') return;
    if (!strcmp(wanted + length, ":kill")) raise(SIGKILL);
    if (!strcmp(wanted + length, ":stop")) raise(SIGSTOP);
}
#else
#define reach(name) ((void)0)
#endif

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool write_all(int fd, const char *bytes, size_t size) {
    for (ssize_t written; size > 0;) {
        written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) bytes += written, size -= (size_t)written;
    }
    return true;
}

// go-cni takes a DEL error with "no such file or directory" for success, so the usual text must not appear.
static const char *reason(void) { return errno == ENOENT ? "a directory of the path is missing" : strerror(errno); }

// ASCII text as the inside of a JSON string; whatever is not printable becomes '?'.
static size_t put_escaped(char *out, size_t room, const char *text) {
    size_t used = 0;
    for (; *text && used + 2 < room; text++) {
        if (*text == '"' || *text == '\\') out[used++] = '\\';
        out[used++] = *text >= ' ' && *text <= '~' ? *text : '?';
    }
    out[used] = 0;
    return used;
}

static _Noreturn void fail(int code, const char *details, const char *format, ...) {
    static char message[8192], escaped[2 * sizeof message], why[1024], json[sizeof escaped + sizeof why + 128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    put_escaped(escaped, sizeof escaped, message);
    put_escaped(why, sizeof why, details);
    int size = snprintf(json, sizeof json, "{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n",
                        code, escaped, why);
    write_all(STDOUT_FILENO, json, (size_t)size);
    _exit(1);
}

static void reserve(struct buffer *buffer, size_t size) {
    if (buffer->used + size <= buffer->room) return;
    size_t room = (buffer->used + size) * 2;
    char *bytes = realloc(buffer->bytes, room);
    if (!bytes) fail(AGAIN, "the node is short of memory", "no memory for %zu bytes", room);
    buffer->bytes = bytes;
    buffer->room = room;
}

static void append(struct buffer *buffer, const void *bytes, size_t size) {
    reserve(buffer, size);
    memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
}

static void put_u32(char *out, uint32_t value) {
    for (int i = 0; i < 4; i++) out[i] = (char)(value >> (24 - 8 * i));
}

// Value of a variable, "" if it is unset; of duplicates the last wins, unlike getenv().
static const char *variable(const char *name) {
    const char *value = "";
    size_t length = strlen(name);
    for (char **entry = environ; *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=') value = *entry + length + 1;
    return value;
}

static void put_environment(void) {
    for (char **entry = environ; *entry; entry++) {
        bool ours = !strncmp(*entry, "CNI_", 4) || !strncmp(*entry, "TERWAY_EDGE_QUERY", 17);
        if (ours && strchr(*entry, '=')) append(&request, *entry, strlen(*entry) + 1);
    }
    if (request.used - HEADER > ENVIRON_LIMIT)
        fail(ENVIRONMENT, "the runtime must pass less", "CNI variables of more than %d bytes", ENVIRON_LIMIT);
    append(&request, "", 1);
}

static void put_stdin(size_t limit) {
    int64_t until = deadline < started + STDIN_MS ? deadline : started + STDIN_MS;
    for (size_t before = request.used;;) {
        int64_t left = until - now_ms();
        struct pollfd ready = {STDIN_FILENO, POLLIN, 0};
        int polled = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (polled == 0)
            fail(IO_FAILURE, "the runtime must close the plugin's stdin after the configuration",
                 "stdin did not end within %ld ms", (long)(until - started));
        reserve(&request, CHUNK);
        ssize_t got = polled < 0 ? -1 : read(STDIN_FILENO, request.bytes + request.used, CHUNK);
        if (got == 0) return;
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) fail(IO_FAILURE, "the configuration comes on stdin", "cannot read stdin: %s", reason());
        request.used += (size_t)got;
        if (request.used - before > limit)
            fail(DECODE, "the network configuration must be smaller", "stdin of more than %zu bytes", limit);
    }
}

// Blocking calls on the socket end at the deadline; false if it has passed.
static bool limit_time(int sock) {
    int64_t left = deadline - now_ms();
    struct timeval timeout = {left / 1000, left % 1000 * 1000};
    if (left <= 0) return false;
    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return true;
}

// What an errno of connect, send or receive means. ANSWERED: interrupted, so try the call again.
static enum outcome judge(int error) {
    switch (error) {
        case EINTR: return ANSWERED;
        case EAGAIN: return HUNG;  // the time-out of limit_time()
        case ENOENT:
        case ECONNREFUSED: return AWAY;
        case EPIPE:
        case ECONNRESET: return TORN;
        default: return BROKEN;
    }
}

static enum outcome dial(int sock) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, socket_path, sizeof socket_path);
    for (;;) {
        if (!limit_time(sock)) return HUNG;
        if (!connect(sock, (struct sockaddr *)&address, sizeof address)) return ANSWERED;
        enum outcome outcome = judge(errno);
        if (outcome != ANSWERED) return outcome;
    }
}

static enum outcome send_request(int sock, int netns) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } rights = {.header = {.cmsg_len = CMSG_LEN(sizeof netns), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&rights.header), &netns, sizeof netns);
    for (size_t sent = 0; sent < request.used;) {
        struct iovec piece = {request.bytes + sent, request.used - sent};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        if (sent == 0 && netns >= 0) message.msg_control = &rights, message.msg_controllen = sizeof rights.room;
        if (!limit_time(sock)) return HUNG;
        ssize_t size = sendmsg(sock, &message, 0);
        enum outcome outcome = size < 0 ? judge(errno) : ANSWERED;
        if (outcome != ANSWERED) return outcome;
        if (size > 0) sent += (size_t)size;
    }
    return ANSWERED;
}

static enum outcome receive(int sock, size_t size) {
    reply.used = 0;
    while (reply.used < size) {
        size_t piece = size - reply.used < CHUNK ? size - reply.used : CHUNK;
        reserve(&reply, piece);
        if (!limit_time(sock)) return HUNG;
        ssize_t got = recv(sock, reply.bytes + reply.used, piece, 0);
        enum outcome outcome = got > 0 ? ANSWERED : got == 0 ? TORN : judge(errno);
        if (outcome != ANSWERED) return outcome;
        if (got > 0) reply.used += (size_t)got;
    }
    return ANSWERED;
}

// Ask the agent once; when ANSWERED, `reply` holds the payload and *status the exit status.
static enum outcome ask(int netns, int *status) {
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0) return BROKEN;
    put_u32(request.bytes + 4, (uint32_t)(deadline > now_ms() ? deadline - now_ms() : 0));
    enum outcome outcome = dial(sock);
    if (outcome == ANSWERED) {
        reach("connect.after");
        outcome = send_request(sock, netns);
        reach("send.after");
        // An agent that closed early may have left its answer.
        if (outcome == ANSWERED || outcome == TORN) outcome = receive(sock, REPLY_HEADER);
    }
    if (outcome == ANSWERED) {
        const unsigned char *head = (const unsigned char *)reply.bytes;
        size_t size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        *status = head[0];
        outcome = size <= PAYLOAD_LIMIT ? receive(sock, size) : TORN;
    }
    close(sock);
    return outcome;
}

static _Noreturn void finish(int status) {
    reach("reply.before");
    bool is_printed = write_all(STDOUT_FILENO, reply.bytes, reply.used);
    reach("reply.after");
    _exit(is_printed ? status : 1);
}

static _Noreturn void give_up(enum outcome outcome) {
    long budget = (long)(deadline - started);
    switch (outcome) {
        case AWAY: fail(AGAIN, LOOK, "no terway-edge agent listens on %s", socket_path);
        case TORN: fail(AGAIN, LOOK, "the terway-edge agent broke off before its whole answer to %s", command);
        case HUNG: fail(AGAIN, LOOK, "the terway-edge agent did not answer %s within %ld ms", command, budget);
        default: fail(IO_FAILURE, "the shim must run as root", "cannot talk to %s: %s", socket_path, reason());
    }
}

// Without an answer, STATUS is good while the agent's last sign of life is recent: restarts are ordinary.
static _Noreturn void judge_heartbeat(void) {
    char path[sizeof socket_path + 16], text[64] = "", *end = text;
    snprintf(path, sizeof path, "%s/heartbeat", run_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0) text[0] = 0;
    double age = (double)now_ms() / 1000 - strtod(text, &end);
    if (end > text && (*end == 0 || *end == '\n') && age >= 0 && age < FRESH_SECONDS) _exit(0);
    fail(UNAVAILABLE, LOOK, "no answer from the terway-edge agent and no recent %s", path);
}

static _Noreturn void fail_spool(const char *step) {
    fail(IO_FAILURE, "DEL cannot be kept for the agent, which is away", "%s %s/spool: %s", step, state_dir, reason());
}

static int open_spool(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/spool", state_dir);
    if (mkdir(state_dir, 0700) && errno != EEXIST) fail_spool("cannot make");
    if (mkdir(path, 0700) && errno != EEXIST) fail_spool("cannot make");
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) fail_spool("cannot open");
    return directory;
}

// The shared lock keeps the agent from starting to listen between our last attempt and our file.
static int lock_spool(int directory) {
    int lock = openat(directory, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) fail_spool("cannot open .lock in");
    while (flock(lock, LOCK_SH | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) fail_spool("cannot lock");
        if (now_ms() >= deadline) give_up(HUNG);
        usleep(LOCK_MS * 1000);
    }
    return lock;
}

// FNV-1a, 64 bits, over `container id NUL ifname`, twice in a row: repeats of a DEL overwrite one another.
static void name_spooled(char *name, size_t room) {
    const char *texts[] = {variable("CNI_CONTAINERID"), variable("CNI_IFNAME")};
    uint64_t hash = 14695981039346656037u, halves[2];
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 2; i++)
            for (const char *c = texts[i];; c++) {
                hash = (hash ^ (unsigned char)*c) * 1099511628211u;
                if (!*c) break;
            }
        halves[half] = hash;
    }
    snprintf(name, room, "%016llx%016llx.del", (unsigned long long)halves[0], (unsigned long long)halves[1]);
}

static _Noreturn void spool(int directory) {
    char name[64], temporary[80];
    reach("spool.before");
    name_spooled(name, sizeof name);
    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", name, (long)getpid());
    int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) fail_spool("cannot create a file in");
    reach("spool.created");
    bool is_whole = write_all(fd, request.bytes, request.used);
    reach("spool.written");
    is_whole = is_whole && !fsync(fd);
    reach("spool.synced");
    if (!is_whole || renameat(directory, temporary, directory, name)) {
        unlinkat(directory, temporary, 0);  // succeeds, so errno stays
        fail_spool("cannot write a file in");
    }
    reach("spool.renamed");
    if (fsync(directory)) fail_spool("cannot sync");
    reach("spool.after");
    _exit(0);
}

static _Noreturn void run_del(int netns) {
    int status, directory = -1, lock = -1;
    for (;;) {
        enum outcome outcome = ask(netns, &status);
        if (outcome == ANSWERED) finish(status);
        if (outcome == AWAY && lock >= 0) spool(directory);
        if (outcome == AWAY) {
            if (directory < 0) directory = open_spool();
            lock = lock_spool(directory);
        } else if (outcome == TORN) {  // a DEL may be repeated
            if (lock >= 0) close(lock);
            lock = -1;
            usleep(RETRY_MS * 1000);
        } else {
            give_up(outcome);
        }
    }
}

static _Noreturn void run(int netns) {
    int status;
    int64_t until = deadline < started + AWAY_MS ? deadline : started + AWAY_MS;
    for (;;) {
        enum outcome outcome = ask(netns, &status);
        if (outcome == ANSWERED) finish(status);
        if (!strcmp(command, "STATUS")) judge_heartbeat();
        if (outcome != AWAY || now_ms() + RETRY_MS >= until) give_up(outcome);
        usleep(RETRY_MS * 1000);
    }
}

static const struct command *find_command(void) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(command, commands[i].name)) return &commands[i];
    if (!*command) fail(ENVIRONMENT, MARK, "missing: CNI_COMMAND");
    fail(ENVIRONMENT, MARK, "unknown CNI_COMMAND %.64s, expected ADD, DEL, CHECK, GC, STATUS or VERSION", command);
}

static void need_names(void) {
    const char *id = *variable("CNI_CONTAINERID") ? "" : " CNI_CONTAINERID";
    const char *ifname = *variable("CNI_IFNAME") ? "" : " CNI_IFNAME";
    if (*id || *ifname) fail(ENVIRONMENT, "DEL needs them", "missing:%s%s", id, ifname);
}

static void find_paths(void) {
    run_dir = *variable("TERWAY_EDGE_RUN") ? variable("TERWAY_EDGE_RUN") : "/run/terway-edge";
    state_dir = *variable("TERWAY_EDGE_STATE") ? variable("TERWAY_EDGE_STATE") : "/var/lib/terway-edge";
    size_t size = (size_t)snprintf(socket_path, sizeof socket_path, "%s/cni.sock", run_dir);
    if (size >= sizeof socket_path || strlen(state_dir) > PATH_MAX - 16)
        fail(ENVIRONMENT, "a socket's path has at most 107 bytes", "TERWAY_EDGE_RUN or TERWAY_EDGE_STATE is too long");
}

int main(void) {
    started = now_ms();
    signal(SIGPIPE, SIG_IGN);
    command = variable("CNI_COMMAND");
    if (!strcmp(command, "VERSION")) {
        const char answer[] =
            "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
        return !write_all(STDOUT_FILENO, answer, sizeof answer - 1);
    }
    const struct command *known = find_command();
    bool del = !strcmp(command, "DEL");
    if (del) need_names();
    long limit = atol(variable("TERWAY_EDGE_BUDGET_MS"));
    deadline = started + (limit > 0 && limit < known->budget_ms ? limit : known->budget_ms);
    find_paths();

    append(&request, "TWE1\0\0\0\0\0\0\0", HEADER);
    put_environment();
    put_stdin(known->stdin_limit);
    reach("stdin.after");
    put_u32(request.bytes + 8, (uint32_t)(request.used - HEADER));
    const char *path = variable("CNI_NETNS");
    int netns = *path == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (del) run_del(netns);
    run(netns);
}
