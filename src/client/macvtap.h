/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmacvtap: ports on the physical network from macvtapd, for any VMM. libmacvtap(3) is its
 * manual, with two complete examples.
 *
 *     MacvtapClient *client = macvtap_client_new();
 *     MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
 *
 *     macvtap_request_set_network(request, "lan");
 *     if (macvtap_client_connect(client, NULL) < 0 || macvtap_client_call(client, request) < 0)
 *         return fail(macvtap_client_get_message(client));
 *     port = macvtap_request_take_port(request, 0);
 *     fd = macvtap_port_take_tap(port, 0);
 *
 * The port of this example ends when the last copy of fd is closed, in any process.
 *
 * Results. A function that returns int and can fail returns a negative errno then, and changes
 * nothing that its arguments point to. When macvtapd has refused a request, the errno is the one
 * listed with MacvtapRefusal, and macvtap_client_get_refusal() distinguishes a refusal from a
 * failure of the connection. If memory runs out the library aborts the process, as GLib does.
 *
 * Ownership. The caller owns what a function named new, take or next_event returns, and frees it
 * with the type's free function or closes it; every other pointer belongs to the object that
 * returned it and is valid as long as that object, unless documented otherwise. Strings passed in
 * are copied; those returned are UTF-8. A function whose index is beyond the last item returns
 * NULL. The free functions accept NULL; no other function accepts NULL for an object.
 *
 * Compatibility. All types are opaque, enums have int's size, and no function or value is removed
 * or changed while the library is libmacvtap.so.1. Enums may gain values: a later library may
 * return one that this header lacks.
 *
 * Threads. Use a client and all objects from it in one thread at a time.
 */
#ifndef MACVTAP_H
#define MACVTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MACVTAP_VERSION_MAJOR 1
#define MACVTAP_VERSION_MINOR 0
#define MACVTAP_VERSION_MICRO 0
#define MACVTAP_VERSION "1.0.0"

/* A version as a number that can be compared. */
#define MACVTAP_VERSION_ENCODE(major, minor, micro) ((major)*1000000 + (minor)*1000 + (micro))
#define MACVTAP_VERSION_NUMBER                                                                     \
    MACVTAP_VERSION_ENCODE(MACVTAP_VERSION_MAJOR, MACVTAP_VERSION_MINOR, MACVTAP_VERSION_MICRO)

/* The version of the library in use, like MACVTAP_VERSION and MACVTAP_VERSION_NUMBER. It is never
 * lower than the one a program was built with, or the program would not start. */
const char *macvtap_version(void);
unsigned macvtap_version_number(void);

typedef struct MacvtapClient MacvtapClient;   /* a connection to macvtapd */
typedef struct MacvtapRequest MacvtapRequest; /* what to ask for, and then the answer */
typedef struct MacvtapPort MacvtapPort;
typedef struct MacvtapNetwork MacvtapNetwork;
typedef struct MacvtapEvent MacvtapEvent;
typedef struct MacvtapFault MacvtapFault;     /* a problem that macvtapd has found */
typedef struct MacvtapFailure MacvtapFailure; /* a port that could not be deleted */

/*
 * Why macvtapd refused a request, with the errno that the call returns. Handle a value that you do
 * not know like MACVTAP_REFUSAL_OTHER.
 */
