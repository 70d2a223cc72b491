//! The device that burn and the window share, and tensors that both can read.
//!
//! The one device comes from the window. [`register`] makes it known to burn,
//! once; the result is handed down by clone and never made again. A
//! [`SharedTensor`] is published by the engine's thread, so that the window
//! never waits for the compute server; only it may leave that thread, never a
//! `Tensor`.

use burn::tensor::{Device, FloatDType, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_wgpu::{
    AutoCompiler, CubeBackend, CubeTensor, MemoryConfiguration, Wgpu, WgpuResource, WgpuSetup,
};
use cubecl::wgpu::WgpuServer;
use cubecl_runtime::storage::ManagedResource;

/// Tasks that burn gathers before it submits them. The queue is first in,
/// first out: a frame of the window waits for what was submitted before it.
const TASKS_MAX: usize = 16;

/// Why a device or a tensor cannot be shared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShareError {
    /// burn does not take the device.
    #[error(
        "The graphics device cannot be used for computing ({0}); start with `--device cpu` or update the driver."
    )]
    Register(String),
    /// The tensor cannot be read by others.
    #[error("A picture cannot be shared with the window ({0}); start with `--device cpu`.")]
    Publish(String),
}

/// Makes the window's device known to burn. To be called once for a device.
///
/// # Errors
/// When burn does not take it.
pub fn register(
    instance: &wgpu::Instance,
    adapter: &wgpu::Adapter,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
) -> Result<Device, ShareError> {
    let setup = WgpuSetup {
        instance: instance.clone(),
        adapter: adapter.clone(),
        device: device.clone(),
        queue: queue.clone(),
        backend: adapter.get_info().backend,
    };
    Device::wgpu_options()
        .tasks_max(TASKS_MAX)
        .memory_config(MemoryConfiguration::ExclusivePages)
        .setup(setup)
        .init()
        .map_err(|error| ShareError::Register(error.to_string()))
}

/// Whether the adapter is a graphics card, and not a program that plays one:
/// on the latter burn's CPU backend is faster.
pub fn is_real_gpu(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type != wgpu::DeviceType::Cpu
}

/// The window's device for burn, with its name; `None` when there is only a
/// program that plays a graphics card and `allow_software` is off.
///
/// # Errors
/// When burn does not take the device.
pub fn window_device(
    window: &egui_wgpu::RenderState,
    allow_software: bool,
) -> Result<Option<(Device, String)>, ShareError> {
    if !allow_software && !is_real_gpu(&window.adapter) {
        return Ok(None);
    }
    let device = register(
        &window.instance,
        &window.adapter,
        &window.device,
        &window.queue,
    )?;
    Ok(Some((device, window.adapter.get_info().name)))
}

/// A finished tensor that other work on the shared queue may read.
pub struct SharedTensor {
    /// Keeps the memory where it is: neither freed nor used again.
    resource: ManagedResource<WgpuResource>,
    /// A second handle, without which burn might compute in place here.
    _owner: CubeTensor,
    dims: [usize; 4],
}

impl std::fmt::Debug for SharedTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedTensor")
            .field("dims", &self.dims)
            .finish_non_exhaustive()
    }
}

impl SharedTensor {
    /// Publishes a tensor as f32, row-major. To be called on the thread that
    /// computes. What is submitted to the queue afterwards sees the finished
    /// values, because publishing submits all that they depend on.
    ///
    /// # Shapes
    /// - tensor: any four dimensions.
    ///
    /// # Errors
    /// When the tensor is not on a wgpu device, or tracks gradients.
    pub fn publish(tensor: Tensor<4>) -> Result<Self, ShareError> {
        let dims = tensor.dims();
        let fail = |reason: String| ShareError::Publish(reason);
        let fused = tensor
            .cast(FloatDType::F32)
            .try_into_primitive::<Wgpu>()
            .map_err(|error| fail(format!("{error:?}")))?;
        let client = fused.client.clone();
        let cube = into_contiguous(client.resolve_tensor_float::<CubeBackend>(fused));
        let resource = cube
            .client
            .get_resource::<WgpuServer<AutoCompiler>>(cube.handle.clone())
            .map_err(|error| fail(format!("{error:?}")))?;
        Ok(Self {
            resource,
            _owner: cube,
            dims,
        })
    }

    /// The size of each dimension.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The values as a storage buffer for a bind group.
    pub fn binding(&self) -> wgpu::BindingResource<'_> {
        self.resource.resource().as_wgpu_bind_resource()
    }
}
