//! Checkpoints: folders that appear whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainError;
use super::source::{SkippedPicture, SourceIdentity};
use crate::files::reason_of;
use crate::recipe::{TrainSpec, TrainTarget};

const FORMAT: &str = "velatura-training";
const VERSION: u32 = 1;
/// Checkpoints that are kept: the newest and, should it be lost, the one before.
const KEPT: usize = 2;
const PREFIX: &str = "step-";
/// Begins the names of folders that are being written.
const UNFINISHED: &str = ".writing-";
const STATE: &str = "state.json";

/// Why a run cannot go on whose pictures tell other things apart than they did.
const OTHER_PICTURES: &str = "the pictures have other classes, boxes or label maps than when it \
    began; take back what was added, or begin another run with --from its model";

/// Why a run cannot go on whose latents would mean something else.
const OTHER_FIRST_STAGE: &str = "its first stage had other weights; bring that one back, or begin \
    another run";

/// Everything of a run that is no tensor. All randomness is a function of the
/// seed and the step, so no generator has a state to be saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunState {
    pub format: String,
    pub version: u32,
    /// Steps done.
    pub step: u64,
    /// What the run must have in common with the one that goes on.
    pub identity: Identity,
    /// Steps that changed the weights, of each network by its name.
    pub updates: std::collections::BTreeMap<String, u64>,
    /// Numbers that a stage measured once.
    pub measured: std::collections::BTreeMap<String, f64>,
    /// Seconds of training behind the checkpoint.
    pub elapsed_secs: f64,
    /// Pictures that were left out.
    pub skipped: Vec<SkippedPicture>,
}

/// What makes two runs the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub target: TrainTarget,
    /// What the pictures are, for people.
    pub pictures: String,
    /// What tells them from others; absent in older checkpoints. A run may go on
    /// with other pictures, but it is told.
    #[serde(default)]
    pub source: Option<SourceIdentity>,
    pub size_px: u32,
    pub batch: u32,
    pub accumulate: u32,
    pub seed: u64,
    pub has_discriminator: bool,
    /// Digest of the first stage whose latents are learnt from; absent in older checkpoints,
    /// and where there is none with weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_stage: Option<String>,
    /// The configurations of the networks.
    pub networks: Value,
}

impl Identity {
    pub fn new(
        spec: &TrainSpec,
        pictures: String,
        source: SourceIdentity,
        networks: Value,
    ) -> Self {
        Self {
            target: spec.target,
            pictures,
            source: Some(source),
            size_px: spec.size_px,
            batch: spec.batch,
            accumulate: spec.accumulate,
            seed: spec.seed,
            has_discriminator: spec.discriminator_start.is_some(),
            first_stage: None,
            networks,
        }
    }

    /// How the pictures differ from those of the run so far.
    pub fn other_pictures(&self, before: &Self) -> Option<String> {
        self.source.as_ref()?.difference(before.source.as_ref()?)
    }

    /// The first thing in which the runs differ.
    fn difference(&self, other: &Self) -> Option<String> {
        let unequal = |name: &str, mine: &dyn std::fmt::Debug, its: &dyn std::fmt::Debug| {
            let (mine, its) = (format!("{mine:?}"), format!("{its:?}"));
            (mine != its).then(|| format!("its {name} is {its}, this run's {mine}"))
        };
        unequal("target", &self.target, &other.target)
            .or_else(|| unequal("picture size", &self.size_px, &other.size_px))
            .or_else(|| unequal("batch", &self.batch, &other.batch))
            .or_else(|| unequal("accumulation", &self.accumulate, &other.accumulate))
            .or_else(|| unequal("seed", &self.seed, &other.seed))
            .or_else(|| {
                unequal(
                    "use of a discriminator",
                    &self.has_discriminator,
                    &other.has_discriminator,
                )
            })
            .or_else(|| {
                let both = self.first_stage.as_ref().zip(other.first_stage.as_ref());
                both.is_some_and(|(mine, its)| mine != its)
                    .then(|| OTHER_FIRST_STAGE.to_owned())
            })
            .or_else(|| {
                let [mine, its] = [self, other].map(|it| &it.networks["inputs"]);
                let both = named(mine).zip(named(its));
                let is_other =
                    |(mine, its): (&Value, &Value)| mine["kind"] == its["kind"] && mine != its;
                both.is_some_and(is_other)
                    .then(|| OTHER_PICTURES.to_owned())
            })
            .or_else(|| {
                (self.networks != other.networks)
                    .then(|| "its networks have other sizes than this run's".to_owned())
            })
    }
}

