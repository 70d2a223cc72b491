//! Figures of sets of pictures: how far one set is from another, of any model and
//! anybody's.
//!
//! A network ([`FeatureNetwork`]) makes numbers of each picture; [`compare`] compares
//! those of two sets as the usual programs do. Pictures are looked at one after the
//! other, and means and covariances are gathered on the way, so that memory does not
//! grow with a folder. Decision: what is not computed with Inception's features is never
//! called FID.

mod comparison;
mod distribution;
mod eyes;
mod features;
mod inception;
mod inception_score;
mod kernel_distance;
mod likeness;
mod manifold;
mod matrix;
mod npz;
mod numpy_random;
mod picture_set;
mod scaling;

pub use comparison::{Comparison, Pairs, Side, compare, compare_pairs};
pub use distribution::{Distribution, Moments};
pub use eyes::Eyes;
pub use features::{FeatureKind, FeatureNetwork, Rows};
pub use inception::Inception;
pub use inception_score::{InceptionScore, inception_score};
pub use kernel_distance::{KernelDistance, kernel_distance};
pub use likeness::{Spread, psnr, ssim};
pub use manifold::{PrecisionRecall, precision_recall};
pub use matrix::Matrix;
pub use npz::Statistics;
pub use numpy_random::RandomState;
pub use picture_set::{Gatherer, Looked, PictureFolder, PictureSet};
pub use scaling::Resize;
