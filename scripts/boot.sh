#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# boot.sh [-k KERNEL] [-o OUTDIR] [-t SECONDS] [-a ARGS] [-e NAME=VALUE]... SCRIPT [ARG...]
#
# Boots User Mode Linux on the cached guest root (read-only), runs SCRIPT (a path below the
# project) there and ends with its exit status. Several may run at once.
# In the guest: the project on /mnt (read-only), OUTDIR on /run/out.
# In OUTDIR: console.log; status, the script's exit status; reports.txt, what the kernel
# complained about. -a adds to the kernel's command line, -e to the script's environment.
# Exits 124 on a timeout, 125 when the guest did not get that far, 126 when the script
# succeeded but the kernel reported something (-r leaves judging reports.txt to the caller).
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/boot-options.sh
. "$(dirname "$0")/boot-options.sh"

KERNEL_BIN=$BUILD/um/linux
boot_options '' "$@"
[ -x "$KERNEL_BIN" ] || die "no kernel at $KERNEL_BIN; make kernel builds it"
LOG=$OUTDIR/console.log
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/uml.XXXXXX")
UML=''

cleanup() {
	if [ -n "$UML" ]; then kill -KILL -- "-$UML" 2>/dev/null || true; fi
	rm -rf "$SCRATCH"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# UML's memory is a file; a container's small /dev/shm would end in SIGBUS.
if [ -z "${TMPDIR:-}" ] && [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n1)" -lt 2097152 ]; then
	export TMPDIR=/tmp
fi

# The root stays as it is, so its first process is a shell that is told where ours lies.
STAGE1="mount -t hostfs -o ro,hostfs=$TOP none /mnt && exec /mnt/guest/init"
# seccomp takes half of ptrace's time.
# shellcheck disable=SC2054 # commas of the kernel's syntax
CMDLINE=(mem=2G root=/dev/root rootfstype=hostfs "rootflags=$GUEST" ro
	con=null con0=null,fd:1 ssl=null "uml_dir=$SCRATCH" panic=-1 kunit.enable=0 seccomp=auto
	"GUEST_OUT=$OUTDIR" "GUEST_RUN=$SCRIPT" "GUEST_ARGS=\"${SCRIPT_ARGS[*]}\"" "GUEST_TIMEOUT=$SECONDS_MAX"
	"${ENVS[@]}")
read -ra MORE <<<"$ARGS"

started=$(date +%s)
# A session of its own, so that all of UML's threads and helpers can be ended at once.
setsid "$KERNEL_BIN" "${CMDLINE[@]}" "${MORE[@]}" init=/bin/sh -- -c "\"$STAGE1\"" >"$LOG" 2>&1 </dev/null &
UML=$!
disown "$UML"

# The guest ends the script itself; this is for a guest that cannot any more. A debug kernel looks for
# leaks behind the script.
limit=$((SECONDS_MAX + 45))
[ "${CONFIG:-}" != debug ] || limit=$((limit + 90))
while kill -0 "$UML" 2>/dev/null; do
	kill -0 "$PPID" 2>/dev/null || exit 130
	if [ $(($(date +%s) - started)) -gt $limit ]; then
		echo 124 >"$OUTDIR/status"
		echo "guest: no end after $limit s, stopped" >>"$LOG"
		kill -KILL -- "-$UML" 2>/dev/null || true
		break
	fi
	sleep 0.2
done
cleanup
UML=''

"$TOP/scripts/report.py" kernel-reports "$LOG" "$(which_kernel)" >"$OUTDIR/reports.txt" ||
	echo "scripts/report.py cannot read the log" >"$OUTDIR/reports.txt"
status=125
if [ -s "$OUTDIR/status" ]; then status=$(cat "$OUTDIR/status"); fi
if [ -s "$OUTDIR/reports.txt" ] && [ $JUDGE = 1 ]; then
	printf 'boot: the kernel reported: %s\n  log: %s\n' "$(head -n1 "$OUTDIR/reports.txt")" "$LOG" >&2
	if [ "$status" = 0 ]; then status=126; fi
elif [ "$status" = 124 ]; then
	printf 'boot: %s did not end within %s s\n  log: %s\n' "$SCRIPT" "$SECONDS_MAX" "$LOG" >&2
elif [ "$status" -gt 124 ]; then
	printf 'boot: %s did not run to its end: %s\n  log: %s\n' "$SCRIPT" \
		"$(grep -a '[^[:space:]]' "$LOG" | tail -n1 | tr -d '\r')" "$LOG" >&2
fi
exit "$status"
