#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gl.sh GPU: what Mesa's panfrost driver clears on the model of that Mali, one
# "PASS|FAIL NAME REASON" line a check, in /run/out/checks.
set -u
# shellcheck source=guest/lib.sh
. /mnt/guest/lib.sh
GPU=$1
GL=/mnt/build/guest-demo/gl
MODEL=/sys/kernel/debug/mali-model
: >"$CHECKS"

# Only what was built for it, and no shader cache; the model has no AFBC.
export LD_LIBRARY_PATH=/mnt/build/panmesa/lib GBM_BACKENDS_PATH=/mnt/build/panmesa/lib/gbm
export MESA_SHADER_CACHE_DISABLE=true PAN_MESA_DEBUG=noafbc

count() { sed -n "s/^$1 //p" "$MODEL/counters"; }

# judge NAME PASSED REASON
judge() {
	if [ "$2" = 1 ]; then echo "PASS $1 $3" >>"$CHECKS"; else echo "FAIL $1 $3" >>"$CHECKS"; fi
}

# gl NAME VERB...: the program's checks, each with NAME in front unless it is "-".
gl() {
	name=$1
	shift
	if [ "$name" = - ]; then name=''; else name=$name-; fi
	timeout "$LIMIT" "$GL" "$@" >"$OUT/gl-$name$1.log" 2>"$OUT/gl-$name$1.err"
	ended=$?
	sed -n "s/^\(PASS\|FAIL\) /\1 $name/p" "$OUT/gl-$name$1.log" >>"$CHECKS"
	[ "$ended" = 0 ] || judge "$name$1-ends" 0 "status $ended: $(grep -v '^$' "$OUT/gl-$name$1.err" | tail -n 1)"
}

LIMIT=${GL_LIMIT:-150}
gl - exact "$GPU"
PAN_MESA_DEBUG=noafbc,linear gl linear exact "$GPU"
gl - share
gl - kmsro "$GPU" "$OUT/kmsro" "$DEMO"
gl - export "$OUT/export" "$DEMO"
gl one many 1 &
gl two many 2
wait

# None of it draws, so nothing may have been left out, and no job may have failed.
judge nothing-drawn "$(($(count nop) == 0))" "$(count nop) jobs that the model does not execute"
judge no-fault "$(($(count faults) == 0))" "$(count faults) faults"
if [ -r "$MODEL/check" ]; then cat "$MODEL/check" >"$OUT/check.log" 2>&1; fi
for error in stale_tlb freed_page outside outlived; do
	judge "no-$error" "$(($(count $error) == 0))" "$(count $error)"
done
cp "$MODEL/counters" "$OUT/counters"
checks_end
