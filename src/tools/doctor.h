/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the files of macvtapctl's doctor. A doctor reads the state of the machine and of
 * macvtapd once, then runs a table of checks on it (ctl-doctor.c). A check has one code, which its
 * findings have, too; each subject has a file of checks.
 */
#pragma once

#include "ask.h"
#include "host-look.h"
#include "link-info.h"
#include "ops.h"

#include <jansson.h>

typedef enum DoctorSeverity {
    DOCTOR_GOOD, /* all is well; for people only */
    DOCTOR_NOTE, /* worth knowing */
    DOCTOR_PROBLEM,
} DoctorSeverity;

/* The finding owns its texts; DOCTOR_GOOD has only a message. */
typedef struct Finding {
    const char *code; /* the check's */
    DoctorSeverity severity;
    char *subject; /* where it is: "port vm7" */
    char *message; /* what is wrong, in one line, without the subject */
    char *remedy;  /* what to do about it */
} Finding;

/* The requirements of a check. */
typedef enum DoctorNeeds {
    DOCTOR_NEEDS_DAEMON = 1 << 0,
    DOCTOR_NEEDS_HERE = 1 << 1, /* macvtapd in our network namespace: its ports' devices are here */
    DOCTOR_NEEDS_ROOT = 1 << 2, /* only root sees everything */
} DoctorNeeds;

typedef struct DoctorCheck DoctorCheck;

/* NULL: unavailable. */
typedef struct Doctor {
    const char *root; /* a prefix of /proc, /dev etc.; "": the machine's own */
    char *release;    /* the kernel's, as uname(2) has it */
    gboolean is_root;
    GArray *links;         /* of LinkInfo, those of our network namespace, */
    Kernel *kernel;        /* and what knows their alternative names; owned */
    GArray *addresses;     /* of HostAddress, likewise */
    GArray *processes;     /* of HostProcess */
    char *ruleset;         /* what 'nft list ruleset' prints, */
    char *ruleset_problem; /* or why it prints nothing; both NULL: there is no nft */

    char *unreachable;      /* why macvtapd cannot be reached; NULL: it can, and then: */
    gboolean is_here;       /* it is in our network namespace */
    GPtrArray *networks;    /* of MacvtapNetwork */
    GPtrArray *ports;       /* of MacvtapPort */
    MacvtapRequest *answer; /* macvtapd's other findings, with its networks */

    const DoctorCheck *check; /* the running check */
    GPtrArray *findings;      /* of Finding */
} Doctor;

struct DoctorCheck {
    const char *code;
    void (*run)(Doctor *doctor);
    guint needs; /* DoctorNeeds, joined */
};

/* A Doctor that has not read anything yet. */
Doctor *doctor_new(const char *root, gboolean is_root);
void doctor_free(Doctor *doctor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Doctor, doctor_free)

/* Runs those of the n checks whose requirements are met. */
void doctor_run(Doctor *doctor, const DoctorCheck *checks, gsize n);

/* Adds a finding of a check. kind and name form the subject ("port", "vm7"; name may be NULL),
 * remedy is copied. */
void doctor_problem(Doctor *doctor, const char *kind, const char *name, const char *remedy,
                    const char *format, ...) G_GNUC_PRINTF(5, 6);
void doctor_note(Doctor *doctor, const char *kind, const char *name, const char *remedy,
                 const char *format, ...) G_GNUC_PRINTF(5, 6);
void doctor_good(Doctor *doctor, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The number of problems found. */
guint doctor_count_problems(const Doctor *doctor);

/* Problems and notes as {"findings": […]}, a new reference; or all of them as lines for people, to
 * free with g_free(). */
json_t *doctor_to_json(const Doctor *doctor);
char *doctor_to_text(const Doctor *doctor);

/* The link with this name (interface_name_format()), or NULL; and the port's device. Both belong to
 * the doctor. */
const LinkInfo *doctor_find_link(const Doctor *doctor, const char *name);

/* The parent by a name in a network's file, which may be an alternative one, or that of a macvlan,
 * which means the link below it. */
const LinkInfo *doctor_find_parent(const Doctor *doctor, const char *name);
const LinkInfo *doctor_find_device(const Doctor *doctor, const MacvtapPort *port);

/* doctor-guard.c */
void doctor_check_unguarded(Doctor *doctor);
void doctor_check_unguarded_ports(Doctor *doctor);
void doctor_check_drops(Doctor *doctor);
void doctor_check_no_address(Doctor *doctor);

/* doctor-host.c */
void doctor_check_macvtap(Doctor *doctor);
void doctor_check_vlans(Doctor *doctor);
void doctor_check_vhost(Doctor *doctor);
void doctor_check_vhost_users(Doctor *doctor);
void doctor_check_addresses(Doctor *doctor);
void doctor_check_ipv6(Doctor *doctor);
void doctor_check_listeners(Doctor *doctor);

/* doctor-host-links.c */
void doctor_check_host_rules(Doctor *doctor);
void doctor_check_host_arp(Doctor *doctor);

/* doctor-networks.c */
void doctor_check_networks(Doctor *doctor);
void doctor_check_parents(Doctor *doctor);
void doctor_check_taken_vlans(Doctor *doctor);
void doctor_check_carrier(Doctor *doctor);
void doctor_check_passthru(Doctor *doctor);
void doctor_check_files(Doctor *doctor);

/* doctor-ports.c */
void doctor_check_devices(Doctor *doctor);
void doctor_check_repairs(Doctor *doctor);
void doctor_check_links(Doctor *doctor);
void doctor_check_sources(Doctor *doctor);
void doctor_check_outdated(Doctor *doctor);
void doctor_check_mtu(Doctor *doctor);
void doctor_check_macs(Doctor *doctor);
void doctor_check_users(Doctor *doctor);
void doctor_check_domains(Doctor *doctor);

/* doctor-state.c */
void doctor_check_daemon(Doctor *doctor);
void doctor_check_place(Doctor *doctor);
void doctor_check_faults(Doctor *doctor); /* the findings with the check's code */
void doctor_check_strays(Doctor *doctor);
