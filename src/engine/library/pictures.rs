//! Pictures that stand for models: those that lie beside them, or else the last one
//! that was painted with them, which is kept in a folder of ours.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbaImage};
use sha2::{Digest as _, Sha256};

use crate::files::{open_file, write_whole};
use crate::recipe::ModelSource;

/// Longest side of a picture in a list, for dense screens too.
pub const PICTURE_PX: u32 = 384;
/// Folder of pictures that were painted.
const FOLDER: &str = "painted";
/// Longest side of a picture that is looked at.
const MOST_SIDE_PX: u32 = 16_384;
/// Memory that decoding may take.
const MOST_BYTES: u64 = 512 << 20;

/// A picture file, and when it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PictureFile {
    /// The file.
    pub path: PathBuf,
    /// When it was changed last.
    pub changed: Option<SystemTime>,
}

impl PictureFile {
    /// A file if it is there.
    pub(super) fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        let changed = metadata.modified().ok();
        metadata.is_file().then_some(Self { path, changed })
    }

    /// Reads it, at most [`PICTURE_PX`] large; `None` if it is no picture.
    pub fn read(&self) -> Option<RgbaImage> {
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_SIDE_PX);
        limits.max_image_height = Some(MOST_SIDE_PX);
        limits.max_alloc = Some(MOST_BYTES);
        let file = BufReader::new(open_file(&self.path).ok()?);
        let mut reader = ImageReader::new(file).with_guessed_format().ok()?;
        reader.limits(limits);
        Some(in_small(&reader.decode().ok()?))
    }
}

/// Where the picture that was painted last with a model is kept.
pub(super) fn painted_place(folder: &Path, model: &ModelSource) -> PathBuf {
    let name = match model {
        ModelSource::Storybook => "storybook".to_owned(),
        ModelSource::Folder(path) | ModelSource::Described { file: path, .. } => {
            let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
            digest[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }
    };
    folder.join(FOLDER).join(format!("{name}.png"))
}

/// Keeps a painted picture, in small, as the one of its model.
///
/// # Errors
/// If it cannot be written.
pub fn keep_painted(
    folder: &Path,
    model: &ModelSource,
    picture: &RgbaImage,
) -> std::io::Result<()> {
    let small = in_small(&DynamicImage::ImageRgba8(picture.clone()));
    let mut bytes = std::io::Cursor::new(Vec::new());
    small
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(std::io::Error::other)?;
    let path = painted_place(folder, model);
    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
    write_whole(&path, |file| file.write_all(bytes.get_ref()))
}

/// Has the picture of a model that was renamed stand for it again. Where that cannot be,
/// the next one that is painted does.
pub(super) fn move_painted(folder: &Path, old: &Path, new: &Path) {
    let place = |path: &Path| painted_place(folder, &ModelSource::Folder(path.to_path_buf()));
    std::fs::rename(place(old), place(new)).ok();
}

fn in_small(picture: &DynamicImage) -> RgbaImage {
    if picture.width().max(picture.height()) <= PICTURE_PX {
        return picture.to_rgba8();
    }
    picture.thumbnail(PICTURE_PX, PICTURE_PX).to_rgba8()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painted_pictures_are_kept_in_small() {
        let folder = tempfile::tempdir().unwrap();
        let model = ModelSource::Folder("/m/one.safetensors".into());
        let picture = RgbaImage::from_pixel(1024, 512, image::Rgba([9, 80, 200, 255]));
        keep_painted(folder.path(), &model, &picture).unwrap();
        let file = PictureFile::of(painted_place(folder.path(), &model)).unwrap();
        let read = file.read().unwrap();
        assert_eq!(read.dimensions(), (384, 192));
        assert_eq!(read.get_pixel(7, 7).0, [9, 80, 200, 255]);
        let other = painted_place(folder.path(), &ModelSource::Storybook);
        assert_eq!(PictureFile::of(other), None);
        let broken = folder.path().join("broken.png");
        std::fs::write(&broken, "no picture").unwrap();
        assert_eq!(PictureFile::of(broken).unwrap().read(), None);
    }
}
