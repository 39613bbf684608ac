// SPDX-License-Identifier: GPL-2.0
/// Read the addresses of a DMA GEM object by drm_gem_dma_addr() and drm_gem_dma_vaddr(); who
/// writes them has to be ported by hand.
///
/// spatch --sp-file drm_gem_dma_accessors.cocci --all-includes -I include --in-place --dir drivers/gpu/drm
//
// Confidence: High
virtual patch

@writes@
struct drm_gem_dma_object *obj;
struct drm_gem_dma_object o;
position p;
assignment operator op;
@@
(
  obj@p->dma_addr op ...
|
  obj@p->vaddr op ...
|
  &obj@p->dma_addr
|
  o@p.dma_addr op ...
|
  o@p.vaddr op ...
|
  &o@p.dma_addr
)

@@
struct drm_gem_dma_object *obj;
position p != writes.p;
@@
(
- obj@p->dma_addr
+ drm_gem_dma_addr(obj)
|
- obj@p->vaddr
+ drm_gem_dma_vaddr(obj)
)

@@
struct drm_gem_dma_object o;
position p != writes.p;
@@
(
- o@p.dma_addr
+ drm_gem_dma_addr(&o)
|
- o@p.vaddr
+ drm_gem_dma_vaddr(&o)
)

@@
expression e;
@@
(
- to_drm_gem_dma_obj(e)->dma_addr
+ drm_gem_dma_addr(to_drm_gem_dma_obj(e))
|
- to_drm_gem_dma_obj(e)->vaddr
+ drm_gem_dma_vaddr(to_drm_gem_dma_obj(e))
)