typedef enum MacvtapRefusal {
    MACVTAP_REFUSAL_NONE = 0,          /* it did not refuse */
    MACVTAP_REFUSAL_OTHER,             /* EREMOTEIO: a reason unknown to this version */
    MACVTAP_REFUSAL_INVALID_REQUEST,   /* EINVAL: a value that is invalid on every network */
    MACVTAP_REFUSAL_NETWORK_NOT_FOUND, /* ENOENT */
    MACVTAP_REFUSAL_NETWORK_INVALID,   /* EBADMSG: the network's file has an error */
    MACVTAP_REFUSAL_ACCESS_DENIED,     /* EACCES: this user may not */
    MACVTAP_REFUSAL_LIMIT_REACHED,     /* EDQUOT: a limit of the network, the user or the daemon */
    MACVTAP_REFUSAL_PORT_NOT_FOUND,    /* ENOENT: or it belongs to another user */
    MACVTAP_REFUSAL_PARENT_NOT_FOUND,  /* ENODEV */
    MACVTAP_REFUSAL_PARENT_UNUSABLE,   /* ENETDOWN: down, a bridge port, not Ethernet */
    MACVTAP_REFUSAL_PARENT_BUSY,       /* EBUSY: another device has exclusive use of it */
    MACVTAP_REFUSAL_NAME_TAKEN,        /* EEXIST: of the port or the interface */
    MACVTAP_REFUSAL_MAC_CONFLICT,      /* EADDRINUSE: on this parent, or the parent's own */
    MACVTAP_REFUSAL_MAC_NOT_ALLOWED,   /* EPERM: not allowed by the network */
    MACVTAP_REFUSAL_ADDRESS_CONFLICT,  /* EADDRINUSE: another port has the IP address */
    MACVTAP_REFUSAL_ADDRESS_NOT_ALLOWED, /* EPERM: the network does not give it */
    MACVTAP_REFUSAL_MTU_TOO_LARGE,       /* EMSGSIZE: above the parent's */
    MACVTAP_REFUSAL_HOLDER_INVALID,      /* ESRCH: no such process, or not the caller's */
    MACVTAP_REFUSAL_VHOST_UNAVAILABLE,   /* EOPNOTSUPP: but it was required */
    MACVTAP_REFUSAL_DEVICE_GONE,         /* ENXIO: another program removed the port's device */
    MACVTAP_REFUSAL_SYSTEM_ERROR,        /* EIO: a system call failed; the message says which */
    MACVTAP_REFUSAL_UNKNOWN_FIELD,       /* ENOTSUP: macvtapd is too old for a field, */
    MACVTAP_REFUSAL_UNKNOWN_METHOD       /* ENOSYS: or for the request */
} MacvtapRefusal;

/* In the enums below, 0 stands for "not set" in a request, and in an answer for a value unknown to
 * this version. */
typedef enum MacvtapPortMode {
    MACVTAP_PORT_MODE_UNKNOWN = 0,
    MACVTAP_PORT_MODE_BRIDGE,
    MACVTAP_PORT_MODE_VEPA,
    MACVTAP_PORT_MODE_PRIVATE,
    MACVTAP_PORT_MODE_PASSTHRU,
    MACVTAP_PORT_MODE_SOURCE
} MacvtapPortMode;

typedef enum MacvtapPortState {
    MACVTAP_PORT_STATE_UNKNOWN = 0,
    MACVTAP_PORT_STATE_CREATING, /* also the port that MACVTAP_METHOD_CREATE_PORT with check_only
                                    would create */
    MACVTAP_PORT_STATE_ACTIVE,
    MACVTAP_PORT_STATE_PARENT_GONE, /* another program removed the parent, */
    MACVTAP_PORT_STATE_DEVICE_GONE  /* or the device */
} MacvtapPortState;

typedef enum MacvtapVhost {
    MACVTAP_VHOST_UNKNOWN = 0, /* in a request: as the network has it */
    MACVTAP_VHOST_AUTO,        /* if the host has vhost-net */
    MACVTAP_VHOST_REQUIRE,
    MACVTAP_VHOST_OFF
} MacvtapVhost;

/* What a port's life is tied to. */
typedef enum MacvtapHolder {
    MACVTAP_HOLDER_UNKNOWN = 0,
    MACVTAP_HOLDER_DESCRIPTORS, /* until the last copy of its tap descriptors is closed, in any
                                   process */
    MACVTAP_HOLDER_PROCESS,
    MACVTAP_HOLDER_DOMAIN,    /* a libvirt domain */
    MACVTAP_HOLDER_NAMESPACE, /* a network namespace, such as a container's */
    MACVTAP_HOLDER_NONE       /* the port lives until it is deleted */
} MacvtapHolder;

