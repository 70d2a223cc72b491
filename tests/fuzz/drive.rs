//! Runs the cases of a target and keeps what fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::memory::Meter;
use super::random::Random;

/// Cases of a target in the test command.
const CASES: u64 = 300;

/// Bytes that a case may take, unless its target says more.
pub const MOST_BYTES: usize = 256 << 20;

/// A case that takes longer hangs. No machine is so slow.
const HANG: Duration = Duration::from_secs(180);

/// One at a time: they share the counter of bytes.
static TURN: Mutex<()> = Mutex::new(());

/// Something that reads bytes of strangers.
pub struct Target<'a> {
    /// The name, also that of its folder in `tests/data/fuzz`.
    pub name: &'static str,
    /// What is mutated.
    pub corpus: Vec<Vec<u8>>,
    /// Makes a new input of the corpus.
    pub mutate: fn(&mut Random, &[Vec<u8>]) -> Vec<u8>,
    /// Bytes that one input may take.
    pub most_bytes: usize,
    /// Reads an input; errors are no failure.
    pub read: &'a dyn Fn(&[u8]),
}

/// The input that is being read, and since when.
type Current = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

impl Target<'_> {
    /// Reads the corpus as it is and then mutated.
    ///
    /// # Panics
    /// On the first input that fails, with the name of the file that has it.
    pub fn fuzz(mut self) {
        let turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
        let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
        let seconds = number("VELATURA_FUZZ_SECS");
        let seed = number("VELATURA_FUZZ_SEED").unwrap_or_default();
        let started = Instant::now();

        let kept = Path::new("tests/data/fuzz").join(self.name);
        let mut files: Vec<PathBuf> = std::fs::read_dir(kept)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let files = files.iter().map(|file| std::fs::read(file).unwrap());
        self.corpus.extend(files);

        let current = Current::default();
        watch(self.name, &current);
        for input in &self.corpus {
            self.check(input, &current);
        }
        let mut case = 0;
        loop {
            let is_over = match seconds {
                Some(seconds) => started.elapsed() >= Duration::from_secs(seconds),
                None => case >= CASES,
            };
            if is_over {
                break;
            }
            let mut random = Random::new(self.name, seed, case);
            self.check(&(self.mutate)(&mut random, &self.corpus), &current);
            case += 1;
        }
        println!("{}: {case} inputs", self.name);
        drop(turn);
    }

    fn check(&self, input: &[u8], current: &Current) {
        let set = |value| *current.lock().unwrap_or_else(|poison| poison.into_inner()) = value;
        set(Some((Instant::now(), input.to_vec())));
        let meter = Meter::start();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(input)));
        let peak = meter.peak();
        set(None);
        let what = match outcome {
            Err(_) => "a panic".to_owned(),
            Ok(()) if peak > self.most_bytes => format!("{} MB taken", peak >> 20),
            Ok(()) => return,
        };
        let file = keep(self.name, input);
        panic!("{}: {what}; the input is {}", self.name, file.display());
    }
}

/// Writes a failing input to a file.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    let sum = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let file = folder.join(format!("{name}-{sum:016x}"));
    std::fs::write(&file, input).unwrap();
    file
}

/// Ends the tests when an input takes for ever: nothing else could.
fn watch(name: &'static str, current: &Current) {
    let current = Arc::downgrade(current);
    std::thread::spawn(move || {
        while let Some(current) = current.upgrade() {
            let input = current.lock().unwrap_or_else(|poison| poison.into_inner());
            if let Some((since, input)) = &*input
                && since.elapsed() > HANG
            {
                let file = keep(name, input);
                eprintln!("{name}: a hang; the input is {}", file.display());
                std::process::abort();
            }
            drop(input);
            drop(current);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}
