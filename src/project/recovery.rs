//! Copies of unsaved work, from which it comes back after a crash.
//!
//! Every running program has a folder of its own in the folder for recovery, and
//! keeps a file in it locked for as long as it runs: the system lets go of the lock
//! however the program ends. Who starts later and gets the lock knows that the
//! copies beside it were left behind, and that nobody else offers them now.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reading::{glance_at_copy, open_copy};
use super::{EXTENSION, Home, OpenedProject, Project, ProjectError, ReadLimits, save_project};
use crate::document::DocumentId;

/// Beginning of the names of the programs' folders.
const FOLDER_PREFIX: &str = "session-";

/// The file in a program's folder that it keeps locked.
const LOCK_NAME: &str = "lock";

/// Held for a moment by who makes a folder or looks for those of others, so that
/// nobody takes a new folder for one that was left behind.
const TURN_NAME: &str = "turn";

/// A copy that a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// The copy.
    pub copy: PathBuf,
    /// Where its document belongs; `None` if it has no file.
    pub home: Option<Home>,
    /// Width and height of its canvas.
    pub size_px: [u32; 2],
    /// When it was made.
    pub time: SystemTime,
    /// Whether the project that it is of was saved after it.
    pub is_older_than_file: bool,
}

/// The folder of a program.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Locked for as long as this is here.
    lock: File,
}

/// The copies of this program, and those left behind that it offers.
#[derive(Debug)]
pub struct Recovery {
    root: PathBuf,
    own: Folder,
    others: Vec<Folder>,
    /// Whether programs that run have copies.
    are_held: bool,
}

impl Recovery {
    /// Takes a folder in the folder for recovery, and every folder there that was
    /// left behind. Those without a copy are removed.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn begin(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let turn = turn(root)?;
        let (others, are_held) = left_behind(root, &[]);
        let own = tempfile::Builder::new()
            .prefix(FOLDER_PREFIX)
            .tempdir_in(root)?
            .keep();
        let lock = File::create(own.join(LOCK_NAME))?;
        lock.lock()?;
        drop(turn);
        Ok(Self {
            root: root.to_owned(),
            own: Folder { path: own, lock },
            others,
            are_held,
        })
    }

    /// Whether other programs, which run, have copies. One that was killed may seem to run
    /// for a while, until the last of its threads has ended.
    pub fn are_held(&self) -> bool {
        self.are_held
    }

    /// Takes the folders of programs that have ended since.
    ///
    /// # Errors
    /// When the folder for recovery cannot be written to.
    pub fn look_again(&mut self) -> io::Result<()> {
        let turn = turn(&self.root)?;
        let taken = std::iter::once(&self.own).chain(&self.others);
        let taken: Vec<&Path> = taken.map(|folder| folder.path.as_path()).collect();
        let (found, are_held) = left_behind(&self.root, &taken);
        drop(turn);
        self.others.extend(found);
        self.are_held = are_held;
        Ok(())
    }

    /// The copies that were left behind, the newest first.
    pub fn left_behind(&self) -> Vec<LeftBehind> {
        let folders = self.others.iter();
        let copies = folders.flat_map(|folder| copies_in(&folder.path));
        let mut copies: Vec<_> = copies.filter_map(|copy| glance(&copy)).collect();
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.time));
        copies
    }

    /// Makes a copy of a document, in place of the one before.
    ///
    /// # Errors
    /// As [`save_project`].
    pub fn keep(&self, document: DocumentId, project: &Project) -> Result<(), ProjectError> {
        save_project(&self.copy_of(document), project)
    }

    /// Removes the copy of a document, if there is one: its work is saved, or its
    /// user gave it up.
    pub fn forget(&self, document: DocumentId) {
        remove(&self.copy_of(document));
    }

    /// Makes a copy that was left behind the copy of a document that was opened
    /// from it. There is no moment without one.
    ///
    /// # Errors
    /// What the system says; the copy then stays where it was.
    pub fn adopt(&mut self, copy: &Path, document: DocumentId) -> io::Result<()> {
        std::fs::rename(copy, self.copy_of(document))?;
        self.remove_empty();
        Ok(())
    }

    /// Removes a copy that was left behind: its user does not want it.
    pub fn give_up(&mut self, copy: &Path) {
        remove(copy);
        self.remove_empty();
    }

    /// Removes the program's own folder. Copies that were left behind, and neither
    /// adopted nor given up, stay for the next start.
    pub fn end(self) {
        let turn = turn(&self.root);
        self.own.remove();
        drop(turn);
    }

    fn copy_of(&self, document: DocumentId) -> PathBuf {
        let name = format!("document-{document}.{EXTENSION}");
        self.own.path.join(name)
    }

    fn remove_empty(&mut self) {
        let folders = std::mem::take(&mut self.others);
        for folder in folders {
            match copies_in(&folder.path).is_empty() {
                true => folder.remove(),
                false => self.others.push(folder),
            }
        }
    }
}

