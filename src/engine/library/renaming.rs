//! Another name for a model in the user's own folder. Nothing in folders of other programs
//! is ever touched.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::card::is_named_as_weights;
use super::pictures::move_painted;
use super::places::pictures_of;
use crate::files::{reason_of, write_atomically};

/// The file in a model's folder that says what it is called.
const MANIFEST: &str = "studio.json";
/// How training calls the folder of the model in that of its run, and beside it the file of
/// the settings, which may say what the model is to be called.
const INNER: &str = "model";
const RUN: &str = "run.json";
/// What lies beside a model in one file and is its own: how its networks are built, and
/// what other programs note of it.
const NOTES: [&str; 5] = ["yaml", "yml", "json", "txt", "civitai.info"];

/// A model that is to get another name.
#[derive(Clone, Debug)]
pub struct RenameWish {
    /// The file or folder.
    pub path: PathBuf,
    /// The user's own folder for models, in which it must lie.
    pub own: PathBuf,
    /// The name.
    pub name: String,
}

/// What was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// What the model is called now.
    pub name: String,
    /// Files and folders, as they were called and as they are.
    pub moves: Vec<(PathBuf, PathBuf)>,
}

/// Why a model keeps its name, as a sentence.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// It lies elsewhere.
    #[error(
        "{} does not lie in the studio's own folder for models, and other folders are left as \
         they are; rename it where it lies",
        .0.display()
    )]
    NotOwn(PathBuf),
    /// Nothing can be called so.
    #[error(
        "\u{201c}{0}\u{201d} cannot be the name of a model; choose one that is not empty, hidden \
         or a path"
    )]
    NoName(String),
    /// Something is called so.
    #[error("{} is there already; choose another name", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("{} could not be renamed: {}", path.display(), reason_of(source))]
    Io {
        /// What was to be renamed.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Renamed {
    /// Where lies now what lay there.
    pub fn place_of(&self, path: &Path) -> Option<PathBuf> {
        self.moves.iter().find_map(|(old, new)| {
            let inner = path.strip_prefix(old).ok()?;
            Some(match inner.as_os_str().is_empty() {
                true => new.clone(),
                false => new.join(inner),
            })
        })
    }
}

/// The name of a file or folder; `None` for what cannot be one: nothing, what is hidden, and
/// a path.
pub fn plain_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_name = Path::new(name).components().count() == 1
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
        && !name.starts_with('.');
    is_name.then_some(name)
}

impl RenameWish {
    /// Renames it, with what lies beside it and is its own, and with the picture that stands
    /// for it in the `kept` folder. Either all of it has the new name at the end, or the old
    /// one.
    ///
    /// # Errors
    /// Why it keeps its name.
    pub fn fulfil(&self, kept: Option<&Path>) -> Result<Renamed, RenameError> {
        let name = plain_name(&self.name);
        let name = name.ok_or_else(|| RenameError::NoName(self.name.trim().to_owned()))?;
        let place = self.own_place()?;
        let moves = moves_of(&place, name);
        let taken = moves.iter().find(|(_, new)| new.symlink_metadata().is_ok());
        // The folder may be called so already, while the model in it is not.
        let is_there = moves.iter().all(|(old, new)| old == new);
        if let Some((_, new)) = taken.filter(|_| !is_there) {
            return Err(RenameError::Taken(new.clone()));
        }
        let renamed = Renamed {
            name: name.to_owned(),
            moves,
        };
        renamed.carry_out()?;
        let model = renamed.place_of(&self.path);
        let model = model.unwrap_or_else(|| self.path.clone());
        if let Err((path, source)) = call_in_files(&model, name) {
            renamed.take_back();
            return Err(RenameError::Io { path, source });
        }
        if let Some(kept) = kept {
            move_painted(kept, &self.path, &model);
        }
        Ok(renamed)
    }

