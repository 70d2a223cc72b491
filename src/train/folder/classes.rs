//! Classes that are the folders which pictures lie in.

use std::path::{Path, PathBuf};

/// Which folders tell pictures apart: those just below the deepest one that all lie in.
pub(super) struct Classes {
    above: PathBuf,
}

impl Classes {
    pub fn of<'a>(mut pictures: impl Iterator<Item = &'a PathBuf>) -> Self {
        let first = pictures.next().and_then(|path| path.parent());
        let mut above = first.unwrap_or(Path::new("")).to_path_buf();
        for path in pictures {
            while !path.starts_with(&above) && above.pop() {}
        }
        Self { above }
    }

    /// The folder of a picture's kind; `None` for one that lies in none.
    pub fn class(&self, picture: &Path) -> Option<String> {
        let below = picture.parent()?.strip_prefix(&self.above).ok()?;
        let folder = below.components().next()?;
        Some(folder.as_os_str().to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_below_the_common_one_are_classes() {
        let paths = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        let classes = |names: &[&str]| -> Vec<Option<String>> {
            let paths = paths(names);
            let classes = Classes::of(paths.iter());
            paths.iter().map(|path| classes.class(path)).collect()
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            classes(&[
                "/r/images/cats/a.png",
                "/r/images/dogs/big/b.png",
                "/r/images/c.png"
            ]),
            [some("cats"), some("dogs"), None]
        );
        assert_eq!(classes(&["/r/cats/a.png", "/r/cats/b.png"]), [None, None]);
        assert_eq!(classes(&["a.png"]), [None]);
        assert!(classes(&[]).is_empty());
    }
}