/// What is asked of a new model, if the pictures decide on what there is to be asked for.
fn named(inputs: &Value) -> Option<&Value> {
    let only = inputs.get(0)?;
    let kind = only["kind"].as_str()?;
    ["class", "layout", "semantic"]
        .contains(&kind)
        .then_some(only)
}

impl RunState {
    pub fn new(identity: Identity) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            step: 0,
            identity,
            updates: Default::default(),
            measured: Default::default(),
            elapsed_secs: 0.0,
            skipped: Vec::new(),
        }
    }
}

/// The checkpoints of one output folder.
pub(super) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub fn new(output: &Path) -> Self {
        Self {
            folder: output.join("checkpoints"),
        }
    }

    /// All checkpoints, oldest first.
    fn list(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                let step = name.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
                Some((step, entry.path()))
            })
            .collect();
        found.sort();
        found
    }

    /// The folders of all checkpoints, newest first.
    pub fn newest_first(&self) -> Result<Vec<PathBuf>, TrainError> {
        let folders: Vec<_> = self.list().into_iter().rev().map(|found| found.1).collect();
        if folders.is_empty() {
            return Err(TrainError::NoCheckpoint(self.folder.clone()));
        }
        Ok(folders)
    }

    /// Goes on from the newest checkpoint that `load` can read, and warns of those
    /// that it cannot: the spare one is kept for that.
    pub fn resume(
        &self,
        identity: &Identity,
        mut load: impl FnMut(&Path, &RunState) -> Result<(), TrainError>,
        warn: &mut dyn FnMut(String),
    ) -> Result<RunState, TrainError> {
        let mut damaged: Vec<(PathBuf, TrainError)> = Vec::new();
        for path in self.newest_first()? {
            let read = Self::read(&path, identity).and_then(|state| {
                load(&path, &state).map_err(|error| TrainError::DamagedCheckpoint {
                    path: path.clone(),
                    message: error.to_string(),
                })?;
                Ok(state)
            });
            match read {
                Ok(state) => {
                    for (path, error) in damaged {
                        warn(format!("{error}; the run goes on from step {}", state.step));
                        put_aside(&path);
                    }
                    return Ok(state);
                }
                Err(error @ TrainError::DamagedCheckpoint { .. }) => damaged.push((path, error)),
                Err(error) => return Err(error),
            }
        }
        match damaged.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Err(TrainError::NoCheckpoint(self.folder.clone())),
        }
    }

    /// The configurations of the networks of the newest checkpoint that can be read.
    pub fn networks(&self) -> Option<Value> {
        self.list().into_iter().rev().find_map(|(_, folder)| {
            let text = fs::read(folder.join(STATE)).ok()?;
            let state: RunState = serde_json::from_slice(&text).ok()?;
            Some(state.identity.networks)
        })
    }

    /// Steps behind the newest checkpoint, if there is one.
    pub fn newest_step(&self) -> Option<u64> {
        self.list().pop().map(|(step, _)| step)
    }

    /// Whether a run has left checkpoints here.
    pub fn is_in_use(&self) -> bool {
        !self.list().is_empty()
    }

    /// Removes what runs that were killed left half written. Nobody else may be at work
    /// here.
    pub fn forget_unfinished(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                // It is in nobody's way.
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }

    /// Writes a checkpoint beside the others and gives it its name when all of
    /// it is on the disk; then removes those that are too old.
    pub fn write(
        &self,
        state: &RunState,
        write_tensors: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(TrainError::io("make the folder", folder))?;
        let path = folder.join(format!("{PREFIX}{:08}", state.step));
        let scratch = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(folder)
            .map_err(TrainError::io("write in", folder))?;
        let fresh = scratch.path().join("checkpoint");
        fs::create_dir(&fresh).map_err(TrainError::io("make the folder", &fresh))?;
        write_tensors(&fresh)?;
        let text = serde_json::to_vec_pretty(state)
            .map_err(std::io::Error::other)
            .map_err(TrainError::io("write", &path))?;
        let state_path = fresh.join(STATE);
        fs::write(&state_path, text)
            .and_then(|()| sync(&state_path))
            .and_then(|()| sync(&fresh))
            .map_err(TrainError::io("write", &state_path))?;
        if path.exists() {
            fs::rename(&path, scratch.path().join("old"))
                .map_err(TrainError::io("replace", &path))?;
        }
        fs::rename(&fresh, &path).map_err(TrainError::io("write", &path))?;
        sync(folder).map_err(TrainError::io("write", folder))?;
        let all = self.list();
        for (_, old) in all.iter().take(all.len().saturating_sub(KEPT)) {
            // A checkpoint too many does no harm.
            if let Err(error) = fs::remove_dir_all(old) {
                log::warn!("cannot remove {}: {error}", old.display());
            }
        }
        Ok(path)
    }

    /// Reads a checkpoint's state and checks that it is of this run.
    fn read(path: &Path, identity: &Identity) -> Result<RunState, TrainError> {
        let foreign = |message: String| TrainError::ForeignCheckpoint {
            path: path.to_path_buf(),
            message,
        };
        let damaged = |message: String| TrainError::DamagedCheckpoint {
            path: path.to_path_buf(),
            message,
        };
        let text = fs::read_to_string(path.join(STATE)).map_err(|error| {
            damaged(format!(
                "its {STATE} cannot be read ({})",
                reason_of(&error)
            ))
        })?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| damaged(format!("its {STATE} is damaged ({error})")))?;
        if value["format"] != FORMAT {
            return Err(foreign("it was not written by Velatura".into()));
        }
        if value["version"] != VERSION {
            return Err(foreign(format!(
                "it has the format version {}, this program reads version {VERSION}",
                value["version"]
            )));
        }
        let state: RunState = serde_json::from_value(value)
            .map_err(|error| damaged(format!("its {STATE} is damaged ({error})")))?;
        match identity.difference(&state.identity) {
            Some(difference) => Err(foreign(format!("it is of another run: {difference}"))),
            None => Ok(state),
        }
    }
}

