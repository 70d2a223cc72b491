//! PyTorch checkpoints against PyTorch, and hostile ones against bounds.
//!
//! The files are written by `tests/data/checkpoints/make_torch_files.py`.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "../fuzz/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use safetensors::{Dtype, SafeTensors};
use velatura::model::WeightDtype;
use velatura::model::inspect::inspect;
use velatura::model::weights::{TorchFile, WeightSource as _, open};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// One at a time: they share the counter of bytes.
static TURN: Mutex<()> = Mutex::new(());

/// What a hostile file may take above a good one.
const MOST_BYTES: usize = 160 << 20;
const LONGEST: Duration = Duration::from_secs(20);

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/checkpoints").join(name)
}

#[test]
fn every_form_gives_the_numbers_that_pytorch_gives() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let bytes = std::fs::read(file("good.safetensors")).unwrap();
    let wanted = SafeTensors::deserialize(&bytes).unwrap();
    for form in [
        "good.ckpt",
        "good-old.ckpt",
        "packed.ckpt",
        "protocol4.ckpt",
    ] {
        let found = TorchFile::open(&file(form)).unwrap();
        let mut names: Vec<&str> = wanted.names().into_iter().collect();
        names.sort_unstable();
        assert_eq!(found.names().collect::<Vec<_>>(), names, "{form}");
        for name in names {
            let tensor = wanted.tensor(name).unwrap();
            assert_eq!(found.shape(name), Some(tensor.shape()), "{form}: {name}");
            assert_eq!(found.dtype(name), Some(tensor.dtype()), "{form}: {name}");
            assert_eq!(found.bytes(name).unwrap(), tensor.data(), "{form}: {name}");
        }
    }
}

#[test]
fn numbers_are_read_as_what_they_are_held_as() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let bytes = std::fs::read(file("good.safetensors")).unwrap();
    let wanted = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let tensor = wanted.tensor(name).unwrap();
        let data = tensor.data();
        let two = || data.chunks_exact(2).map(|bytes| [bytes[0], bytes[1]]);
        match tensor.dtype() {
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            Dtype::F64 => data
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b) as f32)
                .collect(),
            Dtype::F16 => two()
                .map(|b| half::f16::from_le_bytes(b).to_f32())
                .collect(),
            _ => two()
                .map(|b| half::bf16::from_le_bytes(b).to_f32())
                .collect(),
        }
    };
    for form in ["good.ckpt", "good-old.ckpt", "packed.ckpt"] {
        let source = open(&file(form)).unwrap();
        for name in [
            "plain",
            "half",
            "brain",
            "double",
            "turned",
            "permuted",
            "tail",
            "half_turned",
        ] {
            let shape = source.shape(name).unwrap().to_vec();
            let read = source.read(name, &shape, false, WeightDtype::F32).unwrap();
            assert_eq!(
                read.try_into_vec::<f32>().unwrap(),
                floats(name),
                "{form}: {name}"
            );
        }
        // As a matrix of ours, which lies the other way round.
        let [rows, columns] = *source.shape("turned").unwrap() else {
            panic!("a matrix")
        };
        let read = source
            .read("turned", &[columns, rows], true, WeightDtype::F32)
            .unwrap();
        let (read, wanted) = (read.try_into_vec::<f32>().unwrap(), floats("turned"));
        for (index, value) in wanted.iter().enumerate() {
            assert_eq!(read[index % columns * rows + index / columns], *value);
        }
        let refused = source
            .read("integers", &[3], false, WeightDtype::F32)
            .unwrap_err();
        assert!(
            refused.to_string().contains("holds integers as I64"),
            "{refused}"
        );
        assert!(
            source
                .read("absent", &[3], false, WeightDtype::F32)
                .is_err()
        );
        assert!(source.read("plain", &[3], false, WeightDtype::F32).is_err());
        assert!(
            source
                .read("turned", &[3], false, WeightDtype::F32)
                .is_err()
        );
    }
}

/// Callbacks, settings and the optimiser are beside the weights and of no interest.
#[test]
fn checkpoints_of_lightning_are_their_weights() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    for form in ["lightning.ckpt", "lightning-old.ckpt"] {
        let found = TorchFile::open(&file(form)).unwrap();
        assert_eq!(
            found.names().collect::<Vec<_>>(),
            ["a.weight", "b"],
            "{form}"
        );
        assert_eq!(
            found.bytes("b").unwrap(),
            [0x00, 0x3c, 0x00, 0x3c, 0x00, 0x3c],
            "{form}"
        );
    }
}

