//! How different two pictures look to a network that was taught by people's answers
//! (Zhang et al. 2018, <https://arxiv.org/abs/1801.03924>), as the paper's autoencoders
//! are trained with it (LDM `LPIPSWithDiscriminator`).
//!
//! The weights are not ours to give. Users point at a file that holds all of them, or at
//! a folder with both: VGG16 of torchvision (`vgg16-397923af.pth`) and the linear heads
//! of the authors (`vgg.pth`).

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::ModelError;
use super::weights::{self, WeightDtype, WeightSource};
use crate::nn::ops;

/// Width of the convolutions of each slice of VGG16, and their numbers in torchvision's
/// list of layers. A slice ends where it is looked at; between two, the map is halved.
const SLICES: [(usize, &[usize]); 5] = [
    (64, &[0, 2]),
    (128, &[5, 7]),
    (256, &[10, 12, 14]),
    (512, &[17, 19, 21]),
    (512, &[24, 26, 28]),
];
/// Mean and deviation of ImageNet's channels, of values in [-1, 1].
const MEAN: [f32; 3] = [-0.030, -0.088, -0.188];
const DEVIATION: [f32; 3] = [0.458, 0.448, 0.450];
/// Added to lengths that are divided by.
const EPSILON: f64 = 1e-10;
/// Added under their roots, whose slope has no end at nothing.
const LEAST_SQUARE: f64 = 1e-20;
/// How files of weights end.
const ENDINGS: [&str; 5] = ["safetensors", "pth", "pt", "ckpt", "bin"];

/// VGG16 with a linear head on each of five places.
#[derive(Clone, Debug)]
pub struct Lpips {
    slices: Vec<Slice>,
}

/// Convolutions, and what their differences weigh.
#[derive(Clone, Debug)]
struct Slice {
    convolutions: Vec<(Tensor<4>, Tensor<1>)>,
    /// `[1, channels, 1, 1]`.
    head: Tensor<4>,
}

impl Lpips {
    /// Pixels that a picture needs on its smaller side: it is halved four times.
    pub const LEAST_SIDE_PX: usize = 16;

    /// Reads the weights of a file, or of the files of a folder.
    ///
    /// # Errors
    /// If there are none, they cannot be read, or are of something else.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let files = files(path)?;
        let sources = files.iter().map(|file| weights::open(file));
        let reader = Reader {
            path,
            sources: without_other_heads(sources.collect::<Result<_, _>>()?),
            device,
        };
        let mut input = 3;
        let mut slices = Vec::new();
        for (index, (width, layers)) in SLICES.into_iter().enumerate() {
            slices.push(reader.slice(index, input, width, layers)?);
            input = width;
        }
        Ok(Self { slices })
    }

    /// How different pictures of one size are. Gradients reach both.
    ///
    /// # Shapes
    /// Both `[batch, 3, height, width]` in [-1, 1], at least [`Self::LEAST_SIDE_PX`] a side; result:
    /// `[batch]`.
    pub fn forward(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = a.dims();
        let mut pair = normal(Tensor::cat(vec![a, b], 0));
        let mut sum = Tensor::zeros([batch], &pair.device());
        for (index, slice) in self.slices.iter().enumerate() {
            if index > 0 {
                pair = max_pool2d(pair, MaxPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            for (weight, bias) in &slice.convolutions {
                let (weight, bias) = (weight.clone(), Some(bias.clone()));
                pair = relu(ops::conv2d(pair, weight, bias, 1, [(1, 1); 2]));
            }
            let seen = unit(pair.clone());
            let (a, b) = (
                seen.clone().narrow(0, 0, batch),
                seen.narrow(0, batch, batch),
            );
            let difference = a - b;
            let weighed = difference.clone() * difference * slice.head.clone();
            let [_, channels, height, width] = weighed.dims();
            let places: Tensor<2> = weighed.reshape([batch, channels * height * width]);
            // The sum of the channels, the mean of the places.
            let told: Tensor<2> = places.sum_dim(1) / (height * width) as f64;
            sum = sum + told.reshape([batch]);
        }
        sum
    }
}

/// Pictures as VGG16 was trained on them.
fn normal(pictures: Tensor<4>) -> Tensor<4> {
    let device = pictures.device();
    let channels = |values: [f32; 3]| {
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 3, 1, 1]), &device)
    };
    (pictures - channels(MEAN)) / channels(DEVIATION)
}

/// Features of length one at each place.
fn unit(features: Tensor<4>) -> Tensor<4> {
    let squares = (features.clone() * features.clone()).sum_dim(1);
    let length = (squares + LEAST_SQUARE).sqrt();
    features / (length + EPSILON)
}

