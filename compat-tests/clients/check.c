/* The client checks with the reference's C library:   check HOST:PORT; see check_kazoo.py for its ways. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#define TIMEOUT_MS 6000
#define PATIENCE_MS 40000

static volatile int connected, expired, data_events, child_events, gone_events;

static void ok(const char *name, int holds) {
    printf("%s %s\n", holds ? "ok" : "failed", name);
    fflush(stdout);
    if (!holds) exit(1);
}

static void wait_for(volatile int *flag, const char *name) {
    for (int waited = 0; !*flag && waited < PATIENCE_MS; waited += 10) usleep(10000);
    ok(name, *flag);
}

static void session_watcher(zhandle_t *handle, int type, int state, const char *path, void *context) {
    (void)handle, (void)path, (void)context;
    if (type != ZOO_SESSION_EVENT) return;
    if (state == ZOO_CONNECTED_STATE) connected = 1;
    if (state == ZOO_EXPIRED_SESSION_STATE) expired = 1;
}

static void count(zhandle_t *handle, int type, int state, const char *path, void *context) {
    (void)handle, (void)state, (void)path;
    if (type != ZOO_SESSION_EVENT) ++*(volatile int *)context;
}

static zhandle_t *begin(const char *address) {
    connected = 0;
    zhandle_t *handle = zookeeper_init(address, session_watcher, TIMEOUT_MS, 0, 0, 0);
    ok("init", handle != 0);
    wait_for(&connected, "connect");
    return handle;
}

static int data_is(zhandle_t *handle, const char *path, const char *expected) {
    char buffer[64];
    int length = sizeof buffer;
    return zoo_get(handle, path, 0, buffer, &length, 0) == ZOK && length == (int)strlen(expected) && !memcmp(buffer, expected, length);
}

static void write_and_read(zhandle_t *handle) {
    char path[64];
    ok("create", zoo_create(handle, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK && !strcmp(path, "/c"));
    int rc = zoo_create(handle, "/c/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, path, sizeof path);
    ok("create sequential", rc == ZOK && !strcmp(path, "/c/s-0000000000"));
    ok("create ephemeral", zoo_create(handle, "/c/e", 0, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, path, sizeof path) == ZOK);
    struct Stat stat;
    ok("stat", zoo_exists(handle, "/c", 0, &stat) == ZOK && stat.numChildren == 2 && stat.version == 0);
    ok("read", data_is(handle, "/c", "one"));
    struct String_vector children;
    ok("children", zoo_get_children(handle, "/c", 0, &children) == ZOK && children.count == 2);
    deallocate_String_vector(&children);
}

static void watch(zhandle_t *handle) {
    char buffer[64];
    int length = sizeof buffer;
    struct String_vector children;
    ok("watch data", zoo_wget(handle, "/c", count, (void *)&data_events, buffer, &length, 0) == ZOK);
    ok("watch children", zoo_wget_children(handle, "/c", count, (void *)&child_events, &children) == ZOK);
    deallocate_String_vector(&children);
    ok("set", zoo_set(handle, "/c", "two", 3, 0) == ZOK);
    ok("create a child", zoo_create(handle, "/c/child", 0, -1, &ZOO_OPEN_ACL_UNSAFE, 0, 0, 0) == ZOK);
    wait_for(&data_events, "data watch");
    wait_for(&child_events, "child watch");
}

static void multi(zhandle_t *handle) {
    zoo_op_t ops[4];
    zoo_op_result_t results[4];
    char path[64];
    struct Stat stat;
    zoo_check_op_init(&ops[0], "/c", 1);
    zoo_create_op_init(&ops[1], "/c/m", "m", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
    zoo_set_op_init(&ops[2], "/c", "three", 5, 1, &stat);
    zoo_delete_op_init(&ops[3], "/c/child", -1);
    ok("multi", zoo_multi(handle, 4, ops, results) == ZOK && stat.version == 2 && !strcmp(path, "/c/m"));
    zoo_set_op_init(&ops[0], "/c", "four", 4, -1, &stat);
    zoo_create_op_init(&ops[1], "/c/m", "m", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
    ok("multi that fails", zoo_multi(handle, 2, ops, results) == ZNODEEXISTS && results[1].err == ZNODEEXISTS);
    ok("nothing of it is done", data_is(handle, "/c", "three"));
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *handle = begin(argv[1]);
    int64_t session = zoo_client_id(handle)->client_id;
    write_and_read(handle);
    watch(handle);
    multi(handle);
    puts("restart");
    fflush(stdout);
    char line[16];
    if (!fgets(line, sizeof line, stdin)) return 1;
    int back = 0;
    for (int tries = 0; !back && tries < 100; ++tries) {
        back = data_is(handle, "/c", "three");
        if (!back) usleep(100000);
    }
    ok("reconnect", back);
    ok("same session", zoo_client_id(handle)->client_id == session);
    ok("the ephemeral is still there", zoo_exists(handle, "/c/e", 0, 0) == ZOK);
    puts("pause");
    fflush(stdout);
    wait_for(&expired, "the session expires");
    zookeeper_close(handle);
    handle = begin(argv[1]);
    int rc = zoo_wexists(handle, "/c/e", count, (void *)&gone_events, 0);
    if (rc == ZNONODE) gone_events = 1;
    wait_for(&gone_events, "its ephemeral is gone");
    const char *paths[] = {"/c/m", "/c/s-0000000000", "/c"};
    for (int at = 0; at < 3; ++at) ok("delete", zoo_delete(handle, paths[at], -1) == ZOK);
    zookeeper_close(handle);
    puts("done");
    return 0;
}
