//! The network by which sets of pictures are compared, and the sets.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::model::judge;
use crate::cli::report::{Progress, Reporter};
use crate::cli::{CliError, interrupt};
use crate::engine::device::ComputeDevice;
use crate::evaluate::compare::{
    FeatureKind, FeatureNetwork, Inception, PictureFolder, Resize, Side, Statistics,
};
use crate::evaluate::{EvaluateError, Judge};

/// Which network sees the pictures.
#[derive(Debug, Args)]
pub struct FeatureArgs {
    /// Weights of Inception, pt_inception-2015-12-05-6726825d.pth or the same as
    /// safetensors, for FID [default: the small network that judges scenes]
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// How pictures are scaled for Inception [default: as the statistics were, else
    /// torch-fidelity's way, which is the paper's]
    #[arg(long, value_enum, value_name = "HOW", requires = "inception")]
    resize: Option<ResizeArg>,
}

/// Whose way of scaling pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ResizeArg {
    /// As torch-fidelity, and the first TensorFlow
    TorchFidelity,
    /// As pytorch-fid
    PytorchFid,
}

impl From<ResizeArg> for Resize {
    fn from(arg: ResizeArg) -> Self {
        match arg {
            ResizeArg::TorchFidelity => Self::TorchFidelity,
            ResizeArg::PytorchFid => Self::PytorchFid,
        }
    }
}

/// A set of pictures that was named, opened and not yet looked at.
pub(super) enum Named {
    /// Pictures.
    Folder(PictureFolder),
    /// Statistics of pictures.
    File(PathBuf, Box<Statistics>),
}

impl Named {
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        if path.is_dir() {
            return Ok(Self::Folder(PictureFolder::open(path)?));
        }
        if !path.exists() {
            return Err(CliError::Read {
                path: path.to_owned(),
                reason: "there is no such folder or file".to_owned(),
            });
        }
        if !path
            .extension()
            .is_some_and(|it| it.eq_ignore_ascii_case("npz"))
        {
            return Err(EvaluateError::NoSet(path.to_owned()).into());
        }
        let statistics = Box::new(Statistics::read(path)?);
        Ok(Self::File(path.to_owned(), statistics))
    }

    /// Pictures to look at.
    pub(super) fn pictures(&self) -> usize {
        match self {
            Self::Folder(folder) => folder.files().len(),
            Self::File(..) => 0,
        }
    }

    pub(super) fn folder(&self) -> Option<&PictureFolder> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::File(..) => None,
        }
    }

    fn statistics(&self) -> Option<&Statistics> {
        match self {
            Self::Folder(_) => None,
            Self::File(_, statistics) => Some(statistics),
        }
    }

    /// What a network sees in it, or saw when the statistics were made.
    pub(super) fn look(
        self,
        network: &FeatureNetwork,
        progress: &mut Progress,
        (before, total): (usize, usize),
    ) -> Result<Side, CliError> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::File(path, statistics) => {
                let statistics = statistics.as_seen_by(&path, &network.kind())?;
                return Ok(Side::of_file(statistics));
            }
        };
        let set = folder.look(network, &mut |looked| {
            for warning in looked.warnings {
                progress.warn(&warning.to_string());
            }
            progress.show((before + looked.done) as u64, total as u64, "");
            interrupt::go_on()
        })?;
        Ok(Side::seen(set, network.kind()))
    }
}

impl FeatureArgs {
    /// Opens the network; statistics that were named say how pictures are scaled.
    pub(super) fn open(
        &self,
        named: &[&Named],
        judge_folder: Option<&Path>,
        device: Option<&ComputeDevice>,
        report: Reporter,
    ) -> Result<FeatureNetwork, CliError> {
        let (Some(file), Some(device)) = (&self.inception, device) else {
            // One that is named is there: a slip of the pen must not train for an hour.
            let judge = match judge_folder {
                Some(folder) => Judge::open(folder)?,
                None => judge(None, report)?,
            };
            return Ok(FeatureNetwork::Scenes(Box::new(judge)));
        };
        let mut found = named.iter().filter_map(|named| named.statistics());
        let resize = match (self.resize, found.next()) {
            (Some(resize), _) => resize.into(),
            (None, Some(statistics)) => match statistics.kind {
                FeatureKind::Inception { resize, .. } => resize,
                _ => Resize::UNSAID,
            },
            (None, None) => Resize::default(),
        };
        let inception = Inception::open(file, resize, &device.device)?;
        Ok(FeatureNetwork::Inception(Box::new(inception)))
    }

    /// Whether the network wants a device; the small one is quickest on the processor.
    pub(super) fn needs_device(&self) -> bool {
        self.inception.is_some()
    }
}
