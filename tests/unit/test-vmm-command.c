/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "vmm-arguments.h"

static void
test_qemu_is_known(void **state)
{
    static const char *const qemus[] = {"qemu-system-x86_64", "/usr/bin/qemu-system-aarch64",
                                        "qemu-kvm", "/usr/libexec/qemu-kvm", "./kvm"};
    static const char *const others[] = {"qemu-img",
                                         "cloud-hypervisor",
                                         "qemu",
                                         "",
                                         "kvmtool",
                                         "/usr/bin/qemu-system-x86_64/x",
                                         "qemu-system-x86_64 -m 1G"};

    for (guint i = 0; i < G_N_ELEMENTS(qemus); i++)
        assert_true(vmm_is_qemu(qemus[i]));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_false(vmm_is_qemu(others[i]));
}

/* The command with a '|' before its QEMU is found there. */
static void
expect_found(const char *marked)
{
    g_auto(GStrv) words = g_strsplit(marked, " ", -1);
    int expected = -1;
    const char *closer;
    int found;

    for (int i = 0; words[i]; i++) {
        if (words[i][0] != '|')
            continue;
        expected = i;
        memmove(words[i], words[i] + 1, strlen(words[i]));
    }
    found = vmm_command_find_qemu((const char *const *)words, &closer);
    if (found != expected)
        fail_msg("%s: %d", marked, found);
    assert_null(closer);
}

static void
test_behind_other_programs(void **state)
{
    static const char *const commands[] = {
        "|qemu-system-x86_64 -name kvm",
        "|/opt/bin/qemu-system-arm",
        "nice |kvm",
        "nice -n 5 |kvm",
        "nice -n5 |kvm",
        "nice -5 |kvm",
        "nice --adjustment 5 |kvm",
        "nice --adj 5 |kvm",
        "nice --adjustment=5 |kvm",
        "/usr/bin/nice -n 5 -- |kvm",
        "taskset 3 |kvm",
        "taskset -c 0-1 |kvm",
        "taskset -ac 0,2 |kvm",
        "taskset --cpu-list 0 |kvm",
        "env |kvm",
        "env A=b |kvm",
        "env -i A=b C= |kvm",
        "env - A=b |kvm",
        "env -u HOME -C /tmp --unset=A --chdir / -v A=b |kvm",
        "env -iu HOME |kvm",
        "timeout 10 |kvm",
        "timeout -k 1 10 |kvm",
        "timeout -k1 --signal=KILL --foreground 10s |kvm",
        "timeout -s KILL --kill-after 5 --preserve-status 1h |kvm",
        "chrt 5 |kvm",
        "chrt -f 5 |kvm",
        "chrt --deadline -T 10 -P 20 --sched-deadline 15 0 |kvm",
        "chrt --idle |kvm",
        "numactl -N 0 -m 0 |kvm",
        "numactl --cpunodebind=0 --membind 0 --localalloc |kvm",
        "numactl -C 0-3 -l |kvm",
        "setpriv --reuid 1 --regid=1 --clear-groups |kvm",
        "setpriv --nnp --inh-caps -all --reset-env |kvm",
        "ip netns exec red |kvm",
        "ip -n red netns exec blue |kvm",
        "ip -all netns exec |kvm",
        "ip vrf exec red |kvm",
        "ip -rc 1 -4 net exec red |kvm",
        "nohup |kvm",
        "setsid -f |kvm",
        "setsid --wait |kvm",
        "ionice -c 3 |kvm",
        "ionice -c2 -n 7 -t |kvm",
        "ionice --class idle --classdata 4 |kvm",
        "stdbuf -oL -e 0 --input=0 |kvm",
        "chroot --userspec=1:1 --groups 2 /srv |kvm",
        "prlimit --memlock=unlimited -n=10:20 |kvm",
        "choom -n 500 -- |kvm",
        "time -f %e -o /tmp/t |kvm",
        "runuser -u alice -- |kvm",
        "runuser --user alice -G kvm |kvm",
        "unshare -n --mount --map-users 1,2,3 -w / |kvm",
        "nsenter -t 7 -n --wd=/ |kvm",
        "nohup nice -n 5 ionice -c 3 taskset -c 0 numactl -m 0 env A=b chrt -r 1 timeout 9 |kvm -S",
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect_found(commands[i]);
}

static void
test_not_found(void **state)
{
    static const char *const commands[] = {
        "true",
        "start-vm kvm",
        "sh -c kvm",
        "nice",
        "nice -n",
        "nice -n kvm",
        "nice sh kvm",
        "timeout kvm",
        "taskset kvm",
        "env A=b",
        "env -S kvm\t-S",
        "ip link show kvm",
        "ip netns list kvm",
        "ip netns exec",
        "ip netns exec kvm",
        "ip",
        "runuser alice kvm",
        "su alice kvm",
        "echo qemu-system-x86_64",
        "-- kvm",
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect_found(commands[i]);
}

static void
test_behind_what_closes_descriptors(void **state)
{
    static const char *const commands[][2] = {
        {"sudo kvm", "sudo"},
        {"sudo -u alice kvm", "sudo"},
        {"/usr/bin/sudo kvm", "sudo"},
        {"nice -n 5 sudo kvm", "sudo"},
        {"env A=b doas -u alice kvm", "doas"},
        {"pkexec kvm", "pkexec"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_auto(GStrv) words = g_strsplit(commands[i][0], " ", -1);
        const char *closer;

        assert_int_equal(vmm_command_find_qemu((const char *const *)words, &closer), -1);
        assert_string_equal(closer, commands[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qemu_is_known),
        cmocka_unit_test(test_behind_other_programs),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_behind_what_closes_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
