/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "error.h"

#include <glib.h>

/*
 * Why a request was refused. Each code has exactly one error in org.macvtapd.Ports (see the table
 * in src/api/api-error.c); the message is for people and names the cause.
 */
#define PORT_ERROR (port_error_quark())
GQuark port_error_quark(void);

typedef enum PortError {
    PORT_ERROR_INVALID_REQUEST,   /* a value that is invalid on every network: queues 0, a multicast
                                     MAC… */
    PORT_ERROR_NETWORK_NOT_FOUND, /* also for a network that is hidden from the caller */
    PORT_ERROR_NETWORK_INVALID,   /* its file has an error, which the message quotes */
    PORT_ERROR_ACCESS_DENIED,     /* the caller may not do this */
    PORT_ERROR_LIMIT_REACHED,     /* MaxPorts, MaxPortsPerUser or the daemon's own limits */
    PORT_ERROR_PORT_NOT_FOUND,
    PORT_ERROR_PARENT_NOT_FOUND,
    PORT_ERROR_PARENT_UNUSABLE, /* down, a bridge port, itself a macvtap, not Ethernet… */
    PORT_ERROR_PARENT_BUSY,     /* passthru: another device has it */
    PORT_ERROR_NAME_TAKEN,      /* port name or interface name */
    PORT_ERROR_MAC_CONFLICT,    /* duplicate, or the parent's own */
    PORT_ERROR_MAC_NOT_ALLOWED, /* outside the network's policy */
    PORT_ERROR_MTU_TOO_LARGE,   /* above the parent's */
    PORT_ERROR_HOLDER_INVALID,  /* no such process, or not the caller's */
    PORT_ERROR_VHOST_UNAVAILABLE,
    /* Another port has the IP address; the network gives it no port, or not to users. */
    PORT_ERROR_ADDRESS_CONFLICT,
    PORT_ERROR_ADDRESS_NOT_ALLOWED,
    PORT_ERROR_DEVICE_GONE, /* another program removed the port's device */
    PORT_ERROR_SYSTEM,      /* a system call failed; the message says which and why */
} PortError;
#define PORT_ERROR_COUNT (PORT_ERROR_SYSTEM + 1)

/* Sets *error to PORT_ERROR code; always returns FALSE. */
#define port_error_set(error, code, ...) error_set(error, PORT_ERROR, (int)(code), __VA_ARGS__)

/* A problem that only macvtapd can see: a file that it ignores. The fault owns its texts. */
typedef struct Fault {
    const char
        *code;     /* static; for programs, so it never changes once released: "record-set-aside" */
    char *subject; /* where it is: "record p0123456789ab.damaged" */
    char *message; /* what is wrong, in one line, without the subject */
    char *remedy;  /* what to do about it */
} Fault;

/* Takes the texts except for code, which is static. */
Fault *fault_new(const char *code, char *subject, char *message, char *remedy);

/* An empty GPtrArray that frees its Faults. */
GPtrArray *fault_list_new(void);
