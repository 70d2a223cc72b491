//! A module some of whose weights are changed by products of small matrices; what is not
//! changed is shared with the module it comes from, which stays as it was.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::WeightDtype;
use super::module::layout;
use super::names::{FieldPath, Names, Speller};
use crate::nn::ops;

/// What is added to a weight: the product of two matrices that have few rows and columns
/// between them (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>).
#[derive(Clone, Debug, Default)]
pub struct LowRank {
    /// Columns of `up` and rows of `down`.
    pub rank: usize,
    /// `[outputs, rank]`, with its factor.
    pub up: Vec<f32>,
    /// `[rank, inputs]`, where a convolution's inputs are those of all places of its kernel.
    pub down: Vec<f32>,
}

impl LowRank {
    /// The sum of several, which is one of the ranks of all.
    fn joined(parts: &[Self], [outputs, inputs]: [usize; 2]) -> Self {
        let rank = parts.iter().map(|part| part.rank).sum();
        let mut up = Vec::with_capacity(outputs * rank);
        for row in 0..outputs {
            for part in parts {
                up.extend_from_slice(&part.up[row * part.rank..][..part.rank]);
            }
        }
        let mut down = Vec::with_capacity(rank * inputs);
        parts
            .iter()
            .for_each(|part| down.extend_from_slice(&part.down));
        Self { rank, up, down }
    }

    /// The product as the weight lies in memory, `is_turned` as `[inputs, outputs]`.
    fn product(
        &self,
        [outputs, inputs]: [usize; 2],
        is_turned: bool,
        device: &Device,
    ) -> Tensor<2> {
        let tensor = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(values, shape), (device, DType::F32))
        };
        let (left, right) = if is_turned {
            (
                tensor(turned(&self.down, self.rank, inputs), [inputs, self.rank]),
                tensor(turned(&self.up, outputs, self.rank), [self.rank, outputs]),
            )
        } else {
            (
                tensor(self.up.clone(), [outputs, self.rank]),
                tensor(self.down.clone(), [self.rank, inputs]),
            )
        };
        ops::linear(left, right, None)
    }
}

fn turned(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let places = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    places.map(|place| values[place]).collect()
}

/// The module with changes added to some of its weights, which are given by their names
/// in files; each must have the size of its weight. What is changed is f32 where weights are
/// to be held so (some may lie in half precision all the same), else as it was. Of a clone
/// what is not changed is shared, and what is changed is there twice; of the only one each
/// weight goes as the changed one comes.
pub fn patched<M: Module>(
    module: M,
    names: &Names,
    changes: &BTreeMap<String, Vec<LowRank>>,
    held: WeightDtype,
) -> M {
    let known = layout(&module, &super::names::DIFFUSERS);
    let known: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let mut patcher = Patcher {
        path: FieldPath::default(),
        speller: Speller::new(names, &known),
        changes,
        held,
    };
    module.map(&mut patcher)
}

struct Patcher<'a> {
    path: FieldPath,
    speller: Speller,
    changes: &'a BTreeMap<String, Vec<LowRank>>,
    held: WeightDtype,
}

impl ModuleMapper for Patcher<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.speller.first(&self.path.name());
        let Some(parts) = self.changes.get(&name).filter(|parts| !parts.is_empty()) else {
            return param;
        };
        let is_turned = self.path.is_linear_weight(D);
        let base = param.val();
        let (shape, dtype, device) = (base.dims(), base.dtype(), base.device());
        let all: usize = shape.iter().product();
        let outputs = if is_turned { shape[D - 1] } else { shape[0] };
        let sides = [outputs, all / outputs.max(1)];
        let joined;
        let change = match parts.as_slice() {
            [one] => one,
            several => {
                joined = LowRank::joined(several, sides);
                &joined
            }
        };
        let product = change.product(sides, is_turned, &device).reshape(shape);
        let sum = product + base.cast(DType::F32);
        let sum = match self.held {
            WeightDtype::F32 => sum,
            _ => sum.cast(dtype),
        };
        let id = param.id;
        param.transform_for_load(sum, id)
    }
}