/// Gives a damaged checkpoint a name by which it is no checkpoint any more: it must
/// not be counted among those that are kept. It may still be of use to somebody.
fn put_aside(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Err(error) = fs::rename(path, path.with_file_name(format!("damaged-{name}"))) {
        log::warn!("cannot rename {}: {error}", path.display());
    }
}

/// Waits until a file or folder is on the disk.
fn sync(path: &Path) -> std::io::Result<()> {
    match File::open(path).and_then(|file| file.sync_all()) {
        // Not every system can sync a folder; its files are whole either way.
        Err(_) if path.is_dir() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_killed_run_left_half_written_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::new(folder.path());
        checkpoints.forget_unfinished();
        let at = |name: &str| folder.path().join("checkpoints").join(name);
        for name in [".writing-x1/checkpoint", "step-00000004", "mine"] {
            fs::create_dir_all(at(name)).expect("a folder");
        }
        checkpoints.forget_unfinished();
        assert!(!at(".writing-x1").exists());
        assert!(at("step-00000004").exists() && at("mine").exists());
    }

    #[test]
    fn other_classes_are_told_from_other_networks() {
        let identity = |classes: &[&str], width: u32| {
            let source = SourceIdentity {
                place: String::new(),
                digest: String::new(),
            };
            let inputs = json!([{ "kind": "class", "classes": classes }]);
            let networks = json!({ "unet": { "width": width }, "inputs": inputs });
            Identity::new(&TrainSpec::default(), String::new(), source, networks)
        };
        let before = identity(&["bars", "discs"], 32);
        assert_eq!(before.difference(&identity(&["bars", "discs"], 32)), None);
        let told = |other: &Identity| other.difference(&before).expect("a difference");
        let more = told(&identity(&["bars", "discs", "stars"], 33));
        assert!(more.contains("other classes"), "{more}");
        let wider = told(&identity(&["bars", "discs"], 33));
        assert!(wider.contains("other sizes"), "{wider}");
        let of = |first_stage: Option<&str>| Identity {
            first_stage: first_stage.map(str::to_owned),
            ..identity(&["bars", "discs"], 32)
        };
        // Older checkpoints do not say which it was.
        assert_eq!(of(Some("aa")).difference(&of(None)), None);
        assert_eq!(of(Some("aa")).difference(&of(Some("aa"))), None);
        let other = of(Some("aa")).difference(&of(Some("bb")));
        assert!(other.expect("a difference").contains("first stage"));
    }
}
