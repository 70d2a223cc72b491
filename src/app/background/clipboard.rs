//! The clipboard of the system. On X11 and Wayland the program that copied serves
//! what it copied, so its connection is kept for as long as the program runs.

use std::borrow::Cow;

use image::RgbaImage;

use super::events::BackgroundEvent;

fn opened(clipboard: &mut Option<arboard::Clipboard>) -> Result<&mut arboard::Clipboard, String> {
    if clipboard.is_none() {
        let opened = arboard::Clipboard::new()
            .map_err(|error| format!("The clipboard cannot be reached: {error}"))?;
        *clipboard = Some(opened);
    }
    clipboard
        .as_mut()
        .ok_or_else(|| "The clipboard cannot be reached".to_owned())
}

/// Puts a picture on the clipboard.
pub(super) fn copy(
    clipboard: &mut Option<arboard::Clipboard>,
    image: RgbaImage,
) -> Result<BackgroundEvent, String> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = Cow::Owned(image.into_raw());
    opened(clipboard)?
        .set_image(arboard::ImageData {
            width,
            height,
            bytes,
        })
        .map_err(|error| format!("The picture could not be copied: {error}"))?;
    Ok(BackgroundEvent::Copied)
}

/// Takes a picture from the clipboard.
pub(super) fn paste(clipboard: &mut Option<arboard::Clipboard>) -> Result<RgbaImage, String> {
    let found = opened(clipboard)?
        .get_image()
        .map_err(|_| "There is no picture on the clipboard".to_owned())?;
    let size = (u32::try_from(found.width), u32::try_from(found.height));
    let image = match size {
        (Ok(width), Ok(height)) => RgbaImage::from_raw(width, height, found.bytes.into_owned()),
        _ => None,
    };
    image.ok_or_else(|| "The picture on the clipboard is damaged".to_owned())
}
