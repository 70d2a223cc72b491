//! What the system and decoders say of files, in words that help.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind};

/// What stands before the number of a system's error.
const NUMBER: &str = " (os error ";

/// What is wrong and what to do about it, as the end of a sentence that names the file:
/// the system's own words are of no use to somebody who paints.
pub fn reason_of(error: &io::Error) -> String {
    let error = innermost(error);
    if error.get_ref().is_some() {
        let text = error.to_string();
        // What was said in words of ours says what to do; encoders only repeat the system's.
        return match number_in(&text) {
            Some(number) => reason_of(&io::Error::from_raw_os_error(number)),
            None => text,
        };
    }
    let known = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder; check the path",
        ErrorKind::PermissionDenied => {
            "the system does not allow it; change the permissions, or choose another place"
        }
        ErrorKind::AlreadyExists => "something of that name is there already; choose another name",
        ErrorKind::IsADirectory => "it is a folder; choose a file",
        ErrorKind::NotADirectory => "a part of the path is a file and no folder; check the path",
        ErrorKind::DirectoryNotEmpty => "the folder is not empty; choose another one",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full; make room on it, or choose another one"
        }
        ErrorKind::FileTooLarge => "the file is larger than the disk can hold; choose another disk",
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read; choose another place",
        ErrorKind::InvalidFilename => {
            "the name is too long, or has letters that the disk does not take; choose another name"
        }
        ErrorKind::ExecutableFileBusy | ErrorKind::ResourceBusy => {
            "another program is using it; close that and try again"
        }
        ErrorKind::UnexpectedEof => "it ends too early; fetch or save it once more",
        ErrorKind::OutOfMemory => "there is not enough memory; close other programs and try again",
        ErrorKind::NetworkDown
        | ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::StaleNetworkFileHandle
        | ErrorKind::TimedOut => "its disk does not answer; connect it and try again",
        _ => {
            let text = error.to_string();
            let plain = text.split(NUMBER).next().unwrap_or(&text);
            return format!(
                "the system says \u{201c}{plain}\u{201d}; try again, or choose another place"
            );
        }
    };
    known.to_owned()
}

/// What is wrong with a picture that a decoder gave up, and what to do about it, as the end of
/// a sentence that names the file: decoders speak of chunks and markers.
pub fn damage_of(error: &dyn Display) -> &'static str {
    let text = error.to_string();
    log::debug!("A decoder says: {text}");
    let text = text.to_ascii_lowercase();
    let is_cut_off = ["unexpected end", "not enough bytes", "missing", "too short"];
    match is_cut_off.iter().any(|words| text.contains(words)) {
        true => "it ends before its picture does; fetch or save it once more",
        false => "its contents contradict each other; fetch or save it once more",
    }
}

/// The number of the system's error that a text ends in.
fn number_in(text: &str) -> Option<i32> {
    let (_, number) = text.rsplit_once(NUMBER)?;
    number.strip_suffix(')')?.parse().ok()
}

/// The system's error behind those of others, such as a picture's encoder's.
fn innermost(error: &io::Error) -> &io::Error {
    let mut found = error;
    let mut next: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = next {
        found = inner.downcast_ref().unwrap_or(found);
        // An error of the system has no source, one around another has it within.
        next = match inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(within) => Some(within as _),
            None => inner.source(),
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_to_do() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::AlreadyExists,
            ErrorKind::IsADirectory,
            ErrorKind::NotADirectory,
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::InvalidFilename,
            ErrorKind::ResourceBusy,
            ErrorKind::TimedOut,
            ErrorKind::Other,
        ] {
            let text = reason_of(&kind.into());
            assert!(text.contains("; "), "{kind:?}: {text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_the_system_says_has_no_numbers() {
        // ENOENT, EIO, EACCES, EISDIR, EMFILE, ENOSPC, EROFS, ENAMETOOLONG, ELOOP
        for number in [2, 5, 13, 21, 24, 28, 30, 36, 40] {
            let text = reason_of(&io::Error::from_raw_os_error(number));
            assert!(!text.contains("os error") && text.contains("; "), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_and_a_folder_in_its_place_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let gone = std::fs::read(folder.path().join("gone")).unwrap_err();
        assert!(reason_of(&gone).starts_with("there is no such file"));
        let inside = std::fs::write(folder.path(), "").unwrap_err();
        assert!(reason_of(&inside).contains("folder"), "{inside}");
    }

    #[cfg(unix)]
    #[test]
    fn encoders_only_repeat_what_the_system_says() {
        let full = || io::Error::from_raw_os_error(28);
        for encoder in [
            io::Error::other(image::ImageError::IoError(full())),
            io::Error::other(full().to_string()),
        ] {
            let text = reason_of(&encoder);
            assert!(text.starts_with("the disk is full"), "{text}");
        }
    }

    #[test]
    fn the_systems_error_is_found_behind_others() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let nested = io::Error::other(io::Error::other(full()));
        assert!(reason_of(&nested).starts_with("the disk is full"));
        // Words of ours stay as they are.
        let own = io::Error::other("it is a folder; choose a file");
        assert_eq!(reason_of(&own), "it is a folder; choose a file");
    }
}