    /// What carries the name: the file, the folder, or that of the run which trained it.
    fn own_place(&self) -> Result<PathBuf, RenameError> {
        let failed = |source| RenameError::Io {
            path: self.path.clone(),
            source,
        };
        let own = fs::canonicalize(&self.own).map_err(failed)?;
        let real = fs::canonicalize(&self.path).map_err(failed)?;
        let not_own = || RenameError::NotOwn(self.path.clone());
        // What is reached by a link lies elsewhere, whatever its path looks like.
        let inner = self.path.strip_prefix(&self.own).map_err(|_| not_own())?;
        if inner.as_os_str().is_empty() || own.join(inner) != real {
            return Err(not_own());
        }
        let around = self.path.parent().filter(|around| **around != *self.own);
        let is_of_run = self.path.is_dir() && self.path.ends_with(INNER);
        Ok(match around.filter(|_| is_of_run) {
            Some(around) => around.to_path_buf(),
            None => self.path.clone(),
        })
    }
}

impl Renamed {
    fn carry_out(&self) -> Result<(), RenameError> {
        for (done, (old, new)) in self.moves.iter().enumerate() {
            if let Err(source) = fs::rename(old, new) {
                undo(&self.moves[..done]);
                let path = old.clone();
                return Err(RenameError::Io { path, source });
            }
        }
        Ok(())
    }

    fn take_back(&self) {
        undo(&self.moves);
    }
}

fn undo(moves: &[(PathBuf, PathBuf)]) {
    for (old, new) in moves.iter().rev() {
        if let Err(error) = fs::rename(new, old) {
            log::error!("{} could not be renamed back: {error}", new.display());
        }
    }
}

/// What is to be renamed, and how: the file or folder, and what lies beside a file.
fn moves_of(place: &Path, name: &str) -> Vec<(PathBuf, PathBuf)> {
    if !is_named_as_weights(place) || place.is_dir() {
        return vec![(place.to_path_buf(), place.with_file_name(name))];
    }
    let stem = place.file_stem().unwrap_or_default().to_string_lossy();
    let notes = NOTES.map(|ending| place.with_file_name(format!("{stem}.{ending}")));
    let beside = notes.into_iter().chain(pictures_of(place));
    let beside = beside.filter(|path| path.symlink_metadata().is_ok());
    let all = std::iter::once(place.to_path_buf()).chain(beside);
    all.map(|old| {
        let whole = old.file_name().unwrap_or_default().to_string_lossy();
        // With all endings: one is `.preview.png`.
        let endings = &whole[stem.len()..];
        let new = old.with_file_name(format!("{name}{endings}"));
        (old, new)
    })
    .collect()
}

/// Has a model's own file call it so, and that of the run which trained it, where there are
/// any. Nothing is written before both are read; what fails is told with its file.
fn call_in_files(model: &Path, name: &str) -> Result<(), (PathBuf, io::Error)> {
    if !model.is_dir() {
        return Ok(());
    }
    let of_run = model.ends_with(INNER).then(|| model.with_file_name(RUN));
    let paths = [Some(model.join(MANIFEST)), of_run];
    let mut renamed = Vec::new();
    for path in paths.into_iter().flatten() {
        match called(&path, name) {
            Ok(None) => {}
            Ok(Some(text)) => renamed.push((path, text)),
            Err(error) => return Err((path, error)),
        }
    }
    for (path, text) in renamed {
        let written = write_atomically(&path, |file| file.write_all(&text));
        written.map_err(|error| (path, error))?;
    }
    Ok(())
}

