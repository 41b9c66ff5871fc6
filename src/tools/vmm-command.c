/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A program that starts another has its own options first, then perhaps other arguments of its own,
 * and then the other's command line. Programs differ in which options take their value from the
 * next word, so each has a row. The search ends at anything unknown: macvtap-run then refuses,
 * instead of giving QEMU's options to another program.
 */
#include "vmm-arguments.h"

#include <string.h>

typedef struct Wrapper {
    const char *name;
    const char *short_values; /* its short options that take a value */
    const char *long_values;  /* its long ones, each between blanks */
    guint operands;           /* arguments of its own before the command */
    const char *requires;     /* there is no command unless one of these options is given */
} Wrapper;

#define UTIL_LINUX_NAMESPACES " setuid setgid root wd "

/* For coreutils 9.1, util-linux 2.38 and numactl 2.0.16, with additions from newer versions. */
static const Wrapper wrappers[] = {
    {"nice", "n", " adjustment ", 0, NULL},
    {"taskset", "", " ", 1, NULL},
    {"env", "uC", " unset chdir ", 0, NULL},
    {"timeout", "ks", " kill-after signal ", 1, NULL},
    {"chrt", "TPD", " sched-runtime sched-period sched-deadline ", 1, NULL},
    {"numactl", "iwpPNCmfoLMI",
     " interleave weighted-interleave preferred preferred-many cpunodebind physcpubind membind"
     " file offset length shmmode shmid ",
     0, NULL},
    {"setpriv", "",
     " ambient-caps inh-caps bounding-set ruid euid rgid egid reuid regid groups securebits"
     " pdeathsig selinux-label apparmor-profile landlock-access landlock-rule seccomp-filter ",
     0, NULL},
    {"nohup", "", " ", 0, NULL},
    {"setsid", "", " ", 0, NULL},
    {"ionice", "cn", " class classdata ", 0, NULL},
    {"stdbuf", "ioe", " input output error ", 0, NULL},
    {"chroot", "", " groups userspec ", 1, NULL},
    {"prlimit", "", " ", 0, NULL},
    {"choom", "n", " adjust ", 0, NULL},
    {"time", "fo", " format output ", 0, NULL},
    {"runuser", "ugGw", " user group supp-group whitelist-environment ", 0, "u user"},
    {"unshare", "RwSG",
     " map-user map-group map-users map-groups propagation setgroups monotonic"
     " boottime" UTIL_LINUX_NAMESPACES,
     0, NULL},
    {"nsenter", "tSGW", " target wdns setuid setgid ", 0, NULL},
};

static const char *const closers[] = {"sudo", "doas", "pkexec"};

gboolean
vmm_is_qemu(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    /* If it contains a blank it is a whole command line, as for env -S or sh -c. */
    return (g_str_has_prefix(name, "qemu-system-") && !strchr(name, ' ')) ||
           g_str_equal(name, "qemu-kvm") || g_str_equal(name, "kvm");
}

static const Wrapper *
find_wrapper(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(wrappers); i++) {
        if (g_str_equal(wrappers[i].name, name))
            return &wrappers[i];
    }
    return NULL;
}

/* Whether an entry of names begins with name: getopt_long(3) accepts abbreviations. */
static gboolean
has_name(const char *names, const char *name)
{
    g_autofree char *word = g_strconcat(" ", name, NULL);

    return strstr(names, word) != NULL;
}

/* Whether the value of the option in word is the next word. */
static gboolean
value_follows(const Wrapper *wrapper, const char *word)
{
    if (word[1] == '-')
        return !strchr(word, '=') && has_name(wrapper->long_values, word + 2);
    for (const char *c = word + 1; *c; c++) {
        if (strchr(wrapper->short_values, *c))
            return c[1] == '\0';
    }
    return FALSE;
}

static gboolean
is_required(const Wrapper *wrapper, const char *word)
{
    if (word[1] == '-')
        return g_str_has_prefix(word + 2, wrapper->requires + 2);
    return strchr(word, wrapper->requires[0]) != NULL;
}

static guint
skip_options(const Wrapper *wrapper, const char *const *command, guint i, gboolean *complete)
{
    while (command[i] && command[i][0] == '-' && command[i][1]) {
        const char *word = command[i++];

        if (g_str_equal(word, "--"))
            break;
        if (wrapper->requires && is_required(wrapper, word))
            *complete = TRUE;
        if (value_follows(wrapper, word) && command[i])
            i++;
    }
    return i;
}

static guint
skip_operands(const Wrapper *wrapper, const char *const *command, guint i)
{
    if (g_str_equal(wrapper->name, "env")) {
        while (command[i] && (g_str_equal(command[i], "-") || strchr(command[i], '=')))
            i++;
    }
    /* Newer versions need no priority if the policy has none. */
    if (g_str_equal(wrapper->name, "chrt") && command[i] && !g_ascii_isdigit(command[i][0]))
        return i;
    for (guint n = wrapper->operands; n > 0 && command[i]; n--)
        i++;
    return i;
}

static gboolean
is_short_for(const char *word, const char *whole, gsize at_least)
{
    return word && strlen(word) >= at_least && g_str_has_prefix(whole, word);
}

/* ip [OPTION…] netns exec NAME CMD, and vrf likewise. Returns CMD's position, or 0. */
static guint
skip_ip(const char *const *command, guint i)
{
    static const char *const valued[] = {"-n",     "-netns", "-f",  "-family", "-l",
                                         "-loops", "-b",     "-rc", "-rcvbuf", "-batch"};
    gboolean all = FALSE;

    for (; command[i] && command[i][0] == '-'; i++) {
        all |= is_short_for(command[i], "-all", 2);
        for (guint j = 0; j < G_N_ELEMENTS(valued); j++) {
            if (g_str_equal(command[i], valued[j]) && command[i + 1]) {
                i++;
                break;
            }
        }
    }
    if ((!is_short_for(command[i], "netns", 3) && !is_short_for(command[i], "vrf", 1)) ||
        !is_short_for(command[i + 1], "exec", 1))
        return 0;
    i += all ? 2 : 3;
    return command[i - 1] ? i : 0;
}

/* The position of the command that command[i] starts; 0: it is not known to start one. */
static guint
skip_wrapper(const char *const *command, guint i, const char *name)
{
    const Wrapper *wrapper = find_wrapper(name);
    gboolean complete;

    if (g_str_equal(name, "ip"))
        return skip_ip(command, i + 1);
    if (!wrapper)
        return 0;
    complete = !wrapper->requires;
    i = skip_options(wrapper, command, i + 1, &complete);
    return complete ? skip_operands(wrapper, command, i) : 0;
}

static const char *
find_closer(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(closers); i++) {
        if (g_str_equal(closers[i], name))
            return closers[i];
    }
    return NULL;
}

int
vmm_command_find_qemu(const char *const *command, const char **ret_closer)
{
    guint i = 0;

    *ret_closer = NULL;
    while (command[i]) {
        g_autofree char *name = g_path_get_basename(command[i]);

        if (vmm_is_qemu(name))
            return (int)i;
        *ret_closer = find_closer(name);
        if (*ret_closer)
            return -1;
        i = skip_wrapper(command, i, name);
        if (i == 0)
            return -1;
    }
    return -1;
}