/// The files of weights that a path stands for.
fn files(path: &Path) -> Result<Vec<PathBuf>, ModelError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = |error| ModelError::io("read", path)(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(read)? {
        let file = entry.map_err(read)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if file.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            found.push(file);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(ModelError::NotLpips {
            path: path.to_owned(),
            reason: "there is no file of weights in it".to_owned(),
        }),
        false => Ok(found),
    }
}

/// The names of a slice's head.
fn head_names(index: usize) -> [String; 2] {
    ["lin", "lins."].map(|name| format!("{name}{index}.model.1.weight"))
}

/// Leaves out the heads of the authors' other networks, which lie beside VGG's under the
/// same names, where VGG's are there.
fn without_other_heads(sources: Vec<Box<dyn WeightSource>>) -> Vec<Box<dyn WeightSource>> {
    let fits = |source: &dyn WeightSource, index: usize| {
        let names = head_names(index);
        let shape = names.iter().find_map(|name| source.shape(name));
        shape.map(|shape| shape == [1, SLICES[index].0, 1, 1])
    };
    let heads = |source: &dyn WeightSource| -> Vec<bool> {
        let heads = 0..SLICES.len();
        heads.filter_map(|index| fits(source, index)).collect()
    };
    let is_own = |heads: &[bool]| heads.len() == SLICES.len() && heads.iter().all(|fits| *fits);
    if !sources.iter().any(|source| is_own(&heads(source.as_ref()))) {
        return sources;
    }
    let mut sources = sources;
    sources.retain(|source| heads(source.as_ref()).iter().all(|fits| *fits));
    sources
}

/// Finds weights by the names that they have in the different files.
struct Reader<'a> {
    path: &'a Path,
    sources: Vec<Box<dyn WeightSource>>,
    device: &'a Device,
}

