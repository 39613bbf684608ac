# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after tree.sh: what of the kernel's own files belongs to the floors, as PATH:FUNCTION,... Not in
# tree.sh, on which each kernel image depends.

# shellcheck disable=SC2034 # for who sources this
FUNCTIONS=(
	"drivers/dma-buf/dma-buf.c:dma_buf_map_begin,dma_buf_map_wait,exporter_unmap_runs,exporter_map_table,exporter_unmap_table,dma_buf_map_runs_of_table,dma_buf_map_runs,dma_buf_unmap_runs"
	"mm/memory.c:mkwrite_pfn_locked,pfn_max_batch,insert_pfns_locked,insert_pfn,vm_insert_pfns"
)
