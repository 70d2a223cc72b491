//! The weights of `make_evaluation_reference.py`: numbers that a formula makes of the
//! names, because 95 MB are too many to keep.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

/// Numbers in [-1, 1): 24 bits of a hash of the tensor's number and the place in it.
fn uniform(tensor: u32, count: usize) -> Vec<f32> {
    let number = |at: usize| {
        let mut x = (at as u32).wrapping_add(tensor.wrapping_mul(0x9E37_79B1));
        for (shift, factor) in [(16, 0x85EB_CA6B_u32), (13, 0xC2B2_AE35)] {
            x = (x ^ (x >> shift)).wrapping_mul(factor);
        }
        x ^= x >> 16;
        (x >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(number).collect()
}

/// Shapes and numbers by name.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Writes all of them; `change` may take some away or make others of them.
pub fn write(path: &Path, change: impl FnOnce(&mut Tensors)) {
    let mut tensors = Tensors::new();
    // numpy's order of names is that of bytes, as a sorted map's.
    for (number, (name, shape)) in layout().into_iter().enumerate() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let mut values = uniform(number as u32, shape.iter().product());
        let fan_in: usize = shape[1..].iter().product();
        let of_conv = (6.0 / fan_in as f64).sqrt() as f32;
        for value in &mut values {
            *value = if name.ends_with("conv.weight") {
                *value * of_conv
            } else if name.ends_with("bn.weight") || name.ends_with("bn.running_var") {
                1.0 + 0.25 * *value
            } else {
                *value * 0.125
            };
        }
        tensors.insert(name, (shape, values));
    }
    change(&mut tensors);
    let bytes = |values: &[f32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, (shape, values))| (name, (shape, bytes(&values))))
        .collect();
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// Names and shapes as in the released file.
fn layout() -> BTreeMap<String, Vec<usize>> {
    let mut all = BTreeMap::new();
    let mut conv = |name: &str, input: usize, output: usize, kernel: [usize; 2]| {
        let shape = vec![output, input, kernel[0], kernel[1]];
        all.insert(format!("{name}.conv.weight"), shape);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.insert(format!("{name}.bn.{part}"), vec![output]);
        }
        all.insert(format!("{name}.bn.num_batches_tracked"), Vec::new());
    };
    for (name, input, output, side) in [
        ("Conv2d_1a_3x3", 3, 32, 3),
        ("Conv2d_2a_3x3", 32, 32, 3),
        ("Conv2d_2b_3x3", 32, 64, 3),
        ("Conv2d_3b_1x1", 64, 80, 1),
        ("Conv2d_4a_3x3", 80, 192, 3),
    ] {
        conv(name, input, output, [side, side]);
    }
    for (block, input, pool) in [("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)] {
        for (branch, from, to, side) in [
            ("branch1x1", input, 64, 1),
            ("branch5x5_1", input, 48, 1),
            ("branch5x5_2", 48, 64, 5),
            ("branch3x3dbl_1", input, 64, 1),
            ("branch3x3dbl_2", 64, 96, 3),
            ("branch3x3dbl_3", 96, 96, 3),
            ("branch_pool", input, pool, 1),
        ] {
            conv(&format!("Mixed_{block}.{branch}"), from, to, [side, side]);
        }
    }
    for (branch, from, to, side) in [
        ("branch3x3", 288, 384, 3),
        ("branch3x3dbl_1", 288, 64, 1),
        ("branch3x3dbl_2", 64, 96, 3),
        ("branch3x3dbl_3", 96, 96, 3),
    ] {
        conv(&format!("Mixed_6a.{branch}"), from, to, [side, side]);
    }
    for (block, width) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
        for (branch, from, to, kernel) in [
            ("branch1x1", 768, 192, [1, 1]),
            ("branch7x7_1", 768, width, [1, 1]),
            ("branch7x7_2", width, width, [1, 7]),
            ("branch7x7_3", width, 192, [7, 1]),
            ("branch7x7dbl_1", 768, width, [1, 1]),
            ("branch7x7dbl_2", width, width, [7, 1]),
            ("branch7x7dbl_3", width, width, [1, 7]),
            ("branch7x7dbl_4", width, width, [7, 1]),
            ("branch7x7dbl_5", width, 192, [1, 7]),
            ("branch_pool", 768, 192, [1, 1]),
        ] {
            conv(&format!("Mixed_{block}.{branch}"), from, to, kernel);
        }
    }
    for (branch, from, to, kernel) in [
        ("branch3x3_1", 768, 192, [1, 1]),
        ("branch3x3_2", 192, 320, [3, 3]),
        ("branch7x7x3_1", 768, 192, [1, 1]),
        ("branch7x7x3_2", 192, 192, [1, 7]),
        ("branch7x7x3_3", 192, 192, [7, 1]),
        ("branch7x7x3_4", 192, 192, [3, 3]),
    ] {
        conv(&format!("Mixed_7a.{branch}"), from, to, kernel);
    }
    for (block, input) in [("7b", 1280), ("7c", 2048)] {
        for (branch, from, to, kernel) in [
            ("branch1x1", input, 320, [1, 1]),
            ("branch3x3_1", input, 384, [1, 1]),
            ("branch3x3_2a", 384, 384, [1, 3]),
            ("branch3x3_2b", 384, 384, [3, 1]),
            ("branch3x3dbl_1", input, 448, [1, 1]),
            ("branch3x3dbl_2", 448, 384, [3, 3]),
            ("branch3x3dbl_3a", 384, 384, [1, 3]),
            ("branch3x3dbl_3b", 384, 384, [3, 1]),
            ("branch_pool", input, 192, [1, 1]),
        ] {
            conv(&format!("Mixed_{block}.{branch}"), from, to, kernel);
        }
    }
    all.insert("fc.weight".into(), vec![1008, 2048]);
    all.insert("fc.bias".into(), vec![1008]);
    all
}