impl Folder {
    fn remove(self) {
        // Some systems do not remove what is open.
        drop(self.lock);
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            log::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// Opens a copy that was left behind.
///
/// # Errors
/// As [`open_project`](super::open_project).
pub fn open_left_behind(copy: &Path, limits: ReadLimits) -> Result<OpenedProject, ProjectError> {
    open_copy(copy, limits)
}

/// Waits for its turn; it ends when the file is dropped.
fn turn(root: &Path) -> io::Result<File> {
    let turn = File::create(root.join(TURN_NAME))?;
    turn.lock()?;
    Ok(turn)
}

/// The folders of programs that are no more, apart from those that are `taken`; and whether
/// programs that run have copies.
fn left_behind(root: &Path, taken: &[&Path]) -> (Vec<Folder>, bool) {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(FOLDER_PREFIX) && path.is_dir() && !taken.contains(&path.as_path())
    });
    let (mut found, mut are_held) = (Vec::new(), false);
    for path in paths {
        // One that has none was left while it was made.
        let lock = File::create(path.join(LOCK_NAME));
        let taken = lock.and_then(|lock| match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        });
        match taken {
            Ok(None) => are_held |= !copies_in(&path).is_empty(),
            Ok(Some(lock)) => {
                let folder = Folder { path, lock };
                match copies_in(&folder.path).is_empty() {
                    true => folder.remove(),
                    false => found.push(folder),
                }
            }
            Err(error) => log::warn!("{} could not be looked at: {error}", path.display()),
        }
    }
    (found, are_held)
}

fn copies_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| super::is_project_name(path)).collect()
}

/// What can be told of a copy without its layers. One that cannot be read is told
/// too: perhaps a later program can.
fn glance(copy: &Path) -> Option<LeftBehind> {
    let time = std::fs::metadata(copy).and_then(|metadata| metadata.modified());
    let (home, size_px) = glance_at_copy(copy).unwrap_or_else(|error| {
        log::warn!("{error}");
        (None, [0; 2])
    });
    let time = time.ok()?;
    let project = home.as_ref().filter(|home| home.is_project);
    let saved = project.map(|home| std::fs::metadata(&home.path).and_then(|it| it.modified()));
    Some(LeftBehind {
        copy: copy.to_owned(),
        is_older_than_file: saved.is_some_and(|saved| saved.is_ok_and(|saved| saved > time)),
        home,
        size_px,
        time,
    })
}

fn remove(copy: &Path) {
    match std::fs::remove_file(copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!("{} could not be removed: {error}", copy.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::Document;
    use crate::geometry::CanvasView;

    fn project(side_px: u32, home: Option<Home>) -> Project {
        let image = image::RgbaImage::from_pixel(side_px, side_px, image::Rgba([9, 8, 7, 255]));
        Project {
            document: Document::from_image("Picture", &image).unwrap(),
            view: CanvasView::default(),
            recipes: BTreeMap::new(),
            choices: super::super::Choices::default(),
            home,
        }
    }

    /// A program that ends without a word.
    fn crash(recovery: Recovery) {
        drop(recovery);
    }

    #[test]
    fn what_a_crash_leaves_is_offered_by_the_next_start_alone() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("recovery");
        let first = Recovery::begin(&root).unwrap();
        let home = Home {
            path: "/pictures/barn.velatura".into(),
            is_project: true,
        };
        let kept = project(40, Some(home.clone()));
        first.keep(kept.document.id(), &kept).unwrap();
        let second = Recovery::begin(&root).unwrap();
        assert_eq!(second.left_behind(), [], "its program runs");
        crash(first);

        let mut third = Recovery::begin(&root).unwrap();
        let fourth = Recovery::begin(&root).unwrap();
        assert_eq!(fourth.left_behind(), [], "another one offers it");
        let [offered] = &third.left_behind()[..] else {
            panic!("it is not offered")
        };
        assert_eq!(
            (offered.home.as_ref(), offered.size_px),
            (Some(&home), [40; 2])
        );
        let opened = open_left_behind(&offered.copy, ReadLimits::default()).unwrap();
        assert_eq!(opened.project.document, kept.document);
        assert_eq!(opened.project.home, Some(home));
        // A stranger's file does not say where the next save goes.
        let as_file = super::super::open_project(&offered.copy, ReadLimits::default());
        assert_eq!(as_file.unwrap().project.home, None);

        // It is lost neither before nor after it was taken over.
        let copy = offered.copy.clone();
        let opened = opened.project.document.id();
        third.adopt(&copy, opened).unwrap();
        assert_eq!(third.left_behind(), []);
        crash(third);
        let fifth = Recovery::begin(&root).unwrap();
        assert_eq!(fifth.left_behind().len(), 1);
        fifth.end();
        assert_eq!(Recovery::begin(&root).unwrap().left_behind().len(), 1);
    }

    #[test]
    fn what_a_program_leaves_that_ends_late_is_found_by_another_look() {
        let root = tempfile::tempdir().unwrap();
        let first = Recovery::begin(root.path()).unwrap();
        assert!(!first.are_held());
        let kept = project(40, None);
        first.keep(kept.document.id(), &kept).unwrap();
        let mut second = Recovery::begin(root.path()).unwrap();
        let own = project(3, None);
        second.keep(own.document.id(), &own).unwrap();
        second.look_again().unwrap();
        assert!(second.are_held() && second.left_behind().is_empty());
        crash(first);
        for _ in 0..2 {
            second.look_again().unwrap();
            assert!(!second.are_held());
            let offered = second.left_behind();
            assert_eq!(offered.len(), 1);
            assert_eq!(offered[0].size_px, [40; 2]);
        }
    }

    #[test]
    fn what_is_forgotten_or_given_up_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let recovery = Recovery::begin(root.path()).unwrap();
        let [a, b] = [project(3, None), project(4, None)];
        recovery.keep(a.document.id(), &a).unwrap();
        recovery.keep(b.document.id(), &b).unwrap();
        recovery.forget(a.document.id());
        recovery.forget(a.document.id());
        crash(recovery);
        let mut next = Recovery::begin(root.path()).unwrap();
        let offered = next.left_behind();
        assert_eq!(offered.len(), 1);
        assert_eq!(offered[0].size_px, [4; 2]);
        next.give_up(&offered[0].copy);
        assert_eq!(next.left_behind(), []);
        next.end();
        let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
