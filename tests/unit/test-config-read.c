/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "config.h"
#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD "[Network]\nParent=eth0\nMode=bridge\n"

/* A folder with an empty networks.d in it. */
static int
setup(void **state)
{
    char *path = g_dir_make_tmp("test-config-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(path, "networks.d", NULL);

    assert_int_equal(g_mkdir(folder, 0755), 0);
    assert_int_equal(g_chmod(path, 0755), 0);
    *state = path;
    return 0;
}

static void
remove_folder(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_remove(child) < 0)
            remove_folder(child);
    }
    g_rmdir(path);
}

static int
teardown(void **state)
{
    remove_folder(*state);
    g_free(*state);
    return 0;
}

static char *
file_path(const char *path, const char *name)
{
    return g_build_filename(path, "networks.d", name, NULL);
}

static void
put(const char *path, const char *name, const char *contents)
{
    g_autofree char *file = file_path(path, name);

    assert_true(g_file_set_contents(file, contents, -1, NULL));
}

static GHashTable *
read_networks(const char *path)
{
    g_autoptr(GError) error = NULL;
    GHashTable *networks = config_read_networks(path, &config_lookup_system, &error);

    assert_no_error(error);
    return networks;
}

static void
assert_problem(GHashTable *networks, const char *name, const char *text)
{
    const Network *network = g_hash_table_lookup(networks, name);

    assert_non_null(network);
    assert_string_equal(network->name, name);
    assert_non_null(network->problem);
    if (!strstr(network->problem, text))
        fail_msg("'%s' is not in the problem '%s'", text, network->problem);
}

static void
test_only_network_files_are_read(void **state)
{
    g_autoptr(GHashTable) networks = NULL;
    const Network *network;

    put(*state, "lan.network", GOOD);
    put(*state, "dmz-2.x.network", GOOD);
    put(*state, ".hidden.network", GOOD);
    put(*state, ".network", GOOD);
    put(*state, "lan.network~", GOOD);
    put(*state, "lan.network.dpkg-old", GOOD);
    put(*state, "README", "not a network");
    networks = read_networks(*state);
    assert_int_equal(g_hash_table_size(networks), 2);
    network = g_hash_table_lookup(networks, "dmz-2.x");
    assert_null(network->problem);
    network = g_hash_table_lookup(networks, "lan");
    assert_null(network->problem);
    assert_string_equal(network->parents[0], "eth0");
}

static void
test_a_bad_file_breaks_only_its_own_network(void **state)
{
    g_autofree char *large = g_strnfill(CONFIG_FILE_MAX + 1, '#');
    g_autoptr(GHashTable) networks = NULL;
    const Network *lan;

    put(*state, "lan.network", GOOD);
    put(*state, "typo.network", GOOD "Parnet=eth1\n");
    put(*state, "large.network", large);
    networks = read_networks(*state);
    assert_int_equal(g_hash_table_size(networks), 3);
    lan = g_hash_table_lookup(networks, "lan");
    assert_null(lan->problem);
    assert_problem(networks, "typo", "typo.network:4: unknown key 'Parnet' in section [Network]");
    assert_problem(networks, "large", "cannot read large.network: File too large");
}

static void
test_names_that_cannot_be_a_networks(void **state)
{
    g_autofree char *long_name = g_strnfill(65, 'a');
    g_autofree char *long_file = g_strconcat(long_name, ".network", NULL);
    g_autoptr(GHashTable) networks = NULL;

    put(*state, "my lan.network", GOOD);
    put(*state, "-x.network", GOOD);
    put(*state, "a\nb.network", GOOD);
    put(*state, long_file, GOOD);
    networks = read_networks(*state);
    assert_int_equal(g_hash_table_size(networks), 4);
    assert_problem(networks, "my lan",
                   "the file's name 'my lan.network' does not have a valid network name");
    assert_problem(networks, "-x", "not starting with");
    assert_problem(networks, "a\\nb", "'a\\nb.network'");
    assert_problem(networks, long_name, "1 to 64 letters");
}

