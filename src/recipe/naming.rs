//! Names for pictures that are saved without being asked for one:
//! `<folder>/2026-03-09/00041-<seed>.png`, as A1111's web UI does.

use std::io;
use std::path::{Path, PathBuf};

/// Today's date where the user lives, as `2026-03-09`; in UTC where the system
/// does not tell its time zone.
pub fn today() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d").to_string()
}

/// The next free name for a picture of today. Makes the folder of the day.
///
/// # Errors
/// When the folder cannot be made or read.
pub fn next_picture_path(root: &Path, seed: u64, extension: &str) -> io::Result<PathBuf> {
    next_in_folder(&root.join(today()), seed, extension)
}

fn next_in_folder(folder: &Path, seed: u64, extension: &str) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    // One more than the highest number: numbers are not given again after a
    // picture was deleted.
    let mut next = 0_u64;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('-'));
        if let Some(number) = number.and_then(|(number, _)| number.parse::<u64>().ok()) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(folder.join(format!("{next:05}-{seed}.{extension}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_from_the_highest() {
        let folder = tempfile::tempdir().unwrap();
        let name = |seed| {
            let path = next_in_folder(folder.path(), seed, "png").unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(7), "00000-7.png");
        std::fs::write(folder.path().join("00041-9.webp"), []).unwrap();
        std::fs::write(folder.path().join("99999.png"), []).unwrap();
        std::fs::write(folder.path().join("holiday-2.png"), []).unwrap();
        assert_eq!(name(u64::MAX), "00042-18446744073709551615.png");
    }

    #[test]
    fn a_picture_lies_in_the_folder_of_its_day() {
        let root = tempfile::tempdir().unwrap();
        let path = next_picture_path(root.path(), 1, "jpg").unwrap();
        let day = path.parent().unwrap().file_name().unwrap();
        let day = day.to_str().unwrap();
        assert_eq!(day.len(), 10);
        assert!(day.parse::<jiff::civil::Date>().is_ok(), "{day} is a date");
        assert!(path.ends_with("00000-1.jpg"));
    }
}