impl Reader<'_> {
    fn slice(
        &self,
        index: usize,
        input: usize,
        width: usize,
        layers: &[usize],
    ) -> Result<Slice, ModelError> {
        let mut input = input;
        let mut convolutions = Vec::new();
        for layer in layers {
            // torchvision's, and that of the authors' whole network.
            let named = |part: &str| {
                [
                    format!("features.{layer}.{part}"),
                    format!("net.slice{}.{layer}.{part}", index + 1),
                ]
            };
            let weight = self.read(&named("weight"), [width, input, 3, 3])?;
            convolutions.push((weight, self.read(&named("bias"), [width])?));
            input = width;
        }
        Ok(Slice {
            convolutions,
            head: self.read(&head_names(index), [1, width, 1, 1])?,
        })
    }

    fn read<const D: usize>(
        &self,
        names: &[String],
        shape: [usize; D],
    ) -> Result<Tensor<D>, ModelError> {
        let foreign = |reason| ModelError::NotLpips {
            path: self.path.to_owned(),
            reason,
        };
        let mut found = self.sources.iter().flat_map(|source| {
            let known = names.iter().filter(|name| source.shape(name).is_some());
            known.map(move |name| (source, name))
        });
        let Some((source, name)) = found.next() else {
            return Err(foreign(format!("{} is missing", names[0])));
        };
        let stored = source.shape(name).unwrap_or_default();
        if stored != shape {
            return Err(foreign(format!(
                "{name} is {stored:?} instead of {shape:?}"
            )));
        }
        let data = source.read(name, &shape, false, WeightDtype::F32)?;
        Ok(Tensor::from_data(data, self.device))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use safetensors::SafeTensors;

    use super::*;

    /// Numbers in [0, 1), as `make_lpips_reference.py` makes them.
    fn numbers(count: usize, seed: u32) -> impl Iterator<Item = f64> {
        (0..count as u32).map(move |at| {
            let mut x = at.wrapping_add(seed.wrapping_mul(0x9E37_79B9));
            x ^= x >> 16;
            x = x.wrapping_mul(0x7FEB_352D);
            x ^= x >> 15;
            x = x.wrapping_mul(0x846C_A68B);
            x ^= x >> 16;
            f64::from(x) / 2f64.powi(32)
        })
    }

    /// Weights by the authors' names.
    fn made() -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let mut shapes = BTreeMap::new();
        let mut input = 3;
        for (index, (width, layers)) in SLICES.into_iter().enumerate() {
            shapes.insert(format!("lin{index}.model.1.weight"), vec![1, width, 1, 1]);
            for layer in layers {
                let name = format!("net.slice{}.{layer}", index + 1);
                shapes.insert(format!("{name}.weight"), vec![width, input, 3, 3]);
                shapes.insert(format!("{name}.bias"), vec![width]);
                input = width;
            }
        }
        let shapes = shapes.into_iter().enumerate();
        let weights = shapes.map(|(seed, (name, shape))| {
            let numbers = numbers(shape.iter().product(), seed as u32);
            let inputs = if shape.len() == 4 { shape[1] * 9 } else { 100 };
            let scale = (6.0 / inputs as f64).sqrt();
            let is_head = name.starts_with("lin");
            let weight = |x: f64| if is_head { x } else { (x - 0.5) * 2.0 * scale };
            (name, shape, numbers.map(|x| weight(x) as f32).collect())
        });
        weights.collect()
    }

    fn reference(name: &str, device: &Device) -> Tensor<4> {
        let bytes = fs::read("tests/data/reference/lpips.safetensors").unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(4);
        let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut shape = view.shape().to_vec();
        shape.resize(4, 1);
        Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), shape), device)
    }

    #[track_caller]
    fn close(ours: Tensor<4>, theirs: Tensor<4>) {
        let numbers = |it: Tensor<4>| it.into_data().try_into_vec::<f32>().unwrap();
        let (ours, theirs) = (numbers(ours), numbers(theirs));
        assert_eq!(ours.len(), theirs.len());
        let largest = theirs.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-5 * largest,
                "{ours} {theirs} of {largest}"
            );
        }
    }

    #[test]
    fn differences_and_their_slopes_are_those_of_the_authors() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("lpips.safetensors");
        weights::save_tensors(&whole, made(), WeightDtype::F32).unwrap();
        let plain = Device::flex();
        let device = plain.clone().autodiff();
        let a = reference("a", &plain);
        let leaf = Tensor::from_inner(a.clone()).require_grad();
        let told = Lpips::open(&whole, &device)
            .unwrap()
            .forward(leaf.clone(), Tensor::from_inner(reference("b", &plain)));
        close(
            told.clone().inner().reshape([2, 1, 1, 1]),
            reference("told", &plain),
        );
        let gradients = told.mean().backward();
        close(
            leaf.grad(&gradients).unwrap(),
            reference("gradient", &plain),
        );

        // Where nothing is seen, slopes are numbers too.
        let flat = Tensor::<4>::zeros([1, 3, 16, 16], &device) - 1.0;
        let leaf = flat.clone().require_grad();
        let network = Lpips::open(&whole, &device).unwrap();
        let gradients = network.forward(leaf.clone(), flat).sum().backward();
        let slopes = leaf.grad(&gradients).unwrap().into_data();
        let slopes = slopes.try_into_vec::<f32>().unwrap();
        assert!(slopes.iter().all(|slope| *slope == 0.0));

        // The same from the two files that people have.
        let parts = folder.path().join("parts");
        fs::create_dir(&parts).unwrap();
        let (heads, eyes): (Vec<_>, Vec<_>) = made()
            .into_iter()
            .partition(|(name, ..)| name.starts_with("lin"));
        let renamed = eyes.into_iter().map(|(name, shape, values)| {
            let (_, layer) = name["net.".len()..].split_once('.').unwrap();
            (format!("features.{layer}"), shape, values)
        });
        let save = |name, tensors| {
            weights::save_tensors(&parts.join(name), tensors, WeightDtype::F32).unwrap();
        };
        save("vgg16.safetensors", renamed.collect());
        let lacking = Lpips::open(&parts, &plain).unwrap_err().to_string();
        assert!(
            lacking.contains("lin0.model.1.weight is missing"),
            "{lacking}"
        );
        save("vgg.safetensors", heads);
        // Its first head is as wide as VGG's.
        let others = [(0, 64), (3, 384)].map(|(index, width)| {
            let name = format!("lin{index}.model.1.weight");
            (name, vec![1, width, 1, 1], vec![9.0; width])
        });
        save("squeeze.safetensors", others.to_vec());
        let both = Lpips::open(&parts, &plain).unwrap();
        let told = both.forward(a.clone(), reference("b", &plain));
        close(told.reshape([2, 1, 1, 1]), reference("told", &plain));
        let same = both.forward(a.clone(), a).into_data();
        assert_eq!(same.try_into_vec::<f32>().unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn other_weights_are_refused_by_name() {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let empty = Lpips::open(folder.path(), &device).unwrap_err().to_string();
        assert!(empty.contains("no file of weights"), "{empty}");
        let other = Path::new("tests/data/reference/lpips.safetensors");
        let other = Lpips::open(other, &device).unwrap_err().to_string();
        assert!(other.contains("features.0.weight is missing"), "{other}");
    }
}