static void
test_only_regular_files_are_read(void **state)
{
    g_autofree char *link = file_path(*state, "link.network");
    g_autofree char *fifo = file_path(*state, "fifo.network");
    g_autofree char *folder = file_path(*state, "sub.network");
    g_autoptr(GHashTable) networks = NULL;

    put(*state, "lan.network", GOOD);
    assert_int_equal(symlink("lan.network", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(g_mkdir(folder, 0700), 0);
    networks = read_networks(*state);
    assert_problem(networks, "link", "link.network is a symbolic link");
    assert_problem(networks, "fifo", "fifo.network is not a regular file");
    assert_problem(networks, "sub", "sub.network is not a regular file");
}

static void
test_without_the_folder_there_are_no_networks(void **state)
{
    g_autofree char *folder = file_path(*state, NULL);
    g_autofree char *missing = g_build_filename(*state, "gone", NULL);
    g_autoptr(GHashTable) empty = read_networks(*state);
    g_autoptr(GHashTable) no_folder = NULL;
    g_autoptr(GHashTable) no_path = NULL;

    assert_int_equal(g_hash_table_size(empty), 0);
    assert_int_equal(g_rmdir(folder), 0);
    no_folder = read_networks(*state);
    assert_int_equal(g_hash_table_size(no_folder), 0);
    no_path = read_networks(missing);
    assert_int_equal(g_hash_table_size(no_path), 0);
}

static void
test_something_else_in_its_place_is_an_error(void **state)
{
    g_autofree char *folder = file_path(*state, NULL);
    GError *error = NULL;

    assert_int_equal(g_rmdir(folder), 0);
    assert_true(g_file_set_contents(folder, "", -1, NULL));
    assert_null(config_read_networks(*state, &config_lookup_system, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOTDIR, "networks.d: Not a directory");
}

/* The rest of a test in a child that is nobody; the exit status is what failed. */
static int
run_as_nobody(int (*body)(const char *path), const char *path)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(99);
        _exit(body(path));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
read_secret_file(const char *path)
{
    g_autoptr(GHashTable) networks = config_read_networks(path, &config_lookup_system, NULL);
    const Network *network = networks ? g_hash_table_lookup(networks, "secret") : NULL;

    if (!network || !network->problem)
        return 1;
    return strcmp(network->problem, "cannot open secret.network: Permission denied") == 0 ? 0 : 2;
}

static int
read_secret_folder(const char *path)
{
    g_autoptr(GError) error = NULL;

    if (config_read_networks(path, &config_lookup_system, &error))
        return 1;
    return error_is_errno(error, EACCES) && strstr(error->message, "networks.d") ? 0 : 2;
}

static void
test_what_may_not_be_read(void **state)
{
    g_autofree char *folder = file_path(*state, NULL);
    g_autofree char *file = file_path(*state, "secret.network");

    put(*state, "secret.network", GOOD);
    assert_int_equal(g_chmod(file, 0000), 0);
    assert_int_equal(run_as_nobody(read_secret_file, *state), 0);
    assert_int_equal(g_chmod(folder, 0000), 0);
    assert_int_equal(run_as_nobody(read_secret_folder, *state), 0);
    assert_int_equal(g_chmod(folder, 0755), 0);
}

static char *
read_seed(const char *path, const char *text, GError **error)
{
    g_autofree char *file = g_build_filename(path, "macvtapd.conf", NULL);
    g_auto(DaemonSettings) settings = {0};

    assert_true(!text || g_file_set_contents(file, text, -1, NULL));
    return config_read_daemon(path, &settings, error) ? g_strdup(settings.seed ?: "none") : NULL;
}

static void
test_the_daemons_own_settings(void **state)
{
    static const char *const good[][2] = {
        {NULL, "none"},
        {"", "none"},
        {"# Seed=x\n[Daemon]\n", "none"},
        {"[Daemon]\nSeed=\n", "none"},
        {"[Daemon]\n  Seed = host 7, rack b \n", "host 7, rack b"},
        {"[Daemon]\nSeed=a\\sb\\\\c\\td\n", "a b\\c\td"},
    };
    static const char *const bad[][2] = {
        {"[Daemon]\nSeeds=x\n", "macvtapd.conf:2: unknown key 'Seeds' in section [Daemon]"},
        {"\n[Network]\nParent=eth0\n", "macvtapd.conf:2: unknown section [Network]"},
        {"Seed=x\n", "macvtapd.conf:1: key 'Seed' comes before any [section]"},
        {"[Daemon]\nSeed=x\nSeed=y\n", "macvtapd.conf:3: key 'Seed'"},
        {"[Daemon]\nSeed=x\\\n", "macvtapd.conf:2: Seed= has a '\\' that is not part of"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *seed = read_seed(*state, good[i][0], &error);

        assert_no_error(error);
        assert_string_equal(seed, good[i][1]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(read_seed(*state, bad[i][0], &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID, bad[i][1]);
    }
}

static void
test_settings_that_cannot_be_read(void **state)
{
    g_autofree char *file = g_build_filename(*state, "macvtapd.conf", NULL);
    g_autofree char *nowhere = g_build_filename(*state, "nowhere", NULL);
    g_autofree char *none = read_seed(nowhere, NULL, NULL);
    g_autoptr(GError) error = NULL;

    assert_string_equal(none, "none");
    assert_int_equal(symlink("networks.d", file), 0);
    assert_null(read_seed(*state, NULL, &error));
    assert_non_null(strstr(error->message, "macvtapd.conf is a symbolic link"));
}

static void
expect_changes(const char *path, GHashTable *networks, const char *expected)
{
    g_auto(GStrv) changes = config_list_changes(path, networks);
    g_autofree char *text = changes ? g_strjoinv("\n", changes) : g_strdup("");

    assert_string_equal(text, expected);
}

static void
test_changes_since(void **state)
{
    const char *path = *state;
    g_autoptr(GHashTable) networks = NULL, again = NULL;
    g_autofree char *lan = file_path(path, "lan.network"), *dmz = file_path(path, "dmz.network");
    g_autofree char *folder = g_build_filename(path, "networks.d", NULL);
    struct stat before;
    struct timespec times[2];

    put(path, "lan.network", GOOD);
    put(path, "dmz.network", GOOD);
    put(path, "a b.network", GOOD);
    put(path, "broken.network", "nonsense\n");
    networks = read_networks(path);
    expect_changes(path, networks, "");
    /* The same length, and the same time: another file. */
    assert_int_equal(stat(lan, &before), 0);
    put(path, "lan.network", "[Network]\nParent=eth1\nMode=bridge\n");
    times[0] = before.st_atim;
    times[1] = before.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, lan, times, 0), 0);
    put(path, "new.network", GOOD);
    put(path, "new.network~", GOOD);
    assert_int_equal(g_remove(dmz), 0);
    expect_changes(path, networks,
                   "network dmz: its file was removed\nnetwork lan: its file has changed\n"
                   "network new: its file is new");
    again = read_networks(path);
    expect_changes(path, again, "");
    remove_folder(folder);
    expect_changes(path, again,
                   "network a b: its file was removed\nnetwork broken: its file was removed\n"
                   "network lan: its file was removed\nnetwork new: its file was removed");
}

static void
expect_faults(const char *path, const char *const *subjects, const char *code)
{
    g_autoptr(GPtrArray) faults = fault_list_new();

    config_list_faults(path, faults);
    assert_int_equal(faults->len, g_strv_length((GStrv)subjects));
    for (guint i = 0; i < faults->len; i++) {
        const Fault *fault = faults->pdata[i];

        assert_string_equal(fault->code, code);
        assert_true(g_str_has_suffix(fault->subject, subjects[i]));
        assert_true(fault->message[0] && fault->remedy[0]);
    }
}

static void
test_files_that_are_ignored(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const ignored[] = {"/networks.d/dmz", "/networks.d/lan.conf",
                                          "/networks.d/lan.networks", NULL};
    const char *path = *state;
    g_autoptr(GPtrArray) faults = fault_list_new();

    put(path, "lan.network", GOOD);
    put(path, "lan.network.bak", GOOD);
    put(path, "lan.network~", GOOD);
    put(path, "lan.network-old", GOOD);
    put(path, ".lan.network.swp", GOOD);
    expect_faults(path, none, "");
    put(path, "lan.networks", GOOD);
    put(path, "lan.conf", GOOD);
    put(path, "dmz", GOOD);
    expect_faults(path, ignored, "file-ignored");
    config_list_faults(path, faults);
    assert_non_null(strstr(((const Fault *)faults->pdata[0])->remedy, "to dmz.network,"));
    assert_non_null(strstr(((const Fault *)faults->pdata[1])->remedy, "to lan.network,"));
}

static void
test_settings_that_are_wrong_now(void **state)
{
    static const char *const none[] = {NULL}, *const settings[] = {"settings", NULL};
    g_autofree char *file = g_build_filename(*state, "macvtapd.conf", NULL);

    expect_faults(*state, none, "");
    assert_true(g_file_set_contents(file, "[Daemon]\nSeed=a\n", -1, NULL));
    expect_faults(*state, none, "");
    assert_true(g_file_set_contents(file, "[Daemon]\nSeeed=a\n", -1, NULL));
    expect_faults(*state, settings, "settings-invalid");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_only_network_files_are_read),
        CASE(test_a_bad_file_breaks_only_its_own_network),
        CASE(test_names_that_cannot_be_a_networks),
        CASE(test_only_regular_files_are_read),
        CASE(test_without_the_folder_there_are_no_networks),
        CASE(test_something_else_in_its_place_is_an_error),
        CASE(test_what_may_not_be_read),
        CASE(test_the_daemons_own_settings),
        CASE(test_settings_that_cannot_be_read),
        CASE(test_changes_since),
        CASE(test_files_that_are_ignored),
        CASE(test_settings_that_are_wrong_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