typedef enum MacvtapEventType {
    MACVTAP_EVENT_UNKNOWN = 0,
    MACVTAP_EVENT_CREATED,
    MACVTAP_EVENT_CHANGED,
    MACVTAP_EVENT_DELETED,
    MACVTAP_EVENT_DROPPED /* the guard has dropped frames: see the fields dropped and dropExample */
} MacvtapEventType;

/* What a request asks for. For each: the setters that apply to it, and what it returns. */
typedef enum MacvtapMethod {
    /* network, and any of name, description, guest_name, interface_name, mac_address, addresses,
     * mtu, queues, vhost, holder, open_descriptors, link_up, device_node, incoming, check_only; by
     * set_text: guard, limits (root only), replaces (with check_only). Returns the port, with its
     * descriptors. */
    MACVTAP_METHOD_CREATE_PORT = 1,
    /* port, queues. Returns the port, with descriptors for this many of its queues (default: all).
     * A client that connected from the network namespace that holds a port opens it by its name
     * there ("eth0"), whatever its owner, while none of its queues is open. */
    MACVTAP_METHOD_OPEN_PORT,
    /* port, and at least one of description, holder_pid, sources, link_up; by set_text: guard,
     * limits. Returns the port. */
    MACVTAP_METHOD_SET_PORT,
    /* Exactly one of: port, ports, network, all. If port alone cannot be deleted, the request is
     * refused; otherwise the port is among the failures. Returns the count of deleted ports. */
    MACVTAP_METHOD_DELETE_PORT,
    /* port, statistics. Returns the port. */
    MACVTAP_METHOD_GET_PORT,
    /* network, statistics. Returns the caller's ports and those that its network namespace holds;
     * for root, everybody's. */
    MACVTAP_METHOD_LIST_PORTS,
    /* network: only this one, with its members and its parents' state. Returns the networks
     * that the caller may use, and those of ports that its network namespace holds; for root also
     * file changes and faults. */
    MACVTAP_METHOD_LIST_NETWORKS,
    /* domain. Deletes the ports that it holds; returns their count. */
    MACVTAP_METHOD_END_DOMAIN,
    /* Root only: macvtapd reads its files again. Returns the count of networks. */
    MACVTAP_METHOD_RELOAD,
    /* Once this has completed, the client only receives events, and none is missed. From its
     * submission on, unless it fails, the client accepts no other request: EBUSY. */
    MACVTAP_METHOD_WATCH_PORTS,
    /* port, frames, snap_length. Returns the port, a descriptor to read copies of its frames from,
     * and the reasons why frames are dropped. */
    MACVTAP_METHOD_CAPTURE_PORT,
    /* Returns numbers for monitoring: macvtap_request_get_statistics_json(). */
    MACVTAP_METHOD_GET_STATISTICS
} MacvtapMethod;

/* Which frames of a port are captured. */
typedef enum MacvtapFrames {
    MACVTAP_FRAMES_UNKNOWN = 0,
    MACVTAP_FRAMES_PASSED,  /* what the guest sends and receives (the default) */
    MACVTAP_FRAMES_DROPPED, /* what its guard drops */
    MACVTAP_FRAMES_ALL
} MacvtapFrames;

/* The API's word for a value; "" for 0 and for values unknown to this version. */
const char *macvtap_refusal_name(MacvtapRefusal refusal);
const char *macvtap_port_mode_name(MacvtapPortMode mode);
const char *macvtap_port_state_name(MacvtapPortState state);
const char *macvtap_vhost_name(MacvtapVhost vhost);
const char *macvtap_holder_name(MacvtapHolder holder);
const char *macvtap_event_type_name(MacvtapEventType type);
const char *macvtap_method_name(MacvtapMethod method);
const char *macvtap_frames_name(MacvtapFrames frames);