/// What a file would say that called the model so; nothing where it does not call it at all:
/// then it is called like its folder.
fn called(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut told: Value = serde_json::from_slice(&text)?;
    let Some(called) = told.get_mut("name") else {
        return Ok(None);
    };
    *called = name.into();
    let mut text = serde_json::to_vec_pretty(&told)?;
    text.push(b'\n');
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn rename(own: &Path, path: &str, name: &str) -> Result<Renamed, RenameError> {
        let wish = RenameWish {
            path: own.join(path),
            own: own.to_path_buf(),
            name: name.to_owned(),
        };
        wish.fulfil(None)
    }

    fn names(own: &Path) -> Vec<String> {
        let entries = fs::read_dir(own).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_folder_of_a_run_and_what_the_model_says_of_itself_are_renamed() {
        let own = tempfile::tempdir().unwrap();
        let own = own.path();
        write(
            own,
            "cats/model/studio.json",
            r#"{"name":"cats","version":1}"#,
        );
        write(own, "cats/checkpoints/step-1/state.json", "{}");
        write(own, "cats/run.json", r#"{"name":"cats","steps":7}"#);
        let renamed = rename(own, "cats/model", " Tabby cats ").unwrap();
        let place = own.join("Tabby cats");
        assert_eq!(renamed.name, "Tabby cats");
        assert_eq!(renamed.moves, [(own.join("cats"), place.clone())]);
        let model = renamed.place_of(&own.join("cats/model"));
        assert_eq!(model, Some(place.join("model")));
        assert_eq!(renamed.place_of(&own.join("cats2")), None);
        let told = fs::read_to_string(place.join("model/studio.json")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["name"], &told["version"]),
            (&"Tabby cats".into(), &1.into())
        );
        assert!(place.join("checkpoints/step-1/state.json").is_file());
        // Going on, the run would call it as before.
        let told = fs::read_to_string(place.join("run.json")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["name"], &told["steps"]),
            (&"Tabby cats".into(), &7.into())
        );
        assert_eq!(names(own), ["Tabby cats"]);
    }

    #[test]
    fn what_lies_beside_a_file_goes_with_it() {
        let own = tempfile::tempdir().unwrap();
        let own = own.path();
        for name in [
            "a.b.safetensors",
            "a.b.yaml",
            "a.b.preview.png",
            "a.b.c.safetensors",
            "a.safetensors",
        ] {
            write(own, name, name);
        }
        rename(own, "a.b.safetensors", "new.1").unwrap();
        let wanted = [
            "a.b.c.safetensors",
            "a.safetensors",
            "new.1.preview.png",
            "new.1.safetensors",
            "new.1.yaml",
        ];
        assert_eq!(names(own), wanted);
    }

    #[test]
    fn what_is_taken_elsewhere_or_no_name_is_refused_and_nothing_changes() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("models");
        write(&own, "one/model_index.json", "{}");
        write(&own, "two.safetensors", "two");
        write(&own, "three.safetensors", "three");
        write(&own, "four.yaml", "four");
        write(&own, "three.yaml", "three");
        write(root.path(), "foreign/model_index.json", "{}");
        let before = names(&own);
        for (path, name) in [("one", "two.safetensors"), ("two.safetensors", "three")] {
            let error = rename(&own, path, name).unwrap_err();
            assert!(matches!(error, RenameError::Taken(_)), "{error}");
        }
        // Also where only what lies beside it would replace something.
        let error = rename(&own, "three.safetensors", "four").unwrap_err();
        assert!(matches!(error, RenameError::Taken(_)), "{error}");
        for name in ["", "  ", ".hidden", "a/b", "..", "a\\b", "a\nb"] {
            let error = rename(&own, "one", name).unwrap_err();
            assert!(matches!(error, RenameError::NoName(_)), "{error}");
        }
        let error = rename(&own, "../foreign", "mine").unwrap_err();
        assert!(matches!(error, RenameError::NotOwn(_)), "{error}");
        let error = rename(&own, "gone", "mine").unwrap_err();
        assert!(
            error.to_string().contains("there is no such file"),
            "{error}"
        );
        assert_eq!(names(&own), before);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_only_linked_to_is_not_ours() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("models");
        write(root.path(), "webui/one/studio.json", r#"{"name":"one"}"#);
        fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink(root.path().join("webui"), own.join("webui")).unwrap();
        let error = rename(&own, "webui/one", "mine").unwrap_err();
        assert!(matches!(error, RenameError::NotOwn(_)), "{error}");
        assert!(root.path().join("webui/one/studio.json").is_file());
    }

    #[test]
    fn what_cannot_be_written_takes_the_name_back() {
        let own = tempfile::tempdir().unwrap();
        let own = own.path();
        write(own, "one/model_index.json", "{}");
        write(own, "one/studio.json", "no JSON");
        assert!(matches!(
            rename(own, "one", "two"),
            Err(RenameError::Io { .. })
        ));
        assert_eq!(names(own), ["one"]);
    }
}
