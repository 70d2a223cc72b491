//! What PyTorch computes, for the tests of this room; see
//! `tests/data/reference/make_training_reference.py` and `make_training_curves.py`.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

use super::tensors::host;

const FILE: &str = "tests/data/reference/training.safetensors";
const CURVES: &str = "tests/data/reference/training_curves.safetensors";

/// The file of references, and the device on which they are wanted.
pub(super) struct Reference {
    pub device: Device,
    bytes: Vec<u8>,
}

impl Reference {
    pub fn open(device: &Device) -> Self {
        Self::of(FILE, device)
    }

    /// Whole curves of losses.
    pub fn curves(device: &Device) -> Self {
        Self::of(CURVES, device)
    }

    fn of(file: &str, device: &Device) -> Self {
        Self {
            device: device.clone(),
            bytes: std::fs::read(file).expect("the file of references"),
        }
    }

    fn find(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let view = file.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
        let bytes = view.data();
        let values = match view.dtype() {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F16 => bytes
                .chunks_exact(2)
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            other => panic!("{name} is {other:?}"),
        };
        (view.shape().to_vec(), values)
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        self.find(name).1
    }

    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, values) = self.find(name);
        let shape: [usize; D] = shape.try_into().unwrap_or_else(|_| panic!("{name}"));
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// A network with the weights `name.0`, `name.1`, … in the order in which it
    /// shows its parameters.
    pub fn fill<M: Module>(&self, module: M, name: &str) -> M {
        struct Fill<'a>(&'a Reference, &'a str, usize);
        impl ModuleMapper for Fill<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let weights = self.0.tensor::<D>(&format!("{}.{}", self.1, self.2));
                self.2 += 1;
                param.map(|old| {
                    assert_eq!(old.dims(), weights.dims());
                    weights.require_grad()
                })
            }
        }
        module.map(&mut Fill(self, name, 0))
    }

    /// Compares a whole tensor; `tolerance` is a part of its largest number.
    #[track_caller]
    pub fn compare<const D: usize>(&self, name: &str, ours: Tensor<D>, tolerance: f32) {
        let (shape, torch) = self.find(name);
        assert_eq!(ours.dims().as_slice(), shape, "{name}");
        let ours = host(ours).expect("values");
        let largest = torch.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for (i, (ours, torch)) in ours.iter().zip(&torch).enumerate() {
            let error = (ours - torch).abs();
            assert!(
                error <= tolerance * largest,
                "{name}[{i}]: {ours} for {torch}, {error:e} of {largest:e}"
            );
        }
    }

    /// Compares the gradient by every parameter with `name.0`, `name.1`, …; of
    /// those with fewer rows in the file every seventh is compared.
    pub fn compare_gradients<M: Module>(
        &self,
        name: &str,
        module: &M,
        gradients: Gradients,
        tolerance: f32,
    ) {
        struct Compare<'a>(&'a Reference, &'a str, Gradients, f32, usize);
        impl ModuleVisitor for Compare<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = format!("{}.{}", self.1, self.4);
                self.4 += 1;
                let ours = param.val().grad_remove(&mut self.2).expect("a gradient");
                let rows = ours.dims()[0];
                let ours = if self.0.find(&name).0[0] < rows {
                    let chosen = (0..rows).step_by(7).map(|i| ours.clone().narrow(0, i, 1));
                    Tensor::cat(chosen.collect(), 0)
                } else {
                    ours
                };
                self.0.compare(&name, ours, self.3);
            }
        }
        module.visit(&mut Compare(self, name, gradients, tolerance, 0));
    }
}
