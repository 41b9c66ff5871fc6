/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* Sends each frame of the guest back to it as it is: what an answer by the datapath costs at least.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int
echo(struct __sk_buff *frame)
{
    return bpf_redirect(frame->ifindex, BPF_F_INGRESS);
}

char echo_license[] SEC("license") = "GPL";