/*
 * The client
 *
 * A new client is not connected. If a connection fails, is closed by macvtapd or exceeds the time
 * limit, the client drops it and is then like a new one: macvtap_client_connect() connects it again
 * (its descriptor for poll() stays the same). The lifetime of ports does not depend on the
 * connection, but macvtapd takes back a grant that it could not deliver.
 */
MacvtapClient *macvtap_client_new(void);

/* Pending requests still belong to the caller; their result is -ECANCELED, and no callback is
 * called.
 */
void macvtap_client_free(MacvtapClient *client);

/* How long macvtap_client_connect() and each request may take, in milliseconds; negative: no limit.
 * The time of a request runs from when it is sent until its answer arrives. If it is exceeded, the
 * result is -ETIMEDOUT and the connection is dropped. */
#define MACVTAP_TIMEOUT_DEFAULT 30000
void macvtap_client_set_timeout(MacvtapClient *client, int milliseconds);

/*
 * Connects to macvtapd, replacing any earlier connection: pending requests complete with -ENOTCONN,
 * and events that were not taken stay. socket_path NULL: $MACVTAPD_SOCKET (not in programs that run
 * with more privileges than their user), else /run/macvtapd/socket. -ENOENT or -ECONNREFUSED:
 * nobody listens there; -EACCES: this user may not.
 *
 * It blocks only while very many others connect at the same time, and fails with -ETIMEDOUT if that
 * exceeds the time limit. try_connect never blocks: it returns -EAGAIN instead.
 */
int macvtap_client_connect(MacvtapClient *client, const char *socket_path);
int macvtap_client_try_connect(MacvtapClient *client, const char *socket_path);
bool macvtap_client_is_connected(const MacvtapClient *client);

/* The process ID of the listener on the socket, macvtapd or systemd; 0 if it is in a PID namespace
 * that this process cannot see, -ENOTCONN without a connection. */
int macvtap_client_get_peer_pid(const MacvtapClient *client);

/* What the client's last call reported: one line for people that names the cause of its failure,
 * NULL if it succeeded; and why macvtapd refused, MACVTAP_REFUSAL_NONE if it did not. The line is
 * valid until the next call with the client. */
const char *macvtap_client_get_message(const MacvtapClient *client);
MacvtapRefusal macvtap_client_get_refusal(const MacvtapClient *client);

/* Sends the request, waits for its answer and returns its result. Requests submitted earlier are
 * handled first. */
int macvtap_client_call(MacvtapClient *client, MacvtapRequest *request);

/*
 * Without blocking
 *
 * macvtap_client_submit() queues a request, which must stay until it has completed: freeing it
 * cancels it. Any number may be pending; they are sent one after the other. 0 means that it is
 * queued: its outcome is its result. -EBUSY: it is pending already, or the client watches or a
 * watch is pending; -ENOTCONN: there is no connection.
 *
 * macvtap_client_get_fd() is one descriptor for the client's whole life, for poll(), select() or
 * epoll; it belongs to the client, or is a negative errno if none can be created. Poll it for
 * reading; do nothing else with it. It is readable exactly while there is something to do: input,
 * output, a time limit or an unreported loss of the connection for macvtap_client_dispatch(), a
 * completed request that macvtap_client_next_completed() would return, or an event that
 * macvtap_client_next_event() would. So a loop that calls dispatch once after each poll(), and then
 * takes as many or as few as it likes, misses nothing. (With EPOLLET take all.)
 *
 * macvtap_client_dispatch() never waits. It calls the callbacks of requests that have completed; a
 * callback may call anything but macvtap_client_free(), macvtap_client_dispatch() and
 * macvtap_client_wait(), and may free its request. It reports a lost connection once, with a
 * negative result: all pending requests have then completed. A loss that macvtap_client_call() has
 * returned is not reported again. -ENOTCONN: there is no connection.
 */
typedef void MacvtapCompleted(MacvtapRequest *request, void *user_data);
int macvtap_client_submit(MacvtapClient *client, MacvtapRequest *request,
                          MacvtapCompleted *completed, void *user_data);
