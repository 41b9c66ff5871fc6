# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of macvtapctl and macvtap-run for bash. Commands and options come from the programs' own --help, the names of
# networks and ports from macvtapd: when it does not answer, none are offered.

# The functions share what _macvtapd sets: words, the line up to the cursor; cur, the word to complete; program, what --help
# is asked of, and ctl, macvtapctl.

# macvtapctl with these arguments, on the socket that the line names.
_macvtapd_ask() {
    local i socket=()
    for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in
        --) break ;;
        --socket) socket=(--socket "${words[i + 1]-}") ;;
        --socket=*) socket=("${words[i]}") ;;
        esac
    done
    "$ctl" ${socket[@]+"${socket[@]}"} "$@" 2>/dev/null </dev/null
}

# The first column of a table, without its head.
_macvtapd_names() {
    local head name rest
    _macvtapd_ask "$@" | {
        read -r head
        while read -r name rest; do
            printf '%s\n' "$name"
        done
    }
}

# The commands of macvtapctl, or of a group of them: "  port list ARGUMENTS" in the table of --help.
_macvtapd_commands() {
    local line in_table= last=
    "$program" "$@" --help 2>/dev/null </dev/null | while IFS= read -r line; do
        [[ $line == Commands: ]] && in_table=yes
        [[ $in_table && $line =~ ^"  "([a-z]+)(" "([a-z][a-z-]*))? ]] || continue
        if [[ ${BASH_REMATCH[1]} == "${1-}" ]]; then
            printf '%s\n' "${BASH_REMATCH[3]}"
        elif [[ ${BASH_REMATCH[1]} != "$last" ]]; then
            last=${BASH_REMATCH[1]}
            printf '%s\n' "$last"
        fi
    done
}

# The options of a command; those that take a value with '=', also the ones of a letter.
_macvtapd_options() {
    local line
    "$program" "$@" --help 2>/dev/null </dev/null | while IFS= read -r line; do
        [[ $line =~ ^"  "((-[a-zA-Z]), )?(--[a-z-]+)(=?) ]] || continue
        [[ -z ${BASH_REMATCH[2]} ]] || printf '%s\n' "${BASH_REMATCH[2]}${BASH_REMATCH[4]}"
        printf '%s\n' "${BASH_REMATCH[3]}${BASH_REMATCH[4]}"
    done
}

_macvtapd_takes_value() {
    local option=$1 known
    shift
    while IFS= read -r known; do
        [[ $known == "$option=" ]] && return
    done < <(_macvtapd_options "$@")
    return 1
}

# The values of an option.
_macvtapd_values() {
    case $1 in
    --network | -n) _macvtapd_names network list ;;
    --port | -p) _macvtapd_names port list ;;
    --vhost) printf '%s\n' auto require off ;;
    --link) printf '%s\n' up down ;;
    --guard) printf '%s\n' network senders= addresses= allow-addresses= allow= verdict= ;;
    --limits) printf '%s\n' network send= receive= broadcasts= ;;
    --holder) printf '%s\n' none pid: domain: ;;
    --template) _macvtapd_ask domain xml --list ;;
    --socket | --write | -w) compgen -f -- "${cur#*=}" ;;
    esac
}

# Libvirt's domains, if it is there.
_macvtapd_domains() {
    type -P virsh >/dev/null && virsh --readonly list --all --name 2>/dev/null </dev/null
}

# The arguments of a command of macvtapctl, of which the line has $1 already.
_macvtapd_arguments() {
    case "$1 ${command[*]}" in
    "0 network show" | "0 network probe") _macvtapd_names network list ;;
    *" port delete" | *" port cloud-init" | "0 port show" | "0 port set" | "0 port open" | "0 port capture") _macvtapd_names port list ;;
    "0 vm attach" | "0 vm detach") _macvtapd_names vm list ;;
    "1 vm detach") _macvtapd_names port list ;;
    "0 domain attach" | "0 domain detach" | "0 domain check") _macvtapd_domains ;;
    esac
}

# Offers the lines of standard input that begin with the word, behind a prefix.
_macvtapd_offer() {
    local line
    while IFS= read -r line; do
        [[ -n $line && $1$line == "$cur"* ]] && COMPREPLY+=("$1$line")
    done
}

# What follows -- is another program's line.
_macvtapd_other_program() {
    local offset=$1
    if ((offset == ${#words[@]} - 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}

_macvtapd_next_word() {
    if [[ $program != "$ctl" ]]; then
        return
    elif [[ ${#command[@]} == 0 ]]; then
        _macvtapd_offer "" < <(_macvtapd_commands; echo help)
    elif [[ ${#command[@]} == 1 && ${command[0]} =~ ^(network|port|vm|domain)$ ]]; then
        _macvtapd_offer "" < <(_macvtapd_commands "${command[0]}")
    else
        _macvtapd_offer "" < <(_macvtapd_arguments "$n_arguments")
    fi
}

# readline makes words of their own at '=' and ':', and puts an answer in the place of the last of them.
_macvtapd_finish() {
    local i last=${COMP_WORDS[COMP_CWORD]-}
    [[ $last == [=:] ]] && last=
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2>/dev/null
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        COMPREPLY[i]=${COMPREPLY[i]#"${cur%"$last"}"}
    done
}

_macvtapd() {
    local line=${COMP_LINE:0:COMP_POINT} words cur program ctl i command=() n_arguments=0 value_of=
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    cur=${words[-1]} program=${words[0]} ctl=${words[0]/%macvtap-run/macvtapctl}
    COMPREPLY=()
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        if [[ $value_of ]]; then
            value_of=
        elif [[ ${words[i]} == -- ]]; then
            _macvtapd_other_program $((i + 1))
            return
        elif [[ ${words[i]} == -* ]]; then
            _macvtapd_takes_value "${words[i]}" "${command[@]}" && value_of=${words[i]}
        elif [[ ${#command[@]} == 0 || (${#command[@]} == 1 && ${command[0]} =~ ^(network|port|vm|domain)$) ]]; then
            [[ ${words[i]} == help ]] || command+=("${words[i]}")
        else
            ((++n_arguments))
        fi
    done
    if [[ $value_of ]]; then
        _macvtapd_offer "" < <(_macvtapd_values "$value_of")
    elif [[ $cur == --*=* ]]; then
        _macvtapd_offer "${cur%%=*}=" < <(_macvtapd_values "${cur%%=*}")
    elif [[ $cur == -* ]]; then
        _macvtapd_offer "" < <(_macvtapd_options "${command[@]}" | while IFS= read -r i; do [[ $i != --* ]] || echo "$i"; done)
    else
        _macvtapd_next_word
    fi
    _macvtapd_finish
}

complete -F _macvtapd macvtapctl macvtap-run
