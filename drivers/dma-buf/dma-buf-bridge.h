/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DMA_BUF_BRIDGE_H
#define _DMA_BUF_BRIDGE_H

struct device;
struct dma_runs;
struct sg_table;

struct sg_table *dma_buf_table_of_runs(struct dma_runs *runs, struct device *dev);
struct dma_runs *dma_buf_free_table_of_runs(struct sg_table *sgt);

struct dma_runs *dma_buf_runs_of_table(struct sg_table *sgt, struct device *dev, u64 size);
struct sg_table *dma_buf_free_runs_of_table(struct dma_runs *runs);

#endif