int macvtap_client_get_fd(MacvtapClient *client);
int macvtap_client_dispatch(MacvtapClient *client);

/* The next completed request that was submitted without a callback, or NULL. */
MacvtapRequest *macvtap_client_next_completed(MacvtapClient *client);

/* The next event, which the caller frees, or NULL: all that have arrived were taken. It may read
 * further ones, but never waits. Events that arrived before a connection was lost can still be
 * taken. */
MacvtapEvent *macvtap_client_next_event(MacvtapClient *client);

/* Waits until the descriptor is readable, at most this many milliseconds (negative: no limit), and
 * dispatches. 1: there is something to take; 0: the time is over, or only part of a message has
 * arrived. -EINTR: a signal arrived. */
int macvtap_client_wait(MacvtapClient *client, int milliseconds);

/*
 * Requests
 *
 * Calling a setter again replaces the value; NULL, or 0 for a number or enum, clears it. An add
 * function adds an item to a list. What is not set comes from the network or from macvtapd, which
 * also checks all values: the setters do not fail. A pending request must not be changed; a
 * completed one may be changed and sent again.
 */
MacvtapRequest *macvtap_request_new(MacvtapMethod method);

/* If the request was already sent, this drops the connection, as only that makes macvtapd undo what
 * it grants. */
void macvtap_request_free(MacvtapRequest *request);

/* A network's name, or for root one that is not defined: "parent=eth0,mode=bridge". */
void macvtap_request_set_network(MacvtapRequest *request, const char *network);

/* Which port: its name, ID or interface name. */
void macvtap_request_set_port(MacvtapRequest *request, const char *port);

void macvtap_request_set_name(MacvtapRequest *request, const char *name);
void macvtap_request_set_description(MacvtapRequest *request, const char *description);

/* The guest's name, from QEMU's -name. A port without a name derives its MAC from the user, the
 * network and this, and takes this as its name if possible. */
void macvtap_request_set_guest_name(MacvtapRequest *request, const char *guest_name);

/* Of the device, at most 15 bytes. */
void macvtap_request_set_interface_name(MacvtapRequest *request, const char *interface_name);

/* MACVTAP_METHOD_CREATE_PORT: an IP address for the port ("192.168.1.33" or "192.168.1.33/24"), as
 * many as are added. Without any, a network with addresses chooses one of each of its families. */
void macvtap_request_add_address(MacvtapRequest *request, const char *address);
void macvtap_request_clear_addresses(MacvtapRequest *request);

/* "52:54:00:00:00:01" */
void macvtap_request_set_mac_address(MacvtapRequest *request, const char *mac_address);
void macvtap_request_set_mtu(MacvtapRequest *request, unsigned bytes);
void macvtap_request_set_queues(MacvtapRequest *request, unsigned queues);
void macvtap_request_set_vhost(MacvtapRequest *request, MacvtapVhost vhost);

/* What the port's life is tied to, each replacing the others: MACVTAP_HOLDER_DESCRIPTORS if not
 * set; MACVTAP_HOLDER_PROCESS is the calling process. */
void macvtap_request_set_holder(MacvtapRequest *request, MacvtapHolder holder);
/* Another process, by its ID. */
void macvtap_request_set_holder_process(MacvtapRequest *request, int pid);
/* A libvirt domain, by its UUID. */
void macvtap_request_set_holder_domain(MacvtapRequest *request, const char *uuid);
/* The network namespace in which the client connected, which must not be macvtapd's own. interface:
 * the port's name for clients that connect from there, such as "eth0". */
void macvtap_request_set_holder_namespace(MacvtapRequest *request, const char *interface);

/* MACVTAP_METHOD_SET_PORT, of a port that a domain holds: the domain's process, with which the port
 * then ends too. */
void macvtap_request_set_holder_pid(MacvtapRequest *request, int pid);

