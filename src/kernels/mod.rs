//! Fast processor kernels for the operations in which a latent diffusion model
//! spends its time, with their gradients.
//!
//! Only `nn::ops` may call this room, and only for tensors that live on burn's
//! Flex backend; everything else takes burn's own operations. The numeric
//! files (`conv`, `norm`, …) know slices and sizes but no tensors, so that
//! they can be tested and measured alone; `flex` ties them to burn by its
//! backend extension, and `ops` is the way in. Decision: matrix products come from the `gemm` crate,
//! but where more is done with their tiles while they are in registers (`product`);
//! vector code from the compiler (`pulp` chooses the instruction set at run
//! time); there is one intrinsic here, which widens weights.

mod activation;
mod attention;
mod conv;
mod flex;
mod heap;
mod linear;
mod matrix;
mod norm;
mod ops;
mod product;
mod share;
mod simd;
mod weights;
mod widened;

pub use activation::Activation;
pub use heap::{keep_freed_memory, lend, untouched};
pub use ops::{
    activation, attention, conv2d, geglu, group_norm, is_accelerated, is_on_processor, layer_norm,
    linear, linear_geglu, prelu,
};
pub use share::{give_way, give_way_everywhere, on_workers, with_scratch};
pub use weights::widen_f16;
