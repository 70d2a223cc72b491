//! Tensors and the numbers in them.

use burn::tensor::Tensor;

use super::TrainError;

/// The numbers of a tensor; free of copies on the processor if nobody else holds it.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    tensor
        .try_into_data()
        .map_err(TrainError::device)?
        .try_into_vec_as::<f32>()
        .map_err(TrainError::device)
}

/// The number of a tensor that has one.
pub(super) fn scalar(tensor: Tensor<1>) -> Result<f32, TrainError> {
    Ok(host(tensor.inner())?.first().copied().unwrap_or(f32::NAN))
}

/// The tensor as one long vector.
pub(super) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count: usize = tensor.dims().iter().product();
    tensor.reshape([count])
}