/* true if not set; false only creates the device, and a holder must be set. */
void macvtap_request_set_open_descriptors(MacvtapRequest *request, bool open_descriptors);

/* true if not set: whether the device is up. */
void macvtap_request_set_link_up(MacvtapRequest *request, bool link_up);

/* Also makes /dev/tap<interface index>, which root and this user may open by path: user and group
 * ID. It cannot be cleared. */
void macvtap_request_set_device_node(MacvtapRequest *request, uint32_t owner, uint32_t group);

/* The guest is migrating in from another host. */
void macvtap_request_set_incoming(MacvtapRequest *request, bool incoming);

/* Creates nothing: fails like a real request, or returns the future port, without what is only
 * chosen at its creation. */
void macvtap_request_set_check_only(MacvtapRequest *request, bool check_only);

/* Adds a MAC address that a port in source mode lets through; a request without any changes
 * nothing, and clear_sources empties the list. */
void macvtap_request_add_source(MacvtapRequest *request, const char *mac_address);
void macvtap_request_clear_sources(MacvtapRequest *request);

/* MACVTAP_METHOD_DELETE_PORT: a port to delete, as many as are added. */
void macvtap_request_add_port(MacvtapRequest *request, const char *port);
void macvtap_request_clear_ports(MacvtapRequest *request);

/* MACVTAP_METHOD_DELETE_PORT: all ports of the caller; for root, everybody's. */
void macvtap_request_set_all(MacvtapRequest *request, bool all);

/* MACVTAP_METHOD_END_DOMAIN: the UUID of a libvirt domain. */
void macvtap_request_set_domain(MacvtapRequest *request, const char *uuid);

/* Also asks for each port's packet counts, which takes a query per device. */
void macvtap_request_set_statistics(MacvtapRequest *request, bool statistics);

/* What to capture, and the most bytes of each frame (default: 65536). */
void macvtap_request_set_frames(MacvtapRequest *request, MacvtapFrames frames);
void macvtap_request_set_snap_length(MacvtapRequest *request, unsigned bytes);

/*
 * Sets a field by its name in the API (org.macvtapd.Ports(7)) from a user's text: numbers in
 * digits, "yes" and "no" (linkUp: "up" and "down"), lists joined by ',', guard and limits as
 * "KEY=VALUE,…", a holder as "descriptors", "process", "pid:N", "domain:UUID",
 * "namespace:INTERFACE" or "none". NULL clears it. -EINVAL if there is no such field in requests of
 * this method, or the text cannot be its value; macvtap_request_get_message() says why.
 */
int macvtap_request_set_text(MacvtapRequest *request, const char *field, const char *text);

/*
 * Returns -EINPROGRESS while a request is pending, and before it is sent. The message is NULL if it
 * has not failed. These and the results of the getters below are valid until the request is sent
 * again, set by text, or freed.
 */
int macvtap_request_get_result(const MacvtapRequest *request);
const char *macvtap_request_get_message(const MacvtapRequest *request);
MacvtapRefusal macvtap_request_get_refusal(const MacvtapRequest *request);

/* The error's name on the wire, such as "NetworkNotFound", even if this version does not know it;
 * NULL: macvtapd has not refused. */
const char *macvtap_request_get_error_name(const MacvtapRequest *request);

/* How many ports have been deleted, or how many networks have been read. */
size_t macvtap_request_get_count(const MacvtapRequest *request);

/* The getters return NULL for an item that was taken. */
size_t macvtap_request_get_n_ports(const MacvtapRequest *request);
const MacvtapPort *macvtap_request_get_port(const MacvtapRequest *request, size_t index);
MacvtapPort *macvtap_request_take_port(MacvtapRequest *request, size_t index);
size_t macvtap_request_get_n_networks(const MacvtapRequest *request);
const MacvtapNetwork *macvtap_request_get_network(const MacvtapRequest *request, size_t index);
MacvtapNetwork *macvtap_request_take_network(MacvtapRequest *request, size_t index);