#[test]
fn hostile_files_end_in_a_sentence() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let said = [
        ("system", "os.system"),
        ("system-old", "os.system"),
        ("plain", "system"),
        ("text", "os.system"),
        ("eval", "builtins.eval"),
        ("inst", "subprocess.Popen"),
        ("stride0", "would take"),
        ("kind", "QInt8Storage"),
        ("bomb", "unpack to"),
        ("unread-bomb", "unpack to"),
        ("overlap", "would take"),
        ("passed", "would be unpacked"),
        ("script", "TorchScript"),
        ("big-endian", "order"),
        ("no-pickle", "data.pkl"),
        ("marks", "instructions"),
        ("pickle-bomb", "longer than"),
    ];
    let mut count = 0;
    for entry in std::fs::read_dir(file("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(name) = name.strip_prefix("hostile-") else {
            continue;
        };
        count += 1;
        let (started, meter) = (Instant::now(), memory::Meter::start());
        let outcome = open(&path);
        let (peak, took) = (meter.peak(), started.elapsed());
        println!("{name}: {} MB, {took:?}", peak >> 20);
        assert!(peak < MOST_BYTES, "{name}: {} MB", peak >> 20);
        assert!(took < LONGEST, "{name}: {took:?}");
        let sentence = match outcome {
            Err(error) => error.to_string(),
            Ok(found) => panic!("{name} was opened: {:?}", found.names().next()),
        };
        println!("    {sentence}");
        assert!(
            !sentence.contains('\n') && sentence.len() < 400,
            "{name}: {sentence}"
        );
        if let Some((_, part)) = said.iter().find(|(known, _)| *known == name) {
            assert!(sentence.contains(part), "{name}: {sentence}");
        }
    }
    assert!(count > 35, "only {count} hostile files");
    assert!(!Path::new("/tmp/velatura-was-here").exists());
}

/// GLIGEN keeps averages beside its networks; where there are none, the last weights count.
#[test]
fn averages_count_where_they_are_as_many_as_the_weights() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    for (form, is_averaged) in [("none", false), ("bookkeeping", false), ("whole", true)] {
        let found = TorchFile::open(&file(&format!("gligen-ema-{form}.pt"))).unwrap();
        let names: Vec<&str> = found.names().collect();
        let mut wanted = vec![
            "cond_stage_model.d",
            "first_stage_model.c",
            "model.diffusion_model.a",
            "model.diffusion_model.b",
        ];
        wanted.extend(is_averaged.then_some("model.diffusion_model.decay"));
        assert_eq!(names, wanted, "{form}");
        let read = found.read("model.diffusion_model.b", &[4], false, WeightDtype::F32);
        let first = read.unwrap().try_into_vec::<f32>().unwrap()[0];
        assert_eq!(first, f32::from(u8::from(is_averaged)), "{form}");
    }
}

#[test]
fn dictionaries_in_a_dictionary_are_looked_into() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let path = file("ip-adapter.bin");
    let found = TorchFile::open(&path).unwrap();
    let names: Vec<&str> = found.names().collect();
    let wanted = [
        "image_proj.norm.weight",
        "image_proj.proj.weight",
        "ip_adapter.1.to_k_ip.weight",
    ];
    assert_eq!(names, wanted);
    let sentence = inspect(&path, None).unwrap_err().to_string();
    assert!(sentence.contains("an IP-Adapter"), "{sentence}");
}

/// A file without weights that begins with this header.
fn headed(folder: &Path, header: &str) -> PathBuf {
    let path = folder.join("headed.safetensors");
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&length, header.as_bytes()].concat()).unwrap();
    path
}

#[test]
fn headers_that_would_fill_memory_are_refused_before_they_are_read() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let scratch = tempfile::tempdir().unwrap();
    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(",")
    };
    let tensor = r#"{"dtype":"F32","shape":[0],"data\u005foffsets":[0,0]}"#;
    let escaped = list(70_000, &|number| format!("\"n{number}\":{tensor}"));
    let zeros = list(2_000_000, &|_| "0".to_owned());
    let notes = list(800_000, &|number| format!("\"{number:x}\":\"\""));
    for (name, header, part) in [
        ("escaped", format!("{{{escaped}}}"), "tensors"),
        (
            "shape",
            format!(r#"{{"a":{{"dtype":"F32","shape":[{zeros}],"data_offsets":[0,0]}}}}"#),
            "no model",
        ),
        (
            "notes",
            format!(r#"{{"__metadata__":{{{notes}}}}}"#),
            "no model",
        ),
    ] {
        let path = headed(scratch.path(), &header);
        drop(header);
        let meter = memory::Meter::start();
        let sentence = open(&path).map(|_| ()).unwrap_err().to_string();
        let peak = meter.peak();
        println!("{name}: {} MB: {sentence}", peak >> 20);
        assert!(peak < MOST_BYTES, "{name}: {} MB", peak >> 20);
        assert!(sentence.contains(part), "{name}: {sentence}");
    }
    // What stands in quotes is one note, however it looks.
    let note = r#"{\"a\":[1,2,{}]},\\"#.repeat(100_000);
    let header = format!(r#"{{"__metadata__":{{"trainer":"{note}"}}}}"#);
    let found = open(&headed(scratch.path(), &header)).unwrap();
    let told = found.note("trainer").unwrap();
    assert!(told.starts_with(r#"{"a":[1,2,{}]},\{"#), "{}", &told[..40]);
}
