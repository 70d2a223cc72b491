//! What a folder holds, before anything is trained.

use std::path::Path;

use super::beside::Beside;
use super::classes::Classes;
use super::coco::BoxLists;
use super::{picture, scan};
use crate::train::holdings::Holdings;

/// Longest list of files that is looked through.
const MOST_FILES: usize = 20_000;

/// What is known of the pictures of a folder. They are not looked into, and of very many
/// files only the first are counted.
///
/// # Errors
/// Why there is nothing to be counted, as a sentence.
pub fn survey_of_folder(folder: &Path) -> Result<Holdings, String> {
    let files = scan::first_files(folder, MOST_FILES);
    let beside = Beside::of(&files);
    let lists = BoxLists::read(beside.lists());
    let classes = Classes::of(files.iter().filter(|path| beside.is_shown(path)));
    let mut holdings = Holdings::default();
    let mut odd = scan::Oddities::default();
    for path in files.iter().filter(|path| beside.is_shown(path)) {
        let boxes = beside.boxes(path);
        let has_boxes = boxes.is_some() || lists.name(path);
        let size = has_boxes.then(|| picture::size_px(path).ok()).flatten();
        let boxes = size.map(|size| odd.objects(path, boxes, &lists, size.into()));
        let labels = beside.labels(path);
        holdings.add(
            classes.class(path).as_deref(),
            beside.caption(path).is_some(),
            &boxes.unwrap_or_default(),
            labels.as_ref().map(|labels| labels.palette.as_ref()),
        );
    }
    if holdings.pictures == Some(0) {
        return Err(format!("There are no pictures in {}", folder.display()));
    }
    holdings.is_more = files.len() == MOST_FILES;
    holdings.notes = scan::notes(&beside, &lists, &files);
    let problems = lists.problems.iter();
    holdings
        .notes
        .extend(problems.map(|problem| format!("{problem}; its boxes are left out")));
    holdings.notes.extend(beside.problems.iter().cloned());
    Ok(holdings)
}