/* The descriptor of a capture, which the caller owns from then on; org.macvtapd.Ports(7) describes
 * what to read from it (CapturePort). -EBADF if there is none, or it was already taken. */
int macvtap_request_take_capture(MacvtapRequest *request);

/* The reasons why frames are dropped ("other-mac"). A captured frame whose record has reason n, not
 * 0, was dropped for the one with the index n - 1. */
size_t macvtap_request_get_n_reasons(const MacvtapRequest *request);
const char *macvtap_request_get_reason(const MacvtapRequest *request, size_t index);

/* The numbers of networks, ports and macvtapd as the API has them (GetStatistics), one line of
 * JSON; NULL if there are none. */
const char *macvtap_request_get_statistics_json(const MacvtapRequest *request);

/* For root: a line for each network file that changed since macvtapd read it. */
size_t macvtap_request_get_n_file_changes(const MacvtapRequest *request);
const char *macvtap_request_get_file_change(const MacvtapRequest *request, size_t index);

size_t macvtap_request_get_n_faults(const MacvtapRequest *request);
const MacvtapFault *macvtap_request_get_fault(const MacvtapRequest *request, size_t index);

/* code is for programs and never changes; subject says what has the fault, remedy what to do. */
const char *macvtap_fault_get_code(const MacvtapFault *fault);
const char *macvtap_fault_get_subject(const MacvtapFault *fault);
const char *macvtap_fault_get_message(const MacvtapFault *fault);
const char *macvtap_fault_get_remedy(const MacvtapFault *fault);

size_t macvtap_request_get_n_failures(const MacvtapRequest *request);
const MacvtapFailure *macvtap_request_get_failure(const MacvtapRequest *request, size_t index);

/* The port as the request named it (its name, with network and all). */
const char *macvtap_failure_get_port(const MacvtapFailure *failure);
const char *macvtap_failure_get_message(const MacvtapFailure *failure);
MacvtapRefusal macvtap_failure_get_refusal(const MacvtapFailure *failure);

/* Events */
void macvtap_event_free(MacvtapEvent *event);
MacvtapEventType macvtap_event_get_type(const MacvtapEvent *event);

/* The API's word for the type, even if this version does not know it. */
const char *macvtap_event_get_name(const MacvtapEvent *event);

/* The port with the change; NULL if it was taken. */
const MacvtapPort *macvtap_event_get_port(const MacvtapEvent *event);
MacvtapPort *macvtap_event_take_port(MacvtapEvent *event);

/* Of MACVTAP_EVENT_DROPPED: what was wrong with the frame, by its name in the port's dropped
 * ("other-mac"); otherwise NULL. */
const char *macvtap_event_get_reason(const MacvtapEvent *event);

/* Ports. Freeing one closes the descriptors that were not taken from it. */
void macvtap_port_free(MacvtapPort *port);

const char *macvtap_port_get_id(const MacvtapPort *port);
const char *macvtap_port_get_name(const MacvtapPort *port);
const char *macvtap_port_get_description(const MacvtapPort *port); /* or NULL */
const char *macvtap_port_get_network(const MacvtapPort *port);
const char *macvtap_port_get_parent(const MacvtapPort *port);
const char *macvtap_port_get_interface_name(const MacvtapPort *port);
const char *macvtap_port_get_mac_address(const MacvtapPort *port);
/* In macvtapd's network namespace. */
int macvtap_port_get_interface_index(const MacvtapPort *port);
unsigned macvtap_port_get_mtu(const MacvtapPort *port); /* bytes */
unsigned macvtap_port_get_queues(const MacvtapPort *port);
uint32_t macvtap_port_get_owner(const MacvtapPort *port); /* user ID */
MacvtapPortMode macvtap_port_get_mode(const MacvtapPort *port);
MacvtapPortState macvtap_port_get_state(const MacvtapPort *port);
MacvtapVhost macvtap_port_get_vhost(const MacvtapPort *port);
bool macvtap_port_get_link_up(const MacvtapPort *port); /* the device is set up */
bool macvtap_port_get_carrier(const MacvtapPort *port); /* the parent has a carrier */

/* What is wrong with the device and not repaired yet; NULL: nothing. */
const char *macvtap_port_get_problem(const MacvtapPort *port);

/* The process (also of a domain) or 0; the domain's UUID or NULL; the port's name in the namespace
 * or NULL. */
MacvtapHolder macvtap_port_get_holder(const MacvtapPort *port);
int macvtap_port_get_holder_pid(const MacvtapPort *port);
const char *macvtap_port_get_holder_domain(const MacvtapPort *port);
const char *macvtap_port_get_holder_interface(const MacvtapPort *port);

/* The IP addresses that the port was given, as "192.168.1.33/24". */
size_t macvtap_port_get_n_addresses(const MacvtapPort *port);
const char *macvtap_port_get_address(const MacvtapPort *port, size_t index);

/* The IP addresses that its guest was seen to use, how each was seen ("arp", "nd", "dhcp"), and how
 * many seconds ago it was last seen (-1: beyond the last). */
size_t macvtap_port_get_n_seen_addresses(const MacvtapPort *port);
const char *macvtap_port_get_seen_address(const MacvtapPort *port, size_t index);
const char *macvtap_port_get_seen_address_how(const MacvtapPort *port, size_t index);
int64_t macvtap_port_get_seen_address_age(const MacvtapPort *port, size_t index);

/* Any field by its name in the API, as text: "yes" and "no", lists joined by blanks, an object as
 * "NAME VALUE, …"; "statistics.sentPackets" names a nested field. NULL: it is absent. get_number
 * returns -ENOENT if it is absent, -EINVAL if it is not a number. */
const char *macvtap_port_get_text(const MacvtapPort *port, const char *field);
int macvtap_port_get_number(const MacvtapPort *port, const char *field, int64_t *ret_number);

/* The port as the API has it, one line of JSON. */
const char *macvtap_port_get_json(const MacvtapPort *port);

/* How many descriptors came with it; tap i and vhost i belong to the same queue. There may be no
 * vhosts. */
size_t macvtap_port_get_n_taps(const MacvtapPort *port);
size_t macvtap_port_get_n_vhosts(const MacvtapPort *port);

/* The caller owns the descriptor from then on; it is close-on-exec, and a tap's is non-blocking.
 * -EBADF if there is none, or it was already taken. */
int macvtap_port_take_tap(MacvtapPort *port, size_t index);
int macvtap_port_take_vhost(MacvtapPort *port, size_t index);

/* Networks */
void macvtap_network_free(MacvtapNetwork *network);

const char *macvtap_network_get_name(const MacvtapNetwork *network);
MacvtapPortMode macvtap_network_get_mode(const MacvtapNetwork *network);

/* How many ports it has, also other users'. */
size_t macvtap_network_get_port_count(const MacvtapNetwork *network);

/* Why the network cannot be used, in which case it has only a name; NULL: it can. */
const char *macvtap_network_get_problem(const MacvtapNetwork *network);

/* A line for each of its parents that cannot be used now. */
size_t macvtap_network_get_n_parent_problems(const MacvtapNetwork *network);
const char *macvtap_network_get_parent_problem(const MacvtapNetwork *network, size_t index);

/* For root: a line for each VLAN whose frames a VLAN device of another network takes from its
 * guests. */
size_t macvtap_network_get_n_taken_vlans(const MacvtapNetwork *network);
const char *macvtap_network_get_taken_vlan(const MacvtapNetwork *network, size_t index);

/* As for ports. */
const char *macvtap_network_get_text(const MacvtapNetwork *network, const char *field);
int macvtap_network_get_number(const MacvtapNetwork *network, const char *field,
                               int64_t *ret_number);
const char *macvtap_network_get_json(const MacvtapNetwork *network);

#ifdef __cplusplus
}
#endif

#endif
